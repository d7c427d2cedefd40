"""Requests that another site makes a browser send, and requests that no browser sends: doors, hosts, redirects."""

from __future__ import annotations

import asyncio
import re
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.demo import cast
from app.main import create_public_app, create_staff_app
from app.sessions import rules
from app.sessions.dependencies import STAFF_COOKIE, VISITOR_COOKIE
from security.tokens import new_slug
from tests.architecture.routes import iter_routes
from tests.attacks.town import Town, Who

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNSAFE: Final = ("POST", "PUT", "PATCH", "DELETE")
WALLET: Final = "/wallet/{provider}/response/{state}"
# Others may post here: it is counted and forgotten, or it is the one thing that a wallet was asked for.
OPEN_TO_ALL: Final = frozenset({"/csp-report", WALLET})
FORGED: Final[tuple[dict[str, str], ...]] = (
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": "{own}"},
    {"sec-fetch-site": "SAME-ORIGIN"},
    {"sec-fetch-site": ""},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "{own}.evil.example"},
    {"origin": "{own}/"},
    {"origin": "{own}, https://evil.example"},
    {"referer": "{own}/room"},
    {},
)
EVIL: Final = "https://evil.example/phish"
CONTENTS: Final = (
    "application/x-www-form-urlencoded",
    "application/json",
    "text/plain",
    "multipart/form-data; boundary=x",
)


def apps(town: Town) -> dict[str, tuple[str, FastAPI]]:
    """Site and application of both doors."""
    house = town.bank.house
    return {"bank": ("public", create_public_app(house)), "staff": ("staff", create_staff_app(house))}


def filled(path: str, town: Town) -> str:
    """A route's path with what would be there for the owner."""
    names = {
        "slug": town.giulia.slug,
        "case_id": str(town.giulia.case_id),
        "conversation_id": str(town.giulia.room_id),
        "connector": "square",
        "provider": "demo-id",
        "state": "s" * 43,
        "name": "riserbo.css",
    }
    return re.sub(r"\{(\w+)\}", lambda found: names.get(found.group(1), str(uuid4())), path)


def unsafe_routes(town: Town) -> list[tuple[str, str, str]]:
    """(site, method, path) of everything that changes something."""
    found = []
    for site, (_, app) in apps(town).items():
        for path, route in iter_routes(app):
            if isinstance(route, APIRoute) and path not in OPEN_TO_ALL:
                found += [(site, method, filled(path, town)) for method in route.methods or () if method in UNSAFE]
    assert len(found) > 30
    return found


def says_another_site(document: dict[str, str]) -> bool:
    """The wall's own refusal. Answers for provisioning have words only, no code (RFC 7644 section 3.12)."""
    words = "This was sent by another site."
    return document.get("code") == "cross_site" or ("code" not in document and document["detail"].startswith(words))


async def test_every_unsafe_route_refuses_what_another_site_sends(town: Town) -> None:
    """With the owner's own cookies, whatever the other site makes the browser say, and whatever it cannot."""
    cookies = {
        "bank": f"{VISITOR_COOKIE}={town.token_of(town.people.giulia)}",
        "staff": f"{STAFF_COOKIE}={await town.mint(cast.ANNA, rules.STAFF)}",
    }
    wrong = []
    async with town.unchanged():
        for place, (site, method, path) in enumerate(unsafe_routes(town)):
            # Each route meets every third; all of them pass the same wall.
            for number, forged in list(enumerate(FORGED))[place % 3 :: 3]:
                headers = {name: value.replace("{own}", town.site(site)) for name, value in forged.items()}
                headers |= {"cookie": cookies[site], "content-type": CONTENTS[number % len(CONTENTS)]}
                sent = await town.wire.send(site, method, path, headers=headers, body=b"text=x&accept=yes&code=1")
                if sent.status_code != 403 or not says_another_site(sent.json()):
                    wrong.append((site, method, path, forged, sent.status_code))
    assert wrong == []
    assert (
        await town.wire.send("staff", "GET", "/queue", Who(staff=cookies["staff"].partition("=")[2]))
    ).status_code == 200


