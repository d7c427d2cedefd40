from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app import migrating
from app.settings import Settings
from migrations import triggers
from tests.architecture.sources import ROOT
from tests.migrations.schemas import contents_of, engine_of, fill, schema_of, tables_of

GROWS = {"audit_leaves", "audit_pending"}


def _revisions() -> list[str]:
    scripts = ScriptDirectory.from_config(migrating.script_config("main"))
    return [script.revision for script in scripts.walk_revisions()][::-1]


async def test_rows_survive_every_step_up_and_every_step_back(settings: Settings) -> None:
    url = settings.main_database
    held = []
    for revision in _revisions():
        await migrating.migrate(settings, to=revision)
        fill(url, tables_of(url))
        tables = [table for table in tables_of(url) if table.name not in GROWS]
        held.append((revision, tables, contents_of(url, tables)))
    assert len(tables_of(url)) >= 30
    for revision, tables, contents in reversed(held):
        await migrating.migrate(settings, to=revision)
        assert {table.name for table in tables_of(url)} == {table.name for table in tables} | GROWS
        assert contents_of(url, tables) == contents
    await migrating.migrate(settings)
    assert contents_of(url, held[0][1]) == held[0][2]


async def test_a_run_that_fails_half_way_has_changed_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    protect = triggers.protect

    def fail_late(table: str) -> None:
        if table == "messages":
            raise ZeroDivisionError
        protect(table)

    monkeypatch.setattr(triggers, "protect", fail_late)
    with pytest.raises(ZeroDivisionError):
        await migrating.migrate(settings)
    assert schema_of(settings.main_database) == {}
    monkeypatch.undo()
    await migrating.migrate(settings)
    assert await migrating.is_current(settings)


async def test_two_runs_in_one_process_do_not_meet(settings: Settings) -> None:
    await asyncio.gather(migrating.migrate(settings), migrating.migrate(settings))
    assert await migrating.is_current(settings)


async def test_two_processes_at_once_do_the_work_once(settings: Settings, tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from app import migrating\n"
        "for history, url in zip(('keys', 'main'), sys.argv[1:]): migrating._run(history, url, 'head', None)"
    )
    command = [sys.executable, "-c", program, settings.key_database, settings.main_database]
    running = [await asyncio.create_subprocess_exec(*command, cwd=ROOT) for _ in range(2)]
    assert [await asyncio.wait_for(one.wait(), 60) for one in running] == [0, 0]
    assert await migrating.is_current(settings)


async def test_an_unknown_revision_is_refused(settings: Settings) -> None:
    with pytest.raises(migrating.MigrationRefused, match="9999"):
        await migrating.migrate(settings, to="9999")


async def test_a_database_ahead_of_this_version_is_refused_and_not_current(settings: Settings) -> None:
    await migrating.migrate(settings)
    with engine_of(settings.main_database).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9998'"))
    assert not await migrating.is_current(settings)
    with pytest.raises(migrating.MigrationRefused, match="9998"):
        await migrating.migrate(settings)


def test_asking_where_a_database_stands_makes_none(tmp_path: Path, settings: Settings) -> None:
    assert not asyncio.run(migrating.is_current(settings))
    assert list(tmp_path.glob("*.db")) == []
    assert {standing.revision for standing in asyncio.run(migrating.standings(settings))} == {None}
