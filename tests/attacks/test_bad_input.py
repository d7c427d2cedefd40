"""Rubbish at every route: what cannot be read or makes no sense is a 4xx, never a 5xx, and nothing is lost or stored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx2
import pytest
from fastapi.routing import APIRoute

from app.demo import cast
from app.main import create_public_app, create_staff_app
from tests.architecture.routes import iter_routes
from tests.attacks.test_authorisation_matrix import program
from tests.attacks.town import NOBODY, OWN_WORK, Town, Who

pytestmark = pytest.mark.asyncio(loop_scope="module")

T = TypeVar("T")
BIG: Final = 70_000
SCIM: Final = "/scim/v2/Users"
AS_SCIM: Final = {"content-type": "application/scim+json"}
# What a refusal itself may write: its leaf, and the count of a wrong guess.
OF_REFUSALS: Final = OWN_WORK | {"guess_counters", "outbox", "idempotent_answers", "sessions"}
UNREADABLE: Final[dict[str, bytes]] = {
    "broken UTF-8": b'{"text": "\xff\xfe"}',
    "overlong UTF-8": b'{"text": "\xc0\xaf"}',
    "byte order mark": b'\xef\xbb\xbf{"text": "x"}',
    "cut off": b'{"text": "x"',
    "two documents": b'{"text": "x"}{"text": "y"}',
    "the same key twice": b'{"text": "x", "text": "y"}',
    "not a number": b'{"text": NaN}',
    "infinity": b'{"text": -Infinity}',
    "a number without end": b'{"text": ' + b"9" * 5000 + b"}",
    "an exponent without end": b'{"text": 1e999999}',
    "NUL": b'{"text": "a\\u0000b"}',
    "lone surrogate": b'{"text": "\\ud800"}',
    "deep lists": b'{"text": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "deep objects": b'{"a":' * 4000 + b"1" + b"}" * 4000,
    "oversized": b'{"text": "' + b"x" * BIG + b'"}',
    "a list": b"[]",
    "a text": b'"text"',
    "a number": b"7",
    "null": b"null",
    "nothing": b"",
    "blank": b"   ",
}
OTHER_KINDS: Final = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "application/jsonx",
    "",
)
WRONG: Final[tuple[Any, ...]] = ([], {"text": "x"}, 0.5, -1, 10**18, True)
HOSTILE: Final = (
    "\x07\x1b[31m\x85",
    "\U0001f9e8" * 3_000,
    "a\u202eb {{7*7}}${7*7}<script>alert(1)</script>' OR 1=1 --\r\nSet-Cookie: b=c",
    "\u0663" * 8,
)
MALFORMED_FORMS: Final[dict[str, tuple[str, bytes]]] = {
    "broken UTF-8": ("application/x-www-form-urlencoded", b"text=%ff%fe"),
    "raw bytes": ("application/x-www-form-urlencoded", b"text=\xff\xfe"),
    "NUL": ("application/x-www-form-urlencoded", b"text=a%00b"),
    "lone surrogate": ("application/x-www-form-urlencoded", b"text=%ed%a0%80"),
    "the same field twice": ("application/x-www-form-urlencoded", b"text=a&text=b"),
    "many fields": ("application/x-www-form-urlencoded", b"&".join(b"f%d=1" % n for n in range(200))),
    "oversized": ("application/x-www-form-urlencoded", b"text=" + b"x" * BIG),
    "JSON": ("application/json", b'{"text": "x"}'),
    "multipart": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\na\r\n--x--\r\n',
    ),
    "plain": ("text/plain", b"text=x"),
}
ODD_IDS: Final = ("x", "-1", "1" * 500, "..%2f..", "é", "00000000-0000-0000-0000")
# 2 to the 63rd is one more than a column holds.
ODD_NUMBERS: Final = ("-1", "abc", "1.5", "", "٣", "9" * 30, str(2**63), str(2**63 - 1), str(2**53), "1,2")
NAMES: Final = ("after", "limit", "cursor", "room", "lang", "said", "status", "assigned", "network", "v", "export")
# These read no body; what they do is the matter of other tests.
WITHOUT_BODY: Final = frozenset(
    {
        "/c/{slug}/start",
        "/room/leave",
        "/room/receipt",
        "/signout",
        "/cases/{case_id}/claim",
        "/csp-report",
        "/signin/provider",
        "/signin/again",
    }
)
# Forged as well as wrong: whatever a client says of level, binding or author is no field of ours.
FORGED: Final = (
    "level",
    "binding_id",
    "session_id",
    "actor",
    "role",
    "author_id",
    "state",
    "n",
    "assigned_to",
    "scopes",
)


def api_bodies(town: Town) -> dict[str, dict[str, Any]]:
    """A body that each route of the API would read, so that one thing at a time can be wrong with it."""
    case, room = f"/api/v1/cases/{town.giulia.case_id}", f"/api/v1/conversations/{town.giulia.room_id}"
    return {
        "/api/v1/tokens": {"login": "anna", "password": "wrong", "code": "12345678", "lifetime_minutes": 5},
        "/api/v1/password": {
            "login": "anna",
            "password": "wrong",
            "code": "12345678",
            "new_password": "tqv xmd hzw pbn",
        },
        f"{case}/transfer": {"to": str(uuid4())},
        f"{case}/notes": {"text": "Nota."},
        f"{case}/replies/check": {"text": "Ciao."},
        f"{case}/replies": {"text": "Ciao.", "purpose": "answer"},
        f"{case}/close": {"outcome": "resolved"},
        f"/api/v1/blocks/{uuid4()}/override": {"reason": "Deve uscire adesso."},
        f"{room}/messages": {"text": "Ecco.", "data_class": "case"},
        f"{room}/step-up": {"level": 3},
        "/api/v1/exports": {"scope": "room", "conversation_id": str(town.giulia.room_id), "reason": "Prova, dieci."},
    }


def forms(town: Town) -> dict[str, tuple[str, dict[str, str]]]:
    """(site, fields) of every form of both doors."""
    slug, case, room = town.giulia.path, f"/cases/{town.giulia.case_id}", f"/conversations/{town.giulia.room_id}"
    key = str(uuid4())
    return {
        f"{slug}/handle": ("bank", {"connector": "square", "account": "@x", "method": "sign_in", "resend": ""}),
        f"{slug}/handle/code": ("bank", {"code": "1"}),
        f"{slug}/customer": ("bank", {"identifier": "x", "method": "sms", "resend": ""}),
        f"{slug}/customer/code": ("bank", {"code": "1"}),
        f"{slug}/confirm": ("bank", {"accept": "no"}),
        f"{slug}/passkey": ("bank", {"answer": "x"}),
        f"{slug}/customer/passkey": ("bank", {"answer": "x"}),
        "/room/passkeys": ("bank", {"answer": "x"}),
        "/room/unlock/passkey": ("bank", {"answer": "x"}),
        "/room/step-up/passkey": ("bank", {"answer": "x"}),
        "/room/messages": ("bank", {"text": "", "idempotency_key": key}),
        "/room/step-up": ("bank", {"method": "identity:x"}),
        "/room/unlock": ("bank", {"method": "x", "code": "1"}),
        "/room/authenticator": ("bank", {"code": "1"}),
        "/room/binding/revoke": ("bank", {"confirm": "no"}),
        "/room/rating": ("bank", {"stars": "5", "comment": ""}),
        "/verify": ("bank", {"text": ""}),
        "/not-me": ("bank", {"reference": "x"}),
        "/signin/backchannel-logout": ("staff", {"logout_token": "x"}),
        "/signin": ("staff", {"name": "nobody", "password": "x", "code": "1"}),
        f"{case}/transfer": ("staff", {"agent": "x", "reason": "x"}),
        f"{case}/notes": ("staff", {"text": ""}),
        f"{case}/close": ("staff", {"outcome": "x", "note": ""}),
        f"{case}/replies": (
            "staff",
            {"text": "", "intent": "check", "idempotency_key": key, "block": "x", "text_hash": "x"},
        ),
        f"{room}/messages": ("staff", {"text": "", "data_class": "case", "idempotency_key": key}),
        f"{room}/step-up": ("staff", {"level": "x"}),
        "/exports": ("staff", {"scope": "x", "room": "x", "reason": "x"}),
    }


class Known:
    """Who may send to a path: the rubbish must come as far as it can."""

    def __init__(self, town: Town, tokens: dict[str, str]) -> None:
        self._visitor = town.token_of(town.people.giulia)
        self._tokens = tokens

    @classmethod
    async def of(cls, town: Town) -> Known:
        tokens = {f"{one.login}-{kind}": await town.mint(one, kind) for one in cast.STAFF for kind in ("api", "staff")}
        return cls(town, tokens | {"program": await program(town)})

    def for_path(self, site: str, path: str) -> Who:
        if site == "bank":
            return Who(visitor=self._visitor)
        if path.startswith("/scim/"):
            return Who(bearer=self._tokens["program"])
        if path in ("/signin", "/api/v1/tokens", "/api/v1/password"):
            return NOBODY
        login = "paolo" if re.search("/exports|/audit", path) else "ada" if path == "/agents" else "anna"
        login = "sara" if "/override" in path else login
        return (
            Who(bearer=self._tokens[f"{login}-api"]) if "/api/" in path else Who(staff=self._tokens[f"{login}-staff"])
        )


def is_problem(answer: httpx2.Response) -> bool:
    """A refusal of ours: a problem for programs, a page for people; of what came in nothing but the own form's fields."""
    kind = answer.headers.get("content-type", "")
    return 400 <= answer.status_code < 500 and kind.startswith(("application/problem+json", "text/html"))


