"""The public part: a complaint, a claim, the leak guard, the reply, and what strangers make of its link."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from app.demo import cast
from app.demo.playing.cookies import CookieJar
from app.demo.playing.holding import require, until
from app.demo.playing.http_client import Answer, Browser
from app.demo.playing.people import Company
from app.demo.playing.walking import (
    begin,
    case_of,
    link_in_thread,
    name_account,
    posted_reply,
    sign_in,
    thread_with,
)
from app.web.headers import REPORT_PATH
from security.tokens import new_slug

COMPLAINT: Final = "@bancaesempio terza volta che lo chiedo: il bollo addebitato due volte è un errore?"
LEAKING: Final = (
    ("iban", "Buongiorno Giulia, il rimborso arriva su IT60X0542811101000000123456."),
    ("relationship", "Dear Giulia, we have looked at your account with us."),
    ("relationship", "Gentile Giulia, il suo conto presso di noi è in ordine."),
)
FROM_THE_FILES: Final = "Buongiorno Giulia, la filiale di Torino è a disposizione."
REPLY: Final = "Buongiorno Giulia, ci dispiace per l'attesa. Ne parliamo in privato, con una persona, da qui:"
YES: Final = "Yes, this is our reply"
NO: Final = "Not one of ours"
REFUSED: Final = "This sign-in cannot be finished here"
CHANGING_HEADERS: Final = frozenset({"x-request-id", "date"})


async def complaint(company: Company) -> None:
    """Giulia goes on in public; the desk has her case, with clocks, and with what was said before."""
    scene, heard = company.scene, {company.scene.wording(COMPLAINT), *company.scene.heard_before}
    await scene.enter(company.giulia, cast.GIULIA)
    await scene.say(company.giulia, cast.GIULIA, scene.wording(COMPLAINT))
    await company.anna.sign_in(company.bank.house.services.clock())
    case_id = str((await case_of(company, cast.GIULIA))["id"])

    async def look() -> dict[str, Any] | None:
        case: dict[str, Any] = await company.anna.get(f"/cases/{case_id}")
        texts = {post["text"] for post in case["thread"]}
        return case if heard <= texts else None

    case = await until(look, "the public thread in the case")
    now = company.bank.house.services.clock()
    for clock in (case["first_answer"], case["resolution"]):
        running = clock["stopped_at"] is None and not clock["overdue"]
        require(running and datetime.fromisoformat(clock["due_at"]) > now, "a clock does not run")
    require(case["status"] == "open", f"the case is {case['status']}, not open")
    company.story.case_id = case_id


async def claim(company: Company) -> None:
    """Anna takes the case; Luca, a moment later, does not get it."""
    path = f"/cases/{company.story.case_id}/claim"
    claimed = (await company.anna.post(path)).expect(200)
    require(claimed["assigned_to"] == company.anna.id, "the case is not Anna's")
    await company.luca.sign_in(company.bank.house.services.clock())
    (await company.luca.post(path)).expect_refusal(409, "already_claimed")


async def guard(company: Company) -> None:
    """What would break banking secrecy does not leave, and its author alone cannot lift the block."""
    path = f"/cases/{company.story.case_id}/replies"
    for kind, text in LEAKING:
        refused = await company.anna.post(path, {"text": text})
        refused.expect_refusal(422, "guard_blocked")
        kinds = {finding["kind"] for finding in refused.document["findings"]}
        require(kind in kinds, f"the guard found {sorted(kinds)}, not {kind}")
        override = await company.anna.post(
            f"/blocks/{refused.document['block']}/override", {"reason": "Lo chiede la cliente."}
        )
        override.expect_refusal(403, "second_person_needed")
    require(await company.anna.get(path) == [], "a blocked reply was registered")
    profile = await company.scene.profile(company.passante)
    require(not any(profile.says(text) for _, text in LEAKING), "a blocked reply is public")


async def facts(company: Company) -> None:
    """Since she is bound, what the bank's files say of her is read as well: the city, which no pattern knows."""
    refused = await company.anna.post(f"/cases/{company.story.case_id}/replies", {"text": FROM_THE_FILES})
    refused.expect_refusal(422, "guard_blocked")
    kinds = [finding["kind"] for finding in refused.document["findings"]]
    require(kinds == ["fact"], f"the guard found {kinds}, not a fact")


async def reply(company: Company) -> None:
    """The reply stands in the thread with signature and case link, where everybody finds it."""
    story = company.story
    posted = await posted_reply(company, story.case_id, REPLY)
    said = f"@{company.scene.handle(cast.GIULIA)} {REPLY} — {cast.ANNA.signature}"
    await thread_with(company, company.passante, cast.GIULIA, said)
    story.link = await link_in_thread(company, company.passante, cast.GIULIA)
    require(story.link in posted["text"], "the link in the thread is not the one that was registered")
    case = await company.anna.get(f"/cases/{story.case_id}")
    require(case["first_answer"]["stopped_at"] is not None, "the first answer's clock still runs")


