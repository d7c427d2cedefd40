"""Rooms in bulk: cases, bindings, rooms and sessions as valid rows with their leaves, many in one transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import key_files
from app.actors import SYSTEM, Actor, Customer, Staff, Visitor
from app.audit.service import Value, record
from app.binding import known_customers
from app.binding.models import Binding
from app.binding.rules import BindingState
from app.cases.models import Case, Post
from app.cases.queries import subject_document
from app.cases.rules import Status
from app.channels.ports import Subject
from app.conversations.models import Conversation, RoomEvent
from app.database import Base, transaction
from app.directory.port import CustomerRecord
from app.ids import new_id
from app.main import Installation
from app.permissions import Level
from app.policy import Policy
from app.services import Services
from app.sessions import rules as session_rules
from app.sessions.dependencies import VISITOR_COOKIE
from app.sessions.models import Session
from app.vault import KeyFile, WrappedKeyRow
from security.commitments import ciphertext_hash, commit, opening
from security.encoding import canonical_json, join
from security.envelope import Place, seal
from security.keys import DataKey, new_data_key
from security.tokens import new_slug, new_token, token_hash

GROUP: Final = 250
POLICY: Final = Policy()
NETWORK: Final = "bench"
SCOPE: Final = "bench.example"
COMPLAINT: Final = "Mi avete addebitato due volte la stessa spesa."


@dataclass(frozen=True)
class Room:
    """A room with its customer inside, for other processes."""

    conversation_id: str
    case_id: str
    binding_id: str
    session_id: str
    key_id: str
    cookie_name: str
    cookie_value: str = field(repr=False)


@dataclass(frozen=True)
class _Draft:
    """What one room needs, before its rows are written."""

    number: int
    case_id: UUID
    slug: str
    binding_id: UUID
    room_id: UUID
    session_id: UUID
    token: str
    case_key: DataKey
    room_key: DataKey
    handle_hash: bytes
    customer_hash: bytes

    @property
    def subject(self) -> Subject:
        """The customer's account at the network."""
        name = f"cliente{self.number}"
        return Subject(NETWORK, SCOPE, name, f"@{name}", f"Cliente {self.number}")


Rows = dict[type[Base], list[dict[str, Any]]]


async def open_rooms(house: Installation, agent: Staff, count: int, *, first: int = 1) -> list[Room]:
    """`count` new rooms of cases that `agent` works; `first` is the number of the first customer."""
    opened: list[Room] = []
    for start in range(first, first + count, GROUP):
        numbers = range(start, min(start + GROUP, first + count))
        drafts = await _drafts(house, numbers)
        async with transaction(house.services) as db:
            rows: Rows = {model: [] for model in (Case, Post, Binding, Session, Conversation, RoomEvent)}
            for draft in drafts:
                await _collect(db, house.services, draft, agent, rows)
            for model, values in rows.items():
                await db.execute(insert(model), values)
        opened += [_room(draft) for draft in drafts]
    return opened


def _room(draft: _Draft) -> Room:
    return Room(
        conversation_id=str(draft.room_id),
        case_id=str(draft.case_id),
        binding_id=str(draft.binding_id),
        session_id=str(draft.session_id),
        key_id=str(draft.room_key.id),
        cookie_name=VISITOR_COOKIE,
        cookie_value=draft.token,
    )


async def _drafts(house: Installation, numbers: range) -> list[_Draft]:
    services = house.services
    keys = await _new_keys(house, 2 * len(numbers))
    drafts = []
    for number in numbers:
        now = services.clock()
        account = join(NETWORK.encode(), SCOPE.encode(), f"cliente{number}".encode()).hex()
        drafts.append(
            _Draft(
                number=number,
                case_id=new_id(now),
                slug=new_slug(),
                binding_id=new_id(now),
                room_id=new_id(now),
                session_id=new_id(now),
                token=new_token(),
                case_key=keys.pop(),
                room_key=keys.pop(),
                handle_hash=await services.vault.lookup_hash("handle", account),
                customer_hash=await services.vault.lookup_hash("customer", f"C{number:08}"),
            )
        )
    return drafts


async def _new_keys(house: Installation, count: int) -> list[DataKey]:
    """Data keys as the vault makes them, in one transaction of the key store instead of one each."""
    clock, provider = house.services.clock, KeyFile(house.settings.keys / key_files.KEK_FILE)
    keys, rows = [], []
    for place in range(count):
        key = new_data_key(new_id(clock()))
        wrapped = await provider.wrap(key)
        keys.append(key)
        rows.append(
            {
                "id": key.id,
                "name": None,
                "purpose": "room" if place % 2 else "case",
                "kek_version": wrapped.version,
                "blob": wrapped.blob,
                "created_at": clock().isoformat(),
            }
        )
    async with house.engines[2].begin() as connection:
        await connection.execute(insert(WrappedKeyRow), rows)
    return keys


async def _collect(db: AsyncSession, services: Services, draft: _Draft, agent: Staff, rows: Rows) -> None:
    """The rows of one room, each under the leaf of its latest act."""
    now = services.clock()
    _collect_case(db, draft, agent, now, rows)
    await _collect_binding(db, services, draft, now, rows)
    customer = Customer(draft.binding_id, draft.room_id, draft.session_id, int(Level.L3), now)
    rows[Session].append(_session_row(draft, now))
    _collect_room(db, draft, customer, now, rows)