def share(attacks: Iterable[T], number: int) -> list[T]:
    """Every second attack, the others at the next route: all routes read alike, and time is short."""
    return list(attacks)[number % 2 :: 2]


async def rows(town: Town) -> dict[str, int]:
    return {name: count for name, count in (await town.count()).items() if name not in OF_REFUSALS}


async def test_bodies_that_are_no_json_of_ours_are_refused(town: Town) -> None:
    known, before, wrong = await Known.of(town), await rows(town), []
    for number, (path, readable) in enumerate(api_bodies(town).items()):
        who = known.for_path("staff", path)
        for name, body in share(UNREADABLE.items(), number):
            sent = await post(town, path, who, body, "application/json")
            if not is_problem(sent):
                wrong.append((path, name, sent.status_code))
        for kind in share(OTHER_KINDS, number):
            sent = await post(town, path, who, json.dumps(readable).encode(), kind)
            if not is_problem(sent):
                wrong.append((path, kind, sent.status_code))
    assert wrong == []
    assert await rows(town) == before


async def post(town: Town, path: str, who: Who, body: bytes, kind: str) -> httpx2.Response:
    headers = {"content-type": kind, "idempotency-key": str(uuid4())}
    return await town.wire.send("staff", "POST", path, who, headers=headers, body=body)


