"""People outside: strangers, wrong handles, attackers with a case of their own, foreign browsers, replays, fixation."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import pytest

from app.demo import cast
from app.demo.playing.http_client import Answer
from app.demo.playing.walking import (
    begin,
    code_in_messages,
    confirm,
    level_of,
    name_account,
    prove_by_sms,
    step_up,
)
from app.sessions.dependencies import VISITOR_COOKIE
from security.tokens import new_slug
from tests.attacks.town import Town, Who, answer, case_of, prove_handle

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEUTRAL: Final = "This sign-in cannot be finished here"
CHANGING: Final = frozenset({"x-request-id", "date"})
ROBOTS: Final = ("facebookexternalhit/1.1", "Twitterbot/1.0", "Slackbot-LinkExpanding 1.0", "curl/8.5.0", "")
SECRET: Final = "Il mio segreto per Anna: il bollo è su due conti."


def comparable(answer_: Answer, slug: str, named: str) -> tuple[int, list[tuple[str, str]], str]:
    """An answer without what differs from answer to answer anyway, and without what the visitor brought along."""

    def plain(text: str) -> str:
        text = re.sub(r"(nonce[=-]['\"]?)[A-Za-z0-9_-]{24}", r"\1NONCE", text)
        text = re.sub(r"((?:state|code_challenge|__Host-riserbo)=)[A-Za-z0-9_-]{43}", r"\1TOKEN", text)
        return text.replace(answer_.headers["x-request-id"], "ID").replace(slug, "SLUG").replace(named, "@NAMED")

    headers = [(name, plain(value)) for name, value in answer_.headers.multi_items() if name not in CHANGING]
    return answer_.status, headers, plain(answer_.text)


async def walk(town: Town, slug: str, named: str) -> list[tuple[int, list[tuple[str, str]], str]]:
    """Everything that a stranger can do at a link, up to the verdict of the sign-in."""
    browser, seen = await town.bystander(), []
    link, path = f"{town.site('bank')}/c/{slug}", f"/c/{slug}"
    landing = await browser.open(link)
    seen.append(landing)
    seen.append(started := await browser.submit(landing, f"{path}/start"))
    seen.append(handle := await browser.go_on(started, f"{path}/handle"))
    seen.append(asked := await name_account(browser, handle, named, "direct_message"))
    seen.append(typing := await browser.go_on(asked, f"{path}/handle/code"))
    seen += [await browser.submit(typing, typing.path, code=code) for code in ("12345678", "87654321", "1")]
    seen.append(await browser.open(f"{link}/customer"))
    seen.append(await browser.open(f"{link}/confirm"))
    again = await begin(browser, link)
    seen.append(leaving := await name_account(browser, again, named, "sign_in"))
    await town.people.scene.enter(browser, cast.STRANGER)
    back = await town.people.scene.approve(browser, leaving, cast.STRANGER)
    seen.append(await browser.go_on(back, f"{town.site('bank')}/signin/square/callback"))
    seen.append(await browser.open(f"{link}/customer"))
    return [comparable(one, slug, named) for one in seen]


async def test_a_stranger_sees_the_same_at_genuine_closed_and_invented_links(town: Town) -> None:
    """Byte for byte but for nonce and slug, whether the case exists, is closed, or the account named is its own."""
    case_id = await case_of(town.people, cast.ELENA)
    link = await answer(town.people, town.desk["anna"], case_id, cast.ELENA)
    (await town.desk["anna"].post(f"/cases/{case_id}/close", {"outcome": "explained"})).expect(200)
    closed, mistyped = link.rpartition("/")[2], town.giulia.slug[:-1] + "9"
    for named, slugs in {"@passante": (town.giulia.slug, closed, mistyped), "@giulia": (town.giulia.slug,)}.items():
        invented = await walk(town, new_slug(), named)
        for slug in slugs:
            seen = await walk(town, slug, named)
            for number, (here, there) in enumerate(zip(seen, invented, strict=True)):
                assert here == there, f"{named} at {slug}: answer {number}"
    assert invented[-2][0] == 403
    assert NEUTRAL in invented[-2][2]
    told = " ".join(body for _, _, body in invented)
    assert re.search(r"giulia|elena|bollo|esempi\b|campione", told, re.IGNORECASE) is None


async def test_a_look_at_a_link_sets_no_cookie_and_changes_no_row(town: Town) -> None:
    """Link previews, scanners, and people who only look: every GET of the public door, and HEAD."""
    paths = [
        *(f"{town.giulia.path}{step}" for step in ("", "/handle", "/handle/code", "/customer", "/customer/code")),
        f"{town.giulia.path}/confirm",
        *(
            "/verify",
            "/not-me",
            "/privacy",
            "/room",
            "/room/events",
            "/room/authenticator",
            "/room/passkeys",
            "/robots.txt",
        ),
        *("/room/binding", "/trust.json"),
        *("/signin/square/callback?state=x&code=y", "/identity/demo-id/callback?state=x&code=y"),
    ]
    leaves = len(await town.leaves("attempt.started"))
    async with town.unchanged():
        for path in paths:
            for agent in ROBOTS:
                for method in ("GET", "HEAD"):
                    seen = await town.wire.send("bank", method, path, headers={"user-agent": agent, "accept": "*/*"})
                    assert "set-cookie" not in seen.headers, path
                    assert seen.status_code < 500, path
    assert len(await town.leaves("attempt.started")) == leaves


async def test_a_wrong_handle_is_refused_neutrally_and_has_its_leaf(town: Town) -> None:
    browser = await town.bystander()
    await town.people.scene.enter(browser, cast.MARCO)
    before = len(await town.leaves("attempt.refused"))
    leaving = await name_account(browser, await begin(browser, town.giulia.link), "@giulia", "sign_in")
    back = await town.people.scene.approve(browser, leaving, cast.MARCO)
    refused = await browser.go_on(back, f"{town.site('bank')}/signin/square/callback")
    assert (refused.status, refused.says(NEUTRAL)) == (403, True)
    assert re.search(r"giulia|marco|bollo", refused.page.words, re.IGNORECASE) is None
    assert (await browser.open(f"{town.giulia.link}/customer")).status == 409
    refusals = await town.leaves("attempt.refused")
    assert [leaf["data"]["reason"] for leaf in refusals[before:]] == ["other_account"]
    assert (await browser.open(f"{town.site('bank')}/room")).status == 401


async def test_an_attacker_with_a_case_of_his_own_gets_nothing_of_hers(town: Town) -> None:
    """His own handle and his own proof open his own room; her room answers to nothing that he can send."""
    giulia, mallory = town.people.giulia, town.people.mallory
    hers = (await giulia.open(f"{town.site('bank')}/room")).expect(200)
    (await giulia.write(hers, "/room/messages", text=SECRET)).expect(201)
    room = (await mallory.open(f"{town.site('bank')}/room")).expect(200)
    assert SECRET not in room.text
    assert town.giulia.slug not in room.text
    for step in ("/handle", "/handle/code", "/customer", "/customer/code", "/confirm"):
        assert (await mallory.open(f"{town.giulia.link}{step}")).status == 409
    await town.ask_for_step_up("luca", town.mallory.room_id)
    refused = await step_up(town.people, mallory, cast.GIULIA.customer_number)
    assert (refused.status, refused.says(NEUTRAL)) == (403, True)
    assert level_of((await mallory.open(f"{town.site('bank')}/room")).expect(200)) == 2


async def test_a_stolen_customer_proof_under_another_handle_opens_an_empty_room(town: Town) -> None:
    """Marco talks Giulia's code out of her: his handle with her proof is another pair, and sees nothing of hers."""
    giulia, browser = town.people.giulia, await town.bystander()
    hers = (await giulia.open(f"{town.site('bank')}/room")).expect(200)
    (await giulia.write(hers, "/room/messages", text=SECRET)).expect(201)
    case_id = await case_of(town.people, cast.MARCO)
    link = await answer(town.people, town.desk["luca"], case_id, cast.MARCO)
    await town.people.scene.enter(browser, cast.MARCO)
    page = await prove_handle(town.people, browser, link, cast.MARCO)
    room = await confirm(browser, await prove_by_sms(town.people, browser, page, cast.GIULIA))
    assert level_of(room) == 2
    assert SECRET not in room.text
    await town.ask_for_step_up("luca", await town.room_of_case(case_id))
    raised = await browser.go_on(await step_up(town.people, browser, cast.GIULIA.customer_number), "/room")
    assert level_of(raised) == 3
    assert SECRET not in raised.text
    assert SECRET in (await giulia.open(f"{town.site('bank')}/room")).expect(200).text


