"""`CurrentStaff`: a live staff session of an active account, as an actor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends

from app.actors import Staff
from app.agents import queries
from app.agents.service import actor_of
from app.audit.service import record
from app.database import transaction
from app.errors import Forbidden, Unauthenticated
from app.http.dependencies import CurrentServices
from app.sessions.dependencies import StaffSession


async def current_staff(session: StaffSession, services: CurrentServices) -> AsyncIterator[Staff]:
    """The member of staff behind the session; raises `Unauthenticated` for a leaver.

    What the role does not allow is refused with a leaf of its own, unless the refusal has brought one already.
    """
    account = await queries.live_account(services, session.staff_id) if session.staff_id else None
    if account is None:
        raise Unauthenticated
    staff = actor_of(account, session)
    try:
        yield staff
    except Forbidden as refusal:
        if not refusal.keeps_changes:
            async with transaction(services) as db:
                record(db, "staff.refused", stream=f"staff:{staff.id}", actor=staff, data={"reason": refusal.code})
        raise


CurrentStaff = Annotated[Staff, Depends(current_staff, scope="function")]
