"""How a person in a real browser proves to be a customer, by each method: from the page that asks to the one after."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from playwright.async_api import expect

from app.binding.identity_provider import OfferedProvider
from app.binding.openid_provider import OpenIdProvider
from app.demo import cast
from app.demo.bank import DemoBank
from app.directory.port import IdentifierKind
from app.permissions import Level
from security import totp
from security.secret import Secret
from tests.journeys.people import Customer, arrived_code
from tests.support.openid import BANK_LOGIN, FISCAL, SPID, OpenIdTown
from tests.support.virtual_authenticator import VirtualAuthenticator, authenticator_of
from tests.support.wallet_site import WalletSite, offer, open_wallet

GIULIA: Final = cast.GIULIA
AT_SPID: Final = "FRRGLI80A41L219X"
"""Giulia's fiscal code at the provider that tests run."""


@dataclass
class Ground:
    """The demonstration with every provider; what Giulia's devices hold; how far its clock was set on."""

    demo: DemoBank
    wallet: WalletSite
    secret: Secret | None = None
    authenticator: VirtualAuthenticator | None = None
    passes: Callable[[timedelta], None] = field(default=lambda _: None)


@asynccontextmanager
async def every_provider(demo: DemoBank, openid: OpenIdTown, *, fiscal_code: str) -> AsyncIterator[Ground]:
    """The demonstration's own two, a bank's login and one like SPID (certified providers), and a wallet.

    `fiscal_code` is Giulia's in the bank's file; the demonstration's digital identity knows her by `GIULIA`'s.
    """
    customers = demo.house.settings.data / "customers.csv"
    head, *rows = customers.read_text("utf-8").replace(GIULIA.fiscal_code, fiscal_code).splitlines()
    named = [f"{row},{'banklogin:giulia' if GIULIA.customer_number in row else ''}" for row in rows]
    customers.write_text("\n".join([f"{head},subject", *named]) + "\n", "utf-8")
    back = f"{demo.house.settings.public_url}/identity"
    levels = {f"{SPID}L2": Level.L3, f"{SPID}L3": Level.L4}
    spid_client = await openid.client(
        "spid", f"{back}/spid/callback", dpop_bound_access_tokens=True, userinfo_signed_response_alg="ES256"
    )
    spid = OpenIdProvider(
        "spid", spid_client, levels, FISCAL, IdentifierKind.FISCAL_CODE, from_userinfo=True, tells_when=False
    )
    login_client = await openid.client("banklogin", f"{back}/banklogin/callback")
    login = OpenIdProvider("banklogin", login_client, {BANK_LOGIN: Level.L3})
    offer(
        demo,
        OfferedProvider("spid", "SPID", spid, levels),
        OfferedProvider("banklogin", "Online banking", login, {BANK_LOGIN: Level.L3}),
    )
    async with open_wallet(demo) as wallet:
        wallet.number = fiscal_code
        yield Ground(demo, wallet)


async def by_sms(person: Customer, slug: str, ground: Ground) -> None:
    before = len(ground.demo.inbox.items(GIULIA.phone))
    await _ask_for(person, slug, "sms")
    await _type(person, await arrived_code(ground.demo, GIULIA.phone, before))


async def by_email(person: Customer, slug: str, ground: Ground) -> None:
    before = len(ground.demo.inbox.items(GIULIA.email))
    await _ask_for(person, slug, "email")
    await _type(person, await arrived_code(ground.demo, GIULIA.email, before))


async def by_totp(person: Customer, slug: str, ground: Ground) -> None:
    """The app's next code: the one that enrolled it, or brought it here before, is used up."""
    assert ground.secret is not None
    ground.passes(timedelta(seconds=totp.STEP))
    await _ask_for(person, slug, "totp")
    await _type(person, totp.code_at(ground.secret, ground.demo.house.services.clock()))


