"""Passkeys on the public door: the way back from the case link, in an attempt, in the room; and the customer's list.

A question is JSON for the module `passkeys.js`; the answer comes back as a field of an ordinary form. Without
JavaScript these forms stay hidden, and every other way is there.
"""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from app.actors import Customer
from app.binding import passkey_proof, passkey_raising, passkeys, returning
from app.binding.rules import MOST_PASSKEYS
from app.conversations.dependencies import CurrentCustomer
from app.conversations.errors import RoomLocked
from app.database import reading
from app.errors import RiserboError
from app.http.dependencies import CurrentServices
from app.services import Services
from app.sessions.dependencies import OptionalVisitorSession, VisitorSession
from app.web.browser_cookie import browser_of, set_browser_cookie
from app.web.entry_pages import Slug
from app.web.entry_views import attempt_view, customer_choice, ports_of, refused, set_visitor_cookie
from app.web.notices import notice_of
from app.web.pages import Form, page, see_other, site_of
from app.web.passkey_views import OwnPasskey, Passkeys
from app.web.room_pages import locked_page, room_view

router = APIRouter(include_in_schema=False)


@router.post("/c/{slug}/passkey/question")
async def ask_to_return(
    request: Request, slug: Slug, services: CurrentServices, session: OptionalVisitorSession
) -> Response:
    """The same question for every link and every browser."""
    asked = await returning.begin_return(
        services, ports_of(request), slug=slug, session_id=session.id if session else None
    )
    answer = JSONResponse(asked.options)
    if asked.session_token is not None:
        set_visitor_cookie(answer, asked.session_token)
    return answer


@router.post("/c/{slug}/passkey")
async def come_back(
    request: Request, slug: Slug, services: CurrentServices, session: OptionalVisitorSession, form: Form
) -> Response:
    """Into the room, or the one page of every refusal."""
    try:
        done = await returning.finish_return(
            services,
            ports_of(request),
            slug=slug,
            session_id=session.id if session else None,
            answer=form.get("answer", ""),
            browser=(browser := browser_of(request)),
        )
    except RiserboError as refusal:
        return refused(request, services, refusal)
    answer = see_other("/room")
    set_visitor_cookie(answer, done.session_token)
    set_browser_cookie(answer, browser)
    return answer


@router.post("/c/{slug}/customer/passkey/question")
async def ask_customer(request: Request, slug: Slug, services: CurrentServices, session: VisitorSession) -> Response:
    """The same question, of an attempt whose handle is proved."""
    asked = await passkey_proof.begin_customer_passkey(services, ports_of(request), session_id=session.id, slug=slug)
    return JSONResponse(asked)


@router.post("/c/{slug}/customer/passkey")
async def prove_customer(
    request: Request, slug: Slug, services: CurrentServices, session: VisitorSession, form: Form
) -> Response:
    """On to the confirmation."""
    try:
        await passkey_proof.finish_customer_passkey(
            services, ports_of(request), session_id=session.id, slug=slug, answer=form.get("answer", "")
        )
    except RiserboError as refusal:
        view = await attempt_view(services, session.id, slug)
        choice = customer_choice(request, services.clock(), slug, view, error=refusal.message)
        return page(request, choice, refusal.status)
    return see_other(f"/c/{slug}/confirm")


@router.post("/room/unlock/passkey/question")
async def ask_to_unlock(request: Request, services: CurrentServices, session: VisitorSession) -> Response:
    """The question to the binding's own passkeys."""
    return JSONResponse(await passkey_raising.begin_unlock(services, ports_of(request), session_id=session.id))


@router.post("/room/unlock/passkey")
async def unlock(request: Request, services: CurrentServices, session: VisitorSession, form: Form) -> Response:
    """The locked room opens again."""
    try:
        done = await passkey_raising.finish_unlock(
            services, ports_of(request), session_id=session.id, answer=form.get("answer", "")
        )
    except RoomLocked:
        return see_other("/room")
    except RiserboError as refusal:
        return await locked_page(request, services, session, refusal)
    answer = see_other("/room")
    set_visitor_cookie(answer, done.session_token)
    return answer


@router.post("/room/step-up/passkey/question")
async def ask_to_step_up(request: Request, services: CurrentServices, customer: CurrentCustomer) -> Response:
    """The question to those of the binding's passkeys that are worth more."""
    return JSONResponse(await passkey_raising.begin_step_up(services, ports_of(request), customer=customer))


@router.post("/room/step-up/passkey")
async def step_up(
    request: Request, services: CurrentServices, session: VisitorSession, customer: CurrentCustomer, form: Form
) -> Response:
    """The session rises."""
    try:
        done = await passkey_raising.finish_step_up(
            services, ports_of(request), session_id=session.id, answer=form.get("answer", "")
        )
    except RiserboError as refusal:
        view = await room_view(request, services, customer, session, error=refusal.message)
        return page(request, view, refusal.status)
    answer = see_other("/room", "stepped_up")
    set_visitor_cookie(answer, done.session_token)
    return answer


@router.get("/room/passkeys")
async def own_passkeys(request: Request, services: CurrentServices, customer: CurrentCustomer) -> Response:
    """What there are."""
    return page(request, await _own(request, services, customer))


@router.post("/room/passkeys/question")
async def ask_for_new(request: Request, services: CurrentServices, customer: CurrentCustomer) -> Response:
    """What the browser is to make."""
    return JSONResponse(await passkeys.begin_registration(services, ports_of(request), customer=customer))


@router.post("/room/passkeys")
async def add(request: Request, services: CurrentServices, customer: CurrentCustomer, form: Form) -> Response:
    """Keep it."""
    try:
        await passkeys.finish_registration(
            services, ports_of(request), customer=customer, answer=form.get("answer", "")
        )
    except RiserboError as refusal:
        view = await _own(request, services, customer, refusal.message)
        return page(request, view, refusal.status)
    return see_other("/room/passkeys", "passkey_added")


@router.post("/room/passkeys/{passkey_id}/remove")
async def remove(services: CurrentServices, customer: CurrentCustomer, passkey_id: UUID) -> Response:
    """Away with one; it opens nothing from now on."""
    await passkeys.remove(services, customer=customer, passkey_id=passkey_id)
    return see_other("/room/passkeys", "passkey_removed")


async def _own(request: Request, services: Services, customer: Customer, error: str = "") -> Passkeys:
    async with reading(services) as db:
        found = await passkeys.listed(db, customer)
    return Passkeys(
        site=site_of(request),
        now=services.clock(),
        error=error,
        notice=notice_of(request),
        passkeys=tuple(
            OwnPasskey(id=one.id, created_at=one.created_at, last_used_at=one.last_used_at, synced=one.synced)
            for one in found
        ),
        may_add=len(found) < MOST_PASSKEYS,
    )
