"""The Square's pages for people: timeline, threads, profiles, direct messages, settings, demo sign-in."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app.demo.site import PageRefusal, language_of, read_form, require_same_origin
from app.demo.square.models import Accepts, Person, Post
from app.demo.square.rendering import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    age,
    linked,
    page,
    require_person,
    square_of,
    stamp,
    view,
    visitor_of,
)
from app.demo.square.store import SquareRefusal

PAGE = 20
PREVIEW = 2


async def timeline(request: Request) -> Response:
    """Everybody's posts."""
    return show_timeline(request)


def show_timeline(request: Request, status: int = 200, error: str | None = None, draft: str = "") -> Response:
    """The timeline, with a refused draft still in its form."""
    square = square_of(request)
    before = request.query_params.get("before", "")
    roots = square.timeline(decimal(before), PAGE + 1)
    entries = []
    for root in roots[:PAGE]:
        replies = square.thread(root.id)[1:]
        entries.append((view(root, request), [view(reply, request) for reply in replies[-PREVIEW:]]))
    older = roots[PAGE - 1].id if len(roots) > PAGE else None
    return page(request, "timeline.html", status, entries=entries, older=older, error=error, draft=draft)


async def thread(request: Request) -> Response:
    """A post with its thread."""
    return show_thread(request, post_at(request))


def show_thread(
    request: Request, focus: Post, status: int = 200, error: str | None = None, draft: str = ""
) -> Response:
    """The thread, with a refused draft still in its form."""
    posts = [view(post, request) for post in square_of(request).thread(focus.thread_id)]
    return page(request, "thread.html", status, posts=posts, focus=view(focus, request), error=error, draft=draft)


async def publish(request: Request) -> Response:
    """Publish a post or a reply, then show it in its thread."""
    require_same_origin(request)
    person = require_person(request)
    form = await read_form(request)
    parent = post_or_none(request, form.get("in_reply_to") or None)
    text = form.get("text", "")
    try:
        made, _ = square_of(request).post(person.id, text, parent.id if parent else None)
    except SquareRefusal as refusal:
        if parent is not None:
            return show_thread(request, parent, 422, refusal.code, text)
        return show_timeline(request, 422, refusal.code, text)
    return RedirectResponse(f"/posts/{made.thread_id}#post-{made.id}", 303)


async def profile(request: Request) -> Response:
    """A person and their posts."""
    person = square_of(request).by_handle(request.path_params["handle"])
    if person is None:
        raise PageRefusal(404, "not_found")
    posts = [view(post, request) for post in square_of(request).by_author(person.id, PAGE)]
    return page(request, "profile.html", person=person, posts=posts)


async def inbox(request: Request) -> Response:
    """Whom this person has written with, and whom they could."""
    me = require_person(request)
    square = square_of(request)
    language = language_of(request, LANGUAGE_COOKIE)
    rows = []
    for message in square.conversations(me.id):
        other = message.recipient_id if message.sender_id == me.id else message.sender_id
        rows.append((square.people[other], message, age(message.created_at, square.clock(), language)))
    known = {person.id for person, _, _ in rows} | {me.id}
    others = [person for person in square.people.values() if person.id not in known]
    return page(request, "inbox.html", rows=rows, others=others)


async def conversation(request: Request) -> Response:
    """The private messages with one person."""
    return show_conversation(request, person_at(request))


def show_conversation(
    request: Request, other: Person, status: int = 200, error: str | None = None, draft: str = ""
) -> Response:
    """The private messages, with a refused draft still in the form."""
    me = require_person(request)
    square = square_of(request)
    language = language_of(request, LANGUAGE_COOKIE)
    messages = [
        (message, linked(message.text, square), stamp(message.created_at, language))
        for message in square.conversation(me.id, other.id)
    ]
    return page(request, "conversation.html", status, other=other, messages=messages, error=error, draft=draft)


async def write(request: Request) -> Response:
    """Send a private message."""
    require_same_origin(request)
    me, other = require_person(request), person_at(request)
    text = (await read_form(request)).get("text", "")
    try:
        square_of(request).send_message(me.id, other.id, text)
    except SquareRefusal as refusal:
        return show_conversation(request, other, 422, refusal.code, text)
    return RedirectResponse(f"/messages/{other.id}", 303)


