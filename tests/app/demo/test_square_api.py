"""The Square's API for programs: one token per account, bounded pages, no repeated acts, plain refusals."""

from __future__ import annotations

import httpx2
import pytest

from app.demo.square.bot_api import PAGE, PAGE_OF_MESSAGES
from app.outbound import MAX_BODY
from tests.app.demo.conftest import BANK, BANK_TOKEN, GIULIA, MARCO, TANIA, Site

FACES = "\U0001f600" * 980


def bot(site: Site, token: str = BANK_TOKEN) -> httpx2.AsyncClient:
    client = site.browser()
    client.headers["authorization"] = f"Bearer {token}"
    return client


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer ", f"Basic {BANK_TOKEN}", BANK_TOKEN])
async def test_no_call_works_without_the_token(site: Site, header: str | None) -> None:
    client = site.browser()
    if header is not None:
        client.headers["authorization"] = header
    for path in ("me", "mentions", "posts/90001", "posts/90001/thread"):
        assert (await client.get(f"/api/v1/{path}")).status_code == 401
    for path in ("posts", "messages"):
        assert (await client.post(f"/api/v1/{path}", json={"text": "x", "to": GIULIA.id})).status_code == 401
    assert len(site.square.posts) == 2


async def test_a_persons_session_does_not_open_the_api(site: Site) -> None:
    assert (await (await site.signed_in(BANK)).get("/api/v1/me")).status_code == 401


async def test_messages_are_told_to_their_reader_only_in_order_and_by_page(site: Site) -> None:
    assert (await site.browser().get("/api/v1/messages")).status_code == 401
    for number in range(PAGE_OF_MESSAGES + 2):
        site.square.send_message(GIULIA.id, BANK.id, f"numero {number} {FACES}")
    site.square.send_message(TANIA.id, GIULIA.id, "altro")
    answer = await bot(site).get("/api/v1/messages")
    assert len(answer.content) < MAX_BODY
    first = answer.json()
    rest = (await bot(site).get("/api/v1/messages", params={"after": first["cursor"]})).json()
    texts = [one["text"] for one in (*first["messages"], *rest["messages"])]
    assert texts == [f"numero {number} {FACES}" for number in range(PAGE_OF_MESSAGES + 2)]
    assert first["messages"][0]["from"] == {"id": GIULIA.id, "handle": "giulia", "name": GIULIA.display_name}
    assert (await bot(site).get("/api/v1/messages", params={"after": "x"})).status_code == 422


async def test_me_names_the_account(site: Site) -> None:
    me = (await bot(site).get("/api/v1/me")).json()
    assert (me["id"], me["handle"], me["name"]) == (BANK.id, "bancaesempio", "Banca Esempio")


async def test_mention_survives_a_rename_and_a_take_over(site: Site) -> None:
    site.square.rename(BANK.id, "bancanuova")
    site.square.rename(TANIA.id, "bancaesempio")
    site.square.post(GIULIA.id, "@bancaesempio sei tu?", None)
    posts = (await bot(site).get("/api/v1/mentions")).json()["posts"]
    assert [post["id"] for post in posts] == ["90001"]


@pytest.mark.parametrize("after", ["x", "-1", "1e3", "9" * 30, "²"])
async def test_malformed_cursor_is_refused(site: Site, after: str) -> None:
    answer = await bot(site).get("/api/v1/mentions", params={"after": after})
    assert (answer.status_code, answer.json()) == (422, {"error": "invalid_id"})


async def test_pages_are_bounded_and_the_cursor_goes_on(site: Site) -> None:
    for number in range(PAGE + 3):
        site.square.post(TANIA.id, f"numero {number}", 90001)
    first = (await bot(site).get("/api/v1/posts/90001/thread")).json()
    rest = (await bot(site).get("/api/v1/posts/90001/thread", params={"after": first["cursor"]})).json()
    assert len(first["posts"]) == PAGE
    assert len(rest["posts"]) == 4
    assert (await bot(site).get("/api/v1/posts/90001/thread", params={"after": rest["cursor"]})).json()["posts"] == []


async def test_repeated_key_does_not_post_twice(site: Site) -> None:
    body = {"text": "Ciao", "in_reply_to": "90001"}
    headers = {"idempotency-key": "key-1"}
    first = await bot(site).post("/api/v1/posts", json=body, headers=headers)
    second = await bot(site).post("/api/v1/posts", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    other = await bot(site).post("/api/v1/posts", json=body | {"text": "Altro"}, headers=headers)
    assert (other.status_code, other.json()) == (422, {"error": "idempotency_mismatch"})
    assert len(site.square.posts) == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": "x" * 501}, 422),
        ({"text": ""}, 422),
        ({"text": "a\x00"}, 422),
        ({"text": 1}, 422),
        ({}, 422),
        ({"text": "x", "author": GIULIA.id}, 422),
        ({"text": "x", "in_reply_to": "1"}, 404),
        ({"text": "x", "in_reply_to": "uno"}, 422),
        (["text"], 422),
    ],
)
async def test_malformed_post_is_refused(site: Site, body: object, status: int) -> None:
    assert (await bot(site).post("/api/v1/posts", json=body)).status_code == status
    assert len(site.square.posts) == 2


async def test_broken_bodies_are_refused(site: Site) -> None:
    kind = {"content-type": "application/json"}
    for content in (b"{", b"\xff", b"[" * 60_000, b'{"text":"\\ud800"}'):
        assert (await bot(site).post("/api/v1/posts", content=content, headers=kind)).status_code == 400
    big = b'{"text":"' + b"x" * 70_000 + b'"}'
    assert (await bot(site).post("/api/v1/posts", content=big, headers=kind)).status_code == 413
    assert (
        await bot(site).post("/api/v1/posts", content=b"{}", headers={"content-type": "text/plain"})
    ).status_code == 415
    long_key = {"idempotency-key": "k" * 129}
    assert (await bot(site).post("/api/v1/posts", json={"text": "x"}, headers=long_key)).status_code == 422


async def test_direct_message_respects_what_the_person_accepts(site: Site) -> None:
    async def send(to: str) -> tuple[int, str]:
        answer = await bot(site).post("/api/v1/messages", json={"to": to, "text": "codice"})
        return answer.status_code, answer.json().get("error", "")

    assert await send(GIULIA.id) == (201, "")
    assert await send(MARCO.id) == (403, "messages_closed")
    assert await send(TANIA.id) == (403, "not_following")
    assert await send(BANK.id) == (404, "not_found")
    assert await send("0") == (404, "not_found")
    tania = await site.signed_in(TANIA)
    await tania.post("/settings/messages", data={"accepts": "everyone"})
    assert await send(TANIA.id) == (201, "")


async def test_full_network_takes_no_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.demo.square.store.MAX_ROWS", 2)
    assert (await bot(site).post("/api/v1/posts", json={"text": "x"})).status_code == 503


async def test_unknown_addresses_answer_in_json(site: Site) -> None:
    assert (await bot(site).get("/api/v1/nothing")).json() == {"error": "not_found"}
    assert (await bot(site).delete("/api/v1/messages")).status_code == 405
