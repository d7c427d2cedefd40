"""Both languages complete: pages, errors, times; and the language that a request gets."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from app.web.i18n import LOCALE_FOLDER, pick_language, time_filters, translate, translations
from app.web.rendering import TEMPLATES

PLACE = re.compile(r"%\(\w+\)s|\{\w+\}")
APP = Path(__file__).parent.parent.parent.parent / "app"
# Codes for operators and logs, never shown on a page.
NOT_FOR_PEOPLE = re.compile(r"[a-z_]+")


@pytest.fixture(scope="module")
def italian() -> Catalog:
    with (LOCALE_FOLDER / "it.po").open("rb") as file:
        return read_po(file, locale="it")


def sentences_of_templates() -> set[str | tuple[str, ...]]:
    found = extract_from_dir(TEMPLATES, method_map=[("**.html", "jinja2")], options_map={})
    return {message for _, _, message, _, _ in found}


def sentences_of_errors() -> set[str]:
    """The `message` of every class of the error tree, and what is given to one where it is raised."""
    trees = [ast.parse(path.read_text()) for path in sorted(APP.rglob("*.py"))]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    errors = {"RiserboError"}
    for _ in classes:
        errors |= {made.name for made in classes if errors & {_name(base) for base in made.bases}}
    messages = {
        ast.literal_eval(line.value)
        for made in classes
        if made.name in errors
        for line in made.body
        if isinstance(line, ast.Assign) and _name(line.targets[0]) == "message"
    }
    for tree in trees:
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and _name(call.func) in errors and call.args:
                first = call.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    messages.add(first.value)
    return {message for message in messages if not NOT_FOR_PEOPLE.fullmatch(message)}


def _name(node: ast.expr) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))


def test_every_sentence_of_the_pages_is_in_italian(italian: Catalog) -> None:
    sentences = sentences_of_templates()
    assert len(sentences) > 400
    missing = [sentence for sentence in sentences if not _complete(italian, sentence)]
    assert missing == []


def _complete(catalogue: Catalog, sentence: str | tuple[str, ...]) -> bool:
    entry = catalogue.get(sentence)
    if entry is None or entry.fuzzy:
        return False
    return all(entry.string) if isinstance(entry.string, tuple) else bool(entry.string)


def test_every_error_message_is_in_italian(italian: Catalog) -> None:
    messages = sentences_of_errors()
    assert "Please sign in first." in messages
    assert [message for message in sorted(messages) if not _complete(italian, message)] == []


def test_catalogue_has_no_sentence_that_nobody_says(italian: Catalog) -> None:
    said = sentences_of_templates() | sentences_of_errors()
    singular = {sentence if isinstance(sentence, str) else sentence[0] for sentence in said}
    stale = [
        entry.id
        for entry in italian
        if entry.id and (entry.id if isinstance(entry.id, str) else entry.id[0]) not in singular
    ]
    assert stale == []


def test_translation_keeps_the_places_of_its_sentence(italian: Catalog) -> None:
    checked = 0
    for entry in italian:
        if not entry.id:
            continue
        ids = entry.id if isinstance(entry.id, tuple) else (entry.id,)
        strings = entry.string if isinstance(entry.string, tuple) else (entry.string,)
        for sentence, string in zip(ids, strings, strict=True):
            assert set(re.findall(PLACE, string)) == set(re.findall(PLACE, sentence))
            checked += 1
    assert checked > 450


def test_catalogue_is_plain_text_in_the_repository() -> None:
    assert sorted(path.name for path in LOCALE_FOLDER.iterdir()) == ["it.po"]


@pytest.mark.parametrize(
    ("asked", "cookie", "header", "language"),
    [
        ("en", "it", "it", "en"),
        (None, "en", "it", "en"),
        ("klingon", "en", None, "en"),
        (None, "../../etc", "en-GB,en;q=0.9", "en"),
        (None, None, "de,en-US;q=0.7,it;q=0.3", "en"),
        (None, None, "en;q=0.2,it-CH;q=0.9", "it"),
        (None, None, "en;q=0,fr", "it"),
        (None, None, "en;q=zero", "it"),
        (None, None, "*", "it"),
        (None, None, ";;;,,=,q", "it"),
        (None, None, None, "it"),
        (None, None, "en," * 100_000, "en"),
    ],
)
def test_language_is_the_asked_then_the_cookies_then_the_browsers(
    asked: str | None, cookie: str | None, header: str | None, language: str
) -> None:
    assert pick_language(asked, cookie, header) == language


def test_english_needs_no_catalogue_and_italian_counts() -> None:
    assert translate("en", "Please sign in first.") == "Please sign in first."
    assert translate("it", "Please sign in first.") == "Prima accedi."
    singular, plural = "%(num)s answer held", "%(num)s answers held"
    assert translations("it").ngettext(singular, plural, 1) == "%(num)s risposta in attesa"
    assert translations("it").ngettext(singular, plural, 2) == "%(num)s risposte in attesa"


def test_times_are_shown_in_the_banks_zone_and_the_readers_language() -> None:
    at = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    italian, english = time_filters("it"), time_filters("en")
    assert italian["clock"](at, "Europe/Rome") == "00:30"
    assert italian["day"](at, "Europe/Rome") == "2 lug 2026"
    assert english["moment"](at, "Europe/Rome") == "2 Jul, 00:30"
    assert italian["iso"](at) == "2026-07-01T22:30:00Z"


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (12, "in 12 min."),
        (0, "in 1 min."),
        (-0.1, "1 min. ago"),
        (-18, "18 min. ago"),
        (80, "in 80 min."),
        (2880, "in 2 days"),
    ],
)
def test_distance_says_how_long_in_one_unit(minutes: float, words: str) -> None:
    now = datetime(2026, 11, 21, 13, 6, tzinfo=UTC)
    assert time_filters("en")["distance"](now + timedelta(minutes=minutes), now) == words
