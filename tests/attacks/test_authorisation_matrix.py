"""Every route of both doors for every kind of person, at what is hers and at what does not exist: one table.

A route that the table lacks fails, and so does a row whose route has gone. `ok` means that nothing stood in the way of
who asked; what the act itself then says (409 for a closed case, 422 for an empty text) is not the matter here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.actors import SYSTEM
from app.agents import service as agents
from app.agents.service import NewStaff
from app.clients import service as clients
from app.clients.service import NewClient
from app.conversations.queries import rooms_of_case
from app.database import reading, transaction
from app.demo import cast
from app.demo.cast import Colleague
from app.demo.playing.holding import until
from app.demo.playing.walking import begin, confirm, prove_by_sms
from app.main import create_public_app, create_staff_app
from app.provisioning import service as provisioning
from app.provisioning.rules import Person
from app.sessions import rules
from app.sessions import service as sessions
from security import totp
from security.jwts import SigningKey
from security.tokens import new_slug
from tests.architecture.routes import iter_routes
from tests.attacks.town import NOBODY, Town, Who, prove_handle

pytestmark = pytest.mark.asyncio(loop_scope="module")

OK: Final = "ok"
IBAN: Final = "Buongiorno, il rimborso arriva su IT60X0542811101000000123456."
STAFF: Final = ("anna", "luca", "sara", "paolo", "ada")
OUTSIDE: Final = ("anonymous", "visitor", "customer", "other customer", "leaver")
REFUSALS: Final = (401, 403, 404)

# Who may open these needs no table: anybody.
OPEN: Final = frozenset(
    {
        "GET /api/v1/openapi.json",
        "GET /robots.txt",
        "GET /signin",
        "GET /static/{name}",
        "POST /csp-report",
        "POST /signin",
        "POST /signin/provider",
        "GET /signin/return",
        "POST /signin/backchannel-logout",
        "POST /api/v1/tokens",
        "POST /api/v1/password",
        "GET /.well-known/oauth-authorization-server",
        "GET /oauth/jwks",
        "POST /oauth/token",
    }
)
# At what is Giulia's: Anna has the case, Luca has another one, Sara supervises, Paolo is an officer, Ada administers.
# The CRM is a program with every scope that one can have, and without the case; `scoped` is Anna by a token that may
# only see cases. Neither opens the console, and the block is decided when they come to it. Everybody else, and who has left, is nobody at the staff door. What ends things stands last.
AT_THE_DESK: Final = """
route                                                      anna luca sara paolo ada  crm scoped
GET /                                                        ok   ok   ok   ok   ok  401    401
GET /agents                                                 403  403  403  403   ok  401    401
GET /api/v1/audit                                           403  403  403   ok  403   ok    403
GET /api/v1/bindings                                         ok   ok   ok  404  404   ok     ok
GET /api/v1/cases                                            ok   ok   ok   ok   ok   ok     ok
GET /api/v1/cases/{case_id}                                  ok   ok   ok  404  404   ok     ok
GET /api/v1/cases/{case_id}/blocks                           ok   ok   ok  404  404   ok     ok
GET /api/v1/cases/{case_id}/conversations                    ok   ok   ok  404  404   ok     ok
GET /api/v1/cases/{case_id}/replies                          ok   ok   ok  404  404   ok     ok
GET /api/v1/conversations/{conversation_id}/events           ok  403   ok  404  404  403    404
GET /api/v1/conversations/{conversation_id}/messages         ok  403   ok  404  404  403    404
GET /api/v1/exports                                         403  403  403   ok  403  403    403
GET /api/v1/exports/trust                                   403  403  403   ok  403   ok    403
GET /api/v1/exports/{export_id}                             404  404  404   ok  404  404    404
GET /api/v1/exports/{export_id}/bag                         404  404  404   ok  404  404    404
GET /api/v1/staff                                            ok   ok   ok   ok   ok   ok     ok
GET /api/v1/staff/me                                         ok   ok   ok   ok   ok   ok     ok
GET /cases/{case_id}                                         ok   ok   ok  404  404  401    401
GET /conversations/{conversation_id}/events                  ok  403   ok  404  404  401    401
GET /exports                                                403  403  403   ok  403  401    401
GET /exports/{export_id}/download                           404  404  404   ok  404  401    401
GET /exports/{export_id}/trust                              403  403  403   ok  403  401    401
GET /scim/v2/ResourceTypes                                  403  403  403  403  403   ok    403
GET /scim/v2/Schemas                                        403  403  403  403  403   ok    403
GET /scim/v2/ServiceProviderConfig                          403  403  403  403  403   ok    403
GET /scim/v2/Users                                          403  403  403  403  403   ok    403
GET /scim/v2/Users/{account_id}                             403  403  403  403  403   ok    403
GET /password                                                ok   ok   ok   ok   ok  401    401
GET /queue                                                   ok   ok   ok  403  403  401    401
POST /api/v1/blocks/{block_id}/override                     403  403   ok  403  403  404    404
POST /api/v1/cases/{case_id}/claim                           ok   ok   ok  403  403   ok    403
POST /api/v1/cases/{case_id}/notes                           ok  403   ok  403  403  403    403
POST /api/v1/cases/{case_id}/replies                         ok  403   ok  403  403  403    403
POST /api/v1/cases/{case_id}/replies/check                   ok  403   ok  403  403  403    403
POST /api/v1/cases/{case_id}/transfer                        ok  403   ok  404  404  403    403
POST /api/v1/conversations/{conversation_id}/messages        ok  403   ok  404  404  403    404
POST /api/v1/conversations/{conversation_id}/step-up         ok  403   ok  403  403  403    403
POST /api/v1/exports                                        403  403  403   ok  403  403    403
POST /cases/{case_id}/claim                                  ok   ok   ok  404  404  401    401
POST /cases/{case_id}/notes                                  ok  403   ok  404  404  401    401
POST /cases/{case_id}/replies                                ok  403   ok  404  404  401    401
POST /cases/{case_id}/transfer                               ok  403   ok  404  404  401    401
POST /conversations/{conversation_id}/messages               ok  403   ok  404  404  401    401
POST /conversations/{conversation_id}/step-up                ok  403   ok  404  404  401    401
POST /exports                                               403  403  403   ok  403  401    401
PATCH /scim/v2/Users/{account_id}                           403  403  403  403  403   ok    403
POST /scim/v2/Users                                         403  403  403  403  403   ok    403
POST /password                                               ok   ok   ok   ok   ok  401    401
POST /signin/again                                          404  404  404  404  404  401    401
PUT /scim/v2/Users/{account_id}                             403  403  403  403  403   ok    403
DELETE /scim/v2/Users/{account_id}                          403  403  403  403  403   ok    403
POST /api/v1/bindings/{binding_id}/revoke                    ok  403   ok  403  403  403    403
POST /api/v1/revocations                                    403  403   ok  403  403  403    403
POST /conversations/{conversation_id}/revoke                 ok  403   ok  404  404  401    401
POST /revocations                                           403  403   ok  403  403  401    401
POST /api/v1/cases/{case_id}/close                           ok  403   ok  403  403  403    403
POST /cases/{case_id}/close                                  ok  403   ok  404  404  401    401
DELETE /api/v1/tokens/current                                ok   ok   ok   ok   ok   ok     ok
POST /signout                                                ok   ok   ok   ok   ok  401    401
"""
# Nobody; a visitor who began at Giulia's link; one who began at Mallory's; Giulia and Mallory in their own rooms; Anna.
AT_THE_LINK: Final = """
route                                   anonymous visitor elsewhere giulia mallory anna
GET /c/{slug}                              ok   ok   ok   ok   ok   ok
GET /c/{slug}/confirm                     401   ok  409  409  409  401
GET /c/{slug}/customer                    401   ok  409  409  409  401
GET /c/{slug}/customer/code               401   ok  409  409  409  401
GET /c/{slug}/handle                      401   ok  409  409  409  401
GET /c/{slug}/handle/code                 401   ok  409  409  409  401
GET /identity/{provider}/callback         403  403  403  403  403  403
GET /not-me                                ok   ok   ok   ok   ok   ok
GET /oauth/clients/{connector}.json       404  404  404  404  404  404
GET /oauth/jwks.json                       ok   ok   ok   ok   ok   ok
GET /privacy                               ok   ok   ok   ok   ok   ok
GET /room                                 401  401  401   ok   ok  401
GET /room/authenticator                   401  401  401   ok   ok  401
GET /room/authenticator.svg               401  401  401   ok   ok  401
GET /room/binding                         401  401  401   ok   ok  401
GET /room/events                          401  401  401   ok   ok  401
GET /room/passkeys                        401  401  401  403  403  401
GET /signin/{connector}/callback          403  403  403  403  403  403
GET /signin/{connector}/callback/{server} 403  403  403  403  403  403
GET /trust.json                            ok   ok   ok   ok   ok   ok
GET /verify                                ok   ok   ok   ok   ok   ok
GET /wallet/{provider}/request/{state}    404  404  404  404  404  404
POST /c/{slug}/confirm                    401  409  409  409  409  401
POST /c/{slug}/customer                   401   ok  409  409  409  401
POST /c/{slug}/customer/code              401  409  409  409  409  401
POST /c/{slug}/handle                     401   ok  409  409  409  401
POST /c/{slug}/handle/code                401  409  409  409  409  401
POST /c/{slug}/customer/passkey           401  409  409  409  409  401
POST /c/{slug}/customer/passkey/question  401  409  409  409  409  401
POST /c/{slug}/passkey                    403  403  403  403  403  403
POST /c/{slug}/passkey/question            ok   ok   ok   ok   ok   ok
POST /c/{slug}/start                       ok   ok   ok   ok   ok   ok
POST /not-me                               ok   ok   ok   ok   ok   ok
POST /room/authenticator                  401  401  401   ok   ok  401
POST /room/binding/revoke                 401  401  401   ok   ok  401
POST /room/messages                       401  401  401   ok   ok  401
POST /room/passkeys                       401  401  401  403  403  401
POST /room/passkeys/question              401  401  401  403  403  401
POST /room/passkeys/{passkey_id}/remove   401  401  401  403  403  401
POST /room/rating                         401  401  401   ok   ok  401
POST /room/receipt                        401  401  401   ok   ok  401
POST /room/step-up                        401  401  401   ok   ok  401
POST /room/step-up/passkey                401  401  401  403  403  401
POST /room/step-up/passkey/question       401  401  401   ok   ok  401
POST /room/unlock/passkey                 401   ok   ok   ok   ok  401
POST /room/unlock/passkey/question        401  401  401   ok   ok  401
POST /room/unlock                         401   ok   ok   ok   ok  401
POST /verify                               ok   ok   ok   ok   ok   ok
POST /wallet/{provider}/response/{state}  404  404  404  404  404  404
POST /room/leave                           ok   ok   ok   ok   ok   ok
"""


@dataclass(frozen=True)
class Things:
    """What the routes name: Giulia's, and what is nobody's."""

    hers: dict[str, str]
    nothing: dict[str, str]


def fresh() -> dict[str, str]:
    """Ids of nothing; what is no id but a name stays."""
    named = ("case_id", "conversation_id", "block_id", "export_id", "account_id", "passkey_id", "binding_id")
    ids = {name: str(uuid4()) for name in named}
    return {**ids, "slug": new_slug(), **NAMES}


NAMES: Final = {
    "connector": "square",
    "server": "0123456789abcdef",
    "provider": "demo-id",
    "state": "s" * 43,
    "name": "riserbo.css",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def things(town: Town) -> AsyncIterator[Things]:
    """A block and an export exist, beside case and room."""
    anna, paolo = town.desk["anna"], town.desk["paolo"]
    blocked = await anna.post(f"/cases/{town.giulia.case_id}/replies", {"text": IBAN})
    export = (await paolo.post("/exports", {"scope": "log", "reason": "Prova della tabella."})).expect(202)

    async def look() -> bool:
        return bool((await paolo.get(f"/exports/{export['id']}"))["state"] == "ready")

    await until(look, "the bag")
    yield Things(
        {
            "case_id": str(town.giulia.case_id),
            "conversation_id": str(town.giulia.room_id),
            "block_id": blocked.document["block"],
            "export_id": export["id"],
            "account_id": await joiner(town),
            "passkey_id": str(uuid4()),
            "binding_id": await other_link(town),
            "slug": town.giulia.slug,
            **NAMES,
        },
        fresh(),
    )


def routes_of(app: FastAPI) -> set[str]:
    """`GET /path` of every route, HEAD apart."""
    found = {
        f"{method} {path}"
        for path, route in iter_routes(app)
        for method in (route.methods or ())
        if isinstance(route, APIRoute) or path.endswith("openapi.json")
    }
    return {one for one in found if not one.startswith("HEAD ")}


async def ask(town: Town, site: str, route: str, who: Who, names: dict[str, str]) -> tuple[int, str]:
    """Status and comparable body of one call, with a body that would do."""
    method, _, path = route.partition(" ")
    target = re.sub(r"\{(\w+)\}", lambda found: names[found.group(1)], path)
    if path == "/api/v1/bindings":
        target += f"?case={names['case_id']}"
    if path.endswith("/events"):
        async with town.wire.stream(site, target, who) as answer:
            if answer.status_code == 200:
                return 200, ""
            return answer.status_code, comparable((await answer.aread()).decode(), names)
    body, key = body_for(town, route, names), {"idempotency-key": str(uuid4())}
    if by_program(path):
        sent = await town.wire.send(site, method, target, who, headers=key, document=body)
    else:
        sent = await town.wire.send(site, method, target, who, headers=key, form=body)
    if sent.headers.get("location") == "/signin" and route != "POST /signout":
        return 401, "signin"
    return sent.status_code, comparable(sent.text, names)


def by_program(route: str) -> bool:
    """Whether only programs ask there."""
    return "/api/" in route or "/scim/" in route


def comparable(body: str, names: dict[str, str]) -> str:
    """A body without what differs from answer to answer, and without the address that was asked for."""
    for value in names.values():
        body = body.replace(value, "ID")
    body = re.sub(r'"(?:request_id|instance|challenge)": ?"[^"]*"', "", body)
    return re.sub(r'nonce="[^"]*"|<code>[^<]*</code>|value="[0-9a-f-]{36}"', "", body)


def body_for(town: Town, route: str, names: dict[str, str]) -> dict[str, Any] | None:
    """A body that the act would take."""
    method, _, path = route.partition(" ")
    if path.startswith("/scim/") and method in ("POST", "PUT"):
        return {"userName": f"pia{uuid4().hex[:6]}", "roles": [{"value": "desk"}]}
    if path.startswith("/scim/") and method == "PATCH":
        return {"Operations": [{"op": "replace", "path": "displayName", "value": "Pia"}]}
    if method != "POST":
        return None
    anna = str(town.staff_ids["anna"])
    bodies: dict[str, dict[str, Any]] = {
        "/api/v1/tokens": {"login": "anna", "password": "wrong", "code": "12345678"},
        "/api/v1/password": {
            "login": "anna",
            "password": "wrong",
            "code": "12345678",
            "new_password": "tqv xmd hzw pbn",
        },
        "/api/v1/cases/{case_id}/claim": {},
        "/api/v1/cases/{case_id}/transfer": {"to": anna},
        "/api/v1/cases/{case_id}/notes": {"text": "Nota."},
        "/api/v1/cases/{case_id}/replies/check": {"text": "Ciao."},
        "/api/v1/cases/{case_id}/replies": {"text": "Ciao."},
        "/api/v1/cases/{case_id}/close": {"outcome": "resolved"},
        "/api/v1/blocks/{block_id}/override": {"reason": "Deve uscire adesso."},
        "/api/v1/conversations/{conversation_id}/messages": {"text": "Ecco.", "data_class": "case"},
        "/api/v1/conversations/{conversation_id}/step-up": {"level": 3},
        "/api/v1/bindings/{binding_id}/revoke": {"because": "customer_asked"},
        "/api/v1/revocations": {"customer_number": "9999", "because": "suspicion"},
        "/conversations/{conversation_id}/revoke": {"because": "no reason, or Giulia were out"},
        "/revocations": {"customer_number": "9999", "because": "suspicion"},
        "/api/v1/exports": {"scope": "room", "conversation_id": names["conversation_id"], "reason": "Prova, dieci."},
        "/cases/{case_id}/transfer": {"agent": anna, "reason": "Tua."},
        "/cases/{case_id}/notes": {"text": "Nota."},
        "/cases/{case_id}/close": {"outcome": "resolved"},
        "/cases/{case_id}/replies": {"text": "Ciao.", "intent": "check", "idempotency_key": "x"},
        "/conversations/{conversation_id}/messages": {"text": "Ecco.", "data_class": "case", "idempotency_key": "k"},
        "/conversations/{conversation_id}/step-up": {"level": "3"},
        "/exports": {"scope": "log", "reason": "Prova, dieci."},
        "/room/messages": {"text": "Ecco.", "idempotency_key": str(uuid4())},
        "/room/step-up": {"method": "identity:demo-id"},
        "/c/{slug}/confirm": {"accept": "yes"},
    }
    return bodies.get(route.partition(" ")[2], {})


async def other_link(town: Town) -> str:
    """A link of Giulia's account to another customer, in her case: it may end without her."""
    people, browser = town.people, await town.bystander()
    await people.scene.enter(browser, cast.GIULIA)
    page = await prove_handle(people, browser, town.giulia.link, cast.GIULIA)
    await confirm(browser, await prove_by_sms(people, browser, page, cast.MARCO))
    async with reading(town.services) as db:
        rooms = await rooms_of_case(db, [town.giulia.case_id])
    return next(str(room.binding_id) for room in rooms if room.id != town.giulia.room_id)