async def test_where_wallets_post_from_anywhere_a_cookie_is_worth_nothing(town: Town) -> None:
    """The one hole in the wall: whatever another site makes the owner's browser post, nobody is known and nothing is."""
    path = filled(WALLET, town)
    owner = f"{VISITOR_COOKIE}={town.token_of(town.people.giulia)}"
    async with town.unchanged():
        for number, forged in enumerate(FORGED):
            headers = {name: value.replace("{own}", town.site("bank")) for name, value in forged.items()}
            headers |= {"content-type": CONTENTS[0]}
            body = (b"response=x", b"error=access_denied")[number % 2]
            answers = [
                await town.wire.send("bank", "POST", path, headers=headers | known, body=body)
                for known in ({"cookie": owner}, {})
            ]
            assert {(one.status_code, one.json()["code"], "set-cookie" in one.headers) for one in answers} == {
                (404, "request_gone", False)
            }, forged


async def test_a_cross_site_sign_in_is_refused_before_there_is_a_cookie(town: Town) -> None:
    """Login CSRF: nobody is signed in as somebody else, and no attempt begins, from another page."""
    for site, path in (("staff", "/signin"), ("staff", "/api/v1/tokens"), ("bank", f"{town.giulia.path}/start")):
        for forged in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"}):
            sent = await town.wire.send(site, "POST", path, headers=forged, form={"name": "anna"})
            assert (sent.status_code, "set-cookie" in sent.headers) == (403, False)


async def test_our_own_pages_and_programs_with_a_token_pass(town: Town) -> None:
    """The wall is not simply shut."""
    token, room = await town.mint(cast.ANNA), town.giulia.room_id
    body = {"text": "Un momento.", "data_class": "case"}
    passed = await town.wire.send(
        "staff",
        "POST",
        f"/api/v1/conversations/{room}/messages",
        Who(bearer=token),
        headers={"idempotency-key": str(uuid4()), "origin": "https://crm.example"},
        document=body,
    )
    assert passed.status_code == 201
    own = await town.wire.send("bank", "POST", "/verify", headers={"origin": town.site("bank")}, form={"text": "x"})
    assert own.status_code == 200


async def test_a_cookie_or_token_of_one_door_is_worthless_at_the_other(town: Town) -> None:
    visitor = town.token_of(town.people.giulia)
    console, api = await town.mint(cast.ANNA, rules.STAFF), await town.mint(cast.ANNA)
    staff_paths = ("/api/v1/staff/me", "/api/v1/cases", f"/api/v1/conversations/{town.giulia.room_id}/messages")
    for path in staff_paths:
        for wrong in (
            Who(bearer=visitor),
            Who(bearer=console),
            Who(staff=visitor),
            Who(staff=api),
            Who(visitor=console),
            Who(visitor=api),
            Who(bearer=api[:-1]),
            Who(bearer=f"{api}, {api}"),
            Who(),
        ):
            assert (await town.wire.send("staff", "GET", path, wrong)).status_code == 401, (path, wrong)
        for header in (f"Basic {api}", api, "Bearer", f"Token {api}"):
            told = {"authorization": header, "accept": "application/json"}
            sent = await town.wire.send("staff", "GET", path, Who(staff=console), headers=told)
            assert sent.status_code == 401, (path, header.split()[0])
    for path in ("/room", "/room/events", "/room/authenticator", "/room/passkeys", f"{town.giulia.path}/customer"):
        for wrong in (Who(visitor=console), Who(visitor=api), Who(staff=console), Who(bearer=visitor), Who(bearer=api)):
            assert (await town.wire.send("bank", "GET", path, wrong)).status_code == 401, (path, wrong)


