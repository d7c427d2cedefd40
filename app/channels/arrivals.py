"""Reads connectors: a page of what came and the moved cursor are stored together, so nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.channels.models import ChannelCursor
from app.channels.ports import ArrivedPost, Connector, IncomingMessage
from app.database import reading, transaction, upsert
from app.services import Services

Prepare = Callable[[Services, Sequence[ArrivedPost]], Awaitable[object]]
Store = Callable[[AsyncSession, Connector, Sequence[ArrivedPost], object], Awaitable[None]]
StoreMessages = Callable[[AsyncSession, Sequence[IncomingMessage]], Awaitable[None]]


async def poll(services: Services, connector: Connector, prepare: Prepare, store: Store) -> int:
    """Fetch one page, let `prepare` do what must not happen inside a transaction, store page and cursor together.

    Returns how many posts came, 0 also when somebody else has stored this page meanwhile: the cursor never moves back.
    Raises the connector's `ChannelError`; the cursor has then not moved.
    """
    if connector.arrivals is None:
        return 0
    cursor = await _known(services, connector.name)
    posts, moved = await connector.arrivals.poll(cursor)
    if not posts and moved in (cursor, None):
        return 0
    prepared = await prepare(services, posts)
    async with transaction(services) as db:
        if await _now(db, connector.name) != cursor:
            return 0
        await store(db, connector, posts, prepared)
        if moved is not None:
            await _move(db, connector.name, moved, services)
    return len(posts)


async def poll_messages(services: Services, connector: Connector, store: StoreMessages) -> int:
    """The same for messages that people wrote to the bank in private, by a cursor of their own."""
    if connector.incoming is None:
        return 0
    name = f"{connector.name}/messages"
    cursor = await _known(services, name)
    messages, moved = await connector.incoming.poll(cursor)
    if not messages and moved in (cursor, None):
        return 0
    async with transaction(services) as db:
        if await _now(db, name) != cursor:
            return 0
        await store(db, messages)
        if moved is not None:
            await _move(db, name, moved, services)
    return len(messages)


async def _known(services: Services, name: str) -> str | None:
    async with reading(services) as db:
        return (await db.execute(_cursor(name))).scalar_one_or_none()


async def _now(db: AsyncSession, name: str) -> str | None:
    return (await db.execute(_cursor(name).with_for_update())).scalar_one_or_none()


def _cursor(name: str) -> Select[str]:
    return select(ChannelCursor.cursor).where(ChannelCursor.connector == name)


async def _move(db: AsyncSession, name: str, cursor: str, services: Services) -> None:
    values = {"cursor": cursor, "polled_at": services.clock()}
    await db.execute(
        upsert(db, ChannelCursor)
        .values(connector=name, **values)
        .on_conflict_do_update(index_elements=["connector"], set_=values)
    )
