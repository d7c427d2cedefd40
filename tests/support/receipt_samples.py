"""A receipt of the sample story: what Giulia's session at level 3 could see of her room."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.compliance import verifier
from app.compliance.receipt_bag import ProvedLeaf, ReceiptContents, write_receipt
from security.merkle import TreeHasher, leaf_hash
from tests.support.evidence_samples import BINDING, EXPORT_KEY, ORIGIN, ROOM, SampleLog, story

RECEIPT = "0198c0de-0000-7000-8000-000000000031"
SEEN = ("m-1", "m-2", "m-3")


def seen_leaves(log: SampleLog, seen: tuple[str, ...] = SEEN) -> list[int]:
    """The places of the leaves about these messages of the room."""
    return [
        index
        for index, raw in enumerate(log.leaves)
        if (leaf := json.loads(raw))["stream"] == f"room:{ROOM}"
        and leaf["t"] in verifier.SEEN
        and leaf["data"].get("id") in seen
    ]


def with_receipt(log: SampleLog | None = None, **changes: Any) -> tuple[SampleLog, int]:
    """The story with the leaf of a receipt behind it, and a leaf after that; and where the receipt's leaf is."""
    log = log or story()
    places = seen_leaves(log)
    said = {
        "room": ROOM,
        "session": "0198c0de-0000-7000-8000-000000000041",
        "level": 3,
        "messages": len(SEEN),
        "digest": verifier.receipt_digest([leaf_hash(log.leaves[index]) for index in places]),
    }
    own = log.add("receipt.created", f"receipt:{RECEIPT}", ("customer", BINDING), **(said | changes))
    log.add("log.heartbeat", "log", size=len(log.leaves))
    return log, own


def receipt_contents(log: SampleLog, own: int, **changes: Any) -> ReceiptContents:
    """What the service would hand over."""
    tree = TreeHasher(log.hashes)
    places = [*seen_leaves(log), own]
    values: dict[str, Any] = {
        "origin": ORIGIN,
        "receipt_id": RECEIPT,
        "room": ROOM,
        "level": 3,
        "checkpoint": log.note(),
        "leaves": [ProvedLeaf(at, log.leaves[at], tree.inclusion(at, tree.size)) for at in places],
        "messages": [log.texts[f"room:{ROOM}", name] for name in SEEN],
        "trust_address": "https://cura.bancaesempio.example/trust.json",
    }
    return ReceiptContents(**{**values, **changes})


def make_receipt(directory: Path, **changes: Any) -> SampleLog:
    """Write the receipt of the story; gives the log that it is of."""
    log, own = with_receipt()
    write_receipt(directory, receipt_contents(log, own, **changes), EXPORT_KEY)
    return log
