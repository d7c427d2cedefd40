"""From the case link to the room: the pages of one attempt. The same pages, answers and times for every slug.

The landing page looks nothing up and sets nothing: link-preview robots and strangers learn and cause nothing.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from app.binding import confirming, customer_proof, handle_proof, starting
from app.binding.flows import Leaving as LeavingFor
from app.binding.identity_proof import begin_identity, finish_identity
from app.binding.rules import PASSKEY, Kind, State
from app.errors import RiserboError
from app.http.dependencies import CurrentServices
from app.sessions.dependencies import OptionalVisitorSession, VisitorSession
from app.web.browser_cookie import browser_of, set_browser_cookie
from app.web.entry_views import (
    attempt_view,
    confirmation,
    customer_choice,
    customer_code_view,
    handle_choice,
    handle_code_view,
    leaving,
    ports_of,
    refused,
    set_visitor_cookie,
    visitor_network,
)
from app.web.pages import Form, language_of, page, see_other, site_of
from app.web.views import (
    Landing,
)

router = APIRouter(include_in_schema=False)
# Wider than our own slugs: a mistyped link gets the same page and the same steps as any other.
Slug = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]

# Where an attempt in this state goes on.
NEXT_STEP = {
    State.STARTED: "handle",
    State.HANDLE_PENDING: "handle",
    State.HANDLE_OK: "customer",
    State.CUSTOMER_PENDING: "customer",
    State.CUSTOMER_OK: "confirm",
}


@router.get("/c/{slug}")
async def landing(request: Request, slug: Slug, services: CurrentServices) -> Response:
    """The address that everybody can see: one static page, the same for any link."""
    passkey = services.policy.offers_method(PASSKEY, None)
    return page(request, Landing(site=site_of(request), now=services.clock(), slug=slug, passkey=passkey))


@router.post("/c/{slug}/start")
async def start(request: Request, slug: Slug, services: CurrentServices, session: OptionalVisitorSession) -> Response:
    """Begin an attempt in this browser."""
    del request
    started = await starting.start(services, slug=slug, session_id=session.id if session else None)
    answer = see_other(f"/c/{slug}/handle")
    if started.session_token is not None:
        set_visitor_cookie(answer, started.session_token)
    return answer


@router.get("/c/{slug}/handle")
async def choose_handle(request: Request, slug: Slug, services: CurrentServices, session: VisitorSession) -> Response:
    """Name network and account, and choose how to prove them."""
    view = await attempt_view(services, session.id, slug)
    if NEXT_STEP.get(view.state) != "handle":
        return see_other(f"/c/{slug}/{NEXT_STEP.get(view.state, '')}")
    return page(request, handle_choice(request, services.clock(), slug, view))


@router.post("/c/{slug}/handle")
async def ask_handle(
    request: Request, slug: Slug, services: CurrentServices, session: VisitorSession, form: Form
) -> Response:
    """On to the sign-in at the network, or to the code of a direct message."""
    try:
        if form.get("resend") == "1":
            asked = await handle_proof.resend(services, ports_of(request), session_id=session.id, slug=slug)
        else:
            asked = await handle_proof.request_handle(
                services,
                ports_of(request),
                session_id=session.id,
                slug=slug,
                connector=form.get("connector", ""),
                account=form.get("account", ""),
                method=form.get("method", ""),
                network=visitor_network(request),
                language=language_of(request),
            )
    except RiserboError as refusal:
        view = await attempt_view(services, session.id, slug)
        choice = handle_choice(request, services.clock(), slug, view, form=form, error=refusal.message)
        return page(request, choice, refusal.status)
    if isinstance(asked, LeavingFor):
        return leaving(request, services, asked, purpose="handle", back=f"/c/{slug}/handle")
    return see_other(f"/c/{slug}/handle/code")


@router.get("/c/{slug}/handle/code")
async def handle_code(request: Request, slug: Slug, services: CurrentServices, session: VisitorSession) -> Response:
    """The field for the code of the direct message; the same page whether or not one was sent."""
    view = await attempt_view(services, session.id, slug)
    return page(request, handle_code_view(request, services.clock(), slug, view))


@router.post("/c/{slug}/handle/code")
async def check_handle_code(
    request: Request, slug: Slug, services: CurrentServices, session: VisitorSession, form: Form
) -> Response:
    """Check the code of the direct message."""
    try:
        await handle_proof.check_handle_code(services, session_id=session.id, slug=slug, code=form.get("code", ""))
    except RiserboError as refusal:
        view = await attempt_view(services, session.id, slug)
        return page(request, handle_code_view(request, services.clock(), slug, view, refusal.message), refusal.status)
    return see_other(f"/c/{slug}/customer")


@router.get("/signin/{connector}/callback")
@router.get("/signin/{connector}/callback/{server}")
async def sign_in_return(
    request: Request, connector: str, services: CurrentServices, session: OptionalVisitorSession
) -> Response:
    """The return from the network's sign-in: the one GET that changes something, once, in its own browser."""
    query = request.query_params
    try:
        done = await handle_proof.finish_sign_in(
            services,
            ports_of(request),
            connector=connector,
            session_id=session.id if session else None,
            state=query.get("state", ""),
            code=query.get("code"),
            issuer=query.get("iss"),
            path=request.url.path,
        )
    except RiserboError as refusal:
        return refused(request, services, refusal)
    return see_other(f"/c/{done.slug}/customer")


