"""`record`: a fact joins the transaction that makes it true. The leaf is finished last, just before the commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Actor, audit_name
from app.audit.events import EVENTS
from app.audit.models import Leaf, StreamHead
from app.bulk import among, insert_many, listed, update_many
from app.database import after_commit, before_commit, connection_of, dialect_of, services_of, upsert
from app.ids import new_id
from security.encoding import canonical_json
from security.merkle import leaf_hash

Value = str | int | bool | Sequence["Value"] | Mapping[str, "Value"]
NO_PREVIOUS: Final = bytes(32)
SEQUENCER_TOPIC: Final = "sequencer"


@dataclass(frozen=True)
class _Draft:
    id: UUID
    event: str
    at: datetime
    actor: dict[str, str]
    stream: str
    data: Mapping[str, Value]


def record(db: AsyncSession, event: str, *, stream: str, actor: Actor, data: Mapping[str, Value] | None = None) -> UUID:
    """Add a leaf to this transaction and return its id, for the `leaf_id` of the rows that it explains.

    `event` and every key of `data` must be in the closed list. The leaf is written just before the commit, with the
    locks of its streams taken in one order, so that two transactions can never wait for each other here.
    """
    fields = data or {}
    unknown = set(fields) - set(EVENTS[event])
    if unknown:
        raise ValueError(f"{event} has no field {sorted(unknown)}")
    now = services_of(db).clock()
    draft = _Draft(new_id(now), event, now, audit_name(actor), stream, fields)
    db.info.setdefault("leaves", []).append(draft)
    before_commit(db, _write_leaves)
    return draft.id


async def _write_leaves(db: AsyncSession) -> None:
    drafts: list[_Draft] = db.info.pop("leaves", [])
    if not drafts:
        return
    await db.flush()
    heads = await _lock_heads(db, sorted({draft.stream for draft in drafts}))
    rows = []
    for draft in drafts:
        n, previous = heads[draft.stream]
        leaf = _leaf_bytes(draft, n + 1, previous)
        hashed = leaf_hash(leaf)
        heads[draft.stream] = (n + 1, hashed)
        rows.append({"id": draft.id, "stream": draft.stream, "n": n + 1, "leaf": leaf, "leaf_hash": hashed})
    await insert_many(db, Leaf, rows)
    changes = [{"stream": stream, "n": n, "head": head} for stream, (n, head) in heads.items()]
    await update_many(db, StreamHead, "stream", changes)
    services = services_of(db)
    after_commit(db, lambda: services.wakeups.notify(SEQUENCER_TOPIC))


def _leaf_bytes(draft: _Draft, n: int, previous: bytes) -> bytes:
    return canonical_json(
        {
            "v": 1,
            "id": str(draft.id),
            "t": draft.event,
            "at": draft.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "actor": draft.actor,
            "stream": draft.stream,
            "n": n,
            "prev": previous.hex(),
            "data": dict(draft.data),
        }
    )


async def _lock_heads(db: AsyncSession, streams: list[str]) -> dict[str, tuple[int, bytes]]:
    """Heads of the streams, locked in name order; new streams are born first, so that there is a row to lock.

    Born before any lock is taken: who waits for somebody else's new stream must not hold a head that the other needs.
    """
    dialect, connection = dialect_of(db), await connection_of(db)
    wanted = listed(streams)
    known = set((await connection.execute(_known(dialect), wanted)).scalars())
    if len(known) < len(streams):
        born = [{"stream": stream, "n": 0, "head": NO_PREVIOUS} for stream in streams if stream not in known]
        await connection.execute(upsert(db, StreamHead).values(born).on_conflict_do_nothing())
    rows = await connection.execute(_locked(dialect), wanted)
    return {row.stream: (row.n, row.head) for row in rows}


@lru_cache
def _known(dialect: str) -> Select[*tuple[Any, ...]]:
    return select(StreamHead.stream).where(among(dialect, StreamHead.stream))


@lru_cache
def _locked(dialect: str) -> Select[*tuple[Any, ...]]:
    heads = select(StreamHead.stream, StreamHead.n, StreamHead.head).where(among(dialect, StreamHead.stream))
    return heads.order_by(StreamHead.stream).with_for_update()
