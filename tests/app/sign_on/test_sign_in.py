"""Signing in at the bank's own provider: whose account it is, and who stays outside without learning why."""

from __future__ import annotations

import re

import httpx2

from app.actors import Role
from app.agents.models import StaffAccount
from app.sessions.dependencies import STAFF_COOKIE
from app.sign_on.models import SignOnSession, StaffSubject
from tests.app.sign_on.desk import STRONG, URL, WEAK, Desk, query_of
from tests.support.house import ON_SQLITE
from tests.support.openid import Person


def words(answer: httpx2.Response) -> str:
    """A page without what is new in each answer."""
    return re.sub(r'nonce="[^"]*"', "", answer.text)


async def test_a_joiner_comes_in_is_linked_once_and_known_by_subject_ever_after(desk: Desk) -> None:
    account_id = await desk.hire("giulia.rossi")
    async with desk.browser() as browser:
        arrived = await desk.sign_in(browser, "giulia")
        assert arrived.status_code == 200
        assert arrived.headers["refresh"] == "0; url=/queue"
        cookie = next(line for line in arrived.headers.get_list("set-cookie") if line.startswith(STAFF_COOKIE))
        assert {"Secure", "HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
        assert await desk.is_in(browser)
    [link] = await desk.house.all(StaffSubject)
    assert (link.issuer, link.subject, link.staff_id) == (desk.ports.issuer, "giulia", account_id)
    async with desk.browser() as other:
        await desk.sign_in(other, "giulia")
        assert await desk.is_in(other)
    assert len(await desk.house.leaves("staff.linked")) == 1
    signed_in = await desk.house.leaves("staff.signed_in", stream=f"staff:{account_id}")
    assert [leaf["data"]["means"] for leaf in signed_in] == ["sign_on", "sign_on"]
    [first, _] = await desk.house.all(SignOnSession)
    assert (first.acr, bool(first.sid), bool(first.signed_in_at)) == (STRONG, True, True)


@ON_SQLITE
async def test_the_request_is_pushed_and_bound_to_this_browser(desk: Desk) -> None:
    async with desk.browser() as browser:
        address = await desk.leave(browser)
    assert set(query_of(address)) == {"client_id", "request_uri"}


async def test_all_who_stay_outside_see_the_same_page(desk: Desk) -> None:
    """No account, a leaver, no group of ours, a way of signing in that is not enough: only the evidence knows."""
    left = await desk.hire("marco.bianchi")
    await desk.fire(left)
    await desk.hire("rosa.neri")
    await desk.hire("giulia.rossi")
    seen, any_way = set(), (WEAK, STRONG)
    for who, acrs in (("nobody", any_way), ("marco", any_way), ("rosa", any_way), ("giulia", (STRONG,))):
        desk.settle(acrs=acrs)
        async with desk.browser() as browser:
            answer = await desk.sign_in(browser, who, acr=WEAK)
            assert not await desk.is_in(browser)
            assert answer.status_code == 401
            seen.add(words(answer))
    assert len(seen) == 1
    assert await desk.reasons() == ["sign_on_no_account", "sign_on_inactive", "sign_on_role", "sign_on_acr"]


async def test_a_name_that_the_provider_says_never_opens_an_account_with_a_password_here(desk: Desk) -> None:
    """The provider's administrator could otherwise become our first administrator, or break-glass."""
    async with desk.browser() as browser:
        answer = await desk.sign_in(browser, "ada")
        assert answer.status_code == 401
    assert await desk.reasons() == ["sign_on_no_account"]
    assert await desk.house.all(StaffSubject) == []


async def test_an_account_belongs_to_the_subject_that_came_first(desk: Desk) -> None:
    """A renamed colleague, or a reused name: another subject under a known name stays outside."""
    await desk.hire("giulia.rossi")
    async with desk.browser() as browser:
        await desk.sign_in(browser, "giulia")
    async with desk.browser() as browser:
        assert (await desk.sign_in(browser, "second-giulia")).status_code == 401
    assert await desk.reasons() == ["sign_on_other_subject"]


async def test_roles_follow_the_groups_of_each_sign_in(desk: Desk) -> None:
    account_id = await desk.hire("giulia.rossi", Role.SUPERVISOR)
    async with desk.browser() as browser:
        await desk.sign_in(browser, "giulia")
    assert (await desk.account(account_id)).role == "agent"
    [leaf] = await desk.house.leaves("staff.role_changed")
    assert leaf["data"] == {"from": "supervisor", "to": "agent"}
    desk.settle(roles={})
    async with desk.browser() as browser:
        await desk.sign_in(browser, "giulia")
    assert (await desk.account(account_id)).role == "agent"


async def test_nobody_is_made_an_account_unless_the_settings_say_so(desk: Desk) -> None:
    desk.settle(creates_accounts=True)
    async with desk.browser() as browser:
        assert (await desk.sign_in(browser, "giulia")).status_code == 200
        assert await desk.is_in(browser)
    [account] = [one for one in await desk.house.all(StaffAccount) if one.login == "giulia.rossi"]
    assert (account.role, account.password_hash, account.display_name) == ("agent", "", "Giulia Rossi")


async def test_the_answer_counts_once_and_in_the_browser_that_left(desk: Desk) -> None:
    await desk.hire("giulia.rossi")
    async with desk.browser() as owner, desk.browser() as thief:
        await desk.leave(thief)
        returned = await Person("giulia", acr=STRONG).sign_in(await desk.leave(owner))
        assert (await desk.come_back(thief, returned)).status_code == 401
        assert not await desk.is_in(thief)
        again = await Person("giulia", acr=STRONG).sign_in(await desk.leave(owner))
        assert (await desk.come_back(owner, again)).status_code == 200
        assert (await desk.come_back(owner, again)).status_code == 401
    assert len(await desk.house.all(SignOnSession)) == 1


async def test_an_address_that_a_colleagues_browser_opened_is_of_no_use_to_who_made_them_sign_in(desk: Desk) -> None:
    """The insider begins, the colleague signs in, and hands on what stands in the address bar (decision 18)."""
    await desk.hire("giulia.rossi")
    async with desk.browser() as insider, desk.browser() as colleague:
        returned = await Person("giulia", acr=STRONG).sign_in(await desk.leave(insider))
        assert (await desk.come_back(colleague, returned)).status_code == 401
        assert (await desk.come_back(insider, returned)).status_code == 401
        assert not await desk.is_in(insider)
    assert await desk.house.all(SignOnSession) == []
    assert await desk.reasons() == ["sign_on_foreign_browser"]


@ON_SQLITE
async def test_what_is_no_answer_of_the_provider_is_refused(desk: Desk) -> None:
    await desk.hire("giulia.rossi")
    async with desk.browser() as browser:
        returned = await Person("giulia", acr=STRONG).sign_in(await desk.leave(browser))
        for wrong in (
            {},
            {"state": returned["state"]},
            {**returned, "state": "x" * 5000},
            {**returned, "state": "another"},
            {"error": "access_denied", "state": returned["state"]},
        ):
            assert (await desk.come_back(browser, wrong)).status_code == 401
        twice = f"{URL}/signin/return?state={returned['state']}&code=a&code={returned['code']}"
        assert (await browser.get(twice)).status_code == 401
        other = {**returned, "iss": "https://other.example"}
        assert (await desk.come_back(browser, other)).status_code == 401
        # it was used up: an answer under another name is not given a second try
        assert (await desk.come_back(browser, returned)).status_code == 401
    assert await desk.house.leaves("staff.refused") == []


@ON_SQLITE
async def test_a_redirect_that_took_too_long_is_over(desk: Desk) -> None:
    await desk.hire("giulia.rossi")
    async with desk.browser() as browser:
        returned = await Person("giulia", acr=STRONG).sign_in(await desk.leave(browser))
        desk.house.clock.pass_by(minutes=11)
        assert (await desk.come_back(browser, returned)).status_code == 401


@ON_SQLITE
async def test_the_page_offers_the_provider_and_shows_the_form_by_its_address_alone(desk: Desk) -> None:
    async with desk.browser() as browser:
        page = (await browser.get("/signin")).text
        assert "Banca Esempio ID" in page
        assert 'name="password"' not in page
        assert 'name="password"' in (await browser.get("/signin?emergency=1")).text
