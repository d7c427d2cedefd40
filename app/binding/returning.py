"""The way back by a passkey alone: open the case link, one tap, and the room is open at the passkey's level.

The link's page asks every browser for any passkey of our host, so the question tells nobody whether the case's author
is a customer. It opens the room of the passkey's own binding, and only where that binding's handle is the author's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import attempts, notices, rules
from app.binding.browsers import is_strange, note_browser
from app.binding.errors import AttemptOver, PasskeyNotAccepted
from app.binding.models import Attempt
from app.binding.passkey_proof import Weighed, accept, question_of, weigh
from app.binding.ports import BindingPorts
from app.binding.reproof import reproof_of
from app.binding.room_entry import customer_of, lock_room
from app.binding.rules import Kind, State
from app.binding.starting import cancel_own, visitor_for
from app.cases.models import Case
from app.cases.queries import case_by_slug
from app.conversations import service as conversations
from app.database import services_of, transaction
from app.permissions import Level
from app.policy import NewBrowser
from app.services import Services
from app.sessions import service as sessions


@dataclass(frozen=True)
class ReturnAsked:
    """The question, and the browser's new session if it needed one."""

    options: dict[str, Any] = field(repr=False)
    session_token: str | None = field(repr=False)


@dataclass(frozen=True)
class Returned:
    """The customer is in the room again, under a new session token for the visitor's cookie."""

    level: Level
    session_token: str = field(repr=False)


async def begin_return(services: Services, ports: BindingPorts, *, slug: str, session_id: UUID | None) -> ReturnAsked:
    """The same question for every link and browser; an earlier one of this browser at this link is cancelled."""
    now = services.clock()
    async with transaction(services) as db:
        visitor_id, token = await visitor_for(db, session_id, now)
        case = await case_by_slug(db, slug)
        await cancel_own(db, visitor_id, slug, Kind.RETURN)
        attempt = await attempts.add(
            db,
            session_id=visitor_id,
            kind=Kind.RETURN,
            slug=slug,
            case_id=case.id if case is not None else None,
            state=State.CUSTOMER_PENDING,
            customer_method=rules.PASSKEY,
        )
        return ReturnAsked(await question_of(db, ports, attempt), token)


async def finish_return(
    services: Services,
    ports: BindingPorts,
    *,
    slug: str,
    session_id: UUID | None,
    answer: str,
    browser: str | None = None,
) -> Returned:
    """The answer; raises `PasskeyNotAccepted` in the same words for every refusal, which ends the attempt.

    A `browser` that the binding was never used from is refused too, unless the policy says otherwise: a synced passkey
    may be anywhere. Then the channel on file hears of it. None: nobody knows which browser it is.
    """
    if session_id is None:
        raise PasskeyNotAccepted
    now = services.clock()
    async with transaction(services) as db:
        try:
            attempt = await attempts.of_session(db, session_id, now, slug=slug, kind=Kind.RETURN)
        except AttemptOver:
            raise PasskeyNotAccepted from None
        weighed = await weigh(db, ports, attempt, answer, now)
        if not isinstance(weighed, str):
            weighed = await _addressed(db, attempt, weighed, now, browser)
        if isinstance(weighed, str):
            data = {"reason": weighed, "step": rules.PASSKEY}
            await attempts.move(db, attempt, State.REFUSED, "attempt.refused", data)
            raise PasskeyNotAccepted
        returned = await _enter(db, attempt, weighed, now)
        if browser is not None and await note_browser(db, weighed.binding.id, browser):
            await notices.enqueue_notice(db, weighed.binding, kind="new_browser", proved_by=rules.PASSKEY)
        return returned


async def _addressed(
    db: AsyncSession, attempt: Attempt, weighed: Weighed, now: datetime, browser: str | None
) -> Weighed | str:
    """A room is entered from the links of its own handle's cases and from browsers that it knows, and from no other."""
    case = await db.get(Case, attempt.case_id) if attempt.case_id else None
    if case is None:
        return "unknown_link"
    if case.author_hash != weighed.binding.handle_hash:
        return "other_account"
    # One factor brings back only who has lately shown the whole way that account and customer are theirs.
    if await reproof_of(db, weighed.binding, now) is not None:
        return "reproof_needed"
    asks = services_of(db).policy.new_browser == NewBrowser.PROVE and browser is not None
    return "new_browser" if asks and await is_strange(db, weighed.binding.id, browser or "") else weighed


async def _enter(db: AsyncSession, attempt: Attempt, weighed: Weighed, now: datetime) -> Returned:
    binding = weighed.binding
    level = await accept(db, attempt, weighed, now)
    await attempts.move(
        db,
        attempt,
        State.BOUND,
        "binding.returned",
        {"level": int(level), "attempt": str(attempt.id), "method": rules.PASSKEY},
        stream=f"binding:{binding.id}",
        binding_id=binding.id,
        handle_hash=binding.handle_hash,
    )
    room = await lock_room(db, binding.id)
    assert room is not None
    assert attempt.case_id is not None
    started = await sessions.raise_to_binding(
        db, attempt.session_id, binding_id=binding.id, conversation_id=room.id, level=level, now=now
    )
    actor = customer_of(started.session, level, now)
    session_id = started.session.id
    await conversations.enter(db, room.id, session_id=session_id, level=level, case_id=attempt.case_id, actor=actor)
    return Returned(level, started.token)