async def verify(company: Company) -> None:
    """Anybody may ask whether a reply is the bank's: never a bare yes, and no to look-alikes."""
    bank, link = company.site("bank"), company.story.link
    slug = link.rpartition("/")[2]
    posted = (await company.anna.get(f"/cases/{company.story.case_id}/replies"))[-1]
    case = await company.anna.get(f"/cases/{company.story.case_id}")
    answered = next(post["url"] for post in case["thread"] if post["text"] == company.scene.wording(COMPLAINT))
    for question in (link, posted["url"], posted["text"]):
        page = await _ask(company, question)
        told = page.says(YES) and page.says(f"@{cast.BANK_HANDLE}") and page.says(answered)
        require(told, "/verify does not name official account and answered post")
    other_host = link.replace(bank, bank.replace("bank.", "bank-esempio."))
    for question in (f"{bank}/c/{new_slug()}", other_host, f"{other_host}?{link}", f"see {bank}.example/c/{slug}"):
        page = await _ask(company, question)
        require(page.says(NO) and not page.says(YES), f"/verify takes a look-alike: {question}")


async def _ask(company: Company, question: str) -> Answer:
    page = (await company.passante.open(f"{company.site('bank')}/verify")).expect(200)
    return (await company.passante.submit(page, "/verify", text=question)).expect(200)


async def stranger(company: Company) -> None:
    """A stranger sees the same at Giulia's link as at one that does not exist, page by page up to the refusal."""
    invented = f"{company.site('bank')}/c/{new_slug()}"
    real, other = [await _walk(company, link) for link in (company.story.link, invented)]
    for name, here, there in zip(("landing", "start", "code", "wrong code", "sign-in"), real, other, strict=True):
        require(here == there, f"the {name} page of a real link differs from that of an invented one")
    told = " ".join(body for _, _, body in real)
    require(not re.search(r"giulia|bollo|esempi\b", told, re.IGNORECASE), "a stranger learns whose link it is")
    require(real[-1][0] == 403 and REFUSED in real[-1][2], "the stranger's sign-in is not refused")


async def _walk(company: Company, link: str) -> list[tuple[int, dict[str, str], str]]:
    """What a fresh browser gets at a link, step by step, without what differs from answer to answer anyway."""
    browser = company.passante
    browser.jar = CookieJar()
    landing = (await browser.open(link)).expect(200)
    require("set-cookie" not in landing.headers, "opening the link sets a cookie")
    started = await begin(browser, link)
    asked = await name_account(browser, started, f"@{company.scene.handle(cast.STRANGER)}", "direct_message")
    typing = await browser.go_on(asked, f"{landing.path}/handle/code")
    wrong = await browser.submit(typing, typing.path, code="12345678")
    refused = await sign_in(company, browser, link, cast.STRANGER, cast.STRANGER)
    return [_comparable(answer, link) for answer in (landing, started, typing, wrong, refused)]


def _comparable(answer: Answer, link: str) -> tuple[int, dict[str, str], str]:
    slug = link.rpartition("/")[2]

    def plain(text: str) -> str:
        return re.sub(r"(nonce[=-]['\"]?)[A-Za-z0-9_-]{24}", r"\1NONCE", text).replace(slug, "SLUG")

    kept = {name: plain(value) for name, value in answer.headers.items() if name not in CHANGING_HEADERS}
    require(REPORT_PATH in kept.get("content-security-policy", ""), "a page has no content security policy")
    return answer.status, kept, plain(answer.text)


async def wrong_handle(company: Company) -> None:
    """Mallory names @giulia at Giulia's link and signs in as himself: refused, in the words for everybody."""
    link, mallory = company.story.link, company.mallory
    await company.scene.enter(mallory, cast.MALLORY)
    refused = (await sign_in(company, mallory, link, cast.GIULIA, cast.MALLORY)).expect(403)
    require_neutral(refused)
    over = await mallory.open(f"{link}/customer")
    require(over.status == 409, f"after the refusal the next step answers {over.status}")


def require_neutral(refused: Answer) -> None:
    """Raise `DidNotHold` unless this is the refusal in the words for everybody, without anybody's name."""
    require(refused.says(REFUSED), "the refusal is not the one for everybody")
    named = re.search(r"giulia|mallory|bollo", refused.page.words, re.IGNORECASE)
    require(named is None, "the refusal tells whom the link is for")


async def foreign_browser(finishing: Browser, address: str) -> None:
    """A browser that finishes what it must not is refused in the words for everybody."""
    require_neutral((await finishing.open(address)).expect(403))