async def by_passkey(person: Customer, slug: str, ground: Ground) -> None:
    """Beside the handle that was just proved."""
    assert ground.authenticator is not None
    await authenticator_of(person.page, await ground.authenticator.passkeys())
    await person.page.locator(f"form[action='/c/{slug}/customer/passkey'] button").click()


async def by_kyc(person: Customer, slug: str, ground: Ground) -> None:
    await _leave_for(person, slug, "demo-id")
    await person.press(f"button[name=person][value='{GIULIA.customer_number}']")


async def by_eid(person: Customer, slug: str, ground: Ground) -> None:
    """The demonstration's digital identity knows her by the code that the bank's file has."""
    await _leave_for(person, slug, "demo-eid")
    await person.look("who at the digital identity")
    await person.press(f"button[name=person][value='{GIULIA.fiscal_code}']")
    await person.look("consent at the digital identity")
    await person.press("button[name=decision][value=agree]")


async def by_spid(person: Customer, slug: str, ground: Ground) -> None:
    await _leave_for(person, slug, "spid")
    await _at_the_provider(person)


async def by_bank_login(person: Customer, slug: str, ground: Ground) -> None:
    await _leave_for(person, slug, "banklogin")
    await _at_the_provider(person)


async def by_wallet(person: Customer, slug: str, ground: Ground) -> None:
    await _leave_for(person, slug, "wallet")
    await person.press("form button")


@dataclass(frozen=True)
class Way:
    """One method, the level that it gives, and whether it needs something that is made in the room first."""

    prove: Callable[[Customer, str, Ground], Awaitable[None]]
    level: int
    enrol: Callable[[Customer, Ground], Awaitable[None]] | None = None


async def enrol_app(person: Customer, ground: Ground) -> None:
    """Set an authenticator app up, as the room offers it."""
    await person.go("bank", "/room/authenticator")
    await person.look("authenticator")
    shown = await person.page.locator("#secret").text_content()
    ground.secret = Secret(base64.b32decode((shown or "").replace(" ", "")))
    code = totp.code_at(ground.secret, ground.demo.house.services.clock())
    await person.page.locator("input[name=code]").fill(code)
    await person.press("form[action='/room/authenticator'] button[type=submit]")
    await expect(person.page).to_have_url(re.compile("/room"))


async def enrol_passkey(person: Customer, ground: Ground) -> None:
    """Make a passkey, as the room offers it at level 3."""
    ground.authenticator = await authenticator_of(person.page)
    await person.page.reload()
    await person.page.locator("form[data-passkey=create] button").click()
    await expect(person.page).to_have_url(re.compile("/room/passkeys$"))
    await person.look("own passkeys")


WAYS: Final = {
    "sms": Way(by_sms, 2),
    "email": Way(by_email, 2),
    "totp": Way(by_totp, 2, enrol_app),
    "passkey": Way(by_passkey, 3, enrol_passkey),
    "bank login": Way(by_bank_login, 3),
    "spid": Way(by_spid, 3),
    "demo's digital identity": Way(by_eid, 3),
    "wallet": Way(by_wallet, 4),
    "kyc": Way(by_kyc, 3),
}


async def _ask_for(person: Customer, slug: str, method: str) -> None:
    await person.page.locator("#identifier").fill(GIULIA.customer_number)
    await person.page.locator(f"input[name=method][value={method}]").check()
    await person.press(f"form[action='/c/{slug}/customer'] button[type=submit]")
    await person.look("customer code")


async def _type(person: Customer, code: str) -> None:
    await person.page.locator("input[name=code]").fill(code)
    await person.press("main form button[type=submit]")


async def _leave_for(person: Customer, slug: str, provider: str) -> None:
    await person.press(f"form[action='/c/{slug}/customer'] button[value='identity:{provider}']")
    await person.look(f"leaving for {provider}")
    await person.press("main a.button[href^='http']")


async def _at_the_provider(person: Customer) -> None:
    await person.page.get_by_label("Who").fill("giulia")
    await person.press("form button")
