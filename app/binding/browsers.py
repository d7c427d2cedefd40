"""Which browsers a binding was used from, so that one that it was never used from is asked for more, and told of.

A browser is told by a random cookie; stored is only a keyed hash for each binding, so that rows of two bindings do not
show that both were used from one browser.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.binding.models import KnownBrowser
from app.database import services_of, upsert

LONGEST: Final = 64


async def is_strange(db: AsyncSession, binding_id: UUID, browser: str) -> bool:
    """Whether the binding was used before, and never from this browser; nothing is noted."""
    known = select(KnownBrowser.browser_hash).where(KnownBrowser.binding_id == binding_id)
    hashes = set((await db.execute(known)).scalars())
    return bool(hashes) and await _hash_of(db, binding_id, browser) not in hashes


async def forget_browsers(db: AsyncSession, binding_id: UUID) -> None:
    """Whoever was in may have been the wrong one: no browser is known to the binding that its owner makes anew."""
    await db.execute(delete(KnownBrowser).where(KnownBrowser.binding_id == binding_id))


async def _hash_of(db: AsyncSession, binding_id: UUID, browser: str) -> bytes:
    return await services_of(db).vault.lookup_hash("browser", f"{binding_id}:{browser[:LONGEST]}")


async def note_browser(db: AsyncSession, binding_id: UUID, browser: str) -> bool:
    """Note that the binding is used from this browser; returns whether only other browsers had used it before.

    The first browser of a binding is not news: the notice of the binding itself tells of it. An empty `browser` is one
    that kept no cookie, and is new each time.
    """
    services = services_of(db)
    now = services.clock()
    used_before = (await db.execute(select(exists().where(KnownBrowser.binding_id == binding_id)))).scalar_one()
    if not browser:
        return bool(used_before)
    hashed = await _hash_of(db, binding_id, browser)
    known = await db.get(KnownBrowser, (binding_id, hashed)) is not None
    await db.execute(
        upsert(db, KnownBrowser)
        .values(binding_id=binding_id, browser_hash=hashed, first_seen_at=now, last_seen_at=now)
        .on_conflict_do_update(index_elements=["binding_id", "browser_hash"], set_={"last_seen_at": now})
    )
    return bool(used_before) and not known
