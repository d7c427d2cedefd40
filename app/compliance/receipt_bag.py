"""Writes a customer's receipt: a bag with the messages that one session could see, and the leaves that prove them.

Pure of database and clock. It has neither the hashes of the whole log nor a leaf about anything else: each leaf stands
with its own path to the signed head. The format is docs/formats/receipt.md; the reader is verifier.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from app.compliance import verifier
from app.compliance.bag import BagIncomplete, Tags, proved_leaf, write_file, write_lines, write_signed
from app.compliance.bag_rows import OpenedText, message_rows
from security.encoding import canonical_json
from security.notes import SigningKey

_README: Final = """\
Ricevuta di una conversazione con la banca, da conservare. Si verifica su qualsiasi computer con Python 3.9 o
successivo, senza rete:

    python verify.py QUESTA_CARTELLA --trust trust.json

trust.json contiene le chiavi a cui credi e per questo non è qui dentro: si scarica dal sito della banca ({trust}).

----

Receipt of a conversation with the bank, to keep. Check it on any machine with Python 3.9 or later, without a network:

    python verify.py THIS_FOLDER --trust trust.json

trust.json holds the keys that you believe, and for that reason is not in here: it is at the bank's site ({trust}).

data/transcript.html, data/transcript.txt   the conversation for reading
data/messages.jsonl    the same messages, with what opens their commitments
data/leaves.jsonl      the entries of the evidence log about them, each with its proof
data/checkpoint        the signed head of the log
data/scope.json        which receipt this is

A change anywhere makes the check fail. It holds what you and the bank wrote: keep it as you keep bank papers.
"""


@dataclass(frozen=True)
class ProvedLeaf:
    """A leaf as it stands in the log, and the path from it to the signed head."""

    index: int
    raw: bytes
    path: Sequence[bytes]


@dataclass(frozen=True)
class ReceiptContents:
    """Everything that goes into a receipt; `leaves` by rising index, the receipt's own among them."""

    origin: str
    receipt_id: str
    room: str
    level: int
    checkpoint: str
    leaves: Sequence[ProvedLeaf]
    messages: Sequence[OpenedText]
    trust_address: str
    info: Mapping[str, str] = field(default_factory=dict)


def write_receipt(directory: Path, contents: ReceiptContents, export_key: SigningKey) -> None:
    """Write it at `directory`, which must not exist; it appears whole or not at all. Raises BagIncomplete."""
    tags = Tags(contents.receipt_id, _README.format(trust=contents.trust_address), contents.info)
    write_signed(directory, contents.origin, export_key, tags, lambda draft: _payload(draft, contents))


def _payload(draft: Path, contents: ReceiptContents) -> None:
    leaves = [verifier.parse_leaf(one.index, one.raw) for one in contents.leaves]
    own = [leaf for leaf in leaves if leaf.stream == f"receipt:{contents.receipt_id}"]
    if len(own) != 1:
        raise BagIncomplete(f"there are {len(own)} leaves of this receipt, and must be one")
    rows = [_own_row(row) for row in message_rows(f"room:{contents.room}", contents.messages, leaves)]
    if len(rows) != len(contents.messages):
        raise BagIncomplete("a message has no leaf that commits to it")
    scope = {
        "version": 1,
        "scope": "receipt",
        "receipt": contents.receipt_id,
        "room": contents.room,
        "level": contents.level,
        "leaf_index": own[0].at,
        "messages": len(rows),
    }
    write_file(draft / "data/checkpoint", contents.checkpoint.encode())
    write_lines(draft / "data/leaves.jsonl", (proved_leaf(one.index, one.raw, one.path) for one in contents.leaves))
    write_file(draft / "data/scope.json", canonical_json(scope) + b"\n")
    write_lines(draft / "data/messages.jsonl", map(canonical_json, rows))
    write_file(draft / "data/transcript.txt", verifier.render_text(scope, [], rows).encode())
    write_file(draft / "data/transcript.html", verifier.render_html(scope, [], rows).encode())


def _own_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in verifier.OWN}
