"""The Square's OAuth server refuses whatever a strict server must refuse."""

from __future__ import annotations

import re
from html import unescape

import httpx2
import pytest

from tests.app.demo.conftest import (
    BASE,
    CALLBACK,
    GIULIA,
    OTHER_CALLBACK,
    STATE,
    TANIA,
    VERIFIER,
    Site,
    authorization,
    callback_of,
)


def form_of(text: str) -> dict[str, str]:
    """The hidden fields of the consent form."""
    form = text.split('action="/oauth/authorize"')[1].split("</form>", maxsplit=1)[0]
    return {unescape(name): unescape(value) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)">', form)}


async def consent(browser: httpx2.AsyncClient, decision: str = "approve", **changed: str | None) -> httpx2.Response:
    asked = await browser.get(authorization(**changed))
    assert asked.status_code == 200, asked.text
    return await browser.post("/oauth/authorize", data=form_of(asked.text) | {"decision": decision})


async def fresh_code(site: Site) -> str:
    _, answer = callback_of(await consent(await site.signed_in(GIULIA)))
    return answer["code"]


async def exchange(
    site: Site, code: str, client: tuple[str, str] = ("bank", "bank-secret"), /, **changed: str
) -> httpx2.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return await site.browser().post("/oauth/token", data=form | changed, auth=client)


async def who(site: Site, token: str) -> httpx2.Response:
    return await site.browser().get("/oauth/userinfo", headers={"authorization": f"Bearer {token}"})


async def test_sign_in_and_consent_give_the_immutable_id(site: Site) -> None:
    browser = site.browser()
    asked = await browser.get(authorization())
    assert "Banca Esempio" in asked.text
    following = re.findall(r'name="next" value="([^"]+)"', asked.text)[0]
    entered = await browser.post("/sign-in", data={"person": GIULIA.id, "next": unescape(following)})
    assert entered.headers["location"].startswith("/oauth/authorize?")
    where, answer = callback_of(await consent(browser))
    assert (where, answer["state"], answer["iss"]) == (CALLBACK, STATE, BASE)
    issued = await exchange(site, answer["code"])
    assert issued.status_code == 200
    assert issued.headers["cache-control"] == "no-store"
    told = await who(site, issued.json()["access_token"])
    assert told.json() == {"sub": GIULIA.id, "preferred_username": "giulia", "name": "Giulia Ferraro"}


async def test_deny_sends_back_access_denied_without_code(site: Site) -> None:
    where, answer = callback_of(await consent(await site.signed_in(GIULIA), "deny"))
    assert where == CALLBACK
    assert answer == {"error": "access_denied", "state": STATE, "iss": BASE}


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "nobody"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK + "?x=1"},
        {"redirect_uri": CALLBACK.replace("bank.", "Bank.")},
        {"redirect_uri": "http://evil.localhost/"},
        {"redirect_uri": "http://rival.localhost/callback"},
        {"redirect_uri": None},
    ],
)
async def test_unknown_client_or_address_is_never_redirected_to(site: Site, changed: dict[str, str | None]) -> None:
    answer = await (await site.signed_in(GIULIA)).get(authorization(**changed))
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_repeated_parameter_is_refused_without_redirect(site: Site) -> None:
    answer = await site.browser().get(authorization() + "&state=second-state-value")
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile posts.write"}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "too-short"}, "invalid_request"),
        ({"state": None}, "invalid_request"),
    ],
)
async def test_wrong_request_is_refused_at_the_clients_address(
    site: Site, changed: dict[str, str | None], error: str
) -> None:
    where, answer = callback_of(await (await site.signed_in(GIULIA)).get(authorization(**changed)))
    assert where == CALLBACK
    assert answer["error"] == error
    assert answer["iss"] == BASE
    assert "code" not in answer


async def test_code_works_once_and_a_replay_revokes_the_token(site: Site) -> None:
    code = await fresh_code(site)
    token = (await exchange(site, code)).json()["access_token"]
    assert (await who(site, token)).status_code == 200
    replayed = await exchange(site, code)
    assert (replayed.status_code, replayed.json()) == (400, {"error": "invalid_grant"})
    assert (await who(site, token)).status_code == 401


async def test_code_dies_after_sixty_seconds(site: Site) -> None:
    code = await fresh_code(site)
    site.clock.pass_time(seconds=60)
    assert (await exchange(site, code)).json() == {"error": "invalid_grant"}


