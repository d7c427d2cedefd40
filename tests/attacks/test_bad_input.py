"""Rubbish at every route: what cannot be read or makes no sense is a 4xx, never a 5xx, and nothing is lost or stored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx2
import pytest
from fastapi.routing import APIRoute

from app.main import create_public_app, create_staff_app
from tests.architecture.routes import iter_routes
from tests.attacks.rubbish import (
    AS_SCIM,
    BY_OTHERS,
    FORGED,
    HOSTILE,
    MALFORMED_FORMS,
    NAMES,
    ODD_IDS,
    ODD_NUMBERS,
    OF_REFUSALS,
    ONLY_NAMED,
    OTHER_KINDS,
    SCIM,
    TOKEN,
    UNREADABLE,
    WITHOUT_BODY,
    WRONG,
    Known,
    api_bodies,
    forms,
    is_oauth_error,
    is_problem,
    share,
)
from tests.attacks.town import Town, Who

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_bodies_that_are_no_json_of_ours_are_refused(town: Town) -> None:
    known, wrong = await Known.of(town), []
    async with town.unchanged(*OF_REFUSALS):
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
    known, wrong = await Known.of(town), []
    async with town.unchanged(*OF_REFUSALS):
        for number, (path, body) in enumerate(api_bodies(town).items()):
            for bad in share(with_something_wrong(body), number):
                sent = await post(
                    town, path, known.for_path("staff", path), json.dumps(bad).encode(), "application/json"
                )
                if not is_problem(sent):
                    wrong.append((path, str(bad)[:80], sent.status_code))
    assert wrong == []


async def test_provisioning_that_cannot_be_read_or_makes_no_sense_is_refused(town: Town) -> None:
    known = await Known.of(town)
    wrong: list[tuple[object, ...]] = []
    who = known.for_path("staff", SCIM)
    async with town.unchanged(*OF_REFUSALS):
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


def is_scim_error(answer: httpx2.Response) -> bool:
    """A refusal in the words of RFC 7644."""
    kind = answer.headers.get("content-type", "")
    return 400 <= answer.status_code < 500 and kind.startswith(AS_SCIM["content-type"])


async def test_forms_that_cannot_be_read_are_refused(town: Town) -> None:
    known, wrong = await Known.of(town), []
    async with town.unchanged(*OF_REFUSALS):
        for number, (path, (site, _)) in enumerate(forms(town).items()):
            for name, (kind, body) in share(MALFORMED_FORMS.items(), number):
                headers = {"content-type": kind, "accept": "text/html"}
                sent = await town.wire.send(site, "POST", path, known.for_path(site, path), headers=headers, body=body)
                if not is_problem(sent) and not (path == TOKEN and is_oauth_error(sent)):
                    wrong.append((path, name, sent.status_code))
    assert wrong == []


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
    async with town.unchanged(*OF_REFUSALS, "room_watches"):
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
            sent_headers = [
                (name.encode(), value.encode()) for name, value in (headers | {"last-event-id": last}).items()
            ]
            async with town.wire.client.stream("GET", url, headers=sent_headers) as answer:
                assert 400 <= answer.status_code < 500, last
        for name, value in (
            ("expect", "x"),
            ("range", "bytes=0-1"),
        ):
            sent = await town.wire.send("bank", "GET", "/verify", headers={name: value})
            assert sent.status_code < 500, name


async def test_every_route_that_reads_a_body_is_attacked(town: Town) -> None:
    """No new route slips by."""
    attacked = {*api_bodies(town), *forms(town)}
    named = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=/c/)[a-z2-7]{26}|(?<=/wallet/)[a-z-]+|s{43}"
    shapes = [re.sub(named, "*", one) for one in attacked]
    house = town.bank.house
    for app in (create_public_app(house), create_staff_app(house)):
        for path, route in iter_routes(app):
            if isinstance(route, APIRoute) and "POST" in (route.methods or ()):
                shape = re.sub(r"\{\w+\}", "*", path)
                assert shape in shapes or path in WITHOUT_BODY | ONLY_NAMED | BY_OTHERS, path