async def leaver(town: Town) -> tuple[str, str]:
    """Token and console session of a supervisor who has left."""
    colleague = Colleague(f"vito{uuid4().hex[:6]}", "Vito Passeggero", "Vito", cast.SARA.role)
    new = NewStaff(colleague.login, colleague.name, colleague.signature, colleague.role)
    async with transaction(town.services) as db:
        account, _ = await agents.add(db, SYSTEM, new, "a password long enough", totp.new_secret())
        town.staff_ids[colleague.login] = account.id
    minted = await town.mint(colleague), await town.mint(colleague, rules.STAFF)
    async with transaction(town.services) as db:
        await agents.deactivate(db, SYSTEM, account.id, "left")
    return minted


async def joiner(town: Town) -> str:
    """An account that the bank's identity management has made."""
    ports = town.bank.house.staffing.provisioning
    async with transaction(town.services) as db:
        account, _ = await provisioning.create(db, SYSTEM, ports, Person(f"pia{uuid4().hex[:6]}", roles=("desk",)))
    return str(account.id)


async def program(town: Town) -> str:
    """Token of a program that may do whatever a program may."""
    scopes, keys = [one.value for one in clients.MAY_HOLD], [SigningKey.new().public_jwk()]
    new = NewClient(f"crm-{uuid4().hex[:6]}", "CRM", "Banca Esempio", scopes, keys)
    async with transaction(town.services) as db:
        client = await clients.add(db, SYSTEM, new)
        now, scope = town.services.clock(), " ".join(scopes)
        started = await sessions.start_staff(db, client.id, now, kind=rules.API, scopes=scope)
    return started.token


