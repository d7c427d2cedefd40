"""Both databases: there, at this version's schema, guarded, durable; and the keys and the log in them."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Role
from app.agents.models import StaffAccount
from app.audit import queries as audit
from app.checks import triggers
from app.checks.finding import Colour, Finding, judged
from app.database import reading
from app.key_files import KEK_FILE
from app.key_versions import versions
from app.migrating import standings
from app.services import Services
from app.settings import Settings
from app.vault import KeyFile

SIGNED_WITHIN: Final = timedelta(minutes=5)
OLDEST_POSTGRESQL: Final = 150000
DURABLE: Final = {"fsync": "on", "full_page_writes": "on"}


async def schema(settings: Settings) -> list[Finding]:
    """Both databases have the newest revision."""
    return [
        judged(
            f"schema, {one.history}",
            one.is_current,
            f"revision {one.revision}",
            f"revision {one.revision or 'none'}, not {one.newest}; run `riserbo migrate`",
        )
        for one in await standings(settings)
    ]


async def apart(settings: Settings) -> list[Finding]:
    """Wrapped keys and ciphertexts do not lie in one database."""
    main, keys = (make_url(url) for url in (settings.main_database, settings.key_database))
    bad = "wrapped keys lie in the main database: whoever copies it has both; give the key store its own"
    same = (main.host, main.port, main.database) == (keys.host, keys.port, keys.database)
    return [judged("key store", not same, "a database of its own", bad)]


async def guarded(connection: AsyncConnection) -> list[Finding]:
    """The triggers are those of a fresh schema."""
    wrong = await triggers.differing(connection)
    few = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
    count = len(triggers.expected(connection.dialect.name))
    return [judged("triggers", not wrong, f"{count} as in a fresh schema", f"missing or changed: {few}")]


async def durable(connection: AsyncConnection) -> list[Finding]:
    """What was committed survives a power cut."""
    if connection.dialect.name == "sqlite":
        return await _durable_sqlite(connection)
    return await _durable_postgresql(connection)


async def _durable_sqlite(connection: AsyncConnection) -> list[Finding]:
    journal = (await connection.execute(text("PRAGMA journal_mode"))).scalar_one()
    level = (await connection.execute(text("PRAGMA synchronous"))).scalar_one()
    intact = (await connection.execute(text("PRAGMA quick_check(1)"))).scalar_one()
    return [
        judged("durability", (journal, level) == ("wal", 2), "WAL, FULL", f"journal {journal}, synchronous {level}"),
        judged("database file", intact == "ok", "intact", f"damaged: {intact}; restore the backup"),
    ]


async def _durable_postgresql(connection: AsyncConnection) -> list[Finding]:
    version = int((await connection.execute(text("SHOW server_version_num"))).scalar_one())
    found = {name: (await connection.execute(text(f"SHOW {name}"))).scalar_one() for name in DURABLE}
    committed = (await connection.execute(text("SHOW synchronous_commit"))).scalar_one()
    off = [f"{name} is {value}" for name, value in found.items() if value != DURABLE[name]]
    off += [f"synchronous_commit is {committed}"] if committed == "off" else []
    old = f"version {version // 10000} is too old: 15 or newer"
    return [
        judged("PostgreSQL", version >= OLDEST_POSTGRESQL, f"version {version // 10000}", old),
        judged("durability", not off, "fsync, full pages, synchronous commit", "; ".join(off)),
        await _role(connection),
        await _encrypted(connection),
    ]


async def _role(connection: AsyncConnection) -> Finding:
    """The role that the service uses may change rows and nothing else: it could else drop the triggers."""
    query = text(
        "SELECT rolsuper OR rolcreaterole OR rolbypassrls OR has_schema_privilege(current_schema(), 'CREATE')"
        " OR EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND pg_has_role(tableowner, 'MEMBER'))"
        " FROM pg_roles WHERE rolname = current_user"
    )
    strong = (await connection.execute(query)).scalar_one()
    bad = "the service's role may change the schema, and so drop triggers; see docs/operations.md for two roles"
    return judged("database role", not strong, "rows only", bad)


async def _encrypted(connection: AsyncConnection) -> Finding:
    query = text(
        "SELECT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)"
        " OR inet_client_addr() IS NULL"
    )
    safe = (await connection.execute(query)).scalar_one()
    return judged("database connection", safe, "TLS or a local socket", "in the clear; add sslmode=verify-full")


async def opened_keys(settings: Settings) -> list[Finding]:
    """The key store's keys open with the key file's, one of each version; none is made for the sake of looking."""
    keys = KeyFile(settings.keys / KEK_FILE)
    held = await versions(settings)
    for one in held:
        if one.sample is not None:
            key_id, wrapped = one.sample
            await keys.unwrap(key_id, wrapped)
    stale = sum(one.data_keys for one in held if not one.is_current)
    current = next(one.number for one in held if one.is_current)
    bad = f"{stale} data keys wait for a new wrapping; run `riserbo keys rewrap`"
    return [judged("data keys", not stale, f"all under version {current}", bad, otherwise=Colour.YELLOW)]


async def log(services: Services) -> list[Finding]:
    """Leaves get places, and the head is signed: a worker runs."""
    async with reading(services) as db:
        newest, pending = await audit.latest_checkpoint(db), await audit.pending_count(db)
    if newest is None:
        return [Finding("evidence log", Colour.RED, "never signed; is a worker running?")]
    age = services.clock() - newest.created_at
    good = f"signed at size {newest.size}, {int(age.total_seconds())} s ago"
    bad = f"last signed {age} ago, {pending} leaves wait; start `riserbo serve` or `riserbo worker`"
    return [judged("evidence log", age <= SIGNED_WITHIN, good, bad)]


async def people(services: Services) -> list[Finding]:
    """Somebody may administer, and somebody may ask for exports."""
    async with reading(services) as db:
        found = await db.execute(select(StaffAccount.role).where(StaffAccount.active.is_(True)))
        roles = set(found.scalars())
    missing = [role.value for role in (Role.ADMINISTRATOR, Role.COMPLIANCE, Role.SUPERVISOR) if role.value not in roles]
    bad = f"nobody is {', '.join(missing)}; run `riserbo agents add`"
    return [judged("staff", not missing, "every role is filled", bad, otherwise=Colour.YELLOW)]
