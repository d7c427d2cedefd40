"""A bank with people in its rooms, its evidence log at work, and a compliance officer who exports it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.actors import SYSTEM, Customer, Role, Staff
from app.agents.models import StaffAccount
from app.agents.service import actor_of
from app.audit.sequencer import sequence, start_log
from app.audit.service import record
from app.audit.signer import Signer
from app.binding.confirming import Bound
from app.cases import service as cases
from app.channels.ports import Connector, PostRef, PublishedReply
from app.compliance import service, verifier
from app.compliance.building import BUILD_EXPORT, build_export
from app.compliance.models import Export
from app.compliance.ports import CompliancePorts
from app.conversations.committing import Posted, lane_of
from app.conversations.models import Conversation
from app.conversations.posting import post_message
from app.database import transaction
from app.handover import service as handover
from app.handover.ports import HandoverPorts
from app.ids import new_id
from app.notifications.service import Work, claim
from app.permissions import DataClass, Level
from app.services import Services
from app.sessions import rules as session_rules
from app.sessions import service as sessions
from security.notes import SigningKey
from tests.app.binding.bank import Bank, bound_by_identity, customer_of, open_bank
from tests.support.databases import DatabaseUrls

ORIGIN = "bancaesempio.example/log"
POST = "Cara banca, un bollo addebitato due volte?"
REPLY = "Ciao, ne parliamo qui in privato."


class Square:
    """A publisher that is never called: replies are registered, and posted by nobody."""

    def fit(self, text: str, link: str) -> str:
        return f"{text} {link}"

    async def publish(self, post: PostRef, text: str, idempotency_key: str) -> PublishedReply:
        raise NotImplementedError

    async def find_own_reply(
        self, post: PostRef, marker: str, known_urls: Collection[str] = ()
    ) -> PublishedReply | None:
        raise NotImplementedError

    async def read_thread(self, post: PostRef) -> list[Any]:
        raise NotImplementedError


@dataclass(frozen=True)
class ExportKeys:
    """What a second process needs to build exports: databases, key-encryption key, the export key's seed."""

    urls: DatabaseUrls
    kek: Path
    seed: bytes


@dataclass
class Archive:
    """What the officer, the agent and the worker do."""

    bank: Bank
    ports: CompliancePorts
    signer: Signer
    officer: Staff
    agent: Staff
    supervisor: Staff
    administrator: Staff
    outside: Path
    tokens: dict[Role, str] = field(repr=False)
    keys: ExportKeys
    sent: int = field(default=0)

    @property
    def services(self) -> Services:
        return self.bank.services

    async def talk(self, bound: Bound, *lines: str, data_class: DataClass | None = None) -> list[Posted]:
        """The customer says the first line, the agent the second, and so on."""
        customer: Customer = customer_of(bound)
        posted = []
        for number, text in enumerate(lines):
            self.sent += 1
            actor = self.supervisor if number % 2 else customer
            chosen = data_class if number % 2 else None
            posted.append(
                await post_message(
                    self.services, actor, bound.conversation_id, text, client_key=str(self.sent), chosen=chosen
                )
            )
        return posted

    async def raised(self, bound: Bound, token: str) -> Bound:
        """The customer after a step-up, in the session that has this token."""
        session = await sessions.find(self.services, token, self.bank.clock())
        assert session is not None
        return replace(bound, session_id=session.id, level=Level(session.level), session_token=token)

    async def answer(self, bound: Bound, text: str, data_class: DataClass) -> Posted:
        self.sent += 1
        return await post_message(
            self.services, self.supervisor, bound.conversation_id, text, client_key=str(self.sent), chosen=data_class
        )

    async def reply_in_public(self, bound: Bound, text: str = REPLY) -> None:
        """The agent claims the room's case and registers a public reply."""
        ports = HandoverPorts((_connector(self.bank),), self.bank.ports.public_url, "Banca Esempio", "800 000 000")
        async with transaction(self.services) as db:
            room = await db.get_one(Conversation, bound.conversation_id)
            await cases.claim(db, self.agent, room.case_id)
        async with transaction(self.services) as db:
            await handover.publish(db, ports, self.agent, room.case_id, text)

    async def log_round(self) -> None:
        """What the worker's log loop does."""
        for _ in range(100):
            if not await sequence(self.services):
                break
        await self.signer.sign(self.services)

    async def ask(self, bound: Bound | None = None, reason: str = "reclamo 2026-17") -> Export:
        key = await service.new_key(self.services, self.officer)
        async with transaction(self.services) as db:
            scope, room = ("room", bound.conversation_id) if bound else ("log", None)
            return await service.request_export(db, self.officer, scope, room, reason, key=key)

    async def work(self) -> Work:
        """The one export that waits in the outbox, claimed."""
        works = [work for work in await claim(self.services) if work.topic == BUILD_EXPORT]
        assert len(works) == 1
        return works[0]

    async def build(self, work: Work) -> None:
        """Work it off while the log goes on, as in the worker."""
        logging = asyncio.create_task(self._log_for_a_while())
        try:
            await build_export(self.services, self.ports, work)
        finally:
            await logging

    async def _log_for_a_while(self) -> None:
        for _ in range(6):
            await self.log_round()
            await asyncio.sleep(0.02)

    async def exported(self, bound: Bound | None = None) -> Path:
        """Ask, build, download: the zip as it reaches the officer."""
        export = await self.ask(bound)
        await self.build(await self.work())
        return await self.fetch(export.id)

    async def fetch(self, export_id: UUID) -> Path:
        bag = await service.download(self.services, self.ports, self.officer, export_id)
        target = self.outside / bag.filename
        target.write_bytes(b"".join([chunk async for chunk in bag.chunks]))
        assert target.stat().st_size == bag.size
        return target

    async def row(self, export_id: UUID) -> Export:
        found: Export = await self.bank.one(Export, export_id)
        return found

    async def trust(self, name: str = "trust.json") -> Path:
        document = await service.trust_document(self.services, self.ports, ORIGIN)
        target = self.outside / name
        target.write_text(json.dumps(document), "utf-8")
        return target

    async def die_building(self, work: Work, step: str) -> int | None:
        """Let another process build until `step` is done and die there; gives its exit status."""
        keys = self.keys
        told = [keys.urls.main, keys.urls.keys, keys.kek, self.ports.folder, keys.seed.hex()]
        named = [self.ports.export_key.name, work.id, work.payload["export"], step]
        module = "tests.app.compliance.killed_build"
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, *map(str, [*told, *named]))
        for _ in range(600):
            if process.returncode is not None:
                break
            await self.log_round()
            await asyncio.sleep(0.05)
        return process.returncode

    def folder(self) -> list[str]:
        return sorted(path.name for path in self.ports.folder.iterdir())


