"""`CurrentStaff`: a live staff session of an active account, as an actor; and a leaf for what its role forbids."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

from fastapi import Depends, FastAPI, Request
from starlette.responses import Response

from app.actors import Staff
from app.agents import access_tokens, proofs, queries
from app.agents.ports import UNSEALED, LocalSignIn, TokenPorts
from app.audit.service import record
from app.database import transaction
from app.errors import Forbidden, Unauthenticated
from app.http.dependencies import current_services
from app.http.problems import Answers
from app.services import Services
from app.sessions import rules
from app.sessions.dependencies import StaffToken, confirmed, staff_token
from security.tokens import token_hash

ASKING: Final = "staff"
"""The name in `request.state` of the member of staff who asks."""
NO_TOKENS: Final = TokenPorts("")


async def current_staff(request: Request) -> Staff:
    """The member of staff, or the program, behind the session; raises `Unauthenticated` for a leaver.

    It takes the request alone: each dependency of a dependency costs every request as much again as it does itself.
    """
    services = await current_services(request)
    given, ports = staff_token(request), token_ports(request)
    session = await queries.signed_in(services, token_hash(given.token))
    possessed = partial(_possessed, request, services, ports, given)
    if session is not None and given.kind == rules.API:
        await possessed(session.jkt)
    elif given.kind == rules.API and "." in given.token:
        session = await access_tokens.admit(services, ports, local_sign_in(request), given.token, possessed)
    found = await confirmed(request, services, services.clock(), given.kind, session)
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


async def _possessed(
    request: Request, services: Services, ports: TokenPorts, given: StaffToken, jkt: str | None
) -> None:
    """Raise `ProofRefused` unless the token comes as it must: bound to a key, with the proof; else without one."""
    if (jkt is not None) is not (given.scheme == "dpop") or (ports.requires_dpop and jkt is None):
        raise proofs.ProofRefused
    if jkt is not None:
        asked = (request.method, f"{ports.url}{request.url.path}")
        proof = await proofs.proved(
            services,
            request.headers.getlist("dpop"),
            asked,
            wants_nonce=ports.uses_nonces,
            jkt=jkt,
            access_token=given.token,
        )
        await proofs.spend_now(services, proof)


def token_ports(request: Request) -> TokenPorts:
    """What the installation decides about tokens; where it says nothing, nobody else's are believed."""
    ports: TokenPorts = getattr(request.app.state, "token_ports", NO_TOKENS)
    return ports


def local_sign_in(request: Request) -> LocalSignIn:
    """Whether passwords of our own are good here."""
    local: LocalSignIn = getattr(request.app.state, "local_sign_in", UNSEALED)
    return local
