"""Proofs by leaving and coming back, each behind one face: so that every attack is tried on every one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from app.demo import cast
from app.demo.cast import Townsperson
from app.demo.identity_sites import EID, KYC
from app.demo.playing.http_client import Answer, Browser
from app.demo.playing.walking import begin, name_account
from tests.attacks.town import Town, prove_handle
from tests.support.wallet_site import WALLET, WalletSite

Agreeing = Callable[[Town, Browser, Answer, Townsperson], Awaitable[str]]


@dataclass(frozen=True)
class Way:
    """`come` leads to where this proof is chosen, `leave` to our page with the link, `agree` to the address back."""

    callback: str
    come: Callable[[Town, Browser], Awaitable[Answer]]
    leave: Callable[[Browser, Answer], Awaitable[Answer]]
    agree: Agreeing


def at_the_network() -> Way:
    """The account, by sign-in at the social network."""

    async def come(town: Town, browser: Browser) -> Answer:
        return await begin(browser, town.giulia.link)

    async def leave(browser: Browser, page: Answer) -> Answer:
        return await name_account(browser, page, f"@{cast.GIULIA.handle}", "sign_in")

    async def agree(town: Town, browser: Browser, leaving: Answer, person: Townsperson) -> str:
        return (await town.people.scene.approve(browser, leaving, person)).location

    return Way("/signin/square/callback", come, leave, agree)


def at_a_provider(name: str, agree: Agreeing) -> Way:
    """The customer, by redirect to an identity provider, once the account is proved."""

    async def come(town: Town, browser: Browser) -> Answer:
        return await prove_handle(town.people, browser, town.giulia.link, cast.GIULIA)

    async def leave(browser: Browser, page: Answer) -> Answer:
        return await browser.submit(page, page.path, method=f"identity:{name}")

    return Way(f"/identity/{name}/callback", come, leave, agree)


async def agree_at_eid(town: Town, browser: Browser, leaving: Answer, person: Townsperson) -> str:
    """Choose who to be, and consent."""
    there = (await browser.follow(leaving.expect(200), leaving.link_to(town.site("eid")))).expect(200)
    asked = (await browser.submit(there, "/consent", person=person.fiscal_code)).expect(200)
    return (await browser.submit(asked, "/decide", decision="agree")).location


async def agree_at_kyc(town: Town, browser: Browser, leaving: Answer, person: Townsperson) -> str:
    """Choose who to be."""
    there = (await browser.follow(leaving.expect(200), leaving.link_to(town.site("identity")))).expect(200)
    return (await browser.submit(there, "/authorize", person=person.customer_number)).location


def agreeing_by(wallet: WalletSite) -> Agreeing:
    """Show the credential of this person."""

    async def agree(town: Town, browser: Browser, leaving: Answer, person: Townsperson) -> str:
        del town
        wallet.number = person.fiscal_code
        there = (await browser.follow(leaving.expect(200), leaving.link_to(wallet.url))).expect(200)
        return (await browser.submit(there, "")).location

    return agree


def all_ways(wallet: WalletSite) -> dict[str, Way]:
    """Every one of them."""
    return {
        "network": at_the_network(),
        "openid": at_a_provider(EID, agree_at_eid),
        "kyc": at_a_provider(KYC, agree_at_kyc),
        "wallet": at_a_provider(WALLET, agreeing_by(wallet)),
    }


PROVIDERS: Final = {"openid": EID, "kyc": KYC, "wallet": WALLET}
