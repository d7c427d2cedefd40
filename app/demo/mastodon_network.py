"""Two snac2 servers as the demonstration's network: the bank on one of them, the town on the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.channels.mastodon import mastodon_connector
from app.channels.ports import Connector
from app.demo import cast
from app.demo.addresses import Addresses
from app.demo.cast import Townsperson
from app.demo.network import Founding, TownNetwork
from app.demo.snac.account import Account, new_client
from app.demo.snac.servers import BANKS_ADDRESS, SnacPair, snac_pair
from app.outbound import OutboundClient
from app.services import Clock
from security.secret import Secret

NAME: Final = "mastodon"
LABEL: Final = "Mastodon"
PLAYING: Final = (cast.GIULIA, cast.ELENA, cast.MARCO, cast.MALLORY, cast.STRANGER)
GIULIAS_WORDS: Final = "mi avete addebitato il bollo due volte"
CROSSING: Final = 40.0
BETWEEN_LOOKS: Final = 0.2


@dataclass
class MastodonTown:
    """Who has which account; `newest` is each person's newest public post, as their own server shows it."""

    pair: SnacPair
    bank: Account
    people: dict[str, Account]
    newest: dict[str, dict[str, str]] = field(default_factory=dict)

    async def say(self, person: Townsperson, text: str) -> None:
        """A public post of this person, in the thread of the one before."""
        before = self.newest.get(person.handle)
        made = await self.people[person.handle].post(text, in_reply_to=before["id"] if before else None)
        self.newest[person.handle] = {"id": made["id"], "url": made["url"]}


def login_of(person: Townsperson) -> str:
    """The person's name on a server: snac takes letters, digits and the low line only."""
    return person.handle.replace(".", "_")


def wording(text: str) -> str:
    """A text of the story with the bank's account as servers write it to each other."""
    return text.replace(f"@{cast.BANK_HANDLE}", f"@{cast.BANK_HANDLE}@{BANKS_ADDRESS}")


@asynccontextmanager
async def mastodon_town(folder: Path, program: Path) -> AsyncIterator[MastodonTown]:
    """Two servers, everybody's accounts, and what was said before the bank listens. Raises `NoSnac`."""
    with snac_pair(program, folder, [cast.BANK_HANDLE], [login_of(one) for one in PLAYING]) as pair:
        async with new_client() as client:
            bank, customers = pair.bank, pair.customers
            people = {
                one.handle: Account(customers.url, login_of(one), customers.passwords[login_of(one)], client)
                for one in PLAYING
            }
            own = Account(bank.url, cast.BANK_HANDLE, bank.passwords[cast.BANK_HANDLE], client)
            town = MastodonTown(pair, own, people)
            await _said_before(town)
            yield town


async def _said_before(town: MastodonTown) -> None:
    """Complaints, and the bank's answer to the first one as somebody there wrote it by hand."""
    await town.bank.sign_in()
    for person in PLAYING:
        await town.people[person.handle].sign_in()
        await town.people[person.handle].rename(person.name)
    for person in (cast.GIULIA, cast.ELENA, cast.MARCO, cast.MALLORY):
        await town.say(person, wording(cast.complaint_of(person).text))
    complaint = await _arrived(town.bank, GIULIAS_WORDS)
    greeting = f"@{town.people[cast.GIULIA.handle].handle} {cast.BANKS_OLD_WORD}"
    await town.bank.post(greeting, in_reply_to=complaint)


async def _arrived(reader: Account, words: str) -> str:
    """The id of the first post with these words on the reader's server, waiting for it."""
    async with asyncio.timeout(CROSSING):
        while True:
            found = await reader.statuses_with(words)
            if found:
                return str(found[0]["id"])
            await asyncio.sleep(BETWEEN_LOOKS)


def mastodon_network(town: MastodonTown) -> Founding:
    """The founding of a demonstration on these servers."""

    def connect(outbound: OutboundClient) -> Connector:
        return mastodon_connector(
            name=NAME,
            base_url=town.pair.bank.url,
            account=cast.BANK_HANDLE,
            token=Secret(town.bank.token.encode()),
            label=LABEL,
            outbound=outbound,
        )

    def founding(_addresses: Addresses, _clock: Clock) -> TownNetwork:
        return TownNetwork(
            address=town.pair.customers.url,
            hosts=town.pair.http_hosts,
            connect=connect,
            profile=lambda person: f"{town.pair.customers.url}/{login_of(person)}",
        )

    return founding
