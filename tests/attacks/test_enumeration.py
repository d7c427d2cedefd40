"""Who is a customer, who is staff, what is a reference: known and unknown look alike, forty interleaved pairs of them."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import httpx2
import pytest

from app.binding import attempts, handle_proof, starting
from app.binding.rules import HandleMethod, State
from app.cases.models import Case
from app.cases.queries import author_of
from app.database import transaction
from app.demo import cast
from tests.attacks.town import Town, Who

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAIRS: Final = 40
LONGEST_WAIT: Final = 200
# Each known one beside an unknown one of the same shape and length.
IDENTIFIERS: Final = tuple(
    pair
    for number, one in enumerate(cast.CUSTOMERS)
    for pair in (
        (one.customer_number, f"BE-99990{number}"),
        (one.phone, f"+39333999000{number}"),
        (one.email, one.email.replace("@posta.", "@pista.")),
    )
)


async def at_the_customers_step(town: Town, complaint: str) -> Who:
    """A visitor whose handle is proved, without the walk to the Square: that is not the matter here."""
    slug, case_id = (
        (town.giulia.slug, town.giulia.case_id) if complaint == "giulia" else (town.mallory.slug, town.mallory.case_id)
    )
    started = await starting.start(town.services, slug=slug, session_id=None)
    now = town.services.clock()
    async with transaction(town.services) as db:
        attempt = await attempts.of_session(db, started.session_id, now, slug=slug)
        data = {"method": HandleMethod.SIGN_IN.value}
        await attempts.move(db, attempt, State.HANDLE_PENDING, "handle.requested", data, connector="square")
        subject = await author_of(db, await db.get_one(Case, case_id))
        await handle_proof._accept(db, attempt, subject, HandleMethod.SIGN_IN, now)
    return Who(visitor=started.session_token or "")


def seen(answer: httpx2.Response, typed: str) -> tuple[int, list[tuple[str, str]], str]:
    """An answer without nonce, id and what was typed; header names and values, length of the body included."""
    text = re.sub(r'nonce(="|-)[A-Za-z0-9_-]{24}', "nonce", answer.text).replace(typed, "TYPED")
    text = text.replace(answer.headers["x-request-id"], "ID")
    headers = [
        (name, re.sub(r"nonce-[A-Za-z0-9_-]{24}", "nonce", value))
        for name, value in answer.headers.multi_items()
        if name not in ("date", "x-request-id")
    ]
    return answer.status_code, headers, text


async def steps(
    town: Town, complaint: str, method: str, identifier: str
) -> list[tuple[int, list[tuple[str, str]], str]]:
    """All that one visitor meets from the question to a wrong code and another sending."""
    who, path = (
        await at_the_customers_step(town, complaint),
        town.giulia.path if complaint == "giulia" else town.mallory.path,
    )
    asked = await town.wire.send(
        "bank", "POST", f"{path}/customer", who, form={"method": method, "identifier": identifier}
    )
    found = [asked, await town.wire.send("bank", "GET", f"{path}/customer/code", who)]
    for _ in range(LONGEST_WAIT):
        checked = await town.wire.send("bank", "POST", f"{path}/customer/code", who, form={"code": "00000000"})
        if checked.status_code != 503:
            break
        await asyncio.sleep(0.05)
    found.append(checked)
    found.append(await town.wire.send("bank", "POST", f"{path}/customer", who, form={"resend": "1"}))
    return [seen(one, identifier) for one in found]


async def test_known_and_unknown_customers_meet_the_same_steps(town: Town) -> None:
    """Number, phone, e-mail; code by SMS, by e-mail, by authenticator: status, headers, length and words are equal."""
    different, statuses = [], set()
    for number in range(PAIRS):
        known, unknown = IDENTIFIERS[number % len(IDENTIFIERS)]
        method = ("sms", "email", "totp")[number % 3]
        complaint = ("giulia", "mallory")[number // len(IDENTIFIERS) % 2]
        first, second = [
            await steps(town, complaint, method, identifier)
            for identifier in ((known, unknown) if number % 2 else (unknown, known))
        ]
        statuses |= {status for status, _, _ in first}
        different += [(known, method, place) for place, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
    assert different == []
    assert {303, 200, 422} <= statuses


async def test_known_and_unknown_staff_meet_the_same_refusal(town: Town) -> None:
    answers = []
    for name in ("anna", "enna", "luca", "lica", "ada", "ida"):
        form = {"name": name, "password": "not the password", "code": "12345678"}
        answers.append(seen(await town.wire.send("staff", "POST", "/signin", form=form), f'"{name}"'))
        document = {"login": name, "password": "not the password", "code": "12345678"}
        answers.append(seen(await town.wire.send("staff", "POST", "/api/v1/tokens", document=document), name))
    assert {status for status, _, _ in answers} == {401}
    for place in (0, 4, 8):
        assert answers[place] == answers[place + 2]
        assert answers[place + 1] == answers[place + 3]
