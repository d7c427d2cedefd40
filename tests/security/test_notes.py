"""Signed notes and checkpoints: what others sign we can read, what nobody signed we refuse."""

import pickle
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from security.errors import BadCheckpoint, BadSignature, EncodingError
from security.merkle import EMPTY_ROOT
from security.notes import Checkpoint, SigningKey, VerifyingKey, open_note
from tests.security.vector_files import load, names

VECTORS = load("checkpoint")
CHECKPOINTS = VECTORS["checkpoint"]
KNOWN = VerifyingKey.parse(VECTORS["vkey"])
SIGNER = SigningKey(KNOWN.name, Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTORS["seed"])))
NOTE = VECTORS["generate"][0]["note"]
TEXT = VECTORS["generate"][0]["text"]


@pytest.mark.parametrize("case", VECTORS["generate"], ids=names(VECTORS["generate"]))
def test_notes_are_signed_to_the_bytes_of_the_vectors(case: dict[str, Any]) -> None:
    key = SigningKey(case["name"], Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["seed"])))
    assert key.vkey() == case["vkey"]
    assert key.sign(case["text"]) == case["note"]


@pytest.mark.parametrize("case", VECTORS["verify"], ids=names(VECTORS["verify"]))
def test_a_note_opens_for_who_knows_one_of_its_keys(case: dict[str, Any]) -> None:
    assert open_note(case["note"], [VerifyingKey.parse(vkey) for vkey in case["vkeys"]]) == case["text"]


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=names(VECTORS["invalid"]))
def test_a_note_that_is_not_exactly_signed_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(BadSignature):
        open_note(case["note"], [KNOWN])


def test_a_note_opens_for_nobody_without_keys() -> None:
    with pytest.raises(BadSignature):
        open_note(NOTE, [])


@settings(max_examples=300)
@given(st.integers(0, len(NOTE) - 1), st.characters(codec="utf-8"))
def test_no_changed_character_of_a_note_goes_unseen(at: int, char: str) -> None:
    changed = NOTE[:at] + char + NOTE[at + 1 :]
    if changed == NOTE:
        return
    with pytest.raises(BadSignature):
        open_note(changed, [KNOWN])


def test_a_note_too_long_to_be_one_is_refused_before_it_is_read() -> None:
    with pytest.raises(BadSignature, match="too long"):
        open_note("a\n" * 600_000, [KNOWN])


def test_nothing_may_follow_the_last_signature_line() -> None:
    for tail in ("x", " ", "\u2014 ", NOTE, NOTE.splitlines()[-1]):
        with pytest.raises(BadSignature):
            open_note(NOTE + tail, [KNOWN])


def test_broken_unicode_is_no_note() -> None:
    with pytest.raises(BadSignature):
        open_note(NOTE.replace("riserbo", "riserb\ud800", 1), [KNOWN])


@pytest.mark.parametrize(
    "text", ["", "no newline", "\n", "\nfirst\n", "a\n\nb\n", "a\r\n", "a\tb\n", "a\0\n", "\ud800\n"]
)
def test_only_whole_plain_lines_are_signed(text: str) -> None:
    with pytest.raises(EncodingError):
        SIGNER.sign(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\u2028b", "a\n", "\ud800", "a\u200bb"])
def test_a_key_without_a_plain_name_is_refused(name: str) -> None:
    with pytest.raises(EncodingError):
        SigningKey(name, Ed25519PrivateKey.generate())


@pytest.mark.parametrize("case", VECTORS["vkey_invalid"], ids=names(VECTORS["vkey_invalid"]))
def test_a_verifier_key_has_one_spelling(case: dict[str, Any]) -> None:
    with pytest.raises(EncodingError):
        VerifyingKey.parse(case["vkey"])


def test_no_part_of_a_verifier_key_is_itself_one() -> None:
    vkey = VECTORS["vkey"]
    for start in range(len(vkey)):
        for end in range(start + 1, len(vkey) + 1):
            if (start, end) != (0, len(vkey)):
                with pytest.raises(EncodingError):
                    VerifyingKey.parse(vkey[start:end])


def test_two_keys_sign_one_note_during_a_rotation() -> None:
    successor = SigningKey(KNOWN.name, Ed25519PrivateKey.generate())
    note = SIGNER.sign(TEXT) + successor.signature_line(TEXT)
    for keys in ([KNOWN], [successor.verifying_key()], [KNOWN, successor.verifying_key()]):
        assert open_note(note, keys) == TEXT
    spoiled = SIGNER.sign(TEXT) + successor.signature_line(TEXT.replace("8", "9"))
    with pytest.raises(BadSignature):
        open_note(spoiled, [KNOWN, successor.verifying_key()])


def test_a_signing_key_neither_prints_nor_pickles() -> None:
    assert VECTORS["seed"] not in repr(SIGNER)
    with pytest.raises(TypeError):
        pickle.dumps(SIGNER)


# --- checkpoints


@pytest.mark.parametrize("case", CHECKPOINTS["verify"], ids=names(CHECKPOINTS["verify"]))
def test_a_checkpoint_is_three_lines(case: dict[str, Any]) -> None:
    checkpoint = Checkpoint(case["origin"], case["size"], bytes.fromhex(case["root"]))
    assert checkpoint.text() == case["text"]
    assert Checkpoint.parse(case["text"]) == checkpoint


@pytest.mark.parametrize("case", CHECKPOINTS["invalid"], ids=names(CHECKPOINTS["invalid"]))
def test_a_text_that_is_not_exactly_a_checkpoint_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(BadCheckpoint):
        Checkpoint.parse(case["text"])


@given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_any_checkpoint_survives_signing_and_reading(size: int, root: bytes) -> None:
    checkpoint = Checkpoint("riserbo.example/log", size, root)
    assert Checkpoint.parse(open_note(SIGNER.sign(checkpoint.text()), [KNOWN])) == checkpoint


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [
        ("", 1, bytes(32)),
        ("a\nb", 1, bytes(32)),
        ("a", -1, bytes(32)),
        ("a", 2**63, bytes(32)),
        ("a", 1, bytes(31)),
        ("a", 0, bytes(32)),
        ("a", 1, EMPTY_ROOT),
    ],
)
def test_an_impossible_checkpoint_is_never_made(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(BadCheckpoint):
        Checkpoint(origin, size, root)
