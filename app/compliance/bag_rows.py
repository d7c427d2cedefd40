"""The rows of a room's bag: each disclosed text beside what its leaves say about it, so that nothing is said twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.compliance.verifier import Leaf, sender_of, text_context

Row = dict[str, Any]
Place = tuple[str, str]


@dataclass(frozen=True)
class OpenedText:
    """One text by its stream (`room:<id>` or `case:<id>`) and id; both None where it is no longer readable."""

    stream: str
    id: str
    text: str | None = field(repr=False)
    opening: bytes | None = field(repr=False)


def message_rows(stream: str, texts: Sequence[OpenedText], leaves: Sequence[Leaf]) -> list[Row]:
    """The rows of the room's messages: numbered ones by number, then those never released, in the order of the log."""
    about = _leaves_by_text(leaves)
    rows = []
    for text in texts:
        found = about.get((text.stream, text.id), [])
        leaf = _commitment(found)
        if leaf is None or text.stream != stream:
            continue
        numbers = [leaf.data["number"] for leaf in found if "number" in leaf.data]
        row = _row(text, leaf) | {"n": numbers[-1] if numbers else None, "data_class": leaf.data.get("class")}
        rows.append((row["n"] is None, row["n"] or 0, leaf.at, row))
    return [row for *_, row in sorted(rows, key=lambda entry: entry[:3])]


def thread_rows(texts: Sequence[OpenedText], leaves: Sequence[Leaf]) -> list[Row]:
    """The rows of the public thread, in the order of the log."""
    about = _leaves_by_text(leaves)
    rows = []
    for text in texts:
        leaf = _commitment(about.get((text.stream, text.id), []))
        if leaf is not None:
            rows.append((leaf.at, _row(text, leaf) | {"t": leaf.body["t"]}))
    return [row for _, row in sorted(rows, key=lambda entry: entry[0])]


def _leaves_by_text(leaves: Sequence[Leaf]) -> Mapping[Place, list[Leaf]]:
    about: dict[Place, list[Leaf]] = {}
    for leaf in leaves:
        if isinstance(leaf.data.get("id"), str):
            about.setdefault((leaf.stream, leaf.data["id"]), []).append(leaf)
    return about


def _commitment(about: Sequence[Leaf]) -> Leaf | None:
    """The last leaf that commits to the text; None for a text written after the export's own leaf."""
    commits = [leaf for leaf in about if "pt" in leaf.data]
    return commits[-1] if commits else None


def _row(text: OpenedText, leaf: Leaf) -> Row:
    sender, sender_id = sender_of(leaf)
    return {
        "id": text.id,
        "stream": text.stream,
        "sent_at": leaf.body["at"],
        "sender": sender,
        "sender_id": sender_id,
        "text": text.text,
        "opening": text.opening.hex() if text.opening is not None else None,
        "context": text_context(text.stream, text.id),
    }
