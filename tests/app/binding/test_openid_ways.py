"""From the case link into the room by real OpenID Providers, through the real door; and every way in that is none."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from app.binding.errors import NotFinishedHere, SignInUnreachable
from app.binding.openid_provider import OpenIdProvider
from app.channels.ports import State
from app.oauth.client import OAuthClient, Tokens
from app.oauth.errors import OAuthRefused
from security.jwts import SigningKey
from tests.app.binding.doors import Doors, Surfer, open_doors
from tests.support.databases import DatabaseUrls
from tests.support.house import ON_SQLITE
from tests.support.openid import BANK_LOGIN, SPID, OpenIdTown, Person

pytestmark = ON_SQLITE
GIULIA: Final = Person("giulia")
MARCO: Final = Person("marco")


@pytest.fixture
async def doors(schema_urls: DatabaseUrls, tmp_path: Path, openid: OpenIdTown) -> AsyncIterator[Doors]:
    async with open_doors(schema_urls, tmp_path, openid) as opened:
        yield opened


async def arrived(doors: Doors) -> Surfer:
    """Giulia's browser, her handle proved."""
    return await doors.browser(await doors.complaint()).at_the_customer_step()


async def settled(browser: Surfer, provider: str, who: Person) -> None:
    """All the way into the room."""
    back = await browser.prove(provider, who)
    assert back.headers["location"] == f"/c/{browser.slug}/confirm", back.text
    assert (await browser.confirm()).headers["location"] == "/room"
    assert (await browser.get("/room")).status_code == 200


def words(answer: httpx2.Response) -> str:
    """What an outsider reads, without what is new on every page anyhow."""
    return re.sub(r'nonce="[^"]*"|nonce-[\w-]+', "", answer.text)


@pytest.mark.parametrize(
    ("provider", "acr", "level"),
    [
        ("spid", f"{SPID}L3", 4),
        ("spid", f"{SPID}L2", 3),
        ("spid", f"{SPID}L1", 2),
        ("spid", "https://www.spid.gov.it/SpidL33", 2),
        ("banklogin", BANK_LOGIN, 3),
        ("banklogin", "urn:bank:password", 2),
        ("banklogin", "", 2),
        ("social", None, 2),
    ],
)
async def test_the_room_opens_at_what_the_acr_is_worth(
    doors: Doors, provider: str, acr: str | None, level: int
) -> None:
    await settled(await arrived(doors), provider, Person("giulia", acr))
    assert await doors.levels() == [level]
    assert (await doors.leaves("customer.proved"))[0]["acr"] == (acr or "")


async def test_the_weakest_acr_that_is_enough_is_what_the_provider_is_asked_for(doors: Doors) -> None:
    await settled(await arrived(doors), "spid", GIULIA)
    assert (await doors.leaves("customer.proved"))[0]["acr"] == f"{SPID}L2"


async def test_the_browser_carries_nothing_but_a_reference_to_the_pushed_request(doors: Doors) -> None:
    address = urlsplit(await (await arrived(doors)).leave_for("spid"))
    assert set(parse_qs(address.query)) == {"client_id", "request_uri"}


