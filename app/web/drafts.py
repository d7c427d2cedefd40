"""A public reply that has not left: the guard's findings as marked pieces of its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.guard.models import Finding as Found
from app.guard.models import Verdict
from app.web.staff_views import Draft, Finding, TextPiece

LONGEST_QUOTE: Final = 120


def draft_of(
    text: str, verdict: Verdict, *, author: str = "", block: UUID | None = None, may_override: bool = False
) -> Draft:
    """The draft as its page shows it; only its author and whoever decides over it see it, so nothing is masked."""
    return Draft(
        text=text,
        text_hash=verdict.text_hash,
        verdict=verdict.verdict,
        pieces=pieces_of(text, verdict.findings),
        findings=tuple(
            Finding(number=number, kind=one.kind, verdict=one.severity, text=text[one.start : one.end][:LONGEST_QUOTE])
            for number, one in enumerate(verdict.findings, start=1)
        ),
        author=author,
        block=block,
        may_override=may_override,
    )


def pieces_of(text: str, findings: Sequence[Found]) -> tuple[TextPiece, ...]:
    """The text in order, each stretch marked by at most one finding; where findings overlap the earlier one has it."""
    pieces, place = [], 0
    for number, one in sorted(enumerate(findings, start=1), key=lambda entry: (entry[1].start, entry[0])):
        start, end = max(one.start, place), one.end
        if start >= end:
            continue
        if start > place:
            pieces.append(TextPiece(text=text[place:start]))
        pieces.append(TextPiece(text=text[start:end], finding=number))
        place = end
    if place < len(text):
        pieces.append(TextPiece(text=text[place:]))
    return tuple(pieces)
