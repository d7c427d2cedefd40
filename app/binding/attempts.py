"""One visitor's try: found by its browser session, moved by compare-and-set, its personal values sealed.

What belongs to a case is sealed under the case's key; an attempt at a link that is not ours has a key that stands for
"no case", so that both take the same way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NoReturn
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Actor, Visitor
from app.audit.service import record
from app.binding import rules
from app.binding.errors import AttemptOver, NotFinishedHere, OutOfStep
from app.binding.models import Attempt, Challenge, Proof
from app.binding.rules import Kind, State
from app.cases.models import Case
from app.cases.queries import subject_document, subject_from
from app.channels.ports import Subject
from app.database import services_of
from app.ids import new_id
from app.permissions import Level
from app.sessions.models import Session
from security.envelope import Place, seal
from security.keys import DataKey

NO_CASE: Final = "attempts-without-case"


def stream_of(attempt: Attempt) -> str:
    """The attempt's stream of leaves."""
    return f"attempt:{attempt.id}"


def visitor_of(attempt: Attempt) -> Visitor:
    """Who acts in an attempt."""
    return Visitor(attempt.session_id)


async def of_session(
    db: AsyncSession, session_id: UUID, now: datetime, *, slug: str = "", kind: Kind = Kind.ENTRY
) -> Attempt:
    """The open attempt of this browser session; raises `AttemptOver` when there is none or it is too old."""
    attempt = await latest_of_session(db, session_id, slug=slug, kind=kind)
    if attempt is None:
        raise AttemptOver
    await require_live(db, attempt, now)
    return attempt


async def latest_of_session(
    db: AsyncSession, session_id: UUID, *, slug: str = "", kind: Kind = Kind.ENTRY
) -> Attempt | None:
    """The newest open attempt of this session and kind, too old or not."""
    return (
        await db.execute(
            select(Attempt)
            .where(
                Attempt.session_id == session_id,
                Attempt.slug == slug,
                Attempt.kind == kind,
                Attempt.state.in_(rules.OPEN_STATES),
            )
            .order_by(Attempt.id.desc())
            .limit(1)
        )
    ).scalar_one_or_none()


async def bound_by(db: AsyncSession, binding_id: UUID) -> Attempt | None:
    """The newest attempt that came in by this binding: how its handle was proved, and where."""
    return (
        await db.execute(
            select(Attempt)
            .where(Attempt.binding_id == binding_id, Attempt.kind == Kind.ENTRY, Attempt.state == State.BOUND)
            .order_by(Attempt.id.desc())
            .limit(1)
        )
    ).scalar_one_or_none()


async def require_live(db: AsyncSession, attempt: Attempt, now: datetime) -> None:
    """Raise `AttemptOver` unless the attempt is open, fresh, and its browser session still lives."""
    if attempt.state not in rules.OPEN_STATES:
        raise AttemptOver
    rules.require_fresh(
        services_of(db).policy.lifetimes,
        expires_at=attempt.expires_at,
        handle_proved_at=attempt.handle_proved_at,
        customer_proved_at=attempt.customer_proved_at,
        now=now,
    )
    session = await db.get(Session, attempt.session_id, populate_existing=True)
    if session is None or session.ended_at is not None or session.expires_at <= now:
        raise AttemptOver


def require_state(attempt: Attempt, *states: State) -> None:
    """Raise `OutOfStep` unless the attempt stands at one of these states."""
    if attempt.state not in states:
        raise OutOfStep


async def add(
    db: AsyncSession,
    *,
    session_id: UUID,
    kind: Kind,
    slug: str,
    case_id: UUID | None,
    state: State = State.STARTED,
    level: int = Level.L0,
    subject: Subject | None = None,
    **values: Any,
) -> Attempt:
    """A new attempt, with its leaf; `subject` is the proved account of one that belongs to a binding already."""
    services = services_of(db)
    now = services.clock()
    attempt_id = new_id(now)
    attempt = Attempt(
        id=attempt_id,
        session_id=session_id,
        kind=kind.value,
        slug=slug,
        case_id=case_id,
        state=state.value,
        version=1,
        level=int(level),
        created_at=now,
        expires_at=now + services.policy.lifetimes.attempt,
        **values,
    )
    if subject is not None:
        attempt.sealed_subject = await sealed_subject(db, attempt, subject)
    attempt.leaf_id = record(
        db,
        "attempt.started",
        stream=stream_of(attempt),
        actor=Visitor(session_id),
        data={"case": str(case_id or ""), "kind": kind.value},
    )
    db.add(attempt)
    await db.flush()
    return attempt


