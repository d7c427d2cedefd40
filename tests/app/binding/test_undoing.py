"""However a binding ends, what is open by it ends within a second, on both databases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from app.actors import SYSTEM, Role, Staff
from app.binding import account_watch, ending, revoking
from app.binding.confirming import Bound
from app.channels.ports import AccountNow, AccountState
from app.conversations.items import Ended
from app.conversations.stream import customer_stream
from app.database import transaction
from tests.app.binding.bank import Bank, bound_by_identity, customer_of, person
from tests.app.binding.test_rooms import reference_from
from tests.app.conversations.readers import reading

AT_ONCE = 1.0
LOADED = 1.0
"""What a busy machine may add."""


async def not_me(bank: Bank, _bound: Bound) -> None:
    await revoking.not_me(bank.services, reference=await reference_from(bank))


async def by_the_owner(bank: Bank, bound: Bound) -> None:
    await revoking.revoke_own(bank.services, customer_of(bound))


async def by_the_bank(bank: Bank, bound: Bound) -> None:
    async with transaction(bank.services) as db:
        await revoking.end_by_bank(db, bound.binding_id, because="customer_asked", actor=SYSTEM)


async def by_customer_number(bank: Bank, _bound: Bound) -> None:
    sara = Staff(uuid4(), uuid4(), Role.SUPERVISOR, "Sara", "Sara")
    async with transaction(bank.services) as db:
        await ending.end_links_of(db, sara, "C-1001", "suspicion")


async def account_gone(bank: Bank, _bound: Bound) -> None:
    await account_watch.account_seen(bank.services, person("giulia"), AccountNow(AccountState.GONE))


@pytest.mark.parametrize("undo", [not_me, by_the_owner, by_the_bank, by_customer_number, account_gone])
async def test_what_ends_a_binding_ends_its_open_stream_within_a_second(
    bank: Bank, undo: Callable[[Bank, Bound], Awaitable[None]], record_property: Callable[[str, object], None]
) -> None:
    bound = await bound_by_identity(bank)
    async with reading(customer_stream(bank.services, customer_of(bound), 0)) as stream:
        await stream.until(lambda items: bool(items))
        await asyncio.sleep(0.2)
        before = time.monotonic()
        await undo(bank, bound)
        await stream.until(lambda items: isinstance(items[-1], Ended))
        took = time.monotonic() - before
    assert took < AT_ONCE + LOADED
    record_property("seconds", took)
