"""Windows that an account opens by writing to the bank first: for a while, a few codes may go back to it.

The message proves nothing and is not read. It only says that the account takes an answer now, and that its owner is
there; so what it earns does not count against the limits that strangers can use up (design, decision 8).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.binding.models import MessageWindow
from app.database import services_of, transaction, upsert
from app.limits import rates
from app.services import Services

CODES_OF_A_MESSAGE: Final = 3
MESSAGES: Final = (20, timedelta(hours=1))
"""Of one account: who writes on and on must not make the bank write three times as much."""


async def open_window(
    db: AsyncSession, *, connector: str, handle_hash: bytes, sent_at: datetime, now: datetime
) -> bool:
    """A message came; whether it opened anything. One of before, or one too many, does not."""
    services = services_of(db)
    closes_at = min(sent_at, now) + services.policy.lifetimes.handle_code
    if closes_at <= now:
        return False
    key = await services.vault.lookup_hash("handle-messages", f"{connector} {handle_hash.hex()}")
    if not await rates.take(db, key, *MESSAGES, now):
        return False
    values = {"closes_at": closes_at, "codes_left": CODES_OF_A_MESSAGE}
    await db.execute(
        upsert(db, MessageWindow)
        .values(connector=connector, handle_hash=handle_hash, **values)
        .on_conflict_do_update(index_elements=["connector", "handle_hash"], set_=values)
    )
    return True


async def take_code(db: AsyncSession, *, connector: str, handle_hash: bytes, now: datetime) -> bool:
    """Whether one more code may go into an open window; counts it if so. One statement, for all processes."""
    taken = await db.execute(
        update(MessageWindow)
        .where(
            MessageWindow.connector == connector,
            MessageWindow.handle_hash == handle_hash,
            MessageWindow.closes_at > now,
            MessageWindow.codes_left > 0,
        )
        .values(codes_left=MessageWindow.codes_left - 1)
        .returning(MessageWindow.codes_left)
        .execution_options(synchronize_session=False)
    )
    return taken.scalar_one_or_none() is not None


async def forget_old(services: Services) -> None:
    """Remove windows that have closed."""
    async with transaction(services) as db:
        await db.execute(delete(MessageWindow).where(MessageWindow.closes_at <= services.clock()))
