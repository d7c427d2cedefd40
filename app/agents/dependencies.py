"""`CurrentStaff`: a live staff session of an active account, as an actor; and a leaf for what its role forbids."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, FastAPI, Request
from starlette.responses import Response

from app.actors import Staff
from app.agents import queries
from app.audit.service import record
from app.database import transaction
from app.errors import Forbidden, Unauthenticated
from app.http.dependencies import current_services
from app.http.problems import Answers
from app.sessions.dependencies import confirmed, staff_token
from security.tokens import token_hash

ASKING: Final = "staff"
"""The name in `request.state` of the member of staff who asks."""


async def current_staff(request: Request) -> Staff:
    """The member of staff behind the session; raises `Unauthenticated` for a leaver.

    It takes the request alone: each dependency of a dependency costs every request as much again as it does itself.
    """
    services = await current_services(request)
    kind, token = staff_token(request)
    session = await queries.signed_in(services, token_hash(token))
    found = await confirmed(request, services, services.clock(), kind, session)
    if not found.active:
        raise Unauthenticated
    staff = queries.staff_of(found)
    setattr(request.state, ASKING, staff)
    return staff


CurrentStaff = Annotated[Staff, Depends(current_staff)]


def install_staff_refusals(app: FastAPI, answers: Answers) -> None:
    """What a role does not allow is refused with a leaf of its own, unless the refusal has brought one already."""

    async def refused(request: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, Forbidden)
        staff: Staff | None = getattr(request.state, ASKING, None)
        if staff is not None and not refusal.keeps_changes:
            async with transaction(await current_services(request)) as db:
                record(db, "staff.refused", stream=f"staff:{staff.id}", actor=staff, data={"reason": refusal.code})
        return await answers.refused(request, refusal)

    app.add_exception_handler(Forbidden, refused)
