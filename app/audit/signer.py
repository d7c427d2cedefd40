"""Signs checkpoints, and only of a log that it has itself seen grow.

The signer remembers size and frontier of the last head it saw, in a file of its own beside the keys: a database
that was cut back, restored or rewritten under the same key is refused, not signed. Several workers may sign: those of
one host take turns at the file, each host has its own, and all compare with the newest checkpoint in the database.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.models import LOG_ID, LogHead, SequencedLeaf, SignedCheckpoint
from app.database import reading, transaction, upsert
from app.services import Services
from security.encoding import b64url, unb64url
from security.merkle import Frontier
from security.notes import Checkpoint, SigningKey


class SignerRefused(Exception):
    """The database's log is not an extension of what was signed before."""


class Signer:
    """Holds the log's signing key and the memory of the last head signed."""

    def __init__(self, key: SigningKey, memory: Path) -> None:
        self._key = key
        self._memory = memory

    def vkey(self) -> str:
        """The log's public key in C2SP form, for `trust.json`."""
        return self._key.vkey()

    async def sign(self, services: Services) -> SignedCheckpoint | None:
        """Sign the head if it has grown; None when it has not, or when another worker of this host is at it.

        Raises `SignerRefused` if the log does not extend what this host, or anybody in this database, has signed.
        """
        with self._alone() as alone:
            return await self._sign(services) if alone else None

    async def _sign(self, services: Services) -> SignedCheckpoint | None:
        frontier = self._remembered()
        known = frontier.size
        async with reading(services) as db:
            # Before the head: one that another host signs meanwhile would else seem to be ahead of the log.
            newest = await _newest_checkpoint(db)
            head = await db.get(LogHead, LOG_ID)
            if head is None:
                if frontier.size:
                    raise SignerRefused(f"there is no log, {frontier.size} leaves were signed")
                return None
            if head.size < frontier.size:
                raise SignerRefused(f"the log has {head.size} leaves, {frontier.size} were signed")
            await _extend(db, frontier, head, newest)
        if frontier.root() != head.root:
            raise SignerRefused("the log's head does not follow from its leaves")
        if frontier.size > known:
            # Also when another host has signed this head: each remembers what it saw, and each can refuse a fork.
            self._remember(frontier)
        if head.size == 0 or (newest is not None and newest.size >= head.size):
            return None
        note = self._key.sign(Checkpoint(head.origin, head.size, head.root).text())
        return await _store(services, head, note)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether this is the only process of the host at the memory; the lock goes with the process."""
        lock = os.open(self._memory.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(lock)

    def _remembered(self) -> Frontier:
        if not self._memory.exists():
            return Frontier()
        document = json.loads(self._memory.read_text("utf-8"))
        return Frontier.load(int(document["size"]), unb64url(document["frontier"]))

    def _remember(self, frontier: Frontier) -> None:
        """Durable before the signature leaves: a crash in between costs a signature, never the memory of one."""
        document = json.dumps({"size": frontier.size, "frontier": b64url(frontier.dump())})
        draft = self._memory.with_suffix(".new")
        with draft.open("w", encoding="utf-8") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._memory)
        # The new name is safe only with its folder; a power cut could else bring the older memory back.
        folder = os.open(self._memory.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


async def _newest_checkpoint(db: AsyncSession) -> SignedCheckpoint | None:
    newest = select(SignedCheckpoint).order_by(SignedCheckpoint.size.desc()).limit(1)
    return (await db.execute(newest)).scalar_one_or_none()


async def _extend(db: AsyncSession, frontier: Frontier, head: LogHead, newest: SignedCheckpoint | None) -> None:
    """Bring the frontier up to the head, leaf by leaf, by way of the newest checkpoint that anybody has signed."""
    if newest is not None and newest.size > head.size:
        raise SignerRefused(f"the log has {head.size} leaves, a checkpoint says {newest.size}")
    hashes = await db.execute(
        select(SequencedLeaf.leaf_hash)
        .where(SequencedLeaf.leaf_index >= frontier.size, SequencedLeaf.leaf_index < head.size)
        .order_by(SequencedLeaf.leaf_index)
    )
    _compare(frontier, newest)
    for leaf_hash in hashes.scalars():
        frontier.append(leaf_hash)
        _compare(frontier, newest)
    if frontier.size != head.size:
        raise SignerRefused("the log's head does not follow from its leaves")


def _compare(frontier: Frontier, newest: SignedCheckpoint | None) -> None:
    if newest is not None and frontier.size == newest.size and frontier.root() != newest.root:
        raise SignerRefused(f"the checkpoint of {newest.size} leaves is of another log")


async def _store(services: Services, head: LogHead, note: str) -> SignedCheckpoint | None:
    """Two hosts that sign the same head make the same note; the first one is kept."""
    async with transaction(services) as db:
        stored = await db.execute(
            upsert(db, SignedCheckpoint)
            .values(size=head.size, root=head.root, note=note, created_at=services.clock())
            .on_conflict_do_nothing()
            .returning(SignedCheckpoint)
        )
        return stored.scalar_one_or_none()
