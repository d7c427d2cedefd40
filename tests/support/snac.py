"""Two real federating social servers for tests: snac2 on loopback, inside the run's own network namespace.

Each test makes accounts of its own, at the bank's server too, so that none sees another one's notifications.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar
from uuid import uuid4

import httpx2
import pytest

from app.cases import queries
from app.cases.arriving import take_in
from app.cases.models import Post
from app.cases.rules import CaseClocks
from app.channels.mastodon import mastodon_connector
from app.channels.ports import Connector
from app.database import reading
from app.demo.snac.account import Account, new_client
from app.demo.snac.servers import NoSnac, SnacPair, SnacServer, find_program, require_ground, snac_pair
from app.handover.ports import HandoverPorts
from app.outbound import OutboundClient
from security.secret import Secret
from tests.support.house import PUBLIC_URL, House

ROOT: Final = Path(__file__).parent.parent.parent
UNPACKED: Final = ROOT / ".cache" / "snac" / "root"
CROSSING: Final = 45.0
BETWEEN_LOOKS: Final = 0.2
LONGEST_BETWEEN_LOOKS: Final = 3.0
T = TypeVar("T")


def program_or_skip() -> Path:
    """The snac2 program, on ground where it can run. Skips the test with the reason where there is neither."""
    unpacked = UNPACKED / "usr/bin/snac"
    named = os.environ.get("SNAC") or (unpacked if unpacked.exists() else None)
    try:
        found = find_program(Path(named) if named else None)
        require_ground()
    except NoSnac as fault:
        pytest.skip(str(fault))
    return found


def environment_for(program: Path) -> Mapping[str, str]:
    """Ours, and where an unpacked program finds libraries that the machine lacks."""
    folders = {str(library.parent) for library in UNPACKED.rglob("*.so*")} if program.is_relative_to(UNPACKED) else ()
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(sorted(folders))} if folders else dict(os.environ)


@contextlib.contextmanager
def running_pair(folder: Path) -> Iterator[SnacPair]:
    """Both servers, without accounts. Skips where they cannot run."""
    program = program_or_skip()
    with snac_pair(program, folder, [], [], environment_for(program)) as pair:
        yield pair


@dataclass
class Fediverse:
    """The pair, and people at their phones."""

    pair: SnacPair
    client: httpx2.AsyncClient

    async def person(self, name: str = "giulia") -> Account:
        """A new customer's account, signed in at its app."""
        return await self._account(self.pair.customers, name)

    async def bank(self) -> Account:
        """A new account of the bank, signed in."""
        return await self._account(self.pair.bank, "acmebank")

    async def _account(self, server: SnacServer, name: str) -> Account:
        fresh = f"{name}_{uuid4().hex[:8]}"
        password = await asyncio.to_thread(server.add_account, fresh)
        account = Account(server.url, fresh, password, self.client)
        await account.sign_in()
        return account

    def resumed(self, account: Account) -> Account:
        """An account that somebody else made, on this one's phone."""
        return replace(account, client=self.client)

    def outbound(self) -> OutboundClient:
        """The hardened client, told of the two addresses and of nothing else."""
        return OutboundClient(http_hosts=self.pair.http_hosts)

    def connector(self, bank: Account, outbound: OutboundClient | None = None) -> Connector:
        """Riserbo's own connector on the bank's account."""
        return mastodon_connector(
            name="mastodon",
            base_url=bank.server,
            account=bank.name,
            token=Secret(bank.token.encode()),
            label="Mastodon",
            outbound=outbound or self.outbound(),
        )


@contextlib.asynccontextmanager
async def at_phones(pair: SnacPair) -> AsyncIterator[Fediverse]:
    """People who use the servers while the block runs."""
    async with new_client() as client:
        yield Fediverse(pair, client)


async def crossed(look: Callable[[], Awaitable[T]], *, seconds: float = CROSSING) -> T:
    """The first true answer of `look`: what one server sends is at the other within seconds (two queues).

    It looks less and less often: each look takes time from the servers that are to do the sending.
    """
    pause = BETWEEN_LOOKS
    async with asyncio.timeout(seconds):
        while True:
            found = await look()
            if found:
                return found
            await asyncio.sleep(pause)
            pause = min(1.25 * pause, LONGEST_BETWEEN_LOOKS)


def move_in(house: House, connector: Connector) -> None:
    """The house works this network from now on."""
    house.connector = connector
    house.ports = HandoverPorts((connector,), PUBLIC_URL, "Banca Esempio", "800 000 000")


async def polled(house: House, connector: Connector) -> int:
    """Poll until nothing more comes; how many posts came."""
    total = 0
    for _ in range(20):
        came = await take_in(house.services, connector, CaseClocks())
        total += came
        if not came:
            return total
    raise AssertionError("the polling does not end")


async def posts_of(house: House) -> list[queries.ThreadPost]:
    async with reading(house.services) as db:
        return [await queries.open_post(db, post) for post in await house.all(Post)]
