"""Reads of attempts, proofs and bindings: where a visitor stands, what the desk may know as facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Staff
from app.binding import attempts
from app.binding.brands import brand_of
from app.binding.errors import AttemptOver
from app.binding.models import Attempt, Authenticator, Binding, Proof
from app.binding.reproof import reproof_of
from app.binding.rules import IDENTITY, BindingState, Kind, Reproof, State
from app.cases import queries as cases
from app.cases.models import Case
from app.conversations.models import Conversation
from app.database import services_of


@dataclass(frozen=True)
class AttemptView:
    """What the pages of an attempt may show: only what the visitor typed or proved."""

    state: State
    connector: str
    account: str = field(repr=False)
    handle: str = field(repr=False)
    handle_method: str = ""
    identifier: str = field(default="", repr=False)
    customer_method: str = ""
    provider: str = ""
    brand: str = ""


@dataclass(frozen=True)
class ProofFact:
    """One accepted evidence: `where` is the connector's or the provider's name, empty for typed codes."""

    of: str
    method: str
    where: str
    level: int
    at: datetime


@dataclass(frozen=True)
class BindingFact:
    """A binding as the desk may see it: that it holds, how strongly, since when, and how it was proved.

    `complained` says that it was undone by "this was not me" or by the bank, `reproof` what asks for new proofs.
    """

    id: UUID
    conversation_id: UUID | None
    state: str
    level: int
    proved_at: datetime
    expires_at: datetime
    proofs: tuple[ProofFact, ...]
    complained: bool = False
    reproof: Reproof | None = None


async def view_of_attempt(db: AsyncSession, *, session_id: UUID, slug: str, now: datetime) -> AttemptView:
    """What the pages show of this browser's attempt at this link; raises `AttemptOver`."""
    attempt = await attempts.of_session(db, session_id, now, slug=slug)
    named = await attempts.opened(db, attempt, "sealed_named") or {}
    proved = await attempts.opened(db, attempt, "sealed_subject") or {}
    method, provider = _split(attempt.customer_method or "")
    return AttemptView(
        state=State(attempt.state),
        connector=attempt.connector or "",
        account=named.get("account", ""),
        handle=proved.get("handle", ""),
        handle_method=attempt.handle_method or "",
        identifier=await attempts.opened(db, attempt, "sealed_identifier") or "",
        customer_method=method,
        provider=provider,
        brand=await brand_of(db, attempt),
    )


async def step_of(db: AsyncSession, *, session_id: UUID, slug: str, now: datetime) -> State | None:
    """Where this browser's attempt stands, so that a page out of step can lead on; None when there is none."""
    try:
        return State((await attempts.of_session(db, session_id, now, slug=slug)).state)
    except AttemptOver:
        return None


async def unlock_method(db: AsyncSession, *, session_id: UUID, now: datetime) -> str | None:
    """By which code this session is unlocking its room just now, if it has asked for one."""
    try:
        attempt = await attempts.of_session(db, session_id, now, kind=Kind.UNLOCK)
    except AttemptOver:
        return None
    method, provider = _split(attempt.customer_method or "")
    return None if provider else method


async def brand_of_room(db: AsyncSession, conversation_id: UUID | None) -> str:
    """The connector of the room's case now: whose policy counts for proofs inside it."""
    found = select(Case.connector).join(Conversation, Conversation.case_id == Case.id)
    return (await db.execute(found.where(Conversation.id == conversation_id))).scalar_one_or_none() or ""


async def live_binding_of_pair(
    db: AsyncSession, handle_hash: bytes | None, customer_hash: bytes | None, now: datetime
) -> Binding | None:
    """The binding of handle and customer, if it holds now."""
    binding = await binding_of_pair(db, handle_hash, customer_hash)
    return binding if binding is not None and is_live(binding, now) else None


