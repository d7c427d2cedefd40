"""All detectors over all readings of a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from security.leaks.amounts import find_amounts
from security.leaks.cards import find_card_tails, find_cards
from security.leaks.contacts import find_american_phones, find_emails, find_phones, is_calendar
from security.leaks.credentials import find_account_numbers, find_credentials
from security.leaks.facts import Allowed, Fact, find_facts
from security.leaks.findings import BLOCK, WARN, Leak
from security.leaks.folding import View, fold, spoken_letters, word_views
from security.leaks.iban import find_ibans, find_italian_accounts
from security.leaks.links import find_links
from security.leaks.numerals import spoken_numbers
from security.leaks.personal_codes import find_bics, find_documents, find_tax_codes, find_vat_numbers
from security.leaks.relationship import find_glued_relationships, find_relationships
from security.leaks.streams import digit_rows, stream_of

# What may be said again because the author's own thread shows it. An account number, a secret or a sentence that
# confirms the relationship is never on this list: repeating it would confirm it.
REPEATABLE: Final = frozenset({"fact", "phone", "email", "amount", "vat", "name", "bic", "link"})
NEVER_KINDS: Final = frozenset({"card", "pin", "cvv", "otp", "password"})
IDENTITY_KINDS: Final = frozenset({"tax_code", "tax_code_like", "identity_document", "birth_date"})

_TITLE: Final = re.compile(
    r"\b(?:sig(?:\.ra|\.na|ra|\.|nor|nora)?|signor[ea]?|dott(?:\.ssa|ssa|\.|or|oressa)?|mr|mrs|ms|miss)\b\.?\s{1,2}"
    r"(?P<name>(?!client)[a-z][a-z']{2,20})(?![a-z])"
)


def _find_titled_names(view: View, original: str) -> Iterator[Leak]:
    for match in _TITLE.finditer(view.text):
        place = view.span(*match.span("name"))
        if original[place[0]].isupper():
            yield Leak(*place, "name", WARN)


def _digit_leaks(view: View) -> Iterator[Leak]:
    for row in digit_rows(view):
        if not is_calendar(view, row):
            yield from find_cards(view, row)
            yield from find_vat_numbers(view, row)
            yield from find_phones(view, row)


def _number_views(text: str) -> list[View]:
    base = fold(text)
    together = spoken_letters(base)
    views: list[View] = []
    # what changes nothing gives the view itself: it need not be read again
    for view in (base, spoken_numbers(base), *(() if together is base else (spoken_numbers(together),))):
        if all(view.text != other.text for other in views):
            views.append(view)
    return views


def _number_leaks(text: str, facts: tuple[Fact, ...]) -> Iterator[Leak]:
    for view in _number_views(text):
        stream = stream_of(view)
        yield from find_ibans(stream)
        yield from find_italian_accounts(stream)
        yield from find_tax_codes(stream)
        yield from _digit_leaks(view)
        yield from find_card_tails(view)
        yield from find_credentials(view)
        yield from find_account_numbers(view)
        yield from find_documents(view)
        yield from find_amounts(view)
        yield from find_facts(stream, text, facts)


def _word_leaks(text: str, *, sentences: bool) -> Iterator[Leak]:
    for place, view in enumerate(word_views(text)):
        if sentences:
            yield from find_relationships(view)
            yield from find_glued_relationships(view)
        if place == 0:
            yield from find_bics(view, text)
            yield from _find_titled_names(view, text)
            yield from find_american_phones(view)
        else:
            yield from find_credentials(view)
            yield from find_amounts(view)
        yield from find_emails(view)


def _weight(leak: Leak) -> tuple[bool, bool, bool, int]:
    # Many numbers could be a telephone's: whatever knows more about the number names it.
    return leak.severity == BLOCK, leak.kind in NEVER_KINDS, leak.kind != "phone", leak.end - leak.start


def _without_overlaps(leaks: Iterable[Leak]) -> tuple[Leak, ...]:
    """The gravest, then longest, of those that overlap, in the order of the text."""
    kept: list[Leak] = []
    for leak in sorted(set(leaks)):
        if not kept or leak.start >= kept[-1].end:
            kept.append(leak)
        elif _weight(leak) > _weight(kept[-1]):
            kept[-1] = leak
    return tuple(kept)


def scan(
    text: str,
    *,
    facts: tuple[Fact, ...] = (),
    allowed: Allowed | None = None,
    hosts: frozenset[str] | None = None,
    sentences: bool = True,
) -> tuple[Leak, ...]:
    """Everything that a text gives away, without overlaps, in order; `hosts` as in `find_links`.

    Without `sentences`, what confirms the relationship is not looked for: half of the work, and no matter where only
    the reader's own bank listens.
    """
    leaks = [*_number_leaks(text, facts), *_word_leaks(text, sentences=sentences), *find_links(fold(text), text, hosts)]
    own = hosts or frozenset()
    kept = [leak for leak in leaks if not (leak.kind == "email" and _is_own(leak.detail, own))]
    if allowed is not None:
        kept = [leak for leak in kept if leak.kind not in REPEATABLE or not allowed.covers(text[leak.start : leak.end])]
    return _without_overlaps(kept)


def _is_own(host: str, hosts: frozenset[str]) -> bool:
    return any(host == own or host.endswith("." + own) for own in hosts)


def never_said(text: str) -> tuple[Leak, ...]:
    """Only full card numbers, PINs, security codes, one-time codes and passwords: refused in any room, from anybody."""
    return _without_overlaps(leak for leak in _gravest(text, _number_views(text)) if leak.kind in NEVER_KINDS)


def gravest(text: str) -> tuple[Leak, ...]:
    """What `never_said` finds, and what names a person: all that raises a text above the customer's account."""
    views = _number_views(text)
    leaks = list(_gravest(text, views))
    for view in views:
        leaks += find_documents(view)
        leaks += find_tax_codes(stream_of(view))
    return _without_overlaps(leak for leak in leaks if leak.kind in NEVER_KINDS | IDENTITY_KINDS)


def _gravest(text: str, views: Sequence[View]) -> Iterator[Leak]:
    for view in (*views, *list(word_views(text))[1:]):
        yield from find_credentials(view)
        for row in digit_rows(view):
            if not is_calendar(view, row):
                yield from find_cards(view, row)