async def test_tokens_are_worthless_after_the_return(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[tuple[OAuthClient, Tokens, SigningKey]] = []
    redeem = OAuthClient.redeem

    async def keeping(self: OAuthClient, *code: str, bound_to: SigningKey, **more: object) -> Tokens:
        tokens = await redeem(self, *code, bound_to=bound_to, **more)  # type: ignore[arg-type]
        kept.append((self, tokens, bound_to))
        return tokens

    monkeypatch.setattr(OAuthClient, "redeem", keeping)
    await settled(await arrived(doors), "spid", GIULIA)
    client, tokens, key = kept[0]
    with pytest.raises(OAuthRefused) as refused:
        await client.userinfo(tokens.access_token, bound_to=key, now=doors.house.services.clock())
    assert refused.value.reason == "userinfo_refused"


async def test_every_provider_answers_the_doctor(doors: Doors) -> None:
    now = doors.house.services.clock()
    looks = {one.name: await one.look(now) for one in doors.house.parts.providers if one.look is not None}
    assert [remark.state for remark in looks["spid"]] == [State.RIGHT]
    assert [remark.state for remark in looks["banklogin"]] == [State.RIGHT]
    assert {remark.state for remark in looks["social"]} == {State.RIGHT, State.ODD}


async def test_the_keys_that_providers_know_us_by_stand_on_the_public_door(doors: Doors) -> None:
    answer = await doors.browser("x").get("/oauth/jwks.json")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    keys = answer.json()["keys"]
    assert keys == doors.house.binding.client_keys()
    assert [set(key) for key in keys] == [{"kty", "crv", "x", "y", "kid", "use", "alg"}] * 2


async def foreign_browser(doors: Doors, browser: Surfer) -> httpx2.Response:
    """The attacker starts, the victim finishes: or the other way round."""
    back = await GIULIA.sign_in(await browser.leave_for("banklogin"))
    other = await doors.browser(browser.slug).at_the_customer_step()
    return await other.come_back("banklogin", back)


async def replayed(doors: Doors, browser: Surfer) -> httpx2.Response:
    back = await GIULIA.sign_in(await browser.leave_for("banklogin"))
    assert (await browser.come_back("banklogin", back)).status_code == 303
    return await browser.come_back("banklogin", back)


async def wrong_issuer(doors: Doors, browser: Surfer) -> httpx2.Response:
    back = await GIULIA.sign_in(await browser.leave_for("spid"))
    return await browser.come_back("spid", {**back, "iss": "https://attacker.example"})


async def issuer_missing(doors: Doors, browser: Surfer) -> httpx2.Response:
    back = await GIULIA.sign_in(await browser.leave_for("spid"))
    del back["iss"]
    return await browser.come_back("spid", back)


async def other_provider(doors: Doors, browser: Surfer) -> httpx2.Response:
    """The whole answer of one provider, at another one's address."""
    back = await GIULIA.sign_in(await browser.leave_for("banklogin"))
    return await browser.come_back("spid", back)


async def mixed_up(doors: Doors, browser: Surfer) -> httpx2.Response:
    """One provider's code under another one's state, honestly signed by its own issuer."""
    elsewhere = await doors.browser(browser.slug).at_the_customer_step()
    stolen = await GIULIA.sign_in(await elsewhere.leave_for("banklogin"))
    mine = await GIULIA.sign_in(await browser.leave_for("spid"))
    return await browser.come_back("spid", {**stolen, "state": mine["state"]})


async def injected(doors: Doors, browser: Surfer) -> httpx2.Response:
    """The victim's code in the attacker's own redirect at the same provider: PKCE."""
    victim = await doors.browser(browser.slug).at_the_customer_step()
    stolen = await GIULIA.sign_in(await victim.leave_for("banklogin"))
    mine = await MARCO.sign_in(await browser.leave_for("banklogin"))
    return await browser.come_back("banklogin", {**mine, "code": stolen["code"]})


async def denied(doors: Doors, browser: Surfer) -> httpx2.Response:
    return await browser.prove("spid", Person("giulia", denies=True))


async def stale(doors: Doors, browser: Surfer) -> httpx2.Response:
    """A session that was open at the provider since an hour."""
    return await browser.prove("banklogin", Person("giulia", when=int(time.time()) - 3600))


async def unknown(doors: Doors, browser: Surfer) -> httpx2.Response:
    return await browser.prove("spid", Person("nobody"))


async def unknown_subject(doors: Doors, browser: Surfer) -> httpx2.Response:
    """Known under this name at another provider."""
    return await browser.prove("social", Person("marco"))


ATTACKS: Final = {
    "foreign_browser": foreign_browser,
    "replayed": replayed,
    "wrong_issuer": wrong_issuer,
    "issuer_missing": issuer_missing,
    "other_provider": other_provider,
    "mixed_up": mixed_up,
    "injected": injected,
    "denied": denied,
    "stale": stale,
    "unknown": unknown,
    "unknown_subject": unknown_subject,
}
REASONS: Final = {
    "mixed_up": "wrong_issuer",
    "injected": "code_refused",
    "denied": "denied_there",
    "stale": "token_stale_sign_in",
    "unknown": "unknown_customer",
    "unknown_subject": "unknown_customer",
}


async def test_every_refusal_has_its_leaf_and_all_have_one_text(doors: Doors) -> None:
    said = {}
    for name, attack in ATTACKS.items():
        before = len(await doors.reasons())
        answer = await attack(doors, await arrived(doors))
        assert answer.status_code == NotFinishedHere.status, name
        assert (await doors.reasons())[before:] == [REASONS.get(name, name)]
        said[name] = (
            words(answer),
            {key: value for key, value in answer.headers.items() if key in ("content-length", "content-type")},
        )
    assert len({text for text, _ in said.values()}) == 1
    assert len({str(headers) for _, headers in said.values()}) == 1
    assert await doors.levels() == []


async def test_a_redirect_that_a_foreign_browser_brought_back_is_over_and_a_new_one_is_not(doors: Doors) -> None:
    browser = await arrived(doors)
    back = await GIULIA.sign_in(await browser.leave_for("banklogin"))
    other = await doors.browser(browser.slug).at_the_customer_step()
    assert (await other.come_back("banklogin", back)).status_code == NotFinishedHere.status
    assert (await browser.come_back("banklogin", back)).status_code == NotFinishedHere.status
    back = await GIULIA.sign_in(await browser.leave_for("banklogin"))
    assert (await browser.come_back("banklogin", back)).status_code == 303


async def test_a_step_up_takes_the_bound_customer_and_nobody_else_and_nothing_lower(doors: Doors) -> None:
    browser = await arrived(doors)
    await settled(browser, "social", GIULIA)
    for who, reason in (
        (Person("marco", f"{SPID}L2"), "other_customer"),
        (Person("giulia", f"{SPID}L1"), "no_higher_level"),
        (Person("nobody", f"{SPID}L3"), "unknown_customer"),
    ):
        answer = await browser.step_up("spid", who)
        assert answer.status_code == NotFinishedHere.status
        assert (await doors.reasons())[-1] == reason
        assert await doors.levels() == [2]
    assert (await browser.step_up("banklogin", Person("giulia", ""))).status_code == NotFinishedHere.status
    assert (await doors.reasons())[-1] == "no_higher_level"
    assert (await browser.step_up("banklogin", GIULIA)).headers["location"] == "/room"
    assert await doors.levels() == [3]
    assert (await browser.step_up("spid", GIULIA)).headers["location"] == "/room"
    assert await doors.levels() == [4]
    assert (await doors.leaves("customer.proved"))[-1]["acr"] == f"{SPID}L3"


async def test_a_signed_request_cannot_be_changed_on_its_way(doors: Doors, openid: OpenIdTown) -> None:
    """The browser adds its own wishes to the pushed request: the provider goes by what was pushed."""
    browser = await arrived(doors)
    address = await browser.leave_for("spid")
    changed = f"{address}&{urlencode({'acr_values': f'{SPID}L1', 'redirect_uri': 'https://attacker.example/'})}"
    back = await GIULIA.sign_in(changed)
    assert (await browser.come_back("spid", back)).status_code == 303
    assert (await doors.leaves("customer.proved"))[0]["acr"] == f"{SPID}L2"


async def test_a_provider_that_stopped_leaves_the_other_ways_open(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = next(one.port for one in doors.house.parts.providers if one.name == "banklogin")
    assert isinstance(stopped, OpenIdProvider)
    monkeypatch.setattr(stopped.client.server, "issuer", "http://banklogin.localhost:9")
    browser = await arrived(doors)
    answer = await browser.post(f"/c/{browser.slug}/customer", method="identity:banklogin")
    assert answer.status_code == SignInUnreachable.status
    assert await doors.reasons() == ["unreachable"]
    await settled(browser, "spid", GIULIA)