@router.get("/c/{slug}/customer")
async def choose_customer_proof(
    request: Request, slug: Slug, services: CurrentServices, session: VisitorSession
) -> Response:
    """Say who one is at the bank, and choose how to prove it."""
    view = await attempt_view(services, session.id, slug)
    if NEXT_STEP.get(view.state) != "customer":
        return see_other(f"/c/{slug}/{NEXT_STEP.get(view.state, '')}")
    return page(request, customer_choice(request, services.clock(), slug, view))


@router.post("/c/{slug}/customer")
async def ask_customer_proof(
    request: Request, slug: Slug, services: CurrentServices, session: VisitorSession, form: Form
) -> Response:
    """On to the code's page, or to the identity provider."""
    ports, method = ports_of(request), form.get("method", "")
    network = visitor_network(request)
    try:
        if method.startswith("identity:"):
            provider = method.removeprefix("identity:")
            asked = await begin_identity(services, ports, session_id=session.id, slug=slug, provider=provider)
            return leaving(request, services, asked, purpose="customer", back=f"/c/{slug}/customer")
        if form.get("resend") == "1":
            await customer_proof.resend_customer_code(
                services, ports, session_id=session.id, slug=slug, network=network
            )
        else:
            await customer_proof.request_customer_code(
                services,
                ports,
                session_id=session.id,
                slug=slug,
                method=method,
                identifier=form.get("identifier", ""),
                network=network,
            )
    except RiserboError as refusal:
        view = await attempt_view(services, session.id, slug)
        choice = customer_choice(request, services.clock(), slug, view, form=form, error=refusal.message)
        return page(request, choice, refusal.status)
    return see_other(f"/c/{slug}/customer/code")


@router.get("/c/{slug}/customer/code")
async def customer_code(request: Request, slug: Slug, services: CurrentServices, session: VisitorSession) -> Response:
    """The field for the code; the same page for unknown identifiers."""
    view = await attempt_view(services, session.id, slug)
    return page(request, customer_code_view(request, services.clock(), slug, view))


@router.post("/c/{slug}/customer/code")
async def check_customer_code(
    request: Request, slug: Slug, services: CurrentServices, session: VisitorSession, form: Form
) -> Response:
    """Check the customer's code."""
    try:
        await customer_proof.check_customer_code(
            services, session_id=session.id, slug=slug, code=form.get("code", ""), network=visitor_network(request)
        )
    except RiserboError as refusal:
        view = await attempt_view(services, session.id, slug)
        answer = page(
            request, customer_code_view(request, services.clock(), slug, view, refusal.message), refusal.status
        )
        if refusal.retry_after is not None:
            answer.headers["Retry-After"] = str(refusal.retry_after)
        return answer
    return see_other(f"/c/{slug}/confirm")


@router.get("/identity/{provider}/callback")
async def identity_return(
    request: Request, provider: str, services: CurrentServices, session: OptionalVisitorSession
) -> Response:
    """The return from an identity provider: to the confirmation, or back into the room after a step-up."""
    query = request.query_params
    try:
        done = await finish_identity(
            services,
            ports_of(request),
            provider=provider,
            session_id=session.id if session else None,
            state=query.get("state", ""),
            code=query.get("code"),
            issuer=query.get("iss"),
        )
    except RiserboError as refusal:
        return refused(request, services, refusal)
    answer = see_other(f"/c/{done.slug}/confirm" if done.kind is Kind.ENTRY else "/room")
    if done.session_token is not None:
        set_visitor_cookie(answer, done.session_token)
    return answer


@router.get("/c/{slug}/confirm")
async def showconfirmation(
    request: Request, slug: Slug, services: CurrentServices, session: VisitorSession
) -> Response:
    """What will be linked: the handle and what the visitor typed, nothing that the bank knows."""
    view = await attempt_view(services, session.id, slug)
    if view.state != State.CUSTOMER_OK:
        return see_other(f"/c/{slug}/{NEXT_STEP.get(view.state, '')}")
    return page(request, confirmation(request, services.clock(), slug, view))


@router.post("/c/{slug}/confirm")
async def confirm(
    request: Request, slug: Slug, services: CurrentServices, session: VisitorSession, form: Form
) -> Response:
    """Link them, and enter the room under a new session token."""
    try:
        bound = await confirming.confirm(
            services,
            session_id=session.id,
            slug=slug,
            accepted=form.get("accept") == "yes",
            browser=(browser := browser_of(request)),
        )
    except RiserboError as refusal:
        view = await attempt_view(services, session.id, slug)
        if view.state != State.CUSTOMER_OK:
            return refused(request, services, refusal)
        again = confirmation(request, services.clock(), slug, view, refusal.message)
        return page(request, again, refusal.status)
    answer = see_other("/room")
    set_visitor_cookie(answer, bound.session_token)
    set_browser_cookie(answer, browser)
    return answer
