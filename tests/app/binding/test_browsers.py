"""A browser that a binding was never used from is asked for more and told of; no row shows which browser it was."""

from __future__ import annotations

import pytest

from app.binding import returning, revoking
from app.binding.errors import PasskeyNotAccepted
from app.binding.models import KnownBrowser
from app.binding.passkey_proof import begin_customer_passkey, finish_customer_passkey
from app.demo.soft_passkey import SoftPasskey
from app.policy import NewBrowser
from tests.app.binding.bank import Bank, bound_by_identity, customer_of
from tests.app.binding.test_passkeys import Browser, enrol
from tests.support.policies import changed

NEW = "mai usato prima"


async def come_in(bank: Bank, slug: str, browser: str, name: str = "giulia", number: str = "C-1001") -> str:
    """The whole way in from this browser; gives the notice to the channel on file."""
    visitor = await bank.visit(slug)
    await visitor.sign_in(name)
    await visitor.identify(number)
    await visitor.confirm(browser=browser)
    await bank.work()
    return bank.phone.sms[-1][1]


async def test_the_owner_hears_of_a_browser_that_was_never_used_before_and_can_undo_it(bank: Bank) -> None:
    slug = await bank.complaint()
    assert NEW not in await come_in(bank, slug, "her-phone")
    assert NEW not in await come_in(bank, slug, "her-phone")
    text = await come_in(bank, slug, "somebodys-laptop")
    assert NEW in text
    assert "/not-me" in text
    assert NEW not in await come_in(bank, slug, "somebodys-laptop")


async def test_a_browser_that_keeps_no_cookie_is_new_each_time(bank: Bank) -> None:
    slug = await bank.complaint()
    assert NEW not in await come_in(bank, slug, "her-phone")
    assert NEW in await come_in(bank, slug, "")
    assert NEW in await come_in(bank, slug, "")


async def test_rows_of_two_bindings_do_not_show_that_one_browser_was_used(bank: Bank) -> None:
    await come_in(bank, await bank.complaint(), "one-browser")
    await come_in(bank, await bank.complaint("marco"), "one-browser", "marco", "C-1002")
    hashes = [row.browser_hash for row in await bank.all(KnownBrowser)]
    assert len(set(hashes)) == len(hashes) == 2
    assert all(b"one-browser" not in found for found in hashes)


async def tap(bank: Bank, slug: str, key: SoftPasskey, browser: str) -> None:
    """Back by a passkey alone."""
    tapping = Browser(bank, slug)
    answer = key.get(await tapping.ask())
    await returning.finish_return(
        bank.services, bank.ports, slug=slug, session_id=tapping.session_id, answer=answer, browser=browser
    )
    await bank.work()


async def come_in_by_passkey(bank: Bank, slug: str, key: SoftPasskey, browser: str) -> None:
    """The account proved anew, the passkey beside it."""
    visitor = await bank.visit(slug)
    await visitor.sign_in("giulia")
    asked = await begin_customer_passkey(bank.services, bank.ports, session_id=visitor.session_id, slug=slug)
    await finish_customer_passkey(
        bank.services, bank.ports, session_id=visitor.session_id, slug=slug, answer=key.get(asked)
    )
    await visitor.confirm(browser=browser)
    await bank.work()


async def test_a_passkey_alone_opens_nothing_in_a_browser_never_used_before_until_the_account_is_proved_there(
    bank: Bank,
) -> None:
    slug = await bank.complaint()
    await come_in(bank, slug, "her-phone")
    key = await enrol(bank, await bound_by_identity(bank, slug=slug, browser="her-phone"))
    await tap(bank, slug, key, "her-phone")
    for strange in ("a-new-laptop", "a-new-laptop", ""):
        with pytest.raises(PasskeyNotAccepted):
            await tap(bank, slug, key, strange)
    assert await bank.reasons() == ["new_browser"] * 3
    await come_in_by_passkey(bank, slug, key, "a-new-laptop")
    assert NEW in bank.phone.sms[-1][1]
    await tap(bank, slug, key, "a-new-laptop")


async def test_the_browser_of_who_was_disowned_is_strange_to_the_binding_made_anew(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug, browser="the-intruders")
    await revoking.revoke_own(bank.services, customer_of(bound))
    assert await bank.all(KnownBrowser) == []
    key = await enrol(bank, await bound_by_identity(bank, slug=slug, browser="her-phone"))
    with pytest.raises(PasskeyNotAccepted):
        await tap(bank, slug, key, "the-intruders")
    await tap(bank, slug, key, "her-phone")


async def test_where_the_policy_only_tells_the_owner_hears_of_a_tap_in_a_browser_never_used_before(bank: Bank) -> None:
    bank.services.policy = changed({"new_browser": NewBrowser.TELL})
    slug = await bank.complaint()
    key = await enrol(bank, await bound_by_identity(bank, slug=slug, browser="giulias-phone"))
    await bank.work()
    for browser, told in (("giulias-phone", 0), ("a-new-laptop", 1), ("a-new-laptop", 1)):
        await tap(bank, slug, key, browser)
        assert sum(NEW in text for _, text in bank.phone.sms) == told
