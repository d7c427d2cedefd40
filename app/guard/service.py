"""The guard's two questions: may this be said in public, and what does this room message reveal."""

from __future__ import annotations

import hashlib
from typing import Final

from app.guard.models import Finding, PublicContext, RoomReading, Verdict
from app.guard.rules import MESSAGES, ORDER, class_of, highest, masked
from app.permissions import DataClass
from security.leaks import BLOCK, WARN, Allowed, Fact, Leak, gravest, scan

# Far above any network's limit for a post. The detectors are linear, but a longer text is not worth their time.
LONGEST_TEXT: Final = 100_000
_MOST_FINDINGS: Final = 100


def text_hash(text: str) -> str:
    """SHA-256 of the text's UTF-8, hex; lone surrogates are encoded as they are, so that every text has one."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _finding(text: str, leak: Leak) -> Finding:
    excerpt = masked(leak.kind, text[leak.start : leak.end])
    return Finding(leak.kind, leak.severity, leak.start, leak.end, excerpt, MESSAGES[leak.kind])


def _read(text: str, context: PublicContext, *, sentences: bool = True) -> tuple[Leak, ...]:
    if len(text) > LONGEST_TEXT:
        return (Leak(0, len(text), "too_long", BLOCK),)
    allowed = Allowed(context.allowed)
    return scan(text, facts=context.facts, allowed=allowed, hosts=context.allowed_hosts, sentences=sentences)


def _gravest_first(leaks: tuple[Leak, ...]) -> list[Leak]:
    """At most a hundred, blocking ones before warnings where some must go, in the order of the text."""
    chosen = sorted(leaks, key=lambda leak: leak.severity == WARN)[:_MOST_FINDINGS]
    return sorted(chosen)


def check_public(text: str, *, context: PublicContext) -> Verdict:
    """Judge a public reply: `block` for what secrecy forbids, `warn` for weak signs, `allow` otherwise."""
    leaks = _read(text, context)
    severities = {leak.severity for leak in leaks}
    findings = tuple(_finding(text, leak) for leak in _gravest_first(leaks))
    return Verdict(
        "block" if BLOCK in severities else "warn" if WARN in severities else "allow", findings, text_hash(text)
    )


def check_room(text: str, *, facts: tuple[Fact, ...] = (), least: DataClass = DataClass.GENERAL) -> RoomReading:
    """Read a room message, from either side; links, names and greetings are no matter between bank and customer.

    `least` is the class that it will have at least: only what raises it above that is looked for. Sentences raise a
    text to `case`, numbers and addresses to `account`.
    """
    if ORDER.index(least) >= ORDER.index(DataClass.ACCOUNT) and len(text) <= LONGEST_TEXT:
        leaks = gravest(text)
    else:
        context = PublicContext(facts=facts, allowed_hosts=None)
        leaks = _read(text, context, sentences=least is DataClass.GENERAL)
    findings = tuple(_finding(text, leak) for leak in _gravest_first(leaks))
    return RoomReading(highest({class_of(leak.kind) for leak in leaks}), findings, text_hash(text))
