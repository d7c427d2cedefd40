"""The demo's digital identity: as strict as a real one to the bank, and honest to whoever stands in front of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from html import unescape
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from app.binding.identity_provider import IdentityAnswer, IdentityRefused, IdentityWish
from app.binding.openid_provider import OpenIdProvider
from app.demo.eid import ACR, CLAIM, SCOPE, Citizen, Registration, create_eid_app
from app.directory.port import IdentifierKind
from app.oauth.client import OAuthClient
from app.oauth.requests import ASSERTION_TYPE, client_assertion, signed_request
from app.oauth.server import AuthorizationServer
from app.outbound import OutboundClient, OutboundResponse
from app.permissions import Level
from security.dpop import make_proof
from security.jwts import SigningKey
from tests.app.demo.conftest import NOON, Clock

BASE = "http://eid.localhost:8107"
CALLBACK = "http://bank.localhost:8101/identity/demo-eid/callback"
VERIFIER = "v" * 50
STATE, NONCE = "state-of-the-attempt", "nonce-of-the-attempt"
GIULIA = Citizen("SMPGLI92D50Z999B", "Giulia Esempi")
MARCO = Citizen("PRVMRC80C15Z999K", "Marco <i>Prova</i>")
KEY, OTHER_KEY, BOUND = SigningKey.new(), SigningKey.new(), SigningKey.new()


@dataclass
class Eid:
    """The site, with one browser; it also stands where the bank's outbound client stands."""

    app: Any
    clock: Clock
    browser: httpx2.AsyncClient
    others: list[httpx2.AsyncClient] = field(default_factory=list)

    def another_browser(self) -> httpx2.AsyncClient:
        made = httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url=BASE)
        self.others.append(made)
        return made

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        **_more: Any,
    ) -> OutboundResponse:
        """See `OutboundClient.request`."""
        answer = await self.another_browser().request(method, url, headers=headers, data=data)
        return OutboundResponse(answer.status_code, dict(answer.headers), answer.content)

    def bank(self) -> OpenIdProvider:
        """The bank's side of it."""
        server = AuthorizationServer(BASE, cast(OutboundClient, self))
        client = OAuthClient(server, "bank", key=KEY)
        return OpenIdProvider("demo-eid", client, {ACR: Level.L3}, CLAIM, IdentifierKind.FISCAL_CODE, SCOPE)

    async def push(self, request: str | None = None, key: SigningKey = KEY, **form: str) -> httpx2.Response:
        """A pushed request, right in everything that is not changed."""
        whole = {"request": request or signed(now=self.clock()), **identified(self.clock, key), **form}
        return await self.browser.post("/par", data=whole)

    async def opened(self) -> str:
        """The address that the browser is sent to."""
        answer = await self.push()
        assert answer.status_code == 201, answer.text
        return "/authorize?" + urlencode({"client_id": "bank", "request_uri": answer.json()["request_uri"]})

    async def answered(self, person: Citizen = GIULIA, decision: str = "agree") -> dict[str, str]:
        """The parameters with which the browser returns after choosing somebody and deciding."""
        asked = await self.browser.post("/consent", data=await self.fields(await self.opened()) | person_of(person))
        back = await self.browser.post("/decide", data=hidden(asked.text) | {"decision": decision})
        assert back.headers["location"].startswith(f"{CALLBACK}?")
        return dict(parse_qsl(urlsplit(back.headers["location"]).query))

    async def fields(self, address: str) -> dict[str, str]:
        return hidden((await self.browser.get(address)).text)

    async def fetch(
        self, code: str, changed: Mapping[str, str] | None = None, *, bound_to: SigningKey = BOUND
    ) -> httpx2.Response:
        """The code's tokens, asked for rightly in everything that is not changed."""
        whole = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": VERIFIER,
            "redirect_uri": CALLBACK,
            **identified(self.clock),
            **(changed or {}),
        }
        proof = make_proof(bound_to, "POST", f"{BASE}/token", self.clock())
        return await self.browser.post("/token", data=whole, headers={"dpop": proof})


def asked_for() -> dict[str, str]:
    return {
        "client_id": "bank",
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": SCOPE,
        "state": STATE,
        "nonce": NONCE,
        "code_challenge": create_s256_code_challenge(VERIFIER),
        "code_challenge_method": "S256",
        "acr_values": ACR,
        "dpop_jkt": BOUND.kid,
    }


