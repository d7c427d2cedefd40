"""Known and unknown customers side by side: the same visitor's walk with an identifier that the bank knows, and one of
the same shape that it does not.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.binding import attempts, handle_proof, starting
from app.binding.rules import HandleMethod, State
from app.cases.models import Case
from app.cases.queries import author_of
from app.database import transaction
from app.sessions.dependencies import VISITOR_COOKIE
from tests.attacks.bank_in_process import BankInProcess
from tests.support.bare_door import BareBrowser, Seen
from tests.support.ranks import area

CUSTOMERS: Final = 60
HANDLES: Final = 211
"""Prime: no handle and spelling come together twice in 4,000 pairs, so that no pair is locked by wrong codes."""
STEPS: Final = ("asking", "the page", "a wrong code", "asking again")
IN_ALL: Final = "in all"
METHODS: Final = ("sms", "email", "totp")
OF_EACH_ANSWER: Final = re.compile(r'(?<=nonce=")[A-Za-z0-9_-]+|(?<=nonce-)[A-Za-z0-9_-]{24}')


def spelt(number: int, *, known: bool) -> tuple[str, str, str]:
    """Number, phone and mail of a customer, or of nobody, of one length."""
    if known:
        return f"C-{number}", f"+39333{number:07d}", f"person{number}@posta.example"
    return f"C-{number + 7000}", f"+39333{number + 7000:07d}", f"person{number + 7000}@posta.example"


async def seated(bank: BankInProcess, name: str) -> tuple[str, BareBrowser]:
    """A visitor whose handle is proved, without the walk to the network: that is not the matter here."""
    services, slug = bank.house.services, await bank.complaint(name)
    started = await starting.start(services, slug=slug, session_id=None)
    now = services.clock()
    async with transaction(services) as db:
        attempt = await attempts.of_session(db, started.session_id, now, slug=slug)
        data = {"method": HandleMethod.SIGN_IN.value}
        await attempts.move(db, attempt, State.HANDLE_PENDING, "handle.requested", data, connector="square")
        subject = await author_of(db, await db.get_one(Case, bank.slugs[name][1]))
        await handle_proof._accept(db, attempt, subject, HandleMethod.SIGN_IN, now)
    browser = bank.browser()
    browser.cookies[VISITOR_COOKIE] = started.session_token or ""
    return f"/c/{slug}", browser


async def walk(bank: BankInProcess, name: str, method: str, identifier: str) -> list[Seen]:
    """From the question to a wrong code and a second sending; minutes pass, so that no limit stands in the way."""
    path, browser = await seated(bank, name)
    asked = await bank.ask_code(browser, path, identifier, method)
    await bank.work()
    shown = await browser.get(f"{path}/customer/code")
    wrong = await browser.post(f"{path}/customer/code", {"code": "00000000"})
    bank.clock.pass_by(minutes=2)
    again = await browser.post(f"{path}/customer", {"resend": "1"})
    await bank.work()
    bank.clock.pass_by(minutes=10)
    return [asked, shown, wrong, again]


def plain(seen: Seen, typed: str) -> tuple[int, list[tuple[str, str]], str]:
    """An answer without its request's id, its nonce and what was typed; its length is in the headers."""
    request_id = seen.header("x-request-id")

    def cleaned(text: str) -> str:
        return OF_EACH_ANSWER.sub("NONCE", text).replace(request_id, "ID").replace(typed, "TYPED")

    return seen.status, [(name, cleaned(value)) for name, value in seen.headers], cleaned(seen.text)


@dataclass
class Times:
    """How long each step took, with known customers and with unknown ones."""

    known: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in (*STEPS, IN_ALL)})
    unknown: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in (*STEPS, IN_ALL)})

    def add(self, known: list[float], unknown: list[float]) -> None:
        for times, found in ((self.known, known), (self.unknown, unknown)):
            for step, seconds in zip((*STEPS, IN_ALL), [*found, sum(found)], strict=True):
                times[step].append(seconds)

    def areas(self) -> dict[str, float]:
        """0.5 where the times of a step cannot be told apart, 1 where known customers always take longer."""
        return {step: round(area(self.unknown[step], self.known[step]), 4) for step in self.known}

    def milliseconds(self) -> dict[str, float]:
        """The middle one of each step's times."""
        return {step: round(sorted(times)[len(times) // 2] * 1e3, 2) for step, times in self.known.items()}


@dataclass
class Compared:
    """What pairs of walks had in common, by the clock on the wall and by the process's own work."""

    different: list[str] = field(default_factory=list)
    statuses: set[tuple[int, ...]] = field(default_factory=set)
    wall: Times = field(default_factory=Times)
    work: Times = field(default_factory=Times)

    def add(self, typed: tuple[str, str], known: list[Seen], unknown: list[Seen]) -> None:
        self.wall.add([one.seconds for one in known], [one.seconds for one in unknown])
        self.work.add([one.worked for one in known], [one.worked for one in unknown])
        self.statuses.add(tuple(seen.status for seen in known))
        for step, one, other in zip(STEPS, known, unknown, strict=True):
            if plain(one, typed[0]) != plain(other, typed[1]):
                self.different.append(f"{step}: {typed[0]} {one.status}, {typed[1]} {other.status}")


async def compare(bank: BankInProcess, pairs: int, chance: random.Random) -> Compared:
    """So many pairs, the known one first or second by chance, by every method and spelling in turn."""
    found = Compared()
    for number in range(pairs):
        method, spelling, customer = METHODS[number % 3], number // 3 % 3, 1001 + number % CUSTOMERS
        typed = tuple(spelt(customer, known=known)[spelling] for known in (True, False))
        order = [0, 1] if chance.random() < 0.5 else [1, 0]
        walked = {side: await walk(bank, f"visitor{number % HANDLES}", method, typed[side]) for side in order}
        found.add((typed[0], typed[1]), walked[0], walked[1])
    return found


@contextmanager
def statements_of(*engines: AsyncEngine) -> Iterator[list[str]]:
    """Every statement and every end of a transaction, in order."""
    said: list[str] = []

    def executed(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        said.append(statement)

    def ended(_connection: Any) -> None:
        said.append("COMMIT")

    for engine in engines:
        event.listen(engine.sync_engine, "before_cursor_execute", executed)
        event.listen(engine.sync_engine, "commit", ended)
    try:
        yield said
    finally:
        for engine in engines:
            event.remove(engine.sync_engine, "before_cursor_execute", executed)
            event.remove(engine.sync_engine, "commit", ended)