async def at_the_desk(town: Town) -> dict[str, tuple[Who, Who]]:
    """(at the API, at the console) of everybody who may come to the staff door."""
    named = {one.login: one for one in cast.STAFF}
    people = {
        name: (Who(bearer=await town.mint(named[name])), Who(staff=await town.mint(named[name], rules.STAFF)))
        for name in STAFF
    }
    for name, minted in (("crm", await program(town)), ("scoped", await town.mint(named["anna"], scopes="cases:read"))):
        people[name] = Who(bearer=minted), Who(staff=minted)
    visitor = await town.bystander()
    await begin(visitor, town.giulia.link)
    token, session = await leaver(town)
    people |= {
        "anonymous": (NOBODY, NOBODY),
        "leaver": (Who(bearer=token), Who(staff=session)),
    }
    for name, browser in (
        ("visitor", visitor),
        ("customer", town.people.giulia),
        ("other customer", town.people.mallory),
    ):
        people[name] = (Who(bearer=town.token_of(browser)), Who(staff=town.token_of(browser)))
    return people


def cells(table: str) -> dict[str, dict[str, str]]:
    """The declared cells, by route and person."""
    head, *rows = [line.split() for line in table.strip().splitlines()]
    names = head[1:]
    return {f"{row[0]} {row[1]}": dict(zip(names, row[2:], strict=True)) for row in rows}


