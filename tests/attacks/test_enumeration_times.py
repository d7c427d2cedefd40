"""Nobody learns by the answers, nor by the time that they take, who is a customer; and a leak would be seen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import process_time
from typing import Final

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import challenges, guess_budgets, pairs
from app.binding.guess_budgets import Guess
from app.binding.models import Challenge
from tests.app.binding.outside import Clock
from tests.attacks.bank_in_process import BankInProcess, open_bank_in_process
from tests.attacks.pairs_of_walks import (
    CUSTOMERS,
    METHODS,
    STEPS,
    Compared,
    compare,
    plain,
    seated,
    spelt,
    statements_of,
)
from tests.support.databases import DatabaseUrls
from tests.support.house import ON_SQLITE
from tests.support.ranks import area, deviation
from tests.support.soak import SOAK, chance, in_every_run_or_soak, keep_figures

PAIRS: Final = in_every_run_or_soak(90, 4_000)
PLANTED_PAIRS: Final = in_every_run_or_soak(60, 1_000)
PLANTED_SECONDS: Final = in_every_run_or_soak(0.02, 0.001)
"""What is planted in every run is larger, as so few pairs cannot show less."""


def most_by_chance(each: int) -> float:
    """How far from one half an area may lie: 0.02 with the 4,000 pairs, else four deviations, so that fewer than one
    run in a thousand is refused for nothing (ten areas are looked at)."""
    return 0.02 if each >= 4_000 else 4 * deviation(each)


@pytest.fixture
async def bank(schema_urls: DatabaseUrls, tmp_path: Path) -> AsyncIterator[BankInProcess]:
    async with open_bank_in_process(schema_urls, tmp_path, range(1001, 1001 + CUSTOMERS), Clock()) as opened:
        yield opened


def figures(found: Compared, pairs: int) -> dict[str, object]:
    return {
        "pairs": pairs,
        "different": len(found.different),
        "areas": {"wall": found.wall.areas(), "work": found.work.areas()},
        "milliseconds": {"wall": found.wall.milliseconds(), "work": found.work.milliseconds()},
        "bound": round(most_by_chance(pairs), 4),
    }


@ON_SQLITE
async def test_known_and_unknown_customers_get_the_same_answers_in_the_same_time(bank: BankInProcess) -> None:
    _, source = chance("enumeration")
    found = await compare(bank, PAIRS, source)
    keep_figures("enumeration", **figures(found, PAIRS))
    assert found.different == []
    assert found.statuses == {(303, 200, 422, 303)}
    for times in (found.wall, found.work):
        apart = {step: one for step, one in times.areas().items() if abs(one - 0.5) > most_by_chance(PAIRS)}
        assert apart == {}


async def seen_in_time(bank: BankInProcess) -> bool:
    _, source = chance("planted leak")
    found = await compare(bank, PLANTED_PAIRS, source)
    keep_figures("enumeration-planted", **figures(found, PLANTED_PAIRS))
    assert found.different == [], "a leak of time alone changes no answer"
    return abs(found.work.areas()["a wrong code"] - 0.5) > most_by_chance(PLANTED_PAIRS)


@ON_SQLITE
async def test_a_millisecond_more_for_known_customers_is_seen(
    bank: BankInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In `make soak`; in every run twenty milliseconds."""
    check = challenges.check

    async def slower(db: AsyncSession, challenge: Challenge, code: str) -> None:
        until = process_time() + (PLANTED_SECONDS if challenge.sealed_customer is not None else 0)
        while process_time() < until:
            pass
        await check(db, challenge, code)

    monkeypatch.setattr(challenges, "check", slower)
    assert await seen_in_time(bank)


async def skipped_for_nobody(bank: BankInProcess) -> Callable[[AsyncSession, Guess, datetime], object]:
    """The budgets of a guess, not looked at where there is nobody to guess at."""
    services, take = bank.house.services, guess_budgets.take
    nobody = {
        await pairs.unknown_customer_hash(services, one)
        for number in range(1001, 1001 + CUSTOMERS)
        for one in spelt(number, known=False)
    }

    async def skipping(db: AsyncSession, guess: Guess, now: datetime) -> bool:
        return False if guess.customer in nobody else await take(db, guess, now)

    return skipping


@ON_SQLITE
async def test_a_check_that_is_skipped_for_unknown_customers_is_seen(
    bank: BankInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guess_budgets, "take", await skipped_for_nobody(bank))
    if SOAK:
        assert await seen_in_time(bank)
    said = [await steps_in_the_database(bank, "sms", spelt(1001, known=known)[0]) for known in (True, False)]
    assert said[0] != said[1]


@ON_SQLITE
async def test_an_answer_that_differs_by_one_header_is_seen(bank: BankInProcess) -> None:
    path, browser = await seated(bank, "visitor0")
    one = await bank.ask_code(browser, path, "C-1001")
    known = plain(one, "C-1001")
    assert plain(replace(one), "C-1001") == known
    for headers in (one.headers[1:], one.headers[::-1], [*one.headers, ("retry-after", "60")]):
        assert plain(replace(one, headers=headers), "C-1001") != known
    assert plain(replace(one, status=200), "C-1001") != known
    assert plain(replace(one, body=b" "), "C-1001") != known


async def steps_in_the_database(bank: BankInProcess, method: str, identifier: str) -> list[list[str]]:
    """What each step asks of the database; of the worker, what it asks before a code may be typed."""
    services = bank.house.services
    path, browser = await seated(bank, "visitor0")
    await bank.work()
    found = []
    with statements_of(services.write_engine, services.read_engine) as said:
        await bank.ask_code(browser, path, identifier, method)
        found.append(said[:])
        said.clear()
        await bank.work()
        # taking the work up, its loan, and the first transaction: who is meant
        found.append(said[: position(said, "UPDATE challenges") + 2])
        for act in (
            browser.get(f"{path}/customer/code"),
            browser.post(f"{path}/customer/code", {"code": "00000000"}),
        ):
            said.clear()
            await act
            found.append(said[:])
    bank.clock.pass_by(minutes=30)
    return found


def position(said: list[str], beginning: str) -> int:
    return next(place for place, one in enumerate(said) if one.startswith(beginning))


@pytest.mark.parametrize("method", METHODS)
async def test_the_database_is_asked_the_same_for_known_and_unknown_customers(bank: BankInProcess, method: str) -> None:
    """Whatever a machine's clock shows; the look-up's own time is the directory's."""
    known, unknown = [await steps_in_the_database(bank, method, spelt(1001, known=one)[0]) for one in (True, False)]
    for step, one, other in zip((STEPS[0], "the worker", *STEPS[1:3]), known, unknown, strict=True):
        assert len(one) > 0, step
        assert one == other, step
    assert known[1][-1] == "COMMIT"


def test_ranks_tell_apart_what_can_be_told_apart() -> None:
    assert area([1, 2, 3], [4, 5, 6]) == 1
    assert area([4, 5, 6], [1, 2, 3]) == 0
    assert area([1, 1, 1], [1, 1, 1]) == 0.5
    assert area([1, 3], [2, 4]) == 0.75
    assert deviation(4_000) == pytest.approx(0.00645, abs=1e-5)
    assert most_by_chance(4_000) == 0.02
    assert most_by_chance(100) == pytest.approx(0.1637, abs=1e-3)
