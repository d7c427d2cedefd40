"""A build that fails, dies, is cancelled or runs twice: the next try succeeds, and nothing in the clear stays behind."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from app.actors import SYSTEM
from app.audit.service import record
from app.compliance import building, service
from app.compliance.bag import write_bag
from app.compliance.building import build_export
from app.compliance.errors import ExportNotReady
from app.compliance.models import Export
from app.compliance.workspace import remove_abandoned, workspace
from app.conversations.models import Message
from app.database import transaction
from app.ids import new_id
from app.notifications.models import OutboxRow
from app.notifications.service import MOST_ATTEMPTS, Work
from app.permissions import DataClass
from security.errors import SecurityError
from tests.app.compliance.archive import Archive, complained_and_bound, verify
from tests.app.compliance.killed_build import DIED

TEXT = "Buongiorno, il canarino-uno dice che il bollo è doppio."
STEPS = ("_heads", "_ground", "workspace", "write_bag", "_write", "_complete", "finish")


class Outage(Exception):
    """Something that passes."""


def failing(step: Any) -> Any:
    """The step, done, and then an error."""

    async def later(made: Any) -> Any:
        await made
        raise Outage

    def failed(*arguments: Any, **options: Any) -> Any:
        made = step(*arguments, **options)
        if asyncio.iscoroutine(made):
            return later(made)
        raise Outage

    return failed


async def outbox(archive: Archive, row_id: UUID) -> OutboxRow:
    row: OutboxRow = await archive.bank.one(OutboxRow, row_id)
    return row


@pytest.mark.parametrize("step", STEPS)
async def test_a_build_that_fails_at_any_step_leaves_nothing_and_the_next_try_succeeds(
    archive: Archive, step: str
) -> None:
    bound = await complained_and_bound(archive)
    await archive.talk(bound, TEXT)
    await archive.log_round()
    trust, export = await archive.trust(), await archive.ask(bound)
    work = await archive.work()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, step, failing(getattr(building, step)))
        with pytest.raises(Outage):
            await archive.build(work)
    assert [name for name in archive.folder() if not name.endswith(".bag.sealed")] == []
    await archive.build(work)
    assert verify(await archive.fetch(export.id), trust)["problems"] == []
    assert len(await archive.bank.leaves("export.created")) == 1
    assert len(await archive.bank.leaves("export.finished")) == 1
    row = await outbox(archive, work.id)
    assert (row.outcome, row.sealed_payload) == ("done", None)


@pytest.mark.parametrize("step", ["write_bag", "_write"])
async def test_a_worker_killed_in_a_build_leaves_nothing_that_the_next_build_does_not_clear(
    archive: Archive, step: str
) -> None:
    bound = await complained_and_bound(archive)
    await archive.talk(bound, TEXT)
    await archive.log_round()
    trust, export = await archive.trust(), await archive.ask(bound)
    work = await archive.work()
    assert await archive.die_building(work, step) == DIED
    left = [path for path in archive.ports.folder.rglob("*") if path.is_file()]
    assert any(TEXT.encode() in path.read_bytes() for path in left)
    archive.bank.clock.pass_by(seconds=61)
    await archive.build(await archive.work())
    assert archive.folder() == [f"{export.id}.bag.sealed"]
    assert verify(await archive.fetch(export.id), trust)["problems"] == []


async def test_a_cancelled_build_leaves_nothing_in_the_clear(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    await archive.talk(bound, TEXT)
    export = await archive.ask(bound)
    work = await archive.work()
    begun, cancelled, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(directory: Path, *arguments: Any) -> None:
        begun.set()
        assert cancelled.wait(10)
        time.sleep(1)
        write_bag(directory, *arguments)
        ended.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "write_bag", slow)
        running = asyncio.create_task(archive.build(work))
        assert await asyncio.to_thread(begun.wait, 10)
        running.cancel()
        cancelled.set()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert ended.is_set(), "the folder was removed under a thread that still wrote into it"
    assert [name for name in archive.folder() if not name.endswith(".bag.sealed")] == []
    await archive.build(work)
    assert (await archive.row(export.id)).state == "ready"


async def test_two_builds_at_once_make_one_bag_and_say_so_once(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    await archive.talk(bound, TEXT)
    await archive.log_round()
    trust, export = await archive.trust(), await archive.ask(bound)
    work = await archive.work()
    await asyncio.gather(archive.build(work), build_export(archive.services, archive.ports, work))
    assert verify(await archive.fetch(export.id), trust)["problems"] == []
    assert len(await archive.bank.leaves("export.created")) == 1
    assert len(await archive.bank.leaves("export.finished")) == 1
    assert archive.folder() == [f"{export.id}.bag.sealed"]


async def test_a_finished_export_is_not_built_again(archive: Archive) -> None:
    export = await archive.ask()
    work = await archive.work()
    await archive.build(work)
    before = (archive.ports.folder / f"{export.id}.bag.sealed").read_bytes()
    await build_export(archive.services, archive.ports, work)
    assert (archive.ports.folder / f"{export.id}.bag.sealed").read_bytes() == before


async def test_work_for_an_export_that_does_not_exist_is_closed(archive: Archive) -> None:
    export = await archive.ask()
    work = await archive.work()
    gone = Work(work.id, work.topic, {"export": str(new_id(archive.bank.clock()))}, 1, None)
    await build_export(archive.services, archive.ports, gone)
    assert (await outbox(archive, work.id)).done_at is not None
    assert (await archive.row(export.id)).state == "requested"


@pytest.mark.parametrize("attempts", [MOST_ATTEMPTS, MOST_ATTEMPTS + 1])
async def test_an_export_whose_last_try_fails_has_failed_and_says_so(archive: Archive, attempts: int) -> None:
    export = await archive.ask()
    work = await archive.work()
    last = Work(work.id, work.topic, work.payload, attempts, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "write_bag", failing(write_bag))
        await archive.build(last)
    row = await archive.row(export.id)
    reason = "Outage" if attempts == MOST_ATTEMPTS else "gave_up"
    assert (row.state, row.failure) == ("failed", reason)
    assert [leaf["data"] for leaf in await archive.bank.leaves("export.failed")] == [{"reason": reason}]
    assert (await outbox(archive, work.id)).done_at is not None
    assert archive.folder() == []
    with pytest.raises(ExportNotReady):
        await service.download(archive.services, archive.ports, archive.officer, export.id)


async def test_a_text_that_is_not_the_sealed_one_any_more_fails_the_export_at_once(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    await archive.talk(bound, TEXT)
    export = await archive.ask(bound)
    async with transaction(archive.services) as db:
        row = (await db.execute(select(Message))).scalar_one()
        row.sealed_text = row.sealed_text[:-1] + bytes([row.sealed_text[-1] ^ 1])
        row.leaf_id = record(db, "room.left", stream="log", actor=SYSTEM)
    await archive.build(await archive.work())
    assert (await archive.row(export.id)).failure == "DecryptionFailed"
    assert archive.folder() == []


async def test_a_leaf_rewritten_in_the_database_fails_the_export(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    await archive.talk(bound, TEXT)
    await archive.log_round()
    export = await archive.ask(bound)
    async with transaction(archive.services) as db:
        leaf = (await archive.bank.leaves("message.sent"))[0]
        kind = archive.services.write_engine.dialect.name
        off = (
            "DROP TRIGGER audit_leaves_no_update"
            if kind == "sqlite"
            else "ALTER TABLE audit_leaves DISABLE TRIGGER USER"
        )
        await db.execute(text(off))
        await db.execute(
            text("UPDATE audit_leaves SET leaf = :leaf WHERE stream = :stream AND n = :n"),
            {"leaf": b"{}", "stream": leaf["stream"], "n": leaf["n"]},
        )
    await archive.build(await archive.work())
    assert (await archive.row(export.id)).failure == "EvidenceFails"


async def test_a_held_workspace_is_left_alone_and_an_abandoned_one_is_not(archive: Archive) -> None:
    abandoned = archive.ports.folder / ".build-abandoned"
    abandoned.mkdir()
    (abandoned / "transcript.txt").write_text(TEXT)
    with workspace(archive.ports.folder) as held:
        assert not abandoned.exists()
        (held / "transcript.txt").write_text(TEXT)
        assert held.stat().st_mode & 0o777 == 0o700
        assert remove_abandoned(archive.ports.folder) == 0
        assert (held / "transcript.txt").exists()
    assert archive.folder() == []


async def test_the_sealed_bag_shows_nothing_of_what_is_in_it(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    await archive.talk(bound, TEXT)
    export = await archive.ask(bound, reason="canarino-motivo")
    work = await archive.work()
    async with transaction(archive.services) as db:
        row = await db.get_one(Export, export.id)
        assert b"canarino" not in row.sealed_reason
    await archive.build(work)
    sealed = archive.ports.folder / f"{export.id}.bag.sealed"
    assert sealed.stat().st_mode & 0o777 == 0o600
    stored = sealed.read_bytes()
    for plain in (b"canarino", TEXT.encode(), b"transcript", b"PK\x03\x04", b"riserbo", str(export.id).encode()):
        assert plain not in stored
    told = json.dumps([leaf["data"] for leaf in await archive.bank.leaves()])
    assert "canarino" not in told


async def test_a_sealed_bag_that_was_touched_does_not_open(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    await archive.talk(bound, TEXT)
    await archive.answer(bound, TEXT, DataClass.ACCOUNT)
    export = await archive.ask(bound)
    await archive.build(await archive.work())
    sealed = archive.ports.folder / f"{export.id}.bag.sealed"
    whole = sealed.read_bytes()
    for touched in (
        whole[:-1],
        whole[:-40_000],
        whole[:200] + bytes([whole[200] ^ 1]) + whole[201:],
        whole + b"x",
        b"",
    ):
        sealed.write_bytes(touched)
        with pytest.raises(SecurityError):
            await archive.fetch(export.id)
    sealed.write_bytes(whole)
    await archive.fetch(export.id)
