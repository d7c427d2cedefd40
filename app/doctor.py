"""The doctor: looks at everything that must hold before a bank goes live, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.checks import databases, files, outside, policy, staff
from app.checks.finding import Colour, Finding
from app.database import create_engines, dispose
from app.key_files import KEK_FILE, KeyFileRefused
from app.main import Parts, outbound_from, parts_from
from app.services import Services, system_clock
from app.settings import Settings
from app.vault import KeyFile, Vault

Look = Callable[[], Awaitable[Iterable[Finding]]]
MARKS: Final = {Colour.GREEN: "ok  ", Colour.YELLOW: "warn", Colour.RED: "FAIL"}
PAINT: Final = {Colour.GREEN: "32", Colour.YELLOW: "33", Colour.RED: "31"}


async def examine(settings: Settings, parts: Parts | None = None) -> list[Finding]:
    """Every finding, in the order of the table; what cannot be looked at is red. Without `parts`, the settings' own."""
    found = [*files.addresses(settings), *files.folders(settings), *files.keys(settings), *files.secrets(settings)]
    found += await _looked("databases", lambda: databases.apart(settings))
    schema = await _looked("schema", lambda: databases.schema(settings))
    found += schema
    if all(one.colour is Colour.GREEN for one in schema):
        found += await _inside(settings)
    given = _parts(settings, parts)
    found += policy.in_words(settings, None if isinstance(given, Finding) else given)
    return [*found, given] if isinstance(given, Finding) else found + await _outside(settings, given)


def examine_policy(settings: Settings) -> list[Finding]:
    """The policy alone, laid over what the settings connect; no database is looked at."""
    given = _parts(settings, None)
    return list(policy.in_words(settings, None if isinstance(given, Finding) else given))


async def _inside(settings: Settings) -> list[Finding]:
    """What only a migrated installation can be asked."""
    write, read = create_engines(settings.main_database)
    key_write, key_read = create_engines(settings.key_database)
    vault = Vault(KeyFile(settings.keys / KEK_FILE), key_write, system_clock)
    services = Services(write, read, vault, outbound_from(settings))
    try:
        found = await _with(read, "triggers", databases.guarded) + await _with(read, "durability", databases.durable)
        found += await _looked("data keys", lambda: databases.opened_keys(settings))
        found += await _looked("evidence log", lambda: databases.log(services))
        return found + await _looked("staff", lambda: databases.people(services))
    finally:
        await dispose(write, read, key_write, key_read)


def _parts(settings: Settings, parts: Parts | None) -> Parts | Finding:
    try:
        return parts or parts_from(settings, outbound_from(settings))
    except OSError as fault:
        return Finding("secrets", Colour.RED, f"{fault.filename}: {fault.strerror}")
    except KeyFileRefused as refused:
        return Finding("secrets", Colour.RED, str(refused))


async def _outside(settings: Settings, given: Parts) -> list[Finding]:
    rule, _ = policy.judged(settings, given)
    found = [*outside.networks(given), *outside.providers(given, rule), *outside.senders(settings, given)]
    found += outside.phones(settings, given, rule)
    found += await _looked("networks", lambda: outside.accounts(given))
    found += await _looked("token issuers", lambda: outside.token_issuers(settings))
    found += await _looked(staff.PART, lambda: staff.sign_in(settings, system_clock()))
    found += staff.provisioning(settings)
    found += await _looked("providers", lambda: outside.reachable(given, system_clock()))
    return found + await _looked("directory", lambda: outside.directory(settings, given.directory))


async def _with(
    engine: AsyncEngine, part: str, look: Callable[[AsyncConnection], Awaitable[list[Finding]]]
) -> list[Finding]:
    async def looked() -> list[Finding]:
        async with engine.connect() as connection:
            return await look(connection)

    return await _looked(part, looked)


async def _looked(part: str, look: Look) -> list[Finding]:
    try:
        return list(await look())
    except Exception as fault:  # noqa: BLE001 (whatever it is, this part does not hold)
        return [Finding(part, Colour.RED, f"cannot be looked at ({type(fault).__name__})")]


def is_red(findings: Sequence[Finding]) -> bool:
    """Whether something must be mended before going live."""
    return any(one.colour is Colour.RED for one in findings)


def as_table(findings: Sequence[Finding], *, coloured: bool) -> str:
    """The table for a person."""
    width = max(len(one.part) for one in findings)
    lines = []
    for one in findings:
        mark = f"\x1b[{PAINT[one.colour]}m{MARKS[one.colour]}\x1b[0m" if coloured else MARKS[one.colour]
        lines.append(f"{mark}  {one.part:<{width}}  {one.text}")
    counts = {colour: sum(one.colour is colour for one in findings) for colour in Colour}
    summary = ", ".join(f"{count} {colour.value}" for colour, count in counts.items())
    return "\n".join([*lines, "", f"{summary}: {'not ready' if is_red(findings) else 'ready'}"])


def as_json(findings: Sequence[Finding]) -> str:
    """The same for a program."""
    rows = [{"part": one.part, "colour": one.colour.value, "text": one.text} for one in findings]
    return json.dumps({"ready": not is_red(findings), "findings": rows})