def signed(
    changed: Mapping[str, str | None] | None = None,
    *,
    key: SigningKey = KEY,
    audience: str = BASE,
    now: datetime = NOON,
) -> str:
    """The request object, with some parameters changed or (None) left out."""
    wanted = {name: value for name, value in (asked_for() | dict(changed or {})).items() if value is not None}
    return signed_request(key, audience, wanted, now)


def identified(clock: Clock, key: SigningKey = KEY, audience: str = BASE) -> dict[str, str]:
    assertion = client_assertion(key, "bank", audience, clock())
    return {"client_id": "bank", "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}


def hidden(page: str) -> dict[str, str]:
    found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: unescape(value) for name, value in found}


def person_of(citizen: Citizen) -> dict[str, str]:
    return {"person": citizen.fiscal_code}


@pytest.fixture
async def eid() -> AsyncIterator[Eid]:
    clock = Clock()
    registration = Registration("bank", "Banca Esempio", CALLBACK, dict(KEY.public_jwk()))
    app = create_eid_app((GIULIA, MARCO), registration, issuer=BASE, clock=clock)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=BASE) as browser:
        made = Eid(app, clock, browser)
        yield made
        for one in made.others:
            await one.aclose()


async def through(eid: Eid, person: Citizen = GIULIA) -> tuple[OpenIdProvider, IdentityAnswer]:
    """The bank leaves, somebody agrees, the browser is back."""
    bank = eid.bank()
    memo, now = bank.prepare(), eid.clock()
    challenge = create_s256_code_challenge(VERIFIER)
    url = await bank.begin(IdentityWish(STATE, NONCE, CALLBACK, challenge, "entry", Level.L1, now, memo))
    asked = await eid.browser.post("/consent", data=await eid.fields(url) | person_of(person))
    back = await eid.browser.post("/decide", data=hidden(asked.text) | {"decision": "agree"})
    told = dict(parse_qsl(urlsplit(back.headers["location"]).query))
    assert (told["state"], told["iss"]) == (STATE, BASE)
    return bank, IdentityAnswer(told["code"], VERIFIER, CALLBACK, NONCE, told["iss"], now, eid.clock(), memo)


async def test_the_banks_own_client_learns_the_tax_number_and_the_level(eid: Eid) -> None:
    bank, answer = await through(eid)
    result = await bank.finish(answer)
    assert (result.identifier, result.kind) == (f"TINIT-{GIULIA.fiscal_code}", IdentifierKind.FISCAL_CODE)
    assert (result.acr, result.nonce) == (ACR, NONCE)
    assert [remark.text for remark in await bank.look(eid.clock())] == ["answers for its issuer, with keys"]


async def test_its_answer_is_for_one_sign_in_and_once(eid: Eid) -> None:
    bank, answer = await through(eid)
    other, before = await through(eid, MARCO)
    with pytest.raises(IdentityRefused, match="code_refused"):
        await bank.finish(replace(answer, memo=before.memo))
    with pytest.raises(IdentityRefused, match="code_refused"):
        await bank.finish(answer)
    with pytest.raises(IdentityRefused, match="token_nonce"):
        await other.finish(replace(before, nonce="another-nonce"))


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "other"},
        {"response_type": "token"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": None},
        {"scope": "openid"},
        {"scope": f"{SCOPE} profile"},
        {"response_mode": "form_post"},
        {"acr_values": "urn:other"},
        {"code_challenge": None},
        {"code_challenge_method": "plain"},
        {"dpop_jkt": None},
        {"state": "short"},
        {"nonce": None},
    ],
)
async def test_a_request_without_its_protections_is_not_kept(eid: Eid, changed: dict[str, str | None]) -> None:
    assert (await eid.push(signed(changed))).status_code == 400


async def test_a_request_that_the_bank_did_not_sign_for_this_site_is_not_kept(eid: Eid) -> None:
    for request in (signed(key=OTHER_KEY), signed(audience="http://other.localhost"), signed() + "x", "no token"):
        answer = await eid.push(request)
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request_object"})
    plain = {**asked_for(), **identified(eid.clock)}
    assert (await eid.browser.post("/par", data=plain)).status_code == 400
    assert (await eid.push(state=STATE)).status_code == 400


