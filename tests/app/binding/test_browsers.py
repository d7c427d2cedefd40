"""A browser that a binding was never used from is told of; the browser itself can be found in no row."""

from __future__ import annotations

from app.binding import returning
from app.binding.models import KnownBrowser
from tests.app.binding.bank import Bank, bound_by_identity
from tests.app.binding.test_passkeys import Browser, enrol

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


async def test_a_passkeys_tap_in_a_browser_never_used_before_is_told_of_too(bank: Bank) -> None:
    slug = await bank.complaint()
    key = await enrol(bank, await bound_by_identity(bank, slug=slug))
    await bank.work()
    for browser, told in (("giulias-phone", 0), ("a-new-laptop", 1), ("a-new-laptop", 1)):
        tapping = Browser(bank, slug)
        answer = key.get(await tapping.ask())
        await returning.finish_return(
            bank.services, bank.ports, slug=slug, session_id=tapping.session_id, answer=answer, browser=browser
        )
        await bank.work()
        assert sum(NEW in text for _, text in bank.phone.sms) == told
