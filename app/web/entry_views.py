"""The views of an attempt's pages: filled from what the visitor typed or proved, and from nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, cast
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from app.binding import queries
from app.binding.errors import PasskeyNotAccepted
from app.binding.flows import Leaving as LeavingFor
from app.binding.ports import BindingPorts
from app.binding.queries import AttemptView
from app.binding.rules import PASSKEY, best_level
from app.database import reading
from app.errors import RiserboError
from app.http.proxies import network_of
from app.policy import Method, Policy
from app.services import Services
from app.sessions.dependencies import VISITOR_COOKIE
from app.web.facts import at_name
from app.web.pages import Form, page, page_settings, site_of
from app.web.views import (
    Confirm,
    ConnectorChoice,
    CustomerChoice,
    CustomerCode,
    CustomerMethod,
    HandleChoice,
    HandleCode,
    Leaving,
    MethodKind,
    SignInRefused,
)

Purpose = Literal["handle", "customer", "step_up", "unlock"]


def ports_of(request: Request) -> BindingPorts:
    """The ports that `main` gave this door."""
    ports: BindingPorts = request.app.state.binding_ports
    return ports


def policy_of(request: Request) -> Policy:
    """The bank's policy."""
    policy: Policy = request.app.state.services.policy
    return policy


async def attempt_view(services: Services, session_id: UUID, slug: str) -> AttemptView:
    """What may be shown of this browser's attempt; raises `AttemptOver`."""
    async with reading(services) as db:
        return await queries.view_of_attempt(db, session_id=session_id, slug=slug, now=services.clock())


def set_visitor_cookie(answer: Response, token: str) -> None:
    """The visitor's session; Lax, because it must survive the return from a sign-in elsewhere."""
    answer.set_cookie(VISITOR_COOKIE, token, httponly=True, secure=True, samesite="lax", path="/")


def visitor_network(request: Request) -> str:
    """The network that is slowed, never blocked."""
    return network_of(request.client.host if request.client else "")


def leaving(request: Request, services: Services, target: LeavingFor, *, purpose: Purpose, back: str) -> Response:
    """The page with the plain link to the other site."""
    view = Leaving(
        site=site_of(request),
        now=services.clock(),
        purpose=purpose,
        destination=target.destination,
        host=target.host,
        url=target.url,
        back=back,
        stub=target.stub,
    )
    return page(request, view)


def refused(request: Request, services: Services, refusal: RiserboError) -> Response:
    """The neutral page of a sign-in that cannot be finished here, the same for everybody."""
    by_passkey = isinstance(refusal, PasskeyNotAccepted)
    view = SignInRefused(site=site_of(request), now=services.clock(), error=refusal.message, passkey=by_passkey)
    return page(request, view, refusal.status)


def customer_methods(request: Request, brand: str) -> tuple[CustomerMethod, ...]:
    """Every way that the bank has switched on for this brand; whether it works for a customer is never shown."""
    codes = ports_of(request).code_methods(policy_of(request), brand)
    return (*identity_methods(request, brand), *(CustomerMethod(kind=method.value) for method in codes))


def identity_methods(request: Request, brand: str, *, step_up: bool = False) -> tuple[CustomerMethod, ...]:
    """The identity providers, as far as the policy offers them; to step up, those that may raise a level."""
    policy = policy_of(request)
    if not policy.offers_method(Method.IDENTITY, brand) or (step_up and Method.IDENTITY not in policy.step_up):
        return ()
    return tuple(
        CustomerMethod(
            kind="identity",
            provider=one.name,
            label=one.label,
            level=int(best_level(policy, one.relay_resistant)),
            stub=one.is_stub,
        )
        for one in ports_of(request).providers
    )


def _somebodys(official: str) -> str:
    """How an account looks at the bank's network: the bank's own, with a person's name in place of the bank's."""
    name = official.lstrip("@")
    own = min((name.partition(mark)[0] for mark in "@."), key=len)
    return f"@mariorossi{name.removeprefix(own)}"


def handle_choice(
    request: Request, now: datetime, slug: str, view: AttemptView, *, form: Form | None = None, error: str = ""
) -> HandleChoice:
    """Name network and account; `form` keeps what was typed."""
    ports, typed = ports_of(request), form or {}
    choices = tuple(
        ConnectorChoice(
            name=one.name,
            label=one.label,
            example=_somebodys(one.official_handle),
            methods=tuple(way.value for way in ports.handle_methods(policy_of(request), one)),
            write_first=not one.accepts_unsolicited,
        )
        for one in ports.connectors
    )
    return HandleChoice(
        site=site_of(request),
        now=now,
        error=error,
        slug=slug,
        connectors=choices,
        connector=typed.get("connector", view.connector),
        account=typed.get("account", view.account),
        method=typed.get("method", view.handle_method),
    )


def handle_code_view(request: Request, now: datetime, slug: str, view: AttemptView, error: str = "") -> HandleCode:
    """The field for the code of the direct message."""
    settings = page_settings(request)
    connector = next((one for one in settings.connectors if one.name == view.connector), None)
    official = connector.official_handle if connector else ""
    return HandleCode(
        site=site_of(request),
        now=now,
        error=error,
        slug=slug,
        network=settings.label(view.connector),
        account=view.account,
        official_account=f"@{official}" if official else "",
        minutes=_minutes(policy_of(request).lifetimes.handle_code),
        write_first=connector is not None and not connector.accepts_unsolicited,
    )


def customer_choice(
    request: Request, now: datetime, slug: str, view: AttemptView, *, form: Form | None = None, error: str = ""
) -> CustomerChoice:
    """The ways to prove being a customer; `form` keeps what was typed."""
    typed = form or {}
    return CustomerChoice(
        site=site_of(request),
        now=now,
        error=error,
        slug=slug,
        handle=at_name(view.handle),
        network=page_settings(request).label(view.connector),
        methods=customer_methods(request, view.brand),
        identifier=typed.get("identifier", view.identifier),
        method=typed.get("method", view.customer_method),
        passkey=policy_of(request).offers_method(PASSKEY, view.brand),
    )


def customer_code_view(request: Request, now: datetime, slug: str, view: AttemptView, error: str = "") -> CustomerCode:
    """The field for the customer's code; no hint where it went."""
    kind = view.customer_method if view.customer_method in ("sms", "email", "totp") else "sms"
    return CustomerCode(
        site=site_of(request),
        now=now,
        error=error,
        slug=slug,
        kind=cast("Literal['sms', 'email', 'totp']", kind),
        minutes=_minutes(policy_of(request).lifetimes.customer_code),
    )


def _minutes(lifetime: timedelta) -> int:
    """Never more than it lives."""
    return max(lifetime // timedelta(minutes=1), 1)


def confirmation(request: Request, now: datetime, slug: str, view: AttemptView, error: str = "") -> Confirm:
    """What will be linked: the handle and what the visitor typed."""
    provider = next((one.label for one in ports_of(request).providers if one.name == view.provider), view.provider)
    return Confirm(
        site=site_of(request),
        now=now,
        error=error,
        slug=slug,
        handle=at_name(view.handle),
        network=page_settings(request).label(view.connector),
        kind=cast("MethodKind", "identity" if view.provider else view.customer_method),
        identifier=view.identifier,
        provider=provider,
        valid_until=view.until or now + policy_of(request).lifetimes.binding,
    )