async def test_a_foreign_browser_cannot_finish_a_sign_in_and_a_new_one_is_the_owners_once(town: Town) -> None:
    owner, callback = await town.bystander(), f"{town.site('bank')}/signin/square/callback"
    await town.people.scene.enter(owner, cast.GIULIA)
    leaving = await name_account(owner, await begin(owner, town.giulia.link), "@giulia", "sign_in")
    back = await town.people.scene.approve(owner, leaving, cast.GIULIA)
    with_session = await town.bystander()
    await begin(with_session, town.giulia.link)
    for browser in (await town.bystander(), with_session, town.people.mallory, owner):
        refused = await browser.open(back.location)
        assert (refused.status, refused.says(NEUTRAL)) == (403, True)
    leaving = await name_account(owner, await begin(owner, town.giulia.link), "@giulia", "sign_in")
    back = await town.people.scene.approve(owner, leaving, cast.GIULIA)
    done = await owner.go_on(back, callback)
    assert (await owner.go_on(done, f"{town.giulia.path}/customer")).says("giulia at Square is yours.")
    replayed = await owner.open(back.location)
    assert (replayed.status, replayed.says(NEUTRAL)) == (403, True)
    assert (await owner.open(f"{town.giulia.link}/customer")).says("giulia at Square is yours.")


