from __future__ import annotations

import hashlib

import pytest

from app.guard.models import PublicContext
from app.guard.rules import highest
from app.guard.service import LONGEST_TEXT, check_public, check_room, text_hash
from app.permissions import DataClass
from security.leaks import Fact

BANK = frozenset({"bancaesempio.it"})
GIULIA = PublicContext(
    allowed=frozenset({"@giulia", "Giulia", "Cara @bancaesempio, mi avete addebitato un bollo due volte?"}),
    facts=(Fact("name", "Giulia Rossi"), Fact("city", "Castelvetrano")),
    allowed_hosts=BANK,
)


def test_the_public_name_and_mention_pass_and_the_files_name_does_not() -> None:
    assert check_public("Ciao Giulia, @giulia: ci dispiace! Scrivici in privato", context=GIULIA).verdict == "allow"
    refused = check_public("Gentile Giulia Rossi, ci scriva", context=GIULIA)
    assert refused.verdict == "block"
    assert refused.findings[0].kind == "fact"


def test_a_finding_marks_the_place_in_the_original_text() -> None:
    text = "Su \u200b\uff29\uff34\u200b60 X054 2811 1010 0000 0123 456 ok"
    (finding,) = check_public(text, context=GIULIA).findings
    assert text[finding.start : finding.end] == "\uff29\uff34\u200b60 X054 2811 1010 0000 0123 456"


def test_no_answer_holds_the_value_that_it_found() -> None:
    text = "Rossi, IBAN IT60X0542811101000000123456, PIN 4821, mario@gmail.com, 3471234567"
    answer = str(check_public(text, context=GIULIA).as_json())
    for value in ("Rossi", "ossi", "0542811101", "4821", "mario", "gmail", "3471234567", "471234"):
        assert value not in answer


def test_a_verdict_is_bound_to_the_exact_text() -> None:
    assert check_public("Ciao", context=GIULIA).text_hash == hashlib.sha256(b"Ciao").hexdigest()
    assert text_hash("Ciao") != text_hash("Ciao ")
    assert len(text_hash("\ud800")) == 64


def test_a_warning_alone_does_not_block() -> None:
    assert check_public("Gentile cliente, buongiorno", context=GIULIA).verdict == "warn"


def test_a_foreign_link_blocks_and_the_banks_own_passes() -> None:
    assert check_public("https://www.bancaesempio.it/c/abc", context=GIULIA).verdict == "allow"
    assert check_public("https://bancaesempio.it.example/c/abc", context=GIULIA).verdict == "block"
    assert check_public("https://bancaesempio.it/", context=PublicContext()).verdict == "block"


def test_a_text_too_long_to_read_is_refused_unread() -> None:
    verdict = check_public("a" * (LONGEST_TEXT + 1), context=GIULIA)
    assert verdict.verdict == "block"
    assert [finding.kind for finding in verdict.findings] == ["too_long"]


def test_findings_are_bounded_and_blocking_ones_come_first() -> None:
    text = "Gentile cliente. " * 150 + "il suo conto"
    verdict = check_public(text, context=GIULIA)
    assert verdict.verdict == "block"
    assert len(verdict.findings) == 100
    assert verdict.findings[-1].severity == "block"


@pytest.mark.parametrize(
    ("text", "data_class"),
    [
        ("Buongiorno, come possiamo aiutarla?", DataClass.GENERAL),
        ("Verifichiamo il suo conto e torniamo da lei.", DataClass.CASE),
        ("Gentile cliente, eccoci.", DataClass.CASE),
        ("Il saldo è di 1.204,33 euro.", DataClass.ACCOUNT),
        ("IBAN IT60X0542811101000000123456", DataClass.ACCOUNT),
        ("La chiamiamo al 347 1234567", DataClass.ACCOUNT),
        ("La carta che termina con 4821", DataClass.ACCOUNT),
        ("CF RSSGLI85C52H501L", DataClass.IDENTITY),
        ("Il passaporto YA1234567, nata il 12/03/1985", DataClass.IDENTITY),
        ("carta 4111 1111 1111 1111", DataClass.NEVER),
        ("il mio PIN è 4821", DataClass.NEVER),
        ("cvv 123", DataClass.NEVER),
        ("il codice di verifica è 48291734", DataClass.NEVER),
    ],
)
def test_a_room_message_has_a_lowest_class(text: str, data_class: DataClass) -> None:
    assert check_room(text).data_class is data_class


@pytest.mark.parametrize("least", [DataClass.CASE, DataClass.ACCOUNT, DataClass.IDENTITY])
@pytest.mark.parametrize(
    "text",
    [
        "Buongiorno, come possiamo aiutarla?",
        "Il suo conto con noi è attivo",
        "IBAN IT60X0542811101000000123456",
        "CF RSSGLI85C52H501L",
        "Il passaporto YA1234567, nata il 12/03/1985",
        "carta 4111 1111 1111 1111, IBAN IT60X0542811101000000123456",
        "il mio p i n è quattro otto due uno",
    ],
)
def test_a_class_that_a_text_has_anyway_hides_nothing_above_it(text: str, least: DataClass) -> None:
    whole, short = check_room(text).data_class, check_room(text, least=least).data_class
    assert highest({whole, least}) is highest({short, least})


def test_facts_of_the_customer_make_a_room_message_account_matter() -> None:
    facts = (Fact("city", "Castelvetrano"),)
    assert check_room("A Castelvetrano piove").data_class is DataClass.GENERAL
    assert check_room("A Castelvetrano piove", facts=facts).data_class is DataClass.ACCOUNT


def test_a_room_reading_has_a_json_form() -> None:
    answer = check_room("PIN 4821").as_json()
    assert answer["data_class"] == "never"
    assert answer["findings"][0]["excerpt_masked"] == "••••"  # type: ignore[index]
