"""`CurrentStaff`: a live staff session of an active account, as an actor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from app.actors import Staff
from app.agents import queries
from app.audit.service import record
from app.database import transaction
from app.errors import Forbidden, Unauthenticated
from app.http.dependencies import CurrentServices, Now
from app.sessions.dependencies import confirmed, staff_token
from security.tokens import token_hash


async def current_staff(request: Request, services: CurrentServices, now: Now) -> AsyncIterator[Staff]:
    """The member of staff behind the session; raises `Unauthenticated` for a leaver.

    What the role does not allow is refused with a leaf of its own, unless the refusal has brought one already.
    """
    kind, token = staff_token(request)
    found = await confirmed(request, services, now, kind, await queries.signed_in(services, token_hash(token)))
    if not found.active:
        raise Unauthenticated
    staff = queries.staff_of(found)
    try:
        yield staff
    except Forbidden as refusal:
        if not refusal.keeps_changes:
            async with transaction(services) as db:
                record(db, "staff.refused", stream=f"staff:{staff.id}", actor=staff, data={"reason": refusal.code})
        raise


CurrentStaff = Annotated[Staff, Depends(current_staff, scope="function")]