@pytest.mark.parametrize("path", ["/par", "/token"])
async def test_only_the_bank_itself_is_listened_to_and_each_assertion_once(eid: Eid, path: str) -> None:
    right = {"request": signed(), "grant_type": "authorization_code", "code": "x"}
    for made in (
        identified(eid.clock, OTHER_KEY),
        identified(eid.clock, audience=f"{BASE}/token"),
        identified(eid.clock) | {"client_id": "other"},
        identified(eid.clock) | {"client_assertion_type": "secret"},
        {"client_id": "bank"},
    ):
        answer = await eid.browser.post(path, data=right | made)
        assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    once = identified(eid.clock)
    assert (await eid.browser.post(path, data=right | once)).status_code in (201, 400)
    assert (await eid.browser.post(path, data=right | once)).status_code == 401


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"code_verifier": "w" * 50}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"redirect_uri": CALLBACK + "/"}, "invalid_grant"),
        ({"grant_type": "refresh_token"}, "unsupported_grant_type"),
    ],
)
async def test_a_wrong_try_burns_the_code(eid: Eid, form: dict[str, str], error: str) -> None:
    code = (await eid.answered())["code"]
    answer = await eid.fetch(code, form)
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    assert (await eid.fetch(code)).json() == {"error": "invalid_grant"}


async def test_tokens_go_to_the_key_that_asked_alone(eid: Eid) -> None:
    stolen = await eid.fetch((await eid.answered())["code"], bound_to=OTHER_KEY)
    assert (stolen.status_code, stolen.json()) == (400, {"error": "invalid_dpop_proof"})
    given = await eid.fetch((await eid.answered())["code"])
    assert (given.status_code, given.json()["token_type"]) == (200, "DPoP")


async def test_codes_and_requests_die(eid: Eid) -> None:
    code = (await eid.answered())["code"]
    eid.clock.pass_time(seconds=60)
    assert (await eid.fetch(code)).json() == {"error": "invalid_grant"}
    address = await eid.opened()
    eid.clock.pass_time(minutes=5)
    assert (await eid.browser.get(address)).status_code == 400


async def test_a_request_belongs_to_the_browser_that_opened_it_and_is_answered_once(eid: Eid) -> None:
    address = await eid.opened()
    form = await eid.fields(address) | person_of(GIULIA)
    stranger = eid.another_browser()
    assert (await stranger.get(address)).status_code == 400
    for path in ("/consent", "/decide"):
        assert (await stranger.post(path, data=form | {"decision": "agree"})).status_code == 400
    assert (await eid.browser.post("/decide", data=form | {"decision": "agree"})).status_code == 303
    for again in (await eid.browser.get(address), await eid.browser.post("/decide", data=form)):
        assert again.status_code == 400
        assert "location" not in again.headers


async def test_who_does_not_agree_is_sent_back_without_a_code(eid: Eid) -> None:
    assert await eid.answered(decision="deny") == {"error": "access_denied", "state": STATE, "iss": BASE}


async def test_nobody_who_is_not_listed_can_be_chosen(eid: Eid) -> None:
    form = await eid.fields(await eid.opened()) | {"person": "XXXXXX00X00X000X", "decision": "agree"}
    assert (await eid.browser.post("/consent", data=form)).status_code == 422
    assert (await eid.browser.post("/decide", data=form)).status_code == 422


async def test_a_form_from_another_site_is_refused(eid: Eid) -> None:
    form = await eid.fields(await eid.opened()) | person_of(GIULIA)
    for path in ("/consent", "/decide"):
        answer = await eid.browser.post(path, data=form, headers={"origin": "http://evil.localhost"})
        assert answer.status_code == 403


async def test_the_consent_says_who_learns_what_and_that_nobody_is_checked(eid: Eid) -> None:
    address = await eid.opened()
    first = (await eid.browser.get(address, headers={"accept-language": "en"})).text
    assert "anybody may choose who to be" in first
    assert "<i>Prova" not in first
    asked = await eid.browser.post("/consent", data=hidden(first) | person_of(MARCO), headers={"accept-language": "en"})
    for words in ("Banca Esempio", "your tax number", MARCO.fiscal_code, "bank.localhost:8101"):
        assert words in asked.text
    assert "form-action 'self' http://bank.localhost:8101;" in asked.headers["content-security-policy"]


async def test_every_protection_that_is_published_is_demanded(eid: Eid) -> None:
    told = (await eid.browser.get("/.well-known/openid-configuration")).json()
    assert told["issuer"] == BASE
    demanded = ("require_pushed_authorization_requests", "require_signed_request_object")
    assert all(told[name] is True for name in demanded)
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert (await eid.browser.get("/authorize?" + urlencode(asked_for()))).status_code == 400
    keys = (await eid.browser.get("/jwks.json")).json()["keys"]
    assert all("d" not in key for key in keys)