def met(status: int) -> str:
    """A status as the table has it."""
    return str(status) if status in REFUSALS else OK


async def test_the_table_has_every_route_and_no_other(town: Town) -> None:
    house = town.bank.house
    assert routes_of(create_staff_app(house)) - OPEN == set(cells(AT_THE_DESK))
    assert routes_of(create_public_app(house)) - OPEN == set(cells(AT_THE_LINK))


async def test_at_the_desk_everybody_meets_what_the_table_says(town: Town, things: Things) -> None:
    """And what does not exist looks like what is not for you, but for the insider who knows that the case exists."""
    people = await at_the_desk(town)
    wrong: list[tuple[object, ...]] = []
    told_apart: list[tuple[object, ...]] = []
    for route, row in cells(AT_THE_DESK).items():
        names_something = "{" in route or route == "GET /api/v1/bindings"
        for person, declared in row.items():
            who = people[person][0 if by_program(route) else 1]
            # First what is not there: what is hers may be closed, or the session over, after the act.
            nothing = await ask(town, "staff", route, who, fresh()) if names_something else (0, "")
            hers = await ask(town, "staff", route, who, things.hers)
            if met(hers[0]) != declared or hers[0] >= 500:
                wrong.append((route, person, declared, hers[0]))
            if names_something and nothing[0] not in REFUSALS:
                wrong.append((route, person, "nothing there", nothing[0]))
            if names_something and person in ("paolo", "ada") and declared != OK and hers != nothing:
                told_apart.append((route, person, hers, nothing))
        for person in OUTSIDE:
            answers = {await ask(town, "staff", route, people[person][0 if by_program(route) else 1], things.hers)}
            if person == "anonymous" and names_something:
                answers.add(await ask(town, "staff", route, NOBODY, fresh()))
            if {status for status, _ in answers} != {401} or len(answers) > 1:
                wrong.append((route, person, "401", str(answers)))
    assert wrong == []
    assert told_apart == []


