"""`/api/v1/tokens`: password and code in, opaque token out; and out with it again. `/api/v1/password`: another one."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request

from app.agents import password_changes, proofs, queries, service
from app.agents.dependencies import CurrentStaff, local_sign_in, token_ports
from app.agents.schemas import PasswordChange, StaffOut, TokenOut, TokenRequest
from app.agents.service import Credentials
from app.database import reading
from app.errors import Unauthenticated
from app.http.dependencies import CurrentServices, Db, ReadDb
from app.services import Services
from app.sessions import rules

router = APIRouter(prefix="/api/v1", tags=["staff"])


@router.post("/tokens", status_code=201)
async def make_token(request: Request, body: TokenRequest, services: CurrentServices) -> TokenOut:
    """A new token for this member of staff, with all scopes of the role or fewer; one answer for every refusal.

    With a DPoP proof (RFC 9449) the token is bound to its key.
    """
    jkt = await _key_to_bind(request, services)
    credentials = Credentials(body.login, body.password.get_secret_value(), body.code.get_secret_value())
    scopes = None if body.scopes is None else frozenset(one.value for one in body.scopes)
    lifetime = timedelta(minutes=body.lifetime_minutes)
    started = await service.sign_in(
        services,
        credentials,
        kind=rules.API,
        lifetime=lifetime,
        scopes=scopes,
        jkt=jkt,
        local=local_sign_in(request),
    )
    async with reading(services) as db:
        account = await queries.account(db, started.session.staff_id) if started.session.staff_id else None
    if account is None:
        raise Unauthenticated
    return TokenOut(
        token=started.token,
        token_type="Bearer" if jkt is None else "DPoP",
        role=account.role,
        scopes=started.session.scopes.split(),
        expires_at=started.session.expires_at,
    )


@router.post("/password", status_code=204)
async def change_password(request: Request, body: PasswordChange, services: CurrentServices) -> None:
    """Change one's own password: by the old one and a current code, whatever token there is. Every session ends."""
    credentials = Credentials(body.login, body.password.get_secret_value(), body.code.get_secret_value())
    new = body.new_password.get_secret_value()
    await password_changes.change(services, credentials, new, local=local_sign_in(request))


async def _key_to_bind(request: Request, services: Services) -> str | None:
    """The thumbprint of the proof's key; raises `ProofRefused` for a bad one, or for none where one is required."""
    ports, given = token_ports(request), request.headers.getlist("dpop")
    if not given and not ports.requires_dpop:
        return None
    asked = (request.method, f"{ports.url}{request.url.path}")
    proof = await proofs.proved(services, given, asked, wants_nonce=ports.uses_nonces)
    await proofs.spend_now(services, proof)
    return proof.jkt


@router.delete("/tokens/current", status_code=204)
async def end_token(staff: CurrentStaff, db: Db) -> None:
    """Revoke the token that this very request carries."""
    await service.sign_out(db, staff)


@router.get("/staff/me")
async def me(staff: CurrentStaff, db: ReadDb) -> StaffOut:
    """Who this token is."""
    account = await queries.account(db, staff.id)
    if account is None:
        raise Unauthenticated
    return StaffOut(
        id=account.id,
        login=account.login,
        display_name=account.display_name,
        role=account.role,
        active=account.active,
    )


@router.get("/staff")
async def desk(_staff: CurrentStaff, db: ReadDb) -> list[StaffOut]:
    """Who may work cases, for a transfer."""
    return [
        StaffOut(id=one.id, login=one.login, display_name=one.display_name, role=one.role, active=one.active)
        for one in await queries.desk(db)
    ]
