"""A whole house for tests: real databases, vault, lane, log and staff; the network outside is a stand-in.

Each kind of database is prepared once a run. A test gets a copy of the files, or the server's databases as they were
when prepared: making new ones costs a second each on a small machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

import app.binding.models
import app.compliance.models  # noqa: F401
from app import key_files
from app.actors import SYSTEM, Customer, Role, Staff
from app.agents import service as agents
from app.audit.models import Leaf
from app.audit.sequencer import sequence, start_log
from app.audit.signer import Signer
from app.cases import service as cases
from app.cases.arriving import handle_hash, receive_post
from app.cases.models import Case
from app.cases.rules import CaseClocks
from app.channels.ports import Connector
from app.conversations import service as rooms
from app.conversations.committing import Posted, lane_of
from app.conversations.posting import post_message
from app.database import Base, create_engines, dispose, reading, transaction
from app.handover.ports import HandoverPorts
from app.ids import new_id
from app.outbound import OutboundClient
from app.permissions import DataClass, Level
from app.services import Services
from app.sessions import rules as session_rules
from app.sessions import service as sessions
from app.vault import KeyBase, KeyFile, Vault
from security import passwords
from security.merkle import Frontier, leaf_hash
from security.notes import SigningKey
from security.secret import Secret
from tests.support.databases import DatabaseUrls
from tests.support.lending import Lending
from tests.support.postgres import PostgresServer
from tests.support.square import ISSUER, SquareStandIn, public_post

T = TypeVar("T")
ON_SQLITE: Final = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
ON_POSTGRESQL: Final = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
START: Final = datetime(2026, 11, 21, 19, 0, tzinfo=UTC)
ORIGIN: Final = "bancaesempio.example/log"
PUBLIC_URL: Final = "https://chat.bancaesempio.example"
PASSWORD: Final = "correct horse battery staple"
STAFF: Final = {
    "anna": Role.AGENT,
    "bruno": Role.AGENT,
    "sara": Role.SUPERVISOR,
    "silvio": Role.SUPERVISOR,
    "olga": Role.COMPLIANCE,
    "ada": Role.ADMINISTRATOR,
}


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = START + timedelta(minutes=1)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@dataclass(frozen=True)
class Room:
    """A room with its customer inside."""

    id: UUID
    case_id: UUID
    customer: Customer
    token: str = field(repr=False)

    @property
    def binding_id(self) -> UUID:
        return self.customer.binding_id


@dataclass
class House:
    """The services of one installation and what the people in its tests do."""

    services: Services
    clock: Clock
    square: SquareStandIn
    connector: Connector
    ports: HandoverPorts
    signer: Signer
    staff: dict[str, Staff]
    urls: DatabaseUrls
    folder: Path
    key_engine: AsyncEngine
    _count: int = 0

    def __getattr__(self, name: str) -> Staff:
        """`house.anna` is the member of staff of that login."""
        try:
            return self.__dict__["staff"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(name) from None

    async def act(self, act: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """One act in one transaction, committed."""
        async with transaction(self.services) as db:
            return await act(db)

    async def complaint(self, name: str = "giulia", text: str = "Un bollo addebitato due volte?") -> UUID:
        """A public post; gives the id of its case."""
        post = public_post(name, text, at=self.clock())
        keys = {await handle_hash(self.services, post.author): await self.services.vault.create_key("case")}
        async with transaction(self.services) as db:
            arrival = await receive_post(db, self.connector, post, keys, CaseClocks())
        assert arrival is not None
        self.square.posts.append(post)
        return arrival.case_id

    async def claimed(self, by: Staff | None = None, name: str = "giulia") -> UUID:
        """A complaint that somebody works."""
        case_id = await self.complaint(name)
        async with transaction(self.services) as db:
            await cases.claim(db, by or self.anna, case_id)
        return case_id

    async def room(self, level: Level = Level.L3, *, case_id: UUID | None = None, by: Staff | None = None) -> Room:
        """A room of a claimed case, its customer inside at `level`."""
        case_id = case_id or await self.claimed(by, name=f"customer-{uuid4().hex[:8]}")
        key = await self.services.vault.create_key("room")
        now = self.clock()
        binding_id, room_id = new_id(now), new_id(now)
        async with transaction(self.services) as db:
            started = await self._proved(db, binding_id, room_id, level)
            customer = Customer(binding_id, room_id, started.session.id, int(level), now)
            await rooms.open_room(
                db, conversation_id=room_id, binding_id=binding_id, case_id=case_id, key=key, actor=customer
            )
            await rooms.enter(db, room_id, session_id=customer.session_id, level=level, case_id=case_id, actor=customer)
        return Room(room_id, case_id, customer, started.token)

    async def come_back(self, room: Room, level: Level) -> Room:
        """The customer proves anew, in a new session."""
        async with transaction(self.services) as db:
            started = await self._proved(db, room.binding_id, room.id, level)
            customer = replace(room.customer, session_id=started.session.id, level=int(level), proved_at=self.clock())
            await rooms.enter(
                db, room.id, session_id=customer.session_id, level=level, case_id=room.case_id, actor=customer
            )
        return Room(room.id, room.case_id, customer, started.token)

    async def _proved(self, db: Any, binding_id: UUID, room_id: UUID, level: Level) -> sessions.Started:
        visitor = await sessions.start_visitor(db, self.clock())
        await db.flush()
        return await sessions.raise_to_binding(
            db,
            visitor.session.id,
            binding_id=binding_id,
            conversation_id=room_id,
            level=level,
            now=self.clock(),
        )

    async def say(self, room: Room, text: str, *, key: str | None = None) -> Posted:
        """The customer writes."""
        self._count += 1
        key = key or f"customer-{self._count}"
        return await post_message(self.services, room.customer, room.id, text, client_key=key)

    async def answer(
        self,
        room: Room,
        text: str,
        *,
        chosen: DataClass | None = None,
        by: Staff | None = None,
        key: str | None = None,
    ) -> Posted:
        """The agent writes."""
        self._count += 1
        key = key or f"agent-{self._count}"
        return await post_message(self.services, by or self.anna, room.id, text, client_key=key, chosen=chosen)

    async def leaves(self, *events: str, stream: str | None = None) -> list[dict[str, Any]]:
        """Committed leaves in the order of their writing, of some events or of one stream."""
        async with reading(self.services) as db:
            rows = (await db.execute(select(Leaf.leaf).order_by(Leaf.stage_no))).scalars()
            found = [json.loads(row) for row in rows]
        return [
            leaf
            for leaf in found
            if (not events or leaf["t"] in events) and (stream is None or leaf["stream"] == stream)
        ]

    async def all(self, model: type[Any]) -> list[Any]:
        """Every row of a table."""
        async with reading(self.services) as db:
            return list((await db.execute(select(model))).scalars())

    async def one(self, model: type[Any], row_id: Any) -> Any:
        """One row."""
        async with reading(self.services) as db:
            return await db.get_one(model, row_id)

    async def case(self, case_id: UUID) -> Case:
        found: Case = await self.one(Case, case_id)
        return found

    async def log_round(self) -> None:
        """What the worker's log loop does."""
        while await sequence(self.services):
            pass
        await self.signer.sign(self.services)

    async def check_streams(self) -> int:
        """Each leaf has its hash, its number and the hash of the one before, per stream; returns how many leaves."""
        async with reading(self.services) as db:
            rows = (await db.execute(select(Leaf).order_by(Leaf.stage_no))).scalars().all()
        heads: dict[str, tuple[int, bytes]] = {}
        for row in rows:
            document = json.loads(row.leaf)
            number, head = heads.get(row.stream, (0, bytes(32)))
            assert (document["n"], document["prev"]) == (number + 1, head.hex()), row.stream
            assert (row.n, row.leaf_hash) == (document["n"], leaf_hash(row.leaf))
            heads[row.stream] = (row.n, row.leaf_hash)
        return len(rows)


