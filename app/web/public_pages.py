"""What anybody may ask without a session: is this the bank's own, "this was not me", privacy, our public keys."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from app.binding import revoking
from app.binding.ports import BindingPorts
from app.errors import NotFound
from app.handover import queries as register
from app.handover.ports import HandoverPorts
from app.http.dependencies import CurrentServices, Now, ReadDb
from app.web.pages import Form, page, page_settings, site_of
from app.web.public_views import NotMe, Privacy, Verify, VerifyAnswer

router = APIRouter(include_in_schema=False)
LONGEST_REFERENCE: Final = 40


@router.get("/verify")
async def ask_verify(request: Request, now: Now) -> Response:
    """The question."""
    return page(request, Verify(site=site_of(request), now=now))


@router.post("/verify")
async def verify(request: Request, db: ReadDb, form: Form, now: Now) -> Response:
    """The answer: which official account, to which public post, since when; or that it is not ours."""
    ports: HandoverPorts = request.app.state.handover_ports
    text = form.get("text", "")[: register.LONGEST_QUESTION]
    found = await register.verify(db, ports, text)
    answer = VerifyAnswer(ours=False)
    if found is not None:
        answer = VerifyAnswer(
            ours=True,
            account=f"@{found.official_handle.lstrip('@')}",
            network=found.network,
            answered=found.answered_url,
            posted_at=found.posted_at,
            url=found.official_url,
        )
    return page(request, Verify(site=site_of(request), now=now, text=text, answer=answer))


@router.get("/not-me")
async def ask_not_me(request: Request, now: Now) -> Response:
    """Where the reference of a notice is typed."""
    return page(request, NotMe(site=site_of(request), now=now))


@router.post("/not-me")
async def not_me(request: Request, services: CurrentServices, form: Form, now: Now) -> Response:
    """Undo the binding and end everything it opened; the same answer for unknown references."""
    reference = form.get("reference", "")[:LONGEST_REFERENCE]
    await revoking.not_me(services, reference=reference)
    return page(request, NotMe(site=site_of(request), now=now, done=True))


@router.get("/oauth/jwks.json")
async def client_keys(request: Request) -> Response:
    """The public keys by which identity providers know the bank's requests (RFC 7517)."""
    ports: BindingPorts = request.app.state.binding_ports
    return JSONResponse({"keys": ports.client_keys()}, media_type="application/jwk-set+json")


@router.get("/oauth/clients/{connector}.json")
async def client_document(request: Request, connector: str) -> Response:
    """How a network's servers know the bank as a client; the address is the client's name there."""
    ports: BindingPorts = request.app.state.binding_ports
    document = next((one.client_document for one in ports.connectors if one.name == connector), None)
    if document is None:
        raise NotFound
    return JSONResponse(dict(document))


@router.get("/privacy")
async def privacy(request: Request, now: Now) -> Response:
    """The privacy and recording notice."""
    return page(request, Privacy(site=site_of(request), now=now, controller=page_settings(request).bank))