async def binding_of_pair(
    db: AsyncSession, handle_hash: bytes | None, customer_hash: bytes | None, *, lock: bool = False
) -> Binding | None:
    """The pair's one row, in whatever state, as the database has it now; `lock` holds it until the commit."""
    if handle_hash is None or customer_hash is None:
        return None
    statement = (
        select(Binding)
        .where(Binding.handle_hash == handle_hash, Binding.customer_hash == customer_hash)
        .execution_options(populate_existing=True)
    )
    return (await db.execute(statement.with_for_update() if lock else statement)).scalar_one_or_none()


def is_live(binding: Binding, now: datetime) -> bool:
    """Whether the binding holds now."""
    return binding.state == BindingState.ACTIVE and binding.expires_at > now and not is_frozen(binding, now)


def is_frozen(binding: Binding, now: datetime) -> bool:
    """Whether somebody has lately said that it was not them."""
    return binding.frozen_until is not None and binding.frozen_until > now


async def authenticators_of(db: AsyncSession, binding_id: UUID, *, lock: bool = False) -> list[Authenticator]:
    """The confirmed authenticators of a binding, oldest first; `lock` holds them until the commit."""
    statement = (
        select(Authenticator)
        .where(Authenticator.binding_id == binding_id, Authenticator.state == "active")
        .order_by(Authenticator.id)
        .execution_options(populate_existing=True)
    )
    return list((await db.execute(statement.with_for_update() if lock else statement)).scalars())


async def proofs_of_binding(db: AsyncSession, binding_id: UUID) -> tuple[ProofFact, ...]:
    """The evidence that a binding rests on now, oldest first: from the last way in on. The customer may see it too."""
    last_way_in = (
        select(func.max(Attempt.created_at))
        .where(Attempt.binding_id == binding_id, Attempt.state == State.BOUND, Attempt.kind == Kind.ENTRY)
        .scalar_subquery()
    )
    rows = await db.execute(
        select(Proof, Attempt.connector)
        .join(Attempt, Attempt.id == Proof.attempt_id)
        .where(Attempt.binding_id == binding_id, Attempt.state == State.BOUND, Attempt.created_at >= last_way_in)
        .order_by(Proof.proved_at, Proof.level, Proof.id)
    )
    return tuple(_fact(proof, connector or "") for proof, connector in rows)


async def bindings_of_case(db: AsyncSession, staff: Staff, case_id: UUID) -> list[BindingFact]:
    """The bindings made from a case that this member may see, newest first; raises `NotFound` for other cases."""
    case, now = await cases.get(db, staff, case_id), services_of(db).clock()
    made_here = select(Attempt.binding_id).where(Attempt.case_id == case.id, Attempt.binding_id.is_not(None))
    rows = await db.execute(
        select(Binding, Conversation.id)
        .outerjoin(Conversation, Conversation.binding_id == Binding.id)
        .where((Conversation.case_id == case.id) | Binding.id.in_(made_here))
        .order_by(Binding.proved_at.desc(), Binding.id)
    )
    return [
        BindingFact(
            id=binding.id,
            conversation_id=conversation_id,
            state=binding.state,
            level=binding.level,
            proved_at=binding.proved_at,
            expires_at=binding.expires_at,
            proofs=await proofs_of_binding(db, binding.id),
            complained=binding.frozen_until is not None,
            reproof=await reproof_of(db, binding, now) if is_live(binding, now) else None,
        )
        for binding, conversation_id in rows.all()
    ]


async def proofs_of_case(db: AsyncSession, staff: Staff, case_id: UUID) -> list[ProofFact]:
    """All evidence of a case's bindings as facts: method, place, level, time."""
    return [fact for binding in await bindings_of_case(db, staff, case_id) for fact in binding.proofs]


def _fact(proof: Proof, connector: str) -> ProofFact:
    method, provider = _split(proof.method)
    where = connector if proof.of == "handle" else provider
    return ProofFact(of=proof.of, method=method, where=where, level=proof.level, at=proof.proved_at)


def _split(method: str) -> tuple[str, str]:
    kind, _, provider = method.partition(":")
    return (IDENTITY, provider) if kind == IDENTITY else (method, "")
