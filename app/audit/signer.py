"""Signs checkpoints, and only of a log that it has itself seen grow.

The signer remembers size and frontier of the last head it signed, in a file of its own beside the keys: a database
that was cut back, restored or rewritten under the same key is refused, not signed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from sqlalchemy import select

from app.audit.models import LOG_ID, LogHead, SequencedLeaf, SignedCheckpoint
from app.database import reading, transaction
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
        """Sign the head if it has grown; raises `SignerRefused` if it is not an extension of the last one."""
        frontier = self._remembered()
        async with reading(services) as db:
            head = await db.get(LogHead, LOG_ID)
            if head is None:
                if frontier.size:
                    raise SignerRefused(f"there is no log, {frontier.size} leaves were signed")
                return None
            if head.size < frontier.size:
                raise SignerRefused(f"the log has {head.size} leaves, {frontier.size} were signed")
            hashes = await db.execute(
                select(SequencedLeaf.leaf_hash)
                .where(SequencedLeaf.leaf_index >= frontier.size, SequencedLeaf.leaf_index < head.size)
                .order_by(SequencedLeaf.leaf_index)
            )
            for leaf_hash in hashes.scalars():
                frontier.append(leaf_hash)
            signed_already = await db.get(SignedCheckpoint, head.size) is not None
        if frontier.size != head.size or frontier.root() != head.root:
            raise SignerRefused("the log's head does not follow from its leaves")
        if signed_already or head.size == 0:
            return None
        note = self._key.sign(Checkpoint(head.origin, head.size, head.root).text())
        self._remember(frontier)
        checkpoint = SignedCheckpoint(size=head.size, root=head.root, note=note, created_at=services.clock())
        async with transaction(services) as db:
            db.add(checkpoint)
        return checkpoint

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
