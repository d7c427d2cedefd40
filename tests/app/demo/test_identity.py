"""The stub identity provider: it says what it is, and its codes are as strict as real ones."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from urllib.parse import urlencode

import httpx2
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from app.demo.identity import ACR, IdentityPerson, create_identity_app
from tests.app.demo.conftest import Clock, callback_of

BASE = "http://identity.localhost:8106"
CALLBACK = "http://bank.localhost:8101/proofs/identity/callback"
VERIFIER = "v" * 50
CLIENT = ("bank", "kyc-secret")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def provider(clock: Clock) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_identity_app(
        (IdentityPerson("C-1001", "Giulia Ferraro"), IdentityPerson("C-1002", "Marco <i>Bianchi</i>")),
        client_id="bank",
        client_secret="kyc-secret",
        redirect_uris=(CALLBACK,),
        issuer=BASE,
        clock=clock,
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=BASE) as client:
        yield client


def asked(**changed: str | None) -> str:
    values: dict[str, str | None] = {
        "client_id": "bank",
        "redirect_uri": CALLBACK,
        "state": "state-of-the-attempt",
        "nonce": "nonce-of-the-attempt",
        "code_challenge": create_s256_code_challenge(VERIFIER),
        "purpose": "Vedere i <movimenti>",
    }
    values |= changed
    return "/authorize?" + urlencode({name: value for name, value in values.items() if value is not None})


async def choose(provider: httpx2.AsyncClient, person: str | None = "C-1001", **headers: str) -> httpx2.Response:
    shown = (await provider.get(asked())).text
    pairs = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', shown)
    form = {name: unescape(value) for name, value in pairs} | ({"person": person} if person else {})
    return await provider.post("/authorize", data=form, headers=headers)


async def code_of(provider: httpx2.AsyncClient) -> str:
    return callback_of(await choose(provider))[1]["code"]


async def fetch(
    provider: httpx2.AsyncClient, code: str, client: tuple[str, str] = CLIENT, /, **changed: str
) -> httpx2.Response:
    return await provider.post("/result", data={"code": code, "code_verifier": VERIFIER} | changed, auth=client)


async def test_pages_say_in_large_letters_that_nothing_is_verified(provider: httpx2.AsyncClient) -> None:
    for path, word in ((asked(), "FINTO"), ("/", "FINTO"), (asked(lang="en"), "STUB")):
        assert f'<p class="word">{word}</p>' in (await provider.get(path)).text


async def test_names_and_purpose_are_escaped(provider: httpx2.AsyncClient) -> None:
    shown = (await provider.get(asked())).text
    assert "<i>Bianchi" not in shown
    assert "<movimenti>" not in shown
    assert "&lt;movimenti&gt;" in shown


async def test_chosen_person_is_told_to_the_client_alone(provider: httpx2.AsyncClient) -> None:
    where, answer = callback_of(await choose(provider))
    assert where == CALLBACK
    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("state-of-the-attempt", BASE)
    told = (await fetch(provider, answer["code"])).json()
    assert (told["customer_number"], told["nonce"], told["acr"]) == ("C-1001", "nonce-of-the-attempt", ACR)
    assert "1001" not in told["subject"]


async def test_result_may_be_asked_as_json(provider: httpx2.AsyncClient) -> None:
    body = {"code": await code_of(provider), "code_verifier": VERIFIER}
    assert (await provider.post("/result", json=body, auth=CLIENT)).status_code == 200
    for content, status in ((b"{", 400), (b"[]", 422), (b'{"code":1}', 422), (b'{"code":"\\ud800"}', 400)):
        headers = {"content-type": "application/json"}
        assert (await provider.post("/result", content=content, headers=headers, auth=CLIENT)).status_code == status


async def test_proving_nothing_sends_back_access_denied(provider: httpx2.AsyncClient) -> None:
    where, answer = callback_of(await choose(provider, None))
    assert where == CALLBACK
    assert answer == {"error": "access_denied", "state": "state-of-the-attempt", "iss": BASE}


async def test_unlisted_person_cannot_be_chosen(provider: httpx2.AsyncClient) -> None:
    assert (await choose(provider, "C-9999")).status_code == 422


async def test_form_from_another_site_is_refused(provider: httpx2.AsyncClient) -> None:
    assert (await choose(provider, origin="http://evil.localhost")).status_code == 403


@pytest.mark.parametrize(
    "changed", [{"client_id": "other"}, {"redirect_uri": CALLBACK + "/"}, {"redirect_uri": None}, {"client_id": None}]
)
async def test_unregistered_return_address_is_never_used(
    provider: httpx2.AsyncClient, changed: dict[str, str | None]
) -> None:
    for answer in (await provider.get(asked(**changed)), await provider.get(asked() + "&state=another-state")):
        assert answer.status_code == 400
        assert "location" not in answer.headers


@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": None},
        {"code_challenge_method": "plain"},
        {"state": "short"},
        {"nonce": None},
        {"purpose": "x" * 201},
    ],
)
async def test_request_without_its_protections_is_refused(
    provider: httpx2.AsyncClient, changed: dict[str, str | None]
) -> None:
    _, answer = callback_of(await provider.get(asked(**changed)))
    assert answer["error"] == "invalid_request"
    assert "code" not in answer


async def test_code_works_once(provider: httpx2.AsyncClient) -> None:
    code = await code_of(provider)
    assert (await fetch(provider, code)).status_code == 200
    assert (await fetch(provider, code)).status_code == 400


async def test_code_dies_after_sixty_seconds(provider: httpx2.AsyncClient, clock: Clock) -> None:
    code = await code_of(provider)
    clock.pass_time(seconds=60)
    assert (await fetch(provider, code)).status_code == 400


@pytest.mark.parametrize(
    "changed", [{"code_verifier": "w" * 50}, {"code_verifier": "v"}, {"redirect_uri": "http://x/"}]
)
async def test_failed_try_burns_the_code(provider: httpx2.AsyncClient, changed: dict[str, str]) -> None:
    code = await code_of(provider)
    assert (await fetch(provider, code, **changed)).status_code == 400
    assert (await fetch(provider, code)).status_code == 400


@pytest.mark.parametrize("client", [("bank", "wrong"), ("other", "kyc-secret"), ("", "")])
async def test_wrong_client_gets_nothing_and_burns_nothing(
    provider: httpx2.AsyncClient, client: tuple[str, str]
) -> None:
    code = await code_of(provider)
    assert (await fetch(provider, code, client)).status_code == 401
    assert (await fetch(provider, code)).status_code == 200
    for header in ("Bearer x", "Basic", "Basic !!!", "Basic eA=="):
        answer = await provider.post("/result", data={"code": "x"}, headers={"authorization": header})
        assert answer.status_code == 401


async def test_consent_page_may_only_send_its_form_on_to_the_bank(provider: httpx2.AsyncClient) -> None:
    policy = (await provider.get(asked())).headers["content-security-policy"]
    assert "form-action 'self' http://bank.localhost:8101;" in policy