async def choose(request: Request) -> Response:
    """The demo sign-in: one button per person."""
    people = list(square_of(request).people.values())
    return page(request, "sign_in.html", people=people, next=local(request.query_params.get("next")), client=None)


async def sign_in(request: Request) -> Response:
    """Become one of the people, with a new session."""
    require_same_origin(request)
    form = await read_form(request)
    old = request.cookies.get(SESSION_COOKIE)
    if old is not None:
        square_of(request).sign_out(old)
    try:
        token = square_of(request).sign_in(form.get("person", ""))
    except SquareRefusal as refusal:
        raise PageRefusal(422, refusal.code) from refusal
    response = RedirectResponse(local(form.get("next")), 303)
    # no Secure flag: the demo is plain HTTP on loopback; the cookie is for this very host alone
    response.set_cookie(SESSION_COOKIE, token, httponly=True, samesite="lax")
    return response


async def sign_out(request: Request) -> Response:
    """End the session."""
    require_same_origin(request)
    form = await read_form(request)
    square_of(request).sign_out(request.cookies.get(SESSION_COOKIE, ""))
    response = RedirectResponse(local(form.get("next")), 303)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return response


async def settings(request: Request) -> Response:
    """Handle and direct messages."""
    require_person(request)
    return page(request, "settings.html", notice="saved" if "saved" in request.query_params else None)


async def rename(request: Request) -> Response:
    """Take another handle; the account's id stays."""
    require_same_origin(request)
    me = require_person(request)
    handle = (await read_form(request)).get("handle", "")
    try:
        square_of(request).rename(me.id, handle)
    except SquareRefusal as refusal:
        return page(request, "settings.html", 422, error=refusal.code, draft=handle)
    return RedirectResponse("/settings?saved", 303)


async def choose_messages(request: Request) -> Response:
    """Choose whose private messages are taken."""
    require_same_origin(request)
    me = require_person(request)
    try:
        accepts = Accepts((await read_form(request)).get("accepts", ""))
    except ValueError as error:
        raise PageRefusal(422, "stale") from error
    square_of(request).set_accepts(me.id, accepts)
    return RedirectResponse("/settings?saved", 303)


async def fresh(request: Request) -> Response:
    """How many posts are newer than an id, and direct messages in all: what the page's small script asks."""
    known = decimal(request.query_params.get("after", "")) or 0
    me, square = visitor_of(request), square_of(request)
    newer = sum(1 for post_id in square.posts if post_id > known)
    return JSONResponse({"posts": newer, "messages": 0 if me is None else square.received(me.id)})


def decimal(text: str) -> int | None:
    """The text as a whole number of at most 18 digits, None if it is anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def post_or_none(request: Request, text: str | None) -> Post | None:
    """The post with this id, None for no id. Raises PageRefusal if the id is of no post."""
    if text is None:
        return None
    post = square_of(request).posts.get(decimal(text) or 0)
    if post is None:
        raise PageRefusal(404, "not_found")
    return post


def post_at(request: Request) -> Post:
    """The post that the path names. Raises PageRefusal."""
    post = post_or_none(request, request.path_params["post_id"])
    if post is None:
        raise PageRefusal(404, "not_found")
    return post


def person_at(request: Request) -> Person:
    """The person that the path names. Raises PageRefusal."""
    person = square_of(request).people.get(request.path_params["person_id"])
    if person is None:
        raise PageRefusal(404, "not_found")
    return person


def local(address: str | None) -> str:
    """The address if it is a path of this site, else the timeline: no open redirect."""
    if address and address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable():
        return address
    return "/"


ROUTES = [
    Route("/", timeline),
    Route("/posts", publish, methods=["POST"]),
    Route("/posts/{post_id}", thread),
    Route("/@{handle}", profile),
    Route("/messages", inbox),
    Route("/messages/{person_id}", conversation, methods=["GET"]),
    Route("/messages/{person_id}", write, methods=["POST"]),
    Route("/sign-in", choose, methods=["GET"]),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
    Route("/settings", settings),
    Route("/settings/handle", rename, methods=["POST"]),
    Route("/settings/messages", choose_messages, methods=["POST"]),
    Route("/fresh.json", fresh),
]
