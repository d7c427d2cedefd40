"""Two workers send what waits in one outbox: each piece once, also while new ones come; one of them may be killed."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from app.bench.ground import installation
from app.binding.models import Binding
from app.binding.notices import enqueue_notice
from app.database import transaction
from app.main import Installation
from app.settings import SETTINGS_FILE
from tests.processes.town import Town, started
from tests.support.smtp import Mailbox, running_smtp

NOTICES = 60
REFERENCE = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4})+\b")


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with running_smtp() as found:
        yield found


@pytest.fixture
def town_with_mail(place: Town, mailbox: Mailbox) -> Town:
    """Its workers know a directory with an address for each customer, and a mail relay."""
    folder = Path(place.ground.folder)
    directory = folder / "customers.csv"
    rows = [f"C{number:08},Cliente {number},,c{number}@example.org,it,Roma" for number in range(1000)]
    directory.write_text("\n".join(["customer_number,name,phone,email,language,city", *rows]) + "\n")
    relay = {"host": f'"{mailbox.host}"', "port": mailbox.port, "sender": '"r@bank.example"', "start_tls": "false"}
    with (folder / SETTINGS_FILE).open("a") as settings:
        settings.write("\n".join(["[mail]", *(f"{name} = {value}" for name, value in relay.items()), ""]))
    return place


@asynccontextmanager
async def opened(place: Town) -> AsyncIterator[Installation]:
    async with installation(Path(place.ground.folder), place.ground.environment) as house:
        yield house


async def announce(place: Town, house: Installation, number: int) -> None:
    """One notice that a handle was linked, with a reference of its own."""
    bindings = [row[0] for row in await asyncio.to_thread(place.rows, "SELECT id::text FROM bindings ORDER BY id")]
    async with transaction(house.services) as db:
        binding = await db.get_one(Binding, UUID(bindings[number % len(bindings)]))
        await enqueue_notice(db, binding, kind="linked", proved_by="totp")


async def all_sent(place: Town) -> None:
    async with asyncio.timeout(60):
        while await asyncio.to_thread(place.rows, "SELECT id FROM outbox WHERE done_at IS NULL"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def references(mailbox: Mailbox) -> Counter[str]:
    """How often each notice arrived, by the reference that it alone carries."""
    found = []
    for mail in mailbox.messages:
        [reference] = set(REFERENCE.findall(mail.get_content()))
        found.append(reference)
    return Counter(found)


async def test_two_workers_send_each_piece_once(town_with_mail: Town, mailbox: Mailbox) -> None:
    place = town_with_mail
    async with opened(place) as house:
        for number in range(NOTICES // 2):
            await announce(place, house, number)
        await started(*place.workers)
        for number in range(NOTICES // 2):
            await announce(place, house, number)
    await all_sent(place)
    arrived = references(mailbox)
    assert len(arrived) == NOTICES
    assert set(arrived.values()) == {1}
    assert place.rows("SELECT DISTINCT outcome FROM outbox") == [("done",)]


async def test_what_a_killed_worker_had_claimed_is_sent_by_the_other(town_with_mail: Town, mailbox: Mailbox) -> None:
    """At least once, never less; what was doubled is at most what the dead one had claimed."""
    place = town_with_mail
    first, second = place.workers
    async with opened(place) as house:
        for number in range(NOTICES):
            await announce(place, house, number)
    await started(first)
    async with asyncio.timeout(60):
        while not mailbox.envelopes:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    await asyncio.to_thread(first.kill)
    # the dead one's leases run out
    place.rows("UPDATE outbox SET locked_until = now() WHERE done_at IS NULL RETURNING id")
    await started(second)
    await all_sent(place)
    arrived = references(mailbox)
    assert len(arrived) == NOTICES
    assert sum(arrived.values()) <= NOTICES + 20
