"""The phone site: one page per phone, the SMS gateway that the bank posts to, and the same inbox as JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from babel.dates import format_datetime
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from app.demo.links import with_links
from app.demo.phone.inbox import Device, Item, PhoneInbox
from app.demo.phone.texts import texts
from app.demo.site import (
    ApiRefusal,
    Guarded,
    Language,
    answer_api_refusal,
    bearer_token,
    language_of,
    page_environment,
    read_object,
    same,
)

FOLDER: Final = Path(__file__).parent
LANGUAGE_COOKIE: Final = "phone_lang"
MAX_SMS: Final = 1600  # ten parts of 160 characters, where gateways commonly stop
SHOWN: Final = 50
NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")  # E.164
TEMPLATES = page_environment(FOLDER / "templates")


@dataclass(frozen=True)
class ItemView:
    """A message as the page shows it."""

    item: Item
    body: Markup
    when: str


def inbox_of(request: Request) -> PhoneInbox:
    """The messages."""
    return cast(PhoneInbox, request.app.state.inbox)


def views(items: list[Item], language: Language) -> list[ItemView]:
    """The newest messages first."""
    newest = reversed(items[-SHOWN:])
    return [
        ItemView(item, with_links(item.text), format_datetime(item.at, "HH:mm:ss", locale=language)) for item in newest
    ]


async def every_phone(request: Request) -> Response:
    """All phones side by side."""
    inbox, language = inbox_of(request), language_of(request, LANGUAGE_COOKIE)
    return page(request, list(inbox.devices), views(inbox.of_nobody(), language), focus=False)


async def one_phone(request: Request) -> Response:
    """One customer's phone."""
    devices = [one for one in inbox_of(request).devices if one.id == request.path_params["device_id"]]
    if not devices:
        raise HTTPException(404)
    return page(request, devices, [], focus=True)


def page(request: Request, devices: list[Device], others: list[ItemView], *, focus: bool) -> Response:
    """The page with these phones on it."""
    inbox, language = inbox_of(request), language_of(request, LANGUAGE_COOKIE)
    content = TEMPLATES.get_template("phones.html").render(
        t=texts(language),
        lang=language,
        phones=[(device, views(inbox.of_device(device), language)) for device in devices],
        others=others,
        arrived=inbox.arrived,
        here=request.url.path,
        focus=focus,
    )
    response = HTMLResponse(content)
    if request.query_params.get("lang") in ("it", "en"):
        response.set_cookie(LANGUAGE_COOKIE, language, httponly=True, samesite="lax")
    return response


async def arrived(request: Request) -> Response:
    """How many messages have arrived so far: what the page's small script asks."""
    return JSONResponse({"arrived": inbox_of(request).arrived})


async def inbox_json(request: Request) -> Response:
    """The messages, oldest first, for `to` (a number or mail address) and after item number `after`."""
    after = request.query_params.get("after", "0")
    if not (after.isascii() and after.isdigit() and len(after) <= 9):
        raise ApiRefusal(422, "invalid_after")
    items = inbox_of(request).items(request.query_params.get("to"), int(after))
    return JSONResponse(
        {
            "items": [
                {
                    "number": item.number,
                    "at": item.at.isoformat(),
                    "kind": item.kind,
                    "to": item.to,
                    "subject": item.subject,
                    "text": item.text,
                }
                for item in items
            ]
        }
    )


async def take_sms(request: Request) -> Response:
    """The SMS gateway: `{to, text}` under its bearer token, 202 with an id."""
    if not same(bearer_token(request), request.app.state.sms_token):
        raise ApiRefusal(401, "unauthorized", {"www-authenticate": "Bearer"})
    body = read_object(await request.body())
    to, text = body.get("to"), body.get("text")
    if not isinstance(to, str) or NUMBER.fullmatch(to) is None:
        raise ApiRefusal(422, "invalid_number")
    if not isinstance(text, str) or not 1 <= len(text) <= MAX_SMS:
        raise ApiRefusal(422, "invalid_text")
    item = inbox_of(request).sms(to, text)
    return JSONResponse({"id": str(item.number)}, 202)


async def refuse(request: Request, error: Exception) -> Response:
    """Unknown addresses and methods."""
    assert isinstance(error, HTTPException)
    language = language_of(request, LANGUAGE_COOKIE)
    content = TEMPLATES.get_template("refusal.html").render(t=texts(language), lang=language)
    return HTMLResponse(content, error.status_code)


def create_phone_app(inbox: PhoneInbox, sms_token: str) -> Starlette:
    """The phones' site over `inbox`; the bank's SMS port must send `sms_token`."""
    app = Starlette(
        routes=[
            Route("/", every_phone),
            Route("/arrived.json", arrived),
            Route("/inbox.json", inbox_json),
            Route("/sms", take_sms, methods=["POST"]),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
            Route("/{device_id}", one_phone),
        ],
        middleware=[Middleware(Guarded)],
        exception_handlers={ApiRefusal: answer_api_refusal, HTTPException: refuse},
    )
    app.state.inbox = inbox
    app.state.sms_token = sms_token
    return app