def root_of_leaves(leaves: Iterable[bytes]) -> bytes:
    """The Merkle root over the leaves' own bytes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf_hash(leaf))
    return frontier.root()


@dataclass(frozen=True)
class Blueprint:
    """A prepared house: where its databases are to be copied from, and who works in it."""

    kek: Path
    log_key: SigningKey
    staff: dict[str, Staff]
    main: str
    keys: str
    lending: Lending | None


_blueprints: dict[str, Blueprint] = {}


async def blueprint(kind: str, folder: Path, server: PostgresServer | None) -> Blueprint:
    """The prepared house of this kind of database, made at the first call."""
    if kind not in _blueprints:
        names = [str(folder / "main.db"), str(folder / "keys.db")]
        if server is not None:
            names = [server.new_database(), server.new_database()]
        _blueprints[kind] = await _prepare(names, folder, server)
    return _blueprints[kind]


def urls_of(names: list[str], server: PostgresServer | None) -> DatabaseUrls:
    """The URLs of two databases by their names: files, or databases of the server."""
    if server is None:
        return DatabaseUrls(*(f"sqlite+aiosqlite:///{name}" for name in names))
    return DatabaseUrls(*map(server.url, names))


def secret_of(login: str) -> Secret:
    """The authenticator secret of a member of staff."""
    return Secret(login.encode().ljust(20, b"-"))


async def _prepare(names: list[str], folder: Path, server: PostgresServer | None) -> Blueprint:
    kek = folder / "kek.json"
    key_files.make_kek_file(kek)
    log_key = SigningKey(ORIGIN, Ed25519PrivateKey.generate())
    staff: dict[str, Staff] = {}
    async with _services(urls_of(names, server), kek, lambda: START) as (services, engines):
        for engine, tables in ((services.write_engine, Base.metadata), (engines[2], KeyBase.metadata)):
            async with engine.begin() as connection:
                await connection.run_sync(tables.create_all)
        await start_log(services, ORIGIN)
        hashed = passwords.hash_password(PASSWORD)
        for login, role in STAFF.items():
            new = agents.NewStaff(login, login.capitalize(), login.capitalize(), role)
            # one slow hash serves all: they have the same password
            with patch.object(passwords, "hash_password", lambda _password: hashed):
                async with transaction(services) as db:
                    account, _ = await agents.add(db, SYSTEM, new, PASSWORD, secret_of(login))
            async with transaction(services) as db:
                started = await sessions.start_staff(db, account.id, START, kind=session_rules.API)
            staff[login] = agents.actor_of(account, started.session)
        for name in ("lookup", "codes", "outbox", "idempotency"):
            await services.vault.service_key(name)
    lending = None if server is None else await asyncio.to_thread(Lending.of, server, names[0], names[1])
    return Blueprint(kek, log_key, staff, names[0], names[1], lending)


@contextlib.asynccontextmanager
async def _services(urls: DatabaseUrls, kek: Path, clock: Any) -> AsyncIterator[tuple[Services, list[AsyncEngine]]]:
    engines = [*create_engines(urls.main), *create_engines(urls.keys)]
    try:
        yield Services(engines[0], engines[1], Vault(KeyFile(kek), engines[2], clock), OutboundClient(), clock), engines
    finally:
        await dispose(*engines)


@contextlib.asynccontextmanager
async def open_house(plan: Blueprint, folder: Path, server: PostgresServer | None) -> AsyncIterator[House]:
    """A copy of the prepared house, gone at the end."""
    if plan.lending is not None:
        names = list(await asyncio.to_thread(plan.lending.lend))
    else:
        names = [str(folder / "main.db"), str(folder / "keys.db")]
        for source, target in zip((plan.main, plan.keys), names, strict=True):
            await asyncio.to_thread(shutil.copyfile, source, target)
    kek = folder / "kek.json"
    shutil.copy2(plan.kek, kek)
    clock, square = Clock(), SquareStandIn()
    urls = urls_of(names, server)
    async with _services(urls, kek, clock) as (services, engines):
        services.lane = lane_of(services)
        services.lane.start()
        connector = square.connector()
        ports = HandoverPorts((connector,), PUBLIC_URL, "Banca Esempio", "800 000 000")
        signer = Signer(plan.log_key, folder / "signer.json")
        yield House(services, clock, square, connector, ports, signer, dict(plan.staff), urls, folder, engines[2])
        services.wakeups.stopping.set()
        if services.delivery is not None:
            await services.delivery.drain()
        await services.lane.stop()


__all__ = ["ISSUER", "Blueprint", "Clock", "House", "Room", "blueprint", "open_house"]
