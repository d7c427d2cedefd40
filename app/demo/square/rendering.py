"""How posts become safe HTML and readable times, and how a page of the Square is put together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from babel.dates import format_datetime, format_timedelta
from markupsafe import Markup, escape
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.demo.links import LINK, address_link
from app.demo.site import Language, PageRefusal, language_of, page_environment
from app.demo.square.models import Person, Post
from app.demo.square.oauth import AuthorizationServer
from app.demo.square.store import MENTION, Square
from app.demo.square.texts import texts

SESSION_COOKIE: Final = "square_session"
LANGUAGE_COOKIE: Final = "square_lang"
FOLDER: Final = Path(__file__).parent
PIECE = re.compile(f"({LINK.pattern})|(?:{MENTION.pattern})")
TEMPLATES = page_environment(FOLDER / "templates")


@dataclass(frozen=True)
class PostView:
    """A post as a page shows it."""

    post: Post
    author: Person
    body: Markup
    age: str
    stamp: str
    iso: str
    replies: int
    replied_to: Person | None


def square_of(request: Request) -> Square:
    """The network's state."""
    return cast(Square, request.app.state.square)


def server_of(request: Request) -> AuthorizationServer:
    """The network's OAuth server."""
    return cast(AuthorizationServer, request.app.state.server)


def visitor_of(request: Request) -> Person | None:
    """Who is signed in in this browser."""
    return square_of(request).session_person(request.cookies.get(SESSION_COOKIE))


def require_person(request: Request) -> Person:
    """Who is signed in. Raises PageRefusal."""
    person = visitor_of(request)
    if person is None:
        raise PageRefusal(403, "sign_in_first")
    return person


def linked(text: str, square: Square) -> Markup:
    """The text with addresses and known @handles as links; everything is escaped."""
    parts: list[Markup] = []
    position = 0
    for match in PIECE.finditer(text):
        parts.append(escape(text[position : match.start()]))
        parts.append(link_for(match, square))
        position = match.end()
    parts.append(escape(text[position:]))
    return Markup("").join(parts)


def link_for(match: re.Match[str], square: Square) -> Markup:
    """One address or @handle as a link."""
    whole = match.group(0)
    if match.group(1) is None:
        if square.by_handle(match.group(2)) is None:
            return escape(whole)
        return Markup('<a href="/@{}">{}</a>').format(match.group(2).lower(), whole)
    return address_link(whole)


def age(at: datetime, now: datetime, language: Language) -> str:
    """How long ago, in words."""
    if now - at < timedelta(minutes=1):
        return "now" if language == "en" else "adesso"
    return format_timedelta(at - now, add_direction=True, format="short", locale=language)


def stamp(at: datetime, language: Language) -> str:
    """The moment itself, in words."""
    return format_datetime(at.astimezone(UTC), "d MMMM y, HH:mm", locale=language) + " UTC"


def view(post: Post, request: Request) -> PostView:
    """A post, ready to be shown."""
    square, language = square_of(request), language_of(request, LANGUAGE_COOKIE)
    parent = None if post.in_reply_to is None else square.posts[post.in_reply_to]
    return PostView(
        post=post,
        author=square.people[post.author_id],
        body=linked(post.text, square),
        age=age(post.created_at, square.clock(), language),
        stamp=stamp(post.created_at, language),
        iso=post.created_at.isoformat(timespec="seconds"),
        replies=len(square.thread(post.thread_id)) - 1 if post.in_reply_to is None else 0,
        replied_to=None if parent is None else square.people[parent.author_id],
    )


def other_language(request: Request) -> str:
    """This page's address in the other language, without its scheme and host."""
    wanted = "it" if language_of(request, LANGUAGE_COOKIE) == "en" else "en"
    url: URL = request.url.include_query_params(lang=wanted)
    return f"{url.path}?{url.query}"


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page in the visitor's language, which a `lang` in the address also keeps for the next pages."""
    language = language_of(request, LANGUAGE_COOKIE)
    square, me = square_of(request), visitor_of(request)
    content = TEMPLATES.get_template(template).render(
        {"error": None, "draft": "", "notice": None} | values,
        t=texts(language),
        lang=language,
        me=me,
        here=request.url.path,
        switch=other_language(request) if request.method == "GET" else "/",
        newest=max(square.posts, default=0),
        received=0 if me is None else square.received(me.id),
    )
    response = HTMLResponse(content, status)
    if request.query_params.get("lang") in ("it", "en"):
        response.set_cookie(LANGUAGE_COOKIE, language, httponly=True, samesite="lax")
    return response