async def test_code_lives_for_fifty_nine_seconds(site: Site) -> None:
    code = await fresh_code(site)
    site.clock.pass_time(seconds=59)
    assert (await exchange(site, code)).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "w" * 50},
        {"code_verifier": ""},
        {"redirect_uri": OTHER_CALLBACK},
        {"redirect_uri": ""},
    ],
)
async def test_code_is_bound_to_challenge_and_address_and_a_failed_try_burns_it(
    site: Site, changed: dict[str, str]
) -> None:
    code = await fresh_code(site)
    assert (await exchange(site, code, **changed)).json() == {"error": "invalid_grant"}
    assert (await exchange(site, code)).json() == {"error": "invalid_grant"}


async def test_code_is_bound_to_its_client(site: Site) -> None:
    code = await fresh_code(site)
    assert (await exchange(site, code, ("rival", "rival-secret"))).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    "client", [("bank", "wrong"), ("bank", ""), ("nobody", "bank-secret"), ("rival", "bank-secret")]
)
async def test_wrong_client_secret_is_401_and_leaves_the_code_alone(site: Site, client: tuple[str, str]) -> None:
    code = await fresh_code(site)
    refused = await exchange(site, code, client)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic")
    assert (await exchange(site, code)).status_code == 200


async def test_token_endpoint_takes_no_secret_in_the_body(site: Site) -> None:
    code = await fresh_code(site)
    form = {"grant_type": "authorization_code", "code": code, "client_id": "bank", "client_secret": "bank-secret"}
    assert (await site.browser().post("/oauth/token", data=form)).status_code == 401
    assert (await exchange(site, code, client_secret="bank-secret")).json() == {"error": "invalid_request"}


async def test_token_endpoint_takes_only_the_code_grant_as_a_form(site: Site) -> None:
    assert (await exchange(site, "x", grant_type="password")).json() == {"error": "unsupported_grant_type"}
    answer = await site.browser().post("/oauth/token", json={"code": "x"}, auth=("bank", "bank-secret"))
    assert answer.status_code == 415


async def test_token_dies_after_ten_minutes(site: Site) -> None:
    token = (await exchange(site, await fresh_code(site))).json()["access_token"]
    site.clock.pass_time(minutes=10)
    assert (await who(site, token)).json() == {"error": "invalid_token"}


async def test_client_revokes_its_own_token_only(site: Site) -> None:
    token = (await exchange(site, await fresh_code(site))).json()["access_token"]
    rival = await site.browser().post("/oauth/revoke", data={"token": token}, auth=("rival", "rival-secret"))
    assert rival.status_code == 200
    assert (await who(site, token)).status_code == 200
    own = await site.browser().post("/oauth/revoke", data={"token": token}, auth=("bank", "bank-secret"))
    assert own.status_code == 200
    assert (await who(site, token)).status_code == 401


async def test_userinfo_without_a_token_is_401(site: Site) -> None:
    assert (await site.browser().get("/oauth/userinfo")).status_code == 401


async def test_consent_form_of_another_session_is_refused(site: Site) -> None:
    hers = (await (await site.signed_in(GIULIA)).get(authorization())).text
    other = await site.signed_in(TANIA)
    answer = await other.post("/oauth/authorize", data=form_of(hers) | {"decision": "approve"})
    assert answer.status_code == 400


async def test_consent_given_for_one_request_does_not_serve_another(site: Site) -> None:
    browser = await site.signed_in(GIULIA)
    form = form_of((await browser.get(authorization())).text)
    changed = form | {"redirect_uri": OTHER_CALLBACK, "decision": "approve"}
    assert (await browser.post("/oauth/authorize", data=changed)).status_code == 400


async def test_consent_form_sent_from_another_site_is_refused(site: Site) -> None:
    browser = await site.signed_in(GIULIA)
    form = form_of((await browser.get(authorization())).text) | {"decision": "approve"}
    headers = {"sec-fetch-site": "cross-site", "origin": "http://evil.localhost"}
    assert (await browser.post("/oauth/authorize", data=form, headers=headers)).status_code == 403
    only_origin = {"origin": "http://evil.localhost"}
    assert (await browser.post("/oauth/authorize", data=form, headers=only_origin)).status_code == 403


async def test_consent_page_may_only_send_its_form_on_to_the_clients_origin(site: Site) -> None:
    asked = await (await site.signed_in(GIULIA)).get(authorization())
    policy = asked.headers["content-security-policy"]
    assert "form-action 'self' http://bank.localhost:8101;" in policy
    assert "frame-ancestors 'none'" in policy


async def test_metadata_names_the_issuer_and_s256_only(site: Site) -> None:
    told = (await site.browser().get("/.well-known/oauth-authorization-server")).json()
    assert told["issuer"] == BASE
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["authorization_response_iss_parameter_supported"] is True
