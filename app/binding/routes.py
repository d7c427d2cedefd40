"""`/api/v1/bindings` and `/revocations`: what is proved about a case's author, and ending it by the bank's own word."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from app.agents.dependencies import CurrentStaff
from app.audit.service import record
from app.binding import ending, queries
from app.binding.ports import BindingPorts
from app.binding.schemas import BindingOut, BindingsOut, RevocationIn, RevocationOut, RevokedOut, RevokeIn
from app.database import transaction
from app.http.dependencies import CurrentServices, Db
from app.limits.dependencies import Once
from app.permissions import Permission, require

router = APIRouter(prefix="/api/v1", tags=["bindings"])


@router.get("/bindings")
async def bindings_of_case(case: Annotated[UUID, Query()], staff: CurrentStaff, db: Db) -> BindingsOut:
    """The bindings made from a case that this member may see; the reading has its leaf before anything leaves."""
    facts = await queries.bindings_of_case(db, staff, case)
    record(db, "case.read", stream=f"case:{case}", actor=staff, data={"part": "bindings"})
    return BindingsOut(items=[BindingOut.from_fact(fact) for fact in facts])


@router.post("/bindings/{binding_id}/revoke", response_model=RevokedOut)
async def revoke(binding_id: UUID, body: RevokeIn, staff: CurrentStaff, db: Db, once: Once) -> JSONResponse:
    """End one link of a case that this member works; one that has ended is only frozen."""

    async def act() -> RevokedOut:
        ended = await ending.end_link(db, staff, binding_id, body.because)
        return RevokedOut.model_validate(ended, from_attributes=True)

    return await once.answer(db, staff.id, 200, act, still=partial(ending.require_workable, db, staff, binding_id))


@router.post("/revocations", response_model=RevocationOut)
async def revoke_all(
    request: Request, body: RevocationIn, staff: CurrentStaff, services: CurrentServices, once: Once
) -> JSONResponse:
    """End all links of a customer who phones, and let nobody link to them for a while. Supervisors only."""
    ports: BindingPorts = request.app.state.binding_ports
    number = await ending.spelling_of(ports, staff, body.customer_number)
    async with transaction(services) as db:

        async def act() -> RevocationOut:
            return RevocationOut(revoked=await ending.end_links_of(db, staff, number, body.because))

        async def still() -> None:
            require(staff, Permission.BINDINGS_REVOKE_ANY)

        return await once.answer(db, staff.id, 200, act, still=still)
