from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from app import migrating
from app.database import Base
from app.settings import Settings
from app.vault import KeyBase
from tests.migrations.schemas import AUDITED, engine_of, fill, schema_of, tables_of


async def test_migrated_schema_equals_a_fresh_one(settings: Settings, fresh_url: str) -> None:
    with engine_of(fresh_url).begin() as connection:
        Base.metadata.create_all(connection)
    await migrating.migrate(settings)
    migrated, fresh = schema_of(settings.main_database), schema_of(fresh_url)
    assert len([name for name in fresh if name.startswith("trigger")]) >= 2 * len(AUDITED)
    assert migrated == fresh


async def test_migrated_key_store_equals_a_fresh_one(settings: Settings, fresh_url: str) -> None:
    with engine_of(fresh_url).begin() as connection:
        KeyBase.metadata.create_all(connection)
    await migrating.migrate(settings)
    assert schema_of(settings.key_database) == schema_of(fresh_url) != {}


async def test_alembic_finds_nothing_to_generate(settings: Settings) -> None:
    await migrating.migrate(settings)
    pairs = ((settings.main_database, Base.metadata), (settings.key_database, KeyBase.metadata))
    for url, metadata in pairs:
        with engine_of(url).connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": url.startswith("postgresql")})
            assert compare_metadata(context, metadata) == []


async def test_the_way_down_leaves_nothing_behind_and_up_again_is_the_same(settings: Settings) -> None:
    await migrating.migrate(settings)
    first = schema_of(settings.main_database)
    fill(settings.main_database, tables_of(settings.main_database))
    await migrating.migrate(settings, to="base")
    assert schema_of(settings.main_database) == {}
    await migrating.migrate(settings)
    assert schema_of(settings.main_database) == first


def test_revisions_are_one_line_without_branches() -> None:
    for history in migrating.HISTORIES:
        scripts = ScriptDirectory.from_config(migrating.script_config(history))
        revisions = [script.revision for script in scripts.walk_revisions()]
        assert len(scripts.get_heads()) == len(scripts.get_bases()) == 1
        assert revisions == [f"{number:04}" for number in range(len(revisions), 0, -1)]
