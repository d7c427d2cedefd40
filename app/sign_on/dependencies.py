"""`FreshStaff`: a member of staff whose sign-in is strong and recent enough for a sensitive act."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.actors import Staff
from app.agents.dependencies import CurrentStaff
from app.http.dependencies import CurrentServices
from app.sign_on.rules import SignOnPorts
from app.sign_on.service import require_fresh


def sign_on_ports(request: Request) -> SignOnPorts | None:
    """The bank's own sign-in; None where staff signs in here."""
    ports: SignOnPorts | None = getattr(request.app.state, "sign_on_ports", None)
    return ports


async def fresh_staff(request: Request, services: CurrentServices, staff: CurrentStaff) -> Staff:
    """Raises `SignInAgain`."""
    await require_fresh(services, sign_on_ports(request), staff)
    return staff


FreshStaff = Annotated[Staff, Depends(fresh_staff)]
