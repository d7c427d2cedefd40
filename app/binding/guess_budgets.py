"""What all guesses at typed codes together may cost: counted in the database before a guess is looked at.

A guess at a customer to whom the handle is not bound draws on four budgets: of the handle, of the visitor's network, of
the customer, and of everybody. All but the customer's refill as time goes by, so that they slow and never block for
good. What is beyond one of them is wrong whatever was typed, and nobody is told. A bound pair draws on nobody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import services_of
from app.limits import guesses, rates
from app.policy import Rate
from app.policy.figures import DAY
from security.encoding import join


@dataclass(frozen=True)
class Guess:
    """Who guesses at whom: keyed hashes of the handle and the customer, and the visitor's network."""

    handle: bytes
    customer: bytes
    network: str
    bound: bool


class _Budget(NamedTuple):
    """Its name, the key of its row, and how much it is; `by_day` is counted by calendar days."""

    name: str
    key: bytes
    rate: Rate
    by_day: bool = False


async def take(db: AsyncSession, guess: Guess, now: datetime) -> bool:
    """Whether this guess may be right. Of many at once each waits, at the rows that the one before has counted in."""
    for one in await _budgets(db, guess):
        if one.by_day:
            taken = await guesses.count_today(db, one.key, one.rate.limit, now)
        else:
            taken = await rates.take(db, one.key, one.rate.limit, one.rate.per, now)
        if not taken:
            return False
    return True


async def give_back(db: AsyncSession, guess: Guess, now: datetime) -> None:
    """It was right: only wrong ones count."""
    for one in await _budgets(db, guess):
        if one.by_day:
            await guesses.take_back_today(db, one.key, now)
        else:
            await rates.give_back(db, one.key, one.rate.limit, one.rate.per)


async def spent(db: AsyncSession, guess: Guess, now: datetime) -> str | None:
    """Why no guess could be right just now, so that no code need be sent: `closed` at this customer, else `slowed`."""
    for one in await _budgets(db, guess):
        if one.by_day:
            if (await guesses.state_of(db, one.key, now)).today >= one.rate.limit:
                return "closed"
        elif await rates.is_spent(db, one.key, one.rate.limit, one.rate.per, now):
            return "closed" if one.name == "bound" else "slowed"
    return None


async def take_message(db: AsyncSession, account: str, now: datetime) -> bool:
    """Whether a guess at a code by direct message may be right; `account` is who got it, or nobody."""
    key, rate = await _messages(db, account)
    return await rates.take(db, key, rate.limit, rate.per, now)


async def give_back_message(db: AsyncSession, account: str) -> None:
    """It was right."""
    key, rate = await _messages(db, account)
    await rates.give_back(db, key, rate.limit, rate.per)


async def messages_spent(db: AsyncSession, account: str, now: datetime) -> bool:
    """Whether no guess at this account's codes could be right just now."""
    key, rate = await _messages(db, account)
    return await rates.is_spent(db, key, rate.limit, rate.per, now)


async def take_answer(db: AsyncSession, account: str, network: str, now: datetime) -> bool:
    """Whether a code that goes back to an account that wrote may be guessed at beside all others; counts it if so.

    What its owner asks for by writing must not hang on how much strangers have guessed (design, decision 8). One for
    each visitor's network while a window is open, so that one stranger does not use up what the owner's messages earn.
    """
    vault, lifetime = services_of(db).vault, services_of(db).policy.lifetimes.handle_code
    if not await rates.take(db, await vault.lookup_hash("answers-network", f"{account} {network}"), 1, lifetime, now):
        return False
    key, rate = await _answers(db, account)
    return await rates.take(db, key, rate.limit, rate.per, now)


async def give_back_answer(db: AsyncSession, account: str) -> None:
    """It was typed rightly."""
    key, rate = await _answers(db, account)
    await rates.give_back(db, key, rate.limit, rate.per)


async def _answers(db: AsyncSession, account: str) -> tuple[bytes, Rate]:
    return await services_of(db).vault.lookup_hash("guesses-answers", account), services_of(db).policy.tries.answered


async def _messages(db: AsyncSession, account: str) -> tuple[bytes, Rate]:
    return await services_of(db).vault.lookup_hash("guesses-message", account), services_of(db).policy.tries.message


async def _budgets(db: AsyncSession, guess: Guess) -> list[_Budget]:
    """In the one order in which they are taken everywhere. A bound pair has as many, of its own: time tells nothing."""
    vault, tries = services_of(db).vault, services_of(db).policy.tries
    own = join(guess.handle, guess.customer).hex() if guess.bound else ""
    return [
        _Budget("handle", await vault.lookup_hash("guesses-handle", own or guess.handle.hex()), tries.by_handle),
        _Budget("network", await vault.lookup_hash("guesses-network", own or guess.network), tries.by_network),
        _Budget("bound", await vault.lookup_hash("guesses-bound", guess.customer.hex()), tries.bound)
        if guess.bound
        else _Budget("customer", guess.customer, Rate(tries.wrong_a_day, DAY), by_day=True),
        _Budget("everybody", await vault.lookup_hash("guesses-all", own), tries.everybody),
    ]
