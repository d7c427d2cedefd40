"""The public door's two addresses for wallets: no cookie is looked at, no page is shown, nothing is told."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse, Response

from app.binding.ports import BindingPorts
from app.binding.wallet import REQUEST_TYP
from app.binding.wallet_answers import keep_answer, request_for_wallet
from app.http.dependencies import CurrentServices
from app.http.forms import strict_form

PREFIX = "/wallet/"
MAX_BODY = 48 * 1024

router = APIRouter(include_in_schema=False)
Known = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{43}$")]


@router.get("/wallet/{provider}/request/{state}")
async def wallet_request(request: Request, provider: str, state: Known, services: CurrentServices) -> Response:
    """The signed request object (RFC 9101) of one redirect."""
    signed = await request_for_wallet(services, _ports(request), provider=provider, state=state)
    return Response(signed, media_type=f"application/{REQUEST_TYP}")


@router.post("/wallet/{provider}/response/{state}")
async def wallet_response(
    request: Request,
    provider: str,
    state: Known,
    services: CurrentServices,
    form: Annotated[dict[str, str], Depends(strict_form)],
) -> Response:
    """Where the wallet posts its answer (`direct_post.jwt`); what it must open next comes back."""
    go_on = await keep_answer(services, _ports(request), provider=provider, state=state, fields=form)
    return JSONResponse({"redirect_uri": go_on})


def _ports(request: Request) -> BindingPorts:
    ports: BindingPorts = request.app.state.binding_ports
    return ports