def _collect_case(db: AsyncSession, draft: _Draft, agent: Staff, now: datetime, rows: Rows) -> None:
    stream = f"case:{draft.case_id}"
    author = json.dumps(subject_document(draft.subject)).encode()
    record(db, "case.opened", stream=stream, actor=SYSTEM, data={"network": NETWORK, "slug": draft.slug})
    rows[Post].append(_post_row(db, draft, now))
    rows[Case].append(
        {
            "id": draft.case_id,
            "slug": draft.slug,
            "connector": NETWORK,
            "network": NETWORK,
            "scope": SCOPE,
            "author_hash": draft.handle_hash,
            "sealed_author": seal(draft.case_key, Place("cases", "sealed_author", str(draft.case_id)), author),
            "key_id": draft.case_key.id,
            "status": Status.CLAIMED.value,
            "assigned_to": agent.id,
            "version": 2,
            "opened_at": now,
            "last_public_at": now,
            "first_answer_due": now,
            "first_answered_at": None,
            "resolution_due": now,
            "closed_at": None,
            "outcome": None,
            "rating": None,
            "sealed_comment": None,
            "reopened": 0,
            "leaf_id": record(db, "case.claimed", stream=stream, actor=agent, data={"assignee": str(agent.id)}),
        }
    )


def _post_row(db: AsyncSession, draft: _Draft, now: datetime) -> dict[str, Any]:
    post_id, stream, key = new_id(now), f"case:{draft.case_id}", draft.case_key
    number = str(draft.number)
    content = {
        "author": subject_document(draft.subject),
        "text": COMPLAINT,
        "url": f"https://{SCOPE}/{number}",
        "external_id": number,
        "thread_id": number,
    }
    sealed = seal(key, Place("posts", "sealed_content", str(post_id)), json.dumps(content).encode())
    context = canonical_json({"stream": stream, "id": str(post_id)})
    external = token_hash(f"{draft.case_id}:{number}")
    data = {
        "id": str(post_id),
        "pt": commit(opening(key, str(post_id)), context, COMPLAINT.encode()).hex(),
        "ct": ciphertext_hash(sealed).hex(),
        "key": str(key.id),
        "external": external.hex(),
        "kind": "complaint",
    }
    return {
        "id": post_id,
        "case_id": draft.case_id,
        "external_hash": external,
        "kind": "complaint",
        "sealed_content": sealed,
        "posted_at": now,
        "received_at": now,
        "leaf_id": record(db, "post.received", stream=stream, actor=SYSTEM, data=data),
    }


async def _collect_binding(db: AsyncSession, services: Services, draft: _Draft, now: datetime, rows: Rows) -> None:
    until = now + POLICY.lifetimes.binding
    customer = CustomerRecord(f"C{draft.number:08}", f"Cliente {draft.number}", "+390200000000", None)
    data: dict[str, Value] = {
        "level": int(Level.L3),
        "attempt": "",
        "handle_method": "sign_in",
        "customer_method": "identity:bench",
        "until": until.isoformat(),
    }
    stream, visitor = f"binding:{draft.binding_id}", Visitor(draft.session_id)
    rows[Binding].append(
        {
            "id": draft.binding_id,
            "network": NETWORK,
            "scope": SCOPE,
            "handle_hash": draft.handle_hash,
            "customer_hash": draft.customer_hash,
            "sealed_subject": await known_customers.subject_for_binding(services, draft.binding_id, draft.subject),
            "sealed_customer": await known_customers.sealed_for_binding(services, draft.binding_id, customer),
            "level": int(Level.L3),
            "state": BindingState.ACTIVE.value,
            "created_at": now,
            "proved_at": now,
            "expires_at": until,
            "revoked_at": None,
            "frozen_until": None,
            "leaf_id": record(db, "binding.created", stream=stream, actor=visitor, data=data),
        }
    )


def _session_row(draft: _Draft, now: datetime) -> dict[str, Any]:
    return {
        "id": draft.session_id,
        "token_hash": token_hash(draft.token),
        "kind": session_rules.VISITOR,
        "staff_id": None,
        "scopes": "",
        "binding_id": draft.binding_id,
        "conversation_id": draft.room_id,
        "level": int(Level.L3),
        "proved_at": now,
        "locked": False,
        "created_at": now,
        "last_seen_at": now,
        "expires_at": now + POLICY.sessions.level_3.absolute,
        "ended_at": None,
    }


def _collect_room(db: AsyncSession, draft: _Draft, customer: Actor, now: datetime, rows: Rows) -> None:
    stream, level = f"room:{draft.room_id}", int(Level.L3)
    opened = {"binding": str(draft.binding_id), "case": str(draft.case_id), "key": str(draft.room_key.id)}
    entered: dict[str, Value] = {"level": level, "session": str(draft.session_id)}
    record(db, "room.opened", stream=stream, actor=customer, data=opened)
    rows[Conversation].append(
        {
            "id": draft.room_id,
            "binding_id": draft.binding_id,
            "case_id": draft.case_id,
            "key_id": draft.room_key.id,
            "state": "open",
            "level": level,
            "session_id": draft.session_id,
            "last_n": 1,
            "opened_at": now,
            "closed_at": None,
            "leaf_id": record(db, "room.entered", stream=stream, actor=customer, data=entered),
        }
    )
    rows[RoomEvent].append(
        {
            "conversation_id": draft.room_id,
            "n": 1,
            "kind": "level",
            "message_id": None,
            "data": json.dumps({"level": level}),
            "at": now,
        }
    )