async def test_staff_routes_do_not_exist_at_the_public_door_nor_its_pages_at_the_desk(town: Town) -> None:
    routes = {site: {path for path, _ in iter_routes(app)} for site, (_, app) in apps(town).items()}
    api, cookie = await town.mint(cast.ANNA), await town.mint(cast.ANNA, rules.STAFF)
    for path in routes["staff"] - routes["bank"]:
        for known in (Who(bearer=api), Who(staff=cookie)):
            seen = await town.wire.send("bank", "GET", filled(path, town), known)
            assert seen.status_code == 404, path
    visitor = town.token_of(town.people.giulia)
    for path in routes["bank"] - routes["staff"]:
        assert (await town.wire.send("staff", "GET", filled(path, town), Who(visitor=visitor))).status_code in (
            404,
            405,
        ), path


async def test_no_door_opens_by_the_host_header(town: Town) -> None:
    """Another Host, two of them, the absolute form, and what proxies would say: refused, or without effect."""
    own = {site: town.bank.addresses.netloc(site) for site in ("bank", "staff", "admin")}
    strange = ["evil.example", own["staff"], own["admin"], "bank.localhost", f"{own['bank']}.", f"x@{own['bank']}", ""]
    for host in strange:
        lines = [f"GET /verify HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"]
        lines.append(f"GET /verify HTTP/1.1\r\nHost: {own['bank']}\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        for request in lines:
            assert await raw_status(town, "bank", request) in (400, 421), request
    absolute = f"GET http://{own['staff']}/queue HTTP/1.1\r\nHost: {own['bank']}\r\nConnection: close\r\n\r\n"
    assert await raw_status(town, "bank", absolute) == 400
    plain = await town.wire.send("bank", "GET", town.giulia.path)
    told = {
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "https",
        "x-forwarded-for": "6.6.6.6",
        "forwarded": "host=evil.example;proto=https",
        "x-original-url": "/queue",
        "x-rewrite-url": "/queue",
        "x-remote-user": "anna",
        "x-http-method-override": "DELETE",
    }
    fooled = await town.wire.send("bank", "GET", town.giulia.path, headers=told)
    assert without_nonce(fooled.text) == without_nonce(plain.text)
    listed = await town.wire.send(
        "staff", "GET", "/api/v1/cases?limit=1", Who(bearer=await town.mint(cast.ANNA)), headers=told
    )
    assert "evil" not in listed.text + str(listed.headers)


async def raw_status(town: Town, site: str, request: str) -> int:
    """The status of a request written by hand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", town.bank.addresses.ports[site])
    try:
        writer.write(request.encode())
        line = await asyncio.wait_for(reader.readline(), 10)
        return int(line.split()[1])
    finally:
        writer.close()


def without_nonce(text: str) -> str:
    return re.sub(r'nonce="[^"]+"', "", text)


def leads_away(answer: httpx2.Response, own: str) -> bool:
    """Whether a redirect goes anywhere but to a path of ours, however a browser reads it."""
    target = answer.headers.get("location", "")
    if not target:
        return False
    parts = urlsplit(target.replace("\\", "/").strip())
    return target.startswith("//") or (bool(parts.netloc) and f"{parts.scheme}://{parts.netloc}" != own)


async def test_no_redirect_leads_away(town: Town) -> None:
    """Targets come from code: neither path, query, form nor header sends a browser elsewhere."""
    visitor, staff = town.token_of(town.people.giulia), await town.mint(cast.ANNA, rules.STAFF)
    query = "&".join(
        f"{name}={EVIL}" for name in ("next", "url", "return_to", "redirect_uri", "back", "said", "lang", "room")
    )
    targets = [
        *(f"/c/{odd}/start" for odd in ("%2F%2Fevil.example", "..%2F..%2Fevil", "%5Cevil.example", new_slug())),
        *(f"/{odd}" for odd in ("/evil.example/..", "%2Fevil.example", "\\evil.example", ".evil.example")),
        *("/signin/square/callback", "/identity/demo-id/callback", "/room/leave", "/room", "/verify", "/not-me"),
    ]
    desk = ["/", "/signin", "/queue", "/signout/", "//evil.example/signin", f"/cases/{town.giulia.case_id}", "/exports"]
    for site, paths, cookie in (
        ("bank", targets, Who(visitor=visitor)),
        ("staff", desk, Who(staff=staff)),
        ("staff", desk, Who()),
    ):
        for path in paths:
            for method in ("GET", "POST") if path != "/room/leave" else ("GET",):
                headers = {"referer": EVIL, "x-forwarded-host": "evil.example"}
                form = {"next": EVIL, "back": EVIL} if method == "POST" else None
                answer = await town.wire.send(site, method, f"{path}?{query}", cookie, form=form, headers=headers)
                assert not leads_away(answer, town.site(site)), (method, path, answer.headers["location"])
                assert answer.status_code < 500, (method, path)
                assert "evil.example/phish" not in answer.headers.get("location", "")


async def test_every_answer_says_how_it_may_be_used(town: Town) -> None:
    """Cookies are __Host-, Secure, HttpOnly and SameSite; nothing but marked static files may be kept by anybody."""
    browser = await town.bystander()
    landing = await browser.open(town.giulia.link)
    started = await browser.submit(landing, f"{town.giulia.path}/start")
    cookie = started.headers["set-cookie"].lower()
    assert cookie.startswith(f"{VISITOR_COOKIE.lower()}=")
    assert "domain" not in cookie
    for attribute in ("httponly", "secure", "path=/", "samesite=lax"):
        assert attribute in cookie, attribute
    visitor, staff, api = (
        town.token_of(town.people.giulia),
        await town.mint(cast.ANNA, rules.STAFF),
        await town.mint(cast.ANNA),
    )
    for site, path, who in (
        ("bank", "/room", Who(visitor=visitor)),
        ("bank", "/room/authenticator", Who(visitor=visitor)),
        ("bank", "/room/passkeys", Who(visitor=visitor)),
        ("bank", "/room/authenticator.svg", Who(visitor=visitor)),
        ("bank", "/nowhere", Who()),
        ("staff", "/queue", Who(staff=staff)),
        ("staff", f"/api/v1/cases/{town.giulia.case_id}", Who(bearer=api)),
        ("staff", "/api/v1/cases/not-an-id", Who(bearer=api)),
    ):
        answer = await town.wire.send(site, "GET", path, who)
        assert answer.headers["cache-control"] == "no-store, max-age=0", path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["referrer-policy"] == "no-referrer", path
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path


async def test_error_pages_echo_nothing(town: Town) -> None:
    """Content spoofing: what stands in a path, a query or a field comes back in no error."""
    mark = "Chiamate0690001"
    api = await town.mint(cast.ANNA)
    for site, method, path, who in (
        ("bank", "GET", f"/{mark}", Who()),
        ("bank", "GET", f"/c/{mark}/customer?error={mark}", Who()),
        ("bank", "POST", f"/c/{mark}/handle/code", Who()),
        ("bank", "GET", f"/signin/{mark}/callback?error={mark}&error_description={mark}", Who()),
        ("bank", "GET", f"/signin/square/callback?state={mark}&error_description={mark}", Who()),
        ("bank", "GET", f"/identity/{mark}/callback?state={mark}", Who()),
        ("staff", "GET", f"/api/v1/cases/{mark}", Who(bearer=api)),
        ("staff", "GET", f"/api/v1/cases?status={mark}&{mark}=1", Who(bearer=api)),
        ("staff", "GET", f"/queue?after={mark}", Who(staff=await town.mint(cast.ANNA, rules.STAFF))),
    ):
        answer = await town.wire.send(site, method, path, who, headers={"accept": "text/html"})
        assert 400 <= answer.status_code < 500, path
        assert mark not in answer.text, path
