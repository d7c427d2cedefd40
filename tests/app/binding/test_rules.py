"""The pure decisions: transitions, levels, spellings, networks, and the words of codes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.binding import rules, texts
from app.binding.errors import OutOfStep
from app.binding.rules import HandleMethod, State
from app.permissions import Level
from app.policy import Policy

WAY = [
    State.STARTED,
    State.HANDLE_PENDING,
    State.HANDLE_OK,
    State.CUSTOMER_PENDING,
    State.CUSTOMER_OK,
    State.BOUND,
]
ENDINGS = [State.REFUSED, State.CANCELLED, State.EXPIRED]


@pytest.mark.parametrize("before", list(State))
@pytest.mark.parametrize("after", list(State))
def test_steps_go_forward_one_by_one_and_no_ending_is_left(before: State, after: State) -> None:
    forward = before in WAY and after in WAY and WAY.index(after) - WAY.index(before) == 1
    repeated = before == after and before in (State.HANDLE_PENDING, State.CUSTOMER_PENDING)
    ends = before in WAY and before != State.BOUND and after in ENDINGS
    if forward or repeated or ends:
        rules.require_move(before, after)
    else:
        with pytest.raises(OutOfStep):
            rules.require_move(before, after)


@pytest.mark.parametrize("max_level", list(Level))
def test_a_typed_code_is_never_worth_more_than_l2(max_level: Level) -> None:
    assert rules.level_of_code(Policy(), "totp", max_level) == min(max_level, Level.L2)


@pytest.mark.parametrize(
    ("acr", "handle_method", "level"),
    [
        ("l3", HandleMethod.SIGN_IN, Level.L3),
        ("l3", HandleMethod.DIRECT_MESSAGE, Level.L3),
        ("l4", HandleMethod.SIGN_IN, Level.L4),
        ("l4", HandleMethod.DIRECT_MESSAGE, Level.L3),
        ("push", HandleMethod.SIGN_IN, Level.L2),
        ("", HandleMethod.SIGN_IN, Level.L2),
    ],
)
def test_an_acr_is_worth_what_the_policy_lists(acr: str, handle_method: HandleMethod, level: Level) -> None:
    assert rules.level_of_identity(Policy(), acr, {"l3": Level.L3, "l4": Level.L4}, handle_method) == level


@pytest.mark.parametrize(
    ("handle", "shown"),
    [
        ("giulia", "giulia"),
        ("@Giulia_92", "giulia92"),
        ("giulia@social.example", "giulia"),
        ("evil.example", "evilexample"),
        ("https://evil.example/verify", "httpsevilexampleveri"),
        ("a" * 50, "a" * 20),
        ("...", "?"),
    ],
)
def test_a_handle_in_a_text_can_never_be_a_link(handle: str, shown: str) -> None:
    assert rules.unlinkable(handle) == shown


@given(st.text())
def test_no_handle_puts_anything_but_letters_and_digits_into_a_text(handle: str) -> None:
    shown = rules.unlinkable(handle)
    assert shown == "?" or (shown.isalnum() and len(shown) <= 20)


@pytest.mark.parametrize("language", ["it", "en", "de"])
@pytest.mark.parametrize("kind", ["entry", "unlock"])
def test_a_code_text_fits_two_messages_and_says_it_all(language: str, kind: str) -> None:
    sender = texts.Sender("Banca Esempio", "chat.bancaesempio.example")
    text = texts.customer_code_text(sender, language, kind=kind, network="Square", handle="giulia", code="12345678")
    assert all(part in text for part in ("Banca Esempio", "chat.bancaesempio.example", "Square", "giulia", "12345678"))
    assert "Non dirlo a nessuno" in text or "Never tell it to anybody" in text
    assert len(text) <= 306


@pytest.mark.parametrize("kind", ["linked", "authenticator", "unread", "ended"])
def test_a_notice_names_the_handle_and_the_way_to_undo_it(kind: str) -> None:
    sender = texts.Sender("Banca Esempio", "chat.bancaesempio.example")
    for language in ("it", "en"):
        text = texts.notice_text(
            sender,
            language,
            kind=kind,
            network="Square",
            handle="giulia",
            day=datetime(2026, 11, 21, tzinfo=UTC),
            reference="ABCD-EFGH-JKMN",
        )
        assert "giulia" in text
        assert kind in ("unread", "ended") or ("ABCD-EFGH-JKMN" in text and "/not-me" in text)
        assert kind != "ended" or ("chat.bancaesempio" not in text and len(text) <= 306)
        assert texts.subject_line(sender, language, kind).startswith("Banca Esempio: ")


@pytest.mark.parametrize(
    ("session", "synced", "model", "level"),
    [
        (Level.L3, True, None, Level.L3),
        (Level.L4, True, None, Level.L3),
        (Level.L4, True, "a model", Level.L3),
        (Level.L4, False, None, Level.L3),
        (Level.L4, False, "a model", Level.L4),
        (Level.L3, False, "a model", Level.L3),
        (Level.L2, True, None, Level.L2),
    ],
)
def test_a_passkey_is_worth_its_session_at_most_and_l4_only_where_its_model_is_proved(
    session: Level, synced: bool, model: str | None, level: Level
) -> None:
    assert rules.level_of_passkey(Policy(), session, backup_eligible=synced, model=model) == level
