"""`CurrentStaff`: a live staff session of an active account, as an actor."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from app.actors import Staff
from app.agents import queries
from app.agents.service import actor_of
from app.database import reading
from app.errors import Unauthenticated
from app.http.dependencies import CurrentServices
from app.sessions.dependencies import StaffSession


async def current_staff(session: StaffSession, services: CurrentServices) -> Staff:
    """The member of staff behind the session; raises `Unauthenticated` for a leaver."""
    async with reading(services) as db:
        account = await queries.account(db, session.staff_id) if session.staff_id else None
    if account is None:
        raise Unauthenticated
    return actor_of(account, session)


CurrentStaff = Annotated[Staff, Depends(current_staff)]