async def test_at_the_link_everybody_meets_what_the_table_says(town: Town, things: Things) -> None:
    """Nobody but the browser that began there gets on at a link, and each room is its own customer's alone."""
    visitor, elsewhere = await town.bystander(), await town.bystander()
    await begin(visitor, town.giulia.link)
    await begin(elsewhere, town.mallory.link)
    anna = Who(staff=await town.mint(cast.ANNA, rules.STAFF), bearer=await town.mint(cast.ANNA))
    browsers = {
        "visitor": visitor,
        "elsewhere": elsewhere,
        "giulia": town.people.giulia,
        "mallory": town.people.mallory,
    }
    people = {name: Who(visitor=town.token_of(browser)) for name, browser in browsers.items()}
    people |= {"anonymous": NOBODY, "anna": anna}
    wrong: list[tuple[object, ...]] = []
    for route, row in cells(AT_THE_LINK).items():
        for person, declared in row.items():
            hers = await ask(town, "bank", route, people[person], things.hers)
            nothing = await ask(town, "bank", route, people[person], fresh())
            if (str(hers[0]) if declared == "409" else met(hers[0])) != declared or hers[0] >= 500:
                wrong.append((route, person, declared, hers[0]))
            if "{slug}" in route and person != "visitor" and hers != nothing:
                wrong.append((route, person, "like nothing there", nothing[0]))
    assert wrong == []
