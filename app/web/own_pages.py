"""The customer's own view: what is linked and who looked, a receipt to keep, and the way to undo it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from app.actors import Customer
from app.binding import revoking
from app.binding.own_view import OwnView, own_view
from app.channels.ports import connector_for
from app.compliance.ports import CompliancePorts
from app.compliance.receipts import make_receipt
from app.compliance.trust import public_trust
from app.conversations.dependencies import CurrentCustomer, customer_of
from app.conversations.errors import RoomLocked
from app.conversations.reading import begin_reading
from app.database import reading
from app.errors import RiserboError
from app.http.dependencies import CurrentServices, Now
from app.services import Services
from app.sessions.dependencies import VisitorSession
from app.web.entry_views import ports_of
from app.web.facts import at_name, proof_facts
from app.web.own_views import LookRow, MeansRow, OwnBinding
from app.web.pages import Form, page, see_other, site_of
from app.web.views import Ended

router = APIRouter(include_in_schema=False)


def compliance_ports(request: Request) -> CompliancePorts:
    """The ports that `main` gave this door."""
    ports: CompliancePorts = request.app.state.compliance_ports
    return ports


@router.get("/room/binding")
async def own_binding(request: Request, services: CurrentServices, session: VisitorSession, now: Now) -> Response:
    """What is linked, how strongly, until when, what opens it, and who at the bank looked."""
    try:
        return page(request, await _view(request, services, customer_of(services.policy, session, now)))
    except RoomLocked:
        return see_other("/room")


@router.post("/room/binding/revoke")
async def revoke(
    request: Request, services: CurrentServices, customer: CurrentCustomer, form: Form, now: Now
) -> Response:
    """Undo the link, with one tap on the page that says what it means. All that it opened ends, in this browser too."""
    if form.get("confirm") != "yes":
        return see_other("/room/binding")
    await revoking.revoke_own(services, customer)
    return page(request, Ended(site=site_of(request), now=now, reason="revoked"))


@router.post("/room/receipt")
async def receipt(request: Request, services: CurrentServices, customer: CurrentCustomer) -> Response:
    """The conversation as this session sees it, with proofs, as one file."""
    try:
        made = await make_receipt(services, compliance_ports(request), customer)
    except RoomLocked:
        return see_other("/room")
    except RiserboError as refusal:
        return page(request, await _view(request, services, customer, refusal.message), refusal.status)
    headers = {"Content-Disposition": f'attachment; filename="{made.filename}"'}
    return Response(made.content, media_type="application/zip", headers=headers)


@router.get("/trust.json")
async def trust(request: Request) -> Response:
    """The public keys of the log and of its exports: what `verify` needs, and nothing that changes with use."""
    return JSONResponse(public_trust(compliance_ports(request)))


async def _own(services: Services, customer: Customer) -> OwnView:
    """Read once its reading has its leaf. Raises `RoomLocked`."""
    await begin_reading(services, customer)
    async with reading(services) as db:
        return await own_view(db, customer)


async def _view(request: Request, services: Services, customer: Customer, error: str = "") -> OwnBinding:
    known = await _own(services, customer)
    return OwnBinding(
        site=site_of(request),
        now=services.clock(),
        error=error,
        handle=at_name(known.handle),
        network=_label(request, known),
        level=known.level,
        created_at=known.created_at,
        proved_at=known.proved_at,
        expires_at=known.expires_at,
        handle_until=known.handle_until,
        customer_until=known.customer_until,
        proofs=proof_facts(request, known.proofs),
        means=tuple(MeansRow(kind=one.kind, since=one.since, max_level=one.max_level) for one in known.means),
        looks=tuple(
            LookRow(role=one.role, act=one.act, first=one.first, last=one.last, times=one.times) for one in known.looks
        ),
        session_began=known.session_began,
        session_ends=known.session_ends,
        older_hidden=known.older_hidden,
        trust_address=compliance_ports(request).trust_address,
    )


def _label(request: Request, known: OwnView) -> str:
    connector = connector_for(ports_of(request).connectors, known.network, known.scope)
    return connector.label if connector is not None else known.network
