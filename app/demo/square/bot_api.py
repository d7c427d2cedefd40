"""The Square's API for programs: mentions, threads, replies, direct messages, under one bearer token per account."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.demo.site import ApiRefusal, bearer_token, read_strings
from app.demo.square.models import Person, Post
from app.demo.square.rendering import square_of
from app.demo.square.store import Square, SquareRefusal

PAGE = 25  # 25 posts of 500 four-byte characters stay under 64 KiB
PAGE_OF_MESSAGES = 12  # and so do 12 messages of 1000
STATUS = {"not_found": 404, "messages_closed": 403, "not_following": 403, "full": 503}


def acting(request: Request) -> Person:
    """Whose token this is. Raises ApiRefusal 401."""
    person = square_of(request).bot_person(bearer_token(request))
    if person is None:
        raise ApiRefusal(401, "unauthorized", {"www-authenticate": 'Bearer error="invalid_token"'})
    return person


def person_json(person: Person) -> dict[str, str]:
    """An account as the API shows it."""
    return {"id": person.id, "handle": person.handle, "name": person.display_name}


def post_json(post: Post, square: Square) -> dict[str, Any]:
    """A post as the API shows it; ids are strings."""
    return {
        "id": str(post.id),
        "author": person_json(square.people[post.author_id]),
        "text": post.text,
        "url": f"{square.issuer}/posts/{post.id}",
        "created_at": post.created_at.isoformat(),
        "thread_id": str(post.thread_id),
        "in_reply_to": None if post.in_reply_to is None else str(post.in_reply_to),
    }


def page_json(posts: list[Post], after: int, square: Square) -> Response:
    """The first posts of a list and the cursor for the rest."""
    shown = posts[:PAGE]
    cursor = shown[-1].id if shown else after
    return JSONResponse({"posts": [post_json(post, square) for post in shown], "cursor": str(cursor)})


def number(text: str | None) -> int:
    """A decimal id or cursor; absent is 0. Raises ApiRefusal 422."""
    text = text or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ApiRefusal(422, "invalid_id")
    return int(text)


def post_at(request: Request) -> Post:
    """The post that the path names. Raises ApiRefusal 404."""
    post = square_of(request).posts.get(number(request.path_params["post_id"]))
    if post is None:
        raise ApiRefusal(404, "not_found")
    return post


async def read_json(request: Request, required: set[str], optional: set[str]) -> dict[str, str]:
    """A flat JSON object of strings. Raises ApiRefusal on anything else."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise ApiRefusal(415, "unsupported_media_type")
    content = read_strings(await request.body())
    if not required <= content.keys() <= required | optional:
        raise ApiRefusal(422, "invalid_fields")
    return content


def idempotency_key(request: Request) -> str | None:
    """The caller's Idempotency-Key. Raises ApiRefusal when it is unreasonably long."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= 128:
        raise ApiRefusal(422, "invalid_idempotency_key")
    return key


async def me(request: Request) -> Response:
    """The account behind the token."""
    person = acting(request)
    return JSONResponse(person_json(person) | {"url": f"{square_of(request).issuer}/@{person.handle}"})


async def read_person(request: Request) -> Response:
    """How an account stands: its names now, and whether it is suspended."""
    acting(request)
    person = square_of(request).people.get(request.path_params["person_id"])
    if person is None:
        raise ApiRefusal(404, "not_found")
    return JSONResponse(person_json(person) | {"suspended": person.suspended})


async def mentions(request: Request) -> Response:
    """Posts that name the account or answer it, oldest first, after a cursor."""
    person, after = acting(request), number(request.query_params.get("after"))
    return page_json(square_of(request).mentions(person.id, after), after, square_of(request))


async def read_post(request: Request) -> Response:
    """One post."""
    acting(request)
    return JSONResponse(post_json(post_at(request), square_of(request)))


async def thread(request: Request) -> Response:
    """The thread of a post, oldest first, after a cursor."""
    acting(request)
    post, after = post_at(request), number(request.query_params.get("after"))
    return page_json(square_of(request).thread(post.thread_id, after), after, square_of(request))


async def publish(request: Request) -> Response:
    """Publish a post or a reply: 201, or 200 when the same key has done it before."""
    person = acting(request)
    body = await read_json(request, {"text"}, {"in_reply_to"})
    parent = number(body["in_reply_to"]) if "in_reply_to" in body else None
    try:
        post, new = square_of(request).post(person.id, body["text"], parent, idempotency_key(request))
    except SquareRefusal as refusal:
        raise ApiRefusal(STATUS.get(refusal.code, 422), refusal.code) from refusal
    return JSONResponse(post_json(post, square_of(request)), 201 if new else 200)


async def messages(request: Request) -> Response:
    """Direct messages to the account, oldest first, after a cursor."""
    person, after, square = acting(request), number(request.query_params.get("after")), square_of(request)
    shown = square.received_after(person.id, after)[:PAGE_OF_MESSAGES]
    found = [
        {
            "id": str(one.id),
            "from": person_json(square.people[one.sender_id]),
            "text": one.text,
            "created_at": one.created_at.isoformat(),
        }
        for one in shown
    ]
    return JSONResponse({"messages": found, "cursor": str(shown[-1].id if shown else after)})


async def send_message(request: Request) -> Response:
    """Deliver a direct message: 201, 200 when repeated, 403 when the person does not take it."""
    person = acting(request)
    body = await read_json(request, {"to", "text"}, set())
    try:
        message, new = square_of(request).send_message(person.id, body["to"], body["text"], idempotency_key(request))
    except SquareRefusal as refusal:
        raise ApiRefusal(STATUS.get(refusal.code, 422), refusal.code) from refusal
    return JSONResponse({"id": str(message.id)}, 201 if new else 200)


ROUTES = [
    Route("/api/v1/me", me),
    Route("/api/v1/people/{person_id}", read_person),
    Route("/api/v1/mentions", mentions),
    Route("/api/v1/posts", publish, methods=["POST"]),
    Route("/api/v1/posts/{post_id}", read_post),
    Route("/api/v1/posts/{post_id}/thread", thread),
    Route("/api/v1/messages", messages, methods=["GET"]),
    Route("/api/v1/messages", send_message, methods=["POST"]),
]