async def test_a_sign_in_of_one_attempt_never_counts_for_another(town: Town) -> None:
    """Starting again makes the older redirect worthless: proofs never move between attempts."""
    owner = await town.bystander()
    await town.people.scene.enter(owner, cast.GIULIA)
    leaving = await name_account(owner, await begin(owner, town.giulia.link), "@giulia", "sign_in")
    back = await town.people.scene.approve(owner, leaving, cast.GIULIA)
    await begin(owner, town.giulia.link)
    late = await owner.open(back.location)
    assert late.status in (403, 409)
    assert (await owner.open(f"{town.giulia.link}/customer")).status == 303


async def test_a_code_counts_once_and_only_where_it_was_asked_for(town: Town) -> None:
    """Ten at once: one is right. Afterwards, and in another attempt of the same handle, it is worth nothing."""
    people, person = town.people, cast.GIULIA
    browsers = [await town.bystander() for _ in range(2)]
    for browser in browsers:
        await people.scene.enter(browser, person)
    pages = [await prove_handle(people, browser, town.giulia.link, person) for browser in browsers]
    path = f"{town.giulia.path}/customer"
    codes = []
    for browser, page in zip(browsers, pages, strict=True):
        before = len(await people.arrived(person.phone))
        asked = await browser.submit(page, path, identifier=person.customer_number, method="sms")
        await browser.go_on(asked, f"{path}/code")
        codes.append(await people.code_on_phone(person, after=before))
    tokens = [town.token_of(browser) for browser in browsers]
    swapped = await town.wire.send("bank", "POST", f"{path}/code", Who(visitor=tokens[1]), form={"code": codes[0]})
    assert swapped.status_code == 422
    tries = [
        town.wire.send("bank", "POST", f"{path}/code", Who(visitor=tokens[0]), form={"code": codes[0]})
        for _ in range(10)
    ]
    statuses = sorted([one.status_code for one in await asyncio.gather(*tries)])
    assert statuses[0] == 303
    assert set(statuses[1:]) <= {409, 422}, statuses
    again = await town.wire.send("bank", "POST", f"{path}/code", Who(visitor=tokens[0]), form={"code": codes[0]})
    assert again.status_code == 409


