"""What the guard is told and what it answers; the JSON form is documented in docs/formats/guard-output.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.permissions import DataClass
from security.leaks import Fact, Severity

Decision = Literal["allow", "warn", "block"]
Json = dict[str, object]


@dataclass(frozen=True)
class PublicContext:
    """What may be said in this thread, and what must not.

    `allowed` are strings that the author's profile and thread show, and the bank's own public numbers; `facts` what the
    bank's files say of the bound customer (none before there is a binding). `allowed_hosts` are the hosts a link may
    point to, subdomains included: with the empty set every link blocks, with None only deceptive links warn.
    """

    allowed: frozenset[str] = frozenset()
    facts: tuple[Fact, ...] = ()
    allowed_hosts: frozenset[str] | None = frozenset()


@dataclass(frozen=True)
class Finding:
    """One place in the original text; `start` and `end` count code points, and the excerpt hides the value."""

    kind: str
    severity: Severity
    start: int
    end: int
    excerpt_masked: str
    message: str

    def as_json(self) -> Json:
        """The finding as an object of plain values."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "start": self.start,
            "end": self.end,
            "excerpt_masked": self.excerpt_masked,
            "message": self.message,
        }


@dataclass(frozen=True)
class Verdict:
    """The guard's word on one text, bound to it by `text_hash` (SHA-256, hex). A block is not the author's to lift."""

    verdict: Decision
    findings: tuple[Finding, ...]
    text_hash: str

    def as_json(self) -> Json:
        """The verdict as an object of plain values."""
        return {
            "verdict": self.verdict,
            "findings": [finding.as_json() for finding in self.findings],
            "text_hash": self.text_hash,
        }


@dataclass(frozen=True)
class RoomReading:
    """The lowest data class that a room message may be labelled with, and why; NEVER means that it is not stored."""

    data_class: DataClass
    findings: tuple[Finding, ...]
    text_hash: str

    def as_json(self) -> Json:
        """The reading as an object of plain values."""
        return {
            "data_class": self.data_class.value,
            "findings": [finding.as_json() for finding in self.findings],
            "text_hash": self.text_hash,
        }
