"""`CurrentCustomer`: a proved session in its own room, as an actor. A locked or idle one is nobody."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Depends

from app.actors import Customer
from app.conversations.errors import RoomLocked
from app.conversations.queries import session_is_live
from app.errors import Unauthenticated
from app.http.dependencies import CurrentServices, Now
from app.policy import Policy
from app.sessions.dependencies import VisitorSession
from app.sessions.models import Session


def customer_of(policy: Policy, session: Session, now: datetime) -> Customer:
    """The actor of a session. Raises `Unauthenticated` before a binding, `RoomLocked` while it is locked or idle."""
    if session.binding_id is None or session.conversation_id is None or session.proved_at is None:
        raise Unauthenticated
    if not session_is_live(policy, session, now):
        raise RoomLocked
    return Customer(session.binding_id, session.conversation_id, session.id, session.level, session.proved_at)


async def current_customer(session: VisitorSession, services: CurrentServices, now: Now) -> Customer:
    """The customer behind the visitor's session."""
    return customer_of(services.policy, session, now)


CurrentCustomer = Annotated[Customer, Depends(current_customer)]
