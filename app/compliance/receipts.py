"""A customer's own receipt of the conversation: what this session may see, with proofs, made while the customer waits.

Its leaf, which names the messages in it, is committed first and under the signed head that the receipt carries. Nothing
of it is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Customer
from app.audit import queries as audit
from app.audit.models import Leaf, SignedCheckpoint
from app.audit.proofs import inclusion_paths
from app.audit.service import record
from app.compliance import verifier
from app.compliance.bag import pack
from app.compliance.bag_rows import OpenedText
from app.compliance.errors import EnoughReceipts, ReceiptPending
from app.compliance.ports import CompliancePorts
from app.compliance.receipt_bag import ProvedLeaf, ReceiptContents, write_receipt
from app.compliance.workspace import workspace
from app.conversations import queries as rooms
from app.conversations.queries import Entry, Window
from app.database import reading, transaction
from app.ids import new_id
from app.limits import rates
from app.services import Services
from security.commitments import opening
from security.merkle import check_inclusion
from security.notes import Checkpoint

RECEIPTS: Final = (6, timedelta(hours=1))
PAGE: Final = 500
LOOKS: Final = 100
BETWEEN_LOOKS: Final = 0.05


@dataclass(frozen=True)
class Receipt:
    """A zip on its way to its owner."""

    filename: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class _Seen:
    """The messages that a session may see, and their leaves in the order of the room's stream."""

    messages: Sequence[OpenedText]
    leaf_ids: Sequence[UUID]
    hashes: Sequence[bytes]


async def make_receipt(services: Services, ports: CompliancePorts, customer: Customer) -> Receipt:
    """The receipt of this session's conversation. Raises `RoomLocked`, `EnoughReceipts`, `ReceiptPending`."""
    receipt_id = new_id(services.clock())
    await _allow(services, customer)
    seen = await _seen(services, customer)
    leaf_id = await _note(services, customer, receipt_id, seen)
    checkpoint = await _checkpoint(services, leaf_id)
    leaves = await _proved(services, ports, checkpoint, [*seen.leaf_ids, leaf_id])
    contents = ReceiptContents(
        origin=ports.export_key.name.removesuffix("/export"),
        receipt_id=str(receipt_id),
        room=str(customer.conversation_id),
        level=customer.level,
        checkpoint=checkpoint.note,
        leaves=leaves,
        messages=seen.messages,
        trust_address=ports.trust_address,
        info={"Bagging-Date": services.clock().date().isoformat(), "Bag-Software-Agent": "Riserbo"},
    )
    return await asyncio.shield(asyncio.to_thread(_build, ports, contents))


async def _allow(services: Services, customer: Customer) -> None:
    """Count this one before any work is done for it."""
    now = services.clock()
    key = await services.vault.lookup_hash("receipt", str(customer.binding_id))
    async with transaction(services) as db:
        await rooms.room_for_customer(db, customer, now)
        if not await rates.take(db, key, *RECEIPTS, now):
            raise EnoughReceipts(retry_after=600)


async def _seen(services: Services, customer: Customer) -> _Seen:
    """Exactly the messages that the page shows; one that comes meanwhile is in the next receipt."""
    stream = f"room:{customer.conversation_id}"
    async with reading(services) as db:
        room = await rooms.room_for_customer(db, customer, services.clock())
        entries = await _messages(db, customer)
        shown = {str(entry.message_id) for entry in entries}
        leaves = select(Leaf.id, Leaf.leaf, Leaf.leaf_hash).where(Leaf.stream == stream).order_by(Leaf.n)
        about = [row for row in await db.execute(leaves) if _is_about(row.leaf, shown)]
    key = await services.vault.key(room.key_id)
    messages = [
        OpenedText(stream, str(entry.message_id), entry.text, opening(key, str(entry.message_id))) for entry in entries
    ]
    return _Seen(messages, [row.id for row in about], [row.leaf_hash for row in about])


async def _messages(db: AsyncSession, customer: Customer) -> list[Entry]:
    """Every message that the page of this session would show, page by page."""
    found: list[Entry] = []
    after = 0
    while page := await rooms.entries_for_customer(db, customer, Window(after=after, limit=PAGE)):
        found += [entry for entry in page if entry.kind == "message"]
        after = page[-1].n
    return found


def _is_about(raw: bytes, shown: set[str]) -> bool:
    leaf = verifier.parse_leaf(0, raw)
    return leaf.body["t"] in verifier.SEEN and leaf.data.get("id") in shown


async def _note(services: Services, customer: Customer, receipt_id: UUID, seen: _Seen) -> UUID:
    """The receipt's own leaf, and one among the readings of the room; the session must still be in it."""
    async with transaction(services) as db:
        room = await rooms.room_for_customer(db, customer, services.clock())
        told: dict[str, str | int] = {
            "from": 1,
            "to": room.last_n,
            "purpose": "receipt",
            "session": str(customer.session_id),
        }
        record(db, "room.read", stream=f"room:{room.id}:access", actor=customer, data=told)
        return record(
            db,
            "receipt.created",
            stream=f"receipt:{receipt_id}",
            actor=customer,
            data={
                "room": str(room.id),
                "session": str(customer.session_id),
                "level": customer.level,
                "messages": len(seen.messages),
                "digest": verifier.receipt_digest(seen.hashes),
            },
        )


async def _checkpoint(services: Services, leaf_id: UUID) -> SignedCheckpoint:
    """The first signed head over the receipt's own leaf, which comes behind those of its messages."""
    for _ in range(LOOKS):
        async with reading(services) as db:
            index = await audit.index_of(db, leaf_id)
            found = await audit.checkpoint_covering(db, index) if index is not None else None
        if found is not None:
            return found
        await asyncio.sleep(BETWEEN_LOOKS)
    raise ReceiptPending(retry_after=5)


async def _proved(
    services: Services, ports: CompliancePorts, checkpoint: SignedCheckpoint, leaf_ids: Sequence[UUID]
) -> list[ProvedLeaf]:
    """Each leaf with its place and path, checked against the head before anybody gets it."""
    async with reading(services) as db:
        placed = await audit.placed(db, leaf_ids)
    head = Checkpoint.parse(checkpoint.note.partition("\n\n")[0] + "\n")
    paths = await inclusion_paths(services, ports.tiles, [index for index, _, _ in placed], head.size)
    for index, _, hashed in placed:
        check_inclusion(hashed, index, head.size, paths[index], head.root)
    return [ProvedLeaf(index, raw, paths[index]) for index, raw, _ in placed]


def _build(ports: CompliancePorts, contents: ReceiptContents) -> Receipt:
    with workspace(ports.folder) as place:
        name = f"riserbo-receipt-{contents.receipt_id}"
        bag, packed = place / name, Path(place / "receipt.zip")
        write_receipt(bag, contents, ports.export_key)
        pack(bag, packed)
        return Receipt(f"{name}.zip", packed.read_bytes())
