"""Pairs of handle and customer as keyed hashes, and the counters that bound guessing against them.

A visitor is told of a lock by what the visitor typed alone. The counter of the true pair works in silence, or locking
one spelling and finding another one locked would tell that both belong to one customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import services_of
from app.directory.port import normalise
from app.limits import guesses
from app.limits.errors import Locked
from app.limits.guesses import GuessState
from app.services import Services
from security.encoding import join


async def customer_hash(services: Services, customer_number: str) -> bytes:
    """A customer, by the number that the directory gives."""
    return await services.vault.lookup_hash("customer", customer_number.strip().upper())


async def unknown_customer_hash(services: Services, identifier: str) -> bytes:
    """What stands for a customer who is not in the directory."""
    return await services.vault.lookup_hash("customer-unknown", _canonical(identifier))


async def pair_hash(services: Services, handle_hash: bytes, customer: bytes) -> bytes:
    """The pair of this handle and this customer."""
    return await services.vault.lookup_hash("pair", join(handle_hash, customer).hex())


async def typed_hash(services: Services, handle_hash: bytes, identifier: str) -> bytes:
    """The pair of this handle and what was typed, which may be anything."""
    return await services.vault.lookup_hash("pair-typed", join(handle_hash, _canonical(identifier).encode()).hex())


@dataclass(frozen=True)
class GuessKeys:
    """Whom a guess is about, by keyed hashes; for a locked room nothing is typed, and the pair's own is shown."""

    typed: bytes
    pair: bytes
    customer: bytes


async def require_not_locked(db: AsyncSession, typed: bytes, now: datetime) -> None:
    """Raise `Locked` while what was typed is locked for this handle."""
    state = await guesses.state_of(db, typed, now)
    if state.is_locked(now):
        raise _locked(state, now)


async def is_closed(db: AsyncSession, pair: bytes, now: datetime) -> str | None:
    """Why a code of this pair may neither be sent nor be right just now, told to nobody but the log.

    None, `locked`, or `used_up` (too many wrong ones since the last right one).
    """
    tries = services_of(db).policy.tries
    state = await guesses.state_of(db, pair, now)
    if state.is_locked(now):
        return "locked"
    return "used_up" if state.in_all(tries.pair) >= tries.wrong_in_all else None


async def count_wrong(db: AsyncSession, keys: GuessKeys, now: datetime) -> GuessState:
    """Count one wrong guess against the pair; returns what the visitor may know. Call it where changes are kept."""
    policy = services_of(db).policy.tries.pair
    shown = await guesses.count_wrong(db, keys.typed, policy, now)
    if keys.pair != keys.typed:
        await guesses.count_wrong(db, keys.pair, policy, now)
    return shown


async def forgive(db: AsyncSession, keys: GuessKeys, now: datetime) -> None:
    """A right answer ends the row of wrong ones of this pair."""
    await guesses.forgive(db, keys.typed, now)
    if keys.pair != keys.typed:
        await guesses.forgive(db, keys.pair, now)


async def open_again(db: AsyncSession, pair: bytes, now: datetime) -> None:
    """Another method has proved the customer: typed codes may be tried again."""
    await guesses.forgive(db, pair, now)


def minutes_locked(state: GuessState, now: datetime) -> int:
    """How long the lock still holds, in whole minutes."""
    return 0 if state.locked_until is None else max(0, round((state.locked_until - now).total_seconds() / 60))


def refusal(state: GuessState, now: datetime, otherwise: Exception) -> Exception:
    """`Locked` when this guess closed the pair, else the refusal of the guess."""
    return _locked(state, now) if state.is_locked(now) else otherwise


def _locked(state: GuessState, now: datetime) -> Locked:
    return Locked(retry_after=max(60, minutes_locked(state, now) * 60))


def _canonical(identifier: str) -> str:
    kind, spelling = normalise(identifier)
    return f"{kind}:{spelling}"
