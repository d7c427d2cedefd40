"""`/api/v1/bindings`: what is proved about a case's author, as facts for the desk."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.agents.dependencies import CurrentStaff
from app.audit.service import record
from app.binding import queries
from app.binding.schemas import BindingOut, BindingsOut
from app.http.dependencies import Db

router = APIRouter(prefix="/api/v1", tags=["bindings"])


@router.get("/bindings")
async def bindings_of_case(case: Annotated[UUID, Query()], staff: CurrentStaff, db: Db) -> BindingsOut:
    """The bindings made from a case that this member may see; the reading has its leaf before anything leaves."""
    facts = await queries.bindings_of_case(db, staff, case)
    record(db, "case.read", stream=f"case:{case}", actor=staff, data={"part": "bindings"})
    return BindingsOut(items=[BindingOut.from_fact(fact) for fact in facts])