async def move(
    db: AsyncSession,
    attempt: Attempt,
    to: State,
    event: str,
    data: Mapping[str, str | int],
    *,
    stream: str | None = None,
    actor: Actor | None = None,
    **changes: Any,
) -> UUID:
    """Move by compare-and-set on (id, state, version), with the leaf of `event`; returns the leaf's id.

    Raises `OutOfStep` for a step that the table does not have, or when somebody else has moved it meanwhile.
    """
    rules.require_move(attempt.state, to)
    leaf_id = record(db, event, stream=stream or stream_of(attempt), actor=actor or visitor_of(attempt), data=data)
    moved = await db.execute(
        update(Attempt)
        .where(Attempt.id == attempt.id, Attempt.state == attempt.state, Attempt.version == attempt.version)
        .values(state=to.value, version=attempt.version + 1, leaf_id=leaf_id, **changes)
        .returning(Attempt.id)
        .execution_options(synchronize_session=False)
    )
    if moved.scalar_one_or_none() is None:
        raise OutOfStep
    await db.refresh(attempt)
    return leaf_id


def note_refusal(db: AsyncSession, attempt: Attempt, step: str, reason: str) -> None:
    """A refusal that leaves the attempt where it stands."""
    record(
        db,
        "attempt.refused",
        stream=stream_of(attempt),
        actor=visitor_of(attempt),
        data={"reason": reason, "step": step},
    )


async def refuse(db: AsyncSession, attempt: Attempt, step: str, reason: str) -> NoReturn:
    """End the attempt for good, with its leaf and the neutral words; raises `NotFinishedHere`."""
    await move(db, attempt, State.REFUSED, "attempt.refused", {"reason": reason, "step": step})
    raise NotFinishedHere


def add_proof(db: AsyncSession, attempt: Attempt, leaf_id: UUID, *, of: str, method: str, level: Level) -> None:
    """Keep an accepted evidence, under the leaf of the move that accepted it."""
    now = services_of(db).clock()
    db.add(
        Proof(
            id=new_id(now),
            attempt_id=attempt.id,
            of=of,
            method=method,
            level=int(level),
            proved_at=now,
            leaf_id=leaf_id,
        )
    )


async def current_challenge(db: AsyncSession, attempt: Attempt, purpose: str) -> Challenge | None:
    """The code asked for by the attempt's last move; asking again puts every older one out of use."""
    return (
        await db.execute(
            select(Challenge)
            .where(
                Challenge.attempt_id == attempt.id,
                Challenge.attempt_version == attempt.version,
                Challenge.purpose == purpose,
            )
            .execution_options(populate_existing=True)
        )
    ).scalar_one_or_none()


async def sealing_key(db: AsyncSession, attempt: Attempt) -> DataKey:
    """The key of the attempt's case, or the one that stands for "no case"."""
    vault = services_of(db).vault
    case = await db.get(Case, attempt.case_id) if attempt.case_id else None
    return await vault.key(case.key_id) if case is not None else await vault.service_key(NO_CASE)


async def sealed(db: AsyncSession, attempt: Attempt, column: str, document: object) -> bytes:
    """A JSON value, sealed for one column of the attempt."""
    return seal(await sealing_key(db, attempt), _place(attempt, column), json.dumps(document).encode())


async def opened(db: AsyncSession, attempt: Attempt, column: str) -> Any:
    """The JSON value of a sealed column; None when it is empty."""
    stored: bytes | None = getattr(attempt, column)
    if stored is None:
        return None
    return json.loads(await services_of(db).vault.open(_place(attempt, column), stored))


async def proved_subject(db: AsyncSession, attempt: Attempt) -> Subject:
    """The account whose handle was proved; raises `OutOfStep` before that."""
    document = await opened(db, attempt, "sealed_subject")
    if document is None:
        raise OutOfStep
    return subject_from(document)


async def sealed_subject(db: AsyncSession, attempt: Attempt, subject: Subject) -> bytes:
    """An account, sealed as the attempt's proved one."""
    return await sealed(db, attempt, "sealed_subject", subject_document(subject))


def _place(attempt: Attempt, column: str) -> Place:
    return Place("attempts", column, str(attempt.id))