def with_something_wrong(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The body with one field of another type, one field too many, or one that only we may decide."""
    for name, given in body.items():
        yield from (body | {name: value} for value in WRONG)
        if isinstance(given, str):
            yield from (body | {name: value} for value in ("\x00", "\x07", "x" * 10_000))
    yield from (body | {name: 4} for name in FORGED if name not in body)
    yield from (body | {name: 1} for name in ("__proto__", "TEXT"))


async def test_fields_of_the_wrong_type_and_forged_ones_are_refused(town: Town) -> None:
    """Mass assignment: no level, binding, author or role is ever taken from a body."""
    known, before, wrong = await Known.of(town), await rows(town), []
    for number, (path, body) in enumerate(api_bodies(town).items()):
        for bad in share(with_something_wrong(body), number):
            sent = await post(town, path, known.for_path("staff", path), json.dumps(bad).encode(), "application/json")
            if not is_problem(sent):
                wrong.append((path, str(bad)[:80], sent.status_code))
    assert wrong == []
    assert await rows(town) == before


async def test_provisioning_that_cannot_be_read_or_makes_no_sense_is_refused(town: Town) -> None:
    known = await Known.of(town)
    wrong: list[tuple[object, ...]] = []
    who, before = known.for_path("staff", SCIM), await rows(town)
    nobody = f"{SCIM}/{uuid4()}"
    for method, path in (("POST", SCIM), ("PUT", nobody), ("PATCH", nobody)):
        for name, body in UNREADABLE.items():
            sent = await town.wire.send("staff", method, path, who, headers=AS_SCIM, body=body)
            if not is_scim_error(sent):
                wrong.append((method, name, sent.status_code))
        for value in (*WRONG, *HOSTILE):
            for field in ("userName", "externalId", "name", "roles", "active", "Operations", "displayName"):
                body = json.dumps({"userName": "\x07", field: value}).encode()
                sent = await town.wire.send("staff", method, path, who, headers=AS_SCIM, body=body)
                if not is_scim_error(sent):
                    wrong.append((method, field, str(value)[:20], sent.status_code))
    for odd in (*ODD_NUMBERS, *HOSTILE):
        query = urlencode({"filter": odd[:100], "count": odd[:100], "startIndex": odd[:100]})
        sent = await town.wire.send("staff", "GET", f"{SCIM}?{query}", who)
        if not is_scim_error(sent):
            wrong.append(("GET", odd[:20], sent.status_code))
    assert wrong == []
    assert await rows(town) == before


def is_scim_error(answer: httpx2.Response) -> bool:
    """A refusal in the words of RFC 7644."""
    kind = answer.headers.get("content-type", "")
    return 400 <= answer.status_code < 500 and kind.startswith(AS_SCIM["content-type"])


async def test_forms_that_cannot_be_read_are_refused(town: Town) -> None:
    known, before, wrong = await Known.of(town), await rows(town), []
    for number, (path, (site, _)) in enumerate(forms(town).items()):
        for name, (kind, body) in share(MALFORMED_FORMS.items(), number):
            headers = {"content-type": kind, "accept": "text/html"}
            sent = await town.wire.send(site, "POST", path, known.for_path(site, path), headers=headers, body=body)
            if not is_problem(sent):
                wrong.append((path, name, sent.status_code))
    assert wrong == []
    assert await rows(town) == before


async def test_hostile_words_in_a_form_are_words(town: Town) -> None:
    """Each field of each form, one at a time, by a person who may send it: no 5xx, no header, no markup comes of it."""
    known, wrong = await Known.of(town), []
    for path, (site, fields) in forms(town).items():
        for name in fields:
            for value in HOSTILE:
                who, form = known.for_path(site, path), fields | {name: value}
                sent = await town.wire.send(site, "POST", path, who, form=form)
                if sent.status_code >= 500 or "<script>alert" in sent.text or sent.headers.get("set-cookie") == "b=c":
                    wrong.append((path, name, value[:20], sent.status_code))
    assert wrong == []


async def test_forged_fields_in_forms_change_nothing(town: Town) -> None:
    """A customer who says that he is at L4, somebody else, or in another room, is where he was."""
    forged = dict.fromkeys(FORGED, "4") | {"conversation_id": str(town.mallory.room_id), "data_class": "general"}
    who = Who(visitor=town.token_of(town.people.giulia))
    form = {"text": "Sono al livello quattro.", "idempotency_key": str(uuid4())}
    sent = await town.wire.send("bank", "POST", "/room/messages", who, form=form | forged)
    assert sent.status_code == 303
    hers = (await town.desk["anna"].get(f"/conversations/{town.giulia.room_id}/messages"))["items"]
    his = (await town.desk["luca"].get(f"/conversations/{town.mallory.room_id}/messages"))["items"]
    said = [one for one in hers if one["text"] == form["text"]]
    assert [(one["sender"], one["data_class"]) for one in said] == [("customer", "case")]
    assert [one for one in his if one["text"] == form["text"]] == []
    page = await town.wire.send("bank", "GET", "/room?level=4&binding_id=x", who)
    assert "Level 2 of 4" in re.sub(r"<[^>]+>", "", page.text)


async def test_odd_ids_numbers_and_cursors_are_refused(town: Town) -> None:
    known, wrong = await Known.of(town), []
    house = town.bank.house
    for site, app in (("bank", create_public_app(house)), ("staff", create_staff_app(house))):
        for path, route in iter_routes(app):
            if not isinstance(route, APIRoute) or path in WITHOUT_BODY:
                continue
            for target in targets(town, path, route):
                for method in route.methods or ():
                    if path.endswith("/events") and "?" in target and site == "bank":
                        continue
                    status = await status_of(town, site, method, target, known.for_path(site, path))
                    taken = "{" in path and "?" not in target and status < 400 and not path.startswith("/c/")
                    if status >= 500 or taken:
                        wrong.append((site, method, target[:90], status))
    assert wrong == []


def targets(town: Town, path: str, route: APIRoute) -> Iterator[str]:
    """The route with odd ids, and with odd numbers where it counts."""
    names = {"case_id": str(town.giulia.case_id), "conversation_id": str(town.giulia.room_id), "slug": town.giulia.slug}

    def filled(found: re.Match[str]) -> str:
        return names.get(found.group(1), str(uuid4()))

    if "{" in path:
        yield from (re.sub(r"\{\w+\}", odd, path) for odd in ODD_IDS)
    plain = re.sub(r"\{(\w+)\}", filled, path)
    for field in route.dependant.query_params:
        yield from (f"{plain}?{urlencode({field.alias: odd})}" for odd in ODD_NUMBERS)
    if "GET" in (route.methods or ()):
        odd = ("\u00e9" + "x" * 200, str(2**63))
        yield from (f"{plain}?{'&'.join(f'{name}={quote(value)}' for name in NAMES)}" for value in odd)


async def status_of(town: Town, site: str, method: str, target: str, who: Who) -> int:
    if "/events" not in target:
        sent = await town.wire.send(site, method, target, who, body=b"" if method != "GET" else None)
        return sent.status_code
    async with town.wire.stream(site, target, who) as answer:
        return int(answer.status_code)


async def test_odd_headers_are_refused_or_without_effect(town: Town) -> None:
    known = await Known.of(town)
    room = f"/api/v1/conversations/{town.giulia.room_id}"
    before = await rows(town)
    for key in ("", "x" * 300, "a" * 5000):
        headers = {"idempotency-key": key}
        sent = await town.wire.send(
            "staff",
            "POST",
            f"{room}/messages",
            known.for_path("staff", room),
            headers=headers,
            document={"text": "x" * 4001},
        )
        assert is_problem(sent), key[:10]
    for last in ODD_NUMBERS:
        headers = known.for_path("staff", room).headers() | {"accept": "text/event-stream"}
        url = town.site("staff") + f"{room}/events"
        sent_headers = [(name.encode(), value.encode()) for name, value in (headers | {"last-event-id": last}).items()]
        async with town.wire.client.stream("GET", url, headers=sent_headers) as answer:
            assert 400 <= answer.status_code < 500, last
    for name, value in (
        ("expect", "x"),
        ("range", "bytes=0-1"),
    ):
        sent = await town.wire.send("bank", "GET", "/verify", headers={name: value})
        assert sent.status_code < 500, name
    assert {name: count for name, count in (await rows(town)).items() if name != "room_watches"} == {
        name: count for name, count in before.items() if name != "room_watches"
    }


async def test_every_route_that_reads_a_body_is_attacked(town: Town) -> None:
    """No new route slips by."""
    attacked = {*api_bodies(town), *forms(town)}
    shapes = [re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=/c/)[a-z2-7]{26}", "*", one) for one in attacked]
    house = town.bank.house
    for app in (create_public_app(house), create_staff_app(house)):
        for path, route in iter_routes(app):
            if isinstance(route, APIRoute) and "POST" in (route.methods or ()) and path not in WITHOUT_BODY:
                shape = re.sub(r"\{\w+\}", "*", path)
                assert shape in shapes or path in ("/api/v1/cases/{case_id}/claim", SCIM), path