def verify(bag: Path, trust: Path) -> dict[str, Any]:
    """Run the one-file verifier as an auditor does: alone, isolated from this project and its environment."""
    command = [sys.executable, "-I", str(verifier.__file__), str(bag), "--trust", str(trust), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=bag.parent, env={}, timeout=60)
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1), done.stderr
    return report


async def complained_and_bound(archive: Archive, name: str = "giulia", number: str = "C-1001") -> Bound:
    """A complaint, the whole way in at L3, a public reply."""
    bound = await bound_by_identity(archive.bank, name, number)
    await archive.reply_in_public(bound)
    return bound


async def _staff(services: Services, login: str, role: Role) -> tuple[Staff, str]:
    """An account that nobody signs in to, so that no password has to be hashed."""
    async with transaction(services) as db:
        staff_id = new_id(services.clock())
        account = StaffAccount(
            id=staff_id,
            login=login,
            display_name=login.capitalize(),
            signature=login[:2].upper(),
            role=role.value,
            password_hash="none",
            sealed_totp=b"none",
            last_step=None,
            active=True,
            created_at=services.clock(),
            leaf_id=record(db, "staff.added", stream=f"staff:{staff_id}", actor=SYSTEM, data={"role": role.value}),
        )
        db.add(account)
    async with transaction(services) as db:
        started = await sessions.start_staff(db, account.id, services.clock(), kind=session_rules.API)
    return actor_of(account, started.session), started.token


def _connector(bank: Bank) -> Connector:
    known = bank.ports.connectors[0]
    return Connector(
        name=known.name,
        network=known.network,
        scope=known.scope,
        label=known.label,
        official_handle=known.official_handle,
        official_url=known.official_url,
        publisher=Square(),
    )


@asynccontextmanager
async def open_archive(urls: DatabaseUrls, folder: Path) -> AsyncIterator[Archive]:
    async with open_bank(urls, folder) as bank:
        services = bank.services
        services.lane = lane_of(services)
        services.lane.start()
        log_key = SigningKey(ORIGIN, Ed25519PrivateKey.generate())
        exports, outside = folder / "exports", folder / "outside"
        exports.mkdir(mode=0o700)
        outside.mkdir()
        seed = Ed25519PrivateKey.generate().private_bytes_raw()
        export_key = SigningKey(f"{ORIGIN}/export", Ed25519PrivateKey.from_private_bytes(seed))
        await start_log(services, ORIGIN)
        people = {role: await _staff(services, role.value, role) for role in Role}
        yield Archive(
            bank=bank,
            ports=CompliancePorts(exports, export_key, log_key.vkey()),
            signer=Signer(log_key, folder / "signer.json"),
            officer=people[Role.COMPLIANCE][0],
            agent=people[Role.AGENT][0],
            supervisor=people[Role.SUPERVISOR][0],
            administrator=people[Role.ADMINISTRATOR][0],
            outside=outside,
            tokens={role: token for role, (_, token) in people.items()},
            keys=ExportKeys(urls, folder / "kek.json", seed),
        )
        await services.lane.stop()