async def test_a_direct_message_code_counts_once(town: Town) -> None:
    """Neither in another visitor's attempt at the same link, nor twice at once, nor twice."""
    people, browser, other = town.people, await town.bystander(), await town.bystander()
    await people.scene.enter(browser, cast.MALLORY)
    for visitor, named in ((browser, "@mallory"), (other, "@passante")):
        page = await begin(visitor, town.mallory.link)
        await visitor.go_on(await name_account(visitor, page, named, "direct_message"))
    code, path = await code_in_messages(people, browser, cast.MALLORY), f"{town.mallory.path}/handle/code"
    stolen = await town.wire.send("bank", "POST", path, Who(visitor=town.token_of(other)), form={"code": code})
    assert stolen.status_code == 422
    own = Who(visitor=town.token_of(browser))
    tries = [town.wire.send("bank", "POST", path, own, form={"code": code}) for _ in range(6)]
    statuses = sorted([one.status_code for one in await asyncio.gather(*tries)])
    assert statuses[0] == 303
    assert set(statuses[1:]) <= {409, 422}, statuses
    assert (await town.wire.send("bank", "POST", path, own, form={"code": code})).status_code == 409


async def test_parallel_attempts_do_not_disturb_each_other(town: Town) -> None:
    """While strangers try at the same link, and one types wrong codes, the owner goes her way undisturbed."""
    people, owner = town.people, await town.bystander()
    await people.scene.enter(owner, cast.GIULIA)
    page = await prove_handle(people, owner, town.giulia.link, cast.GIULIA)
    for _ in range(6):
        stranger = await town.bystander()
        asked = await name_account(stranger, await begin(stranger, town.giulia.link), "@giulia", "direct_message")
        typing = await stranger.go_on(asked)
        statuses = [(await stranger.submit(typing, typing.path, code="00000000")).status for _ in range(7)]
        assert set(statuses) == {422}
    again = (await owner.open(f"{town.giulia.link}/customer")).expect(200)
    assert again.says("giulia at Square is yours.")
    assert again.page.words == page.page.words


async def test_a_session_that_was_planted_is_worthless_after_every_proof(town: Town) -> None:
    """Fixation: the attacker knows the cookie from before; the customer's own, and each raise, has a new one."""
    people, victim = town.people, await town.bystander()
    await people.scene.enter(victim, cast.GIULIA)
    attacker = await town.bystander()
    await begin(attacker, town.giulia.link)
    planted = town.token_of(attacker)
    victim.jar.put("bank.localhost", VISITOR_COOKIE, planted)
    page = await prove_handle(people, victim, town.giulia.link, cast.GIULIA)
    assert town.token_of(victim) == planted, "an anonymous visitor's cookie is kept while nothing is proved"
    await confirm(victim, await prove_by_sms(people, victim, page, cast.GIULIA))
    entered = town.token_of(victim)
    assert entered != planted
    await town.ask_for_step_up("anna", town.giulia.room_id)
    await victim.go_on(await step_up(people, victim, cast.GIULIA.customer_number), "/room")
    raised = town.token_of(victim)
    assert raised not in (entered, planted)
    for old in (planted, entered):
        for path in ("/room", "/room/events", "/room/authenticator", "/room/passkeys", f"{town.giulia.path}/confirm"):
            assert (await town.wire.send("bank", "GET", path, Who(visitor=old))).status_code == 401, path
    town.people.giulia.jar.put("bank.localhost", VISITOR_COOKIE, raised)
