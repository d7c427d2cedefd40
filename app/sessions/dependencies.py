"""From cookie or bearer token to a session row. What an actor may then do is decided further up."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Request
from sqlalchemy.exc import OperationalError

from app.database import transaction
from app.errors import Unauthenticated
from app.http.admission import PROVED, Standing
from app.http.dependencies import CurrentServices, Now
from app.http.session_tokens import TokenPlace
from app.services import Services
from app.sessions import rules, service
from app.sessions.models import Session

VISITOR_COOKIE: Final = "__Host-riserbo"
STAFF_COOKIE: Final = "__Host-riserbo-staff"
VISITOR_TOKEN: Final = TokenPlace(VISITOR_COOKIE)
STAFF_TOKEN: Final = TokenPlace(STAFF_COOKIE, schemes=("bearer", "dpop"))


class SessionOver(Unauthenticated):
    """There was a session; it has ended, expired or been idle for too long."""

    code = "session_over"
    message = "Your session has ended. Please start again."


S = TypeVar("S", bound=rules.SessionFacts)


async def confirmed(request: Request, services: Services, now: datetime, kind: str, session: S | None) -> S:
    """The session if it is live and of this kind; last-seen is written by itself, at most once a minute.

    Raises `SessionOver`.
    """
    if session is None or session.kind != kind or session.ended_at is not None or session.expires_at <= now:
        raise SessionOver
    idle = rules.is_idle(services.policy.sessions, session, now)
    if session.kind == rules.STAFF and idle:
        raise SessionOver
    if not is_automatic(request) and not idle and now - session.last_seen_at > rules.SEEN_AT_MOST_EVERY:
        # Where it cannot be written (a full disk), reading goes on, and the session is idle sooner.
        with suppress(OperationalError):
            async with transaction(services) as db:
                await service.touch(db, session.id, now)
    if session.kind != rules.VISITOR or session.binding_id is not None:
        # From now on this client counts by itself and no longer as a part of its network.
        setattr(request.state, PROVED, Standing.CUSTOMER if session.kind == rules.VISITOR else Standing.STAFF)
    return session


def is_automatic(request: Request) -> bool:
    """A page that refreshes itself, or a stream that a browser opens again, is no sign of life of a person."""
    streams = "text/event-stream" in request.headers.get("accept", "")
    return streams or request.headers.get("x-riserbo-automatic") == "1"


async def visitor_session(request: Request, services: CurrentServices, now: Now) -> Session:
    """The visitor's session by cookie; raises `Unauthenticated`."""
    found = VISITOR_TOKEN.find(request.headers.raw)
    if found is None:
        raise Unauthenticated
    return await confirmed(request, services, now, rules.VISITOR, await service.find(services, found.token, now))


async def optional_visitor_session(request: Request, services: CurrentServices, now: Now) -> Session | None:
    """The visitor's session if there is a live one."""
    try:
        return await visitor_session(request, services, now)
    except Unauthenticated:
        return None


@dataclass(frozen=True)
class StaffToken:
    """What a request brings: a token of the API with its scheme (`bearer`, `dpop`), or the console's cookie."""

    kind: str
    scheme: str
    token: str = field(repr=False)


def staff_token(request: Request) -> StaffToken:
    """Kind and token of a member of staff's session: token on the API, cookie on the console, the same seam.

    An empty header is none. Raises `Unauthenticated`, also for two headers: two readers might each take another one.
    """
    found = STAFF_TOKEN.find(request.headers.raw)
    if found is None or not found.token:
        raise Unauthenticated
    return StaffToken(rules.API if found.scheme else rules.STAFF, found.scheme, found.token)


VisitorSession = Annotated[Session, Depends(visitor_session)]
OptionalVisitorSession = Annotated[Session | None, Depends(optional_visitor_session)]
