"""Envelopes: a ciphertext opens only where it was sealed, and a stream only as a whole."""

import hashlib
import itertools
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from security.envelope import FRAME_BYTES, Place, key_id_of, open_chunks, open_sealed, seal, seal_chunks
from security.errors import DecryptionFailed
from security.keys import DataKey, new_data_key
from tests.security.vector_files import data_key, load, names

VECTORS = load("envelope")
STREAM = VECTORS["stream"]
KEY = data_key(VECTORS["key"])
PLACE = Place("messages", "sealed_text", "7")
FRAME = FRAME_BYTES + 16
HEADER = 49


def place(case: dict[str, Any]) -> Place:
    return Place(**case["place"])


@pytest.mark.parametrize("case", VECTORS["generate"], ids=names(VECTORS["generate"]))
def test_sealing_gives_the_bytes_of_the_vectors(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("security.envelope.secrets.token_bytes", lambda _length: bytes.fromhex(case["nonce"]))
    assert seal(KEY, place(case), bytes.fromhex(case["plaintext"])).hex() == case["sealed"]


@pytest.mark.parametrize("case", VECTORS["verify"], ids=names(VECTORS["verify"]))
def test_a_sealed_value_opens_in_its_place(case: dict[str, Any]) -> None:
    assert open_sealed(KEY, place(case), bytes.fromhex(case["sealed"])).hex() == case["plaintext"]


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=names(VECTORS["invalid"]))
def test_a_changed_or_moved_value_fails_closed(case: dict[str, Any]) -> None:
    with pytest.raises(DecryptionFailed):
        open_sealed(KEY, place(case), bytes.fromhex(case["sealed"]))


@given(st.binary(max_size=300), st.text(), st.text(), st.text(), st.integers(0, 2**40))
def test_any_value_opens_in_any_place(plaintext: bytes, table: str, column: str, row: str, version: int) -> None:
    where = Place(table, column, row, version)
    assert open_sealed(KEY, where, seal(KEY, where, plaintext)) == plaintext


@given(st.data())
def test_no_changed_bit_of_a_sealed_value_goes_unseen(data: st.DataObject) -> None:
    sealed = bytearray(seal(KEY, PLACE, b"saldo 1.234,56"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DecryptionFailed):
        open_sealed(KEY, PLACE, bytes(sealed))


def test_a_value_or_stream_cut_anywhere_gives_the_one_refusal() -> None:
    sealed, stream = seal(KEY, PLACE, b"ok"), sealed_stream(b"ok")
    for end in range(len(sealed)):
        with pytest.raises(DecryptionFailed):
            open_sealed(KEY, PLACE, sealed[:end])
    for end in range(len(stream)):
        with pytest.raises(DecryptionFailed):
            opened_stream(stream[:end])


def test_a_stream_under_another_first_byte_is_refused() -> None:
    with pytest.raises(DecryptionFailed):
        opened_stream(b"\x01" + sealed_stream(b"ok")[1:])


@given(st.tuples(*[st.text("ab", max_size=3)] * 3), st.tuples(*[st.text("ab", max_size=3)] * 3))
def test_two_places_never_share_a_ciphertext(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    sealed = seal(KEY, Place(*one), b"text")
    if one == other:
        assert open_sealed(KEY, Place(*other), sealed) == b"text"
    else:
        with pytest.raises(DecryptionFailed):
            open_sealed(KEY, Place(*other), sealed)


def test_the_same_text_is_never_sealed_to_the_same_bytes() -> None:
    assert len({seal(KEY, PLACE, b"ok") for _ in range(100)}) == 100


def test_a_value_of_another_room_does_not_open() -> None:
    theirs = new_data_key(uuid4())
    with pytest.raises(DecryptionFailed):
        open_sealed(KEY, PLACE, seal(theirs, PLACE, b"text"))
    renamed = DataKey(KEY.id, theirs.encryption, theirs.commitment)
    with pytest.raises(DecryptionFailed):
        open_sealed(renamed, PLACE, seal(KEY, PLACE, b"text"))


def test_a_sealed_value_names_its_key() -> None:
    assert key_id_of(seal(KEY, PLACE, b"")) == KEY.id
    assert key_id_of(sealed_stream(b"")) == KEY.id
    assert UUID(VECTORS["key"]["id"]) == KEY.id
    assert key_id_of(b"\x01" + KEY.id.bytes + bytes(12)) == KEY.id


@pytest.mark.parametrize(
    "sealed", [b"", b"\x01", b"\x01" + bytes(27), b"\x03" + bytes(60), b"plain text that was never sealed"]
)
def test_what_was_never_sealed_names_no_key(sealed: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        key_id_of(sealed)


# --- streams


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def sealed_stream(plaintext: bytes, where: Place = PLACE) -> bytes:
    return b"".join(seal_chunks(KEY, where, [plaintext]))


def opened_stream(sealed: bytes, where: Place = PLACE) -> bytes:
    return b"".join(open_chunks(KEY, where, [sealed]))


@pytest.mark.parametrize("case", STREAM["generate"], ids=names(STREAM["generate"]))
def test_sealing_a_stream_gives_the_bytes_of_the_vectors(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("security.envelope.secrets.token_bytes", lambda _length: bytes.fromhex(case["salt"]))
    sealed = sealed_stream(bytes.fromhex(case["plaintext"]), place(case))
    assert sealed.hex() == case["sealed"]
    assert opened_stream(sealed, place(case)).hex() == case["plaintext"]


@pytest.mark.parametrize("case", STREAM["generate_long"], ids=names(STREAM["generate_long"]))
def test_sealing_a_long_stream_gives_the_bytes_of_the_vectors(
    case: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("security.envelope.secrets.token_bytes", lambda _length: bytes.fromhex(case["salt"]))
    plaintext = bytes(index % 251 for index in range(case["plaintext_bytes"]))
    sealed = sealed_stream(plaintext, place(case))
    assert (len(sealed), hashlib.sha256(sealed).hexdigest()) == (case["sealed_bytes"], case["sealed_sha256"])
    assert opened_stream(sealed, place(case)) == plaintext


@pytest.mark.parametrize("case", STREAM["invalid"], ids=names(STREAM["invalid"]))
def test_a_changed_or_moved_stream_fails_closed(case: dict[str, Any]) -> None:
    with pytest.raises(DecryptionFailed):
        opened_stream(bytes.fromhex(case["sealed"]), place(case))


LENGTHS = [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 2 * FRAME_BYTES, 2 * FRAME_BYTES + 5]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(LENGTHS), st.integers(900, 200_000), st.integers(900, 200_000))
def test_a_stream_opens_however_either_side_cuts_it(length: int, cut_plain: int, cut_sealed: int) -> None:
    plaintext = secrets.token_bytes(length)
    sealed = b"".join(seal_chunks(KEY, PLACE, pieces(plaintext, cut_plain)))
    assert b"".join(open_chunks(KEY, PLACE, pieces(sealed, cut_sealed))) == plaintext
    assert len(sealed) == HEADER + length + 16 * max(1, -(-length // FRAME_BYTES))


def test_a_stream_opens_byte_by_byte_and_with_empty_pieces() -> None:
    sealed = sealed_stream(b"una ricevuta")
    drops = itertools.chain.from_iterable((b"", bytes([byte])) for byte in sealed)
    assert b"".join(open_chunks(KEY, PLACE, drops)) == b"una ricevuta"


def frames_of(sealed: bytes) -> tuple[bytes, list[bytes]]:
    return sealed[:HEADER], list(pieces(sealed[HEADER:], FRAME))


@pytest.fixture(scope="module")
def three_frames() -> tuple[bytes, list[bytes]]:
    head, frames = frames_of(sealed_stream(secrets.token_bytes(3 * FRAME_BYTES)))
    assert len(frames) == 3
    return head, frames


@pytest.mark.parametrize(
    "order", [(0,), (0, 1), (1, 2), (0, 2), (2,), (1, 0, 2), (0, 2, 1), (0, 0, 1, 2), (0, 1, 2, 2), (0, 1, 1, 2), ()]
)
def test_a_stream_that_is_cut_reordered_or_repeated_is_refused(
    three_frames: tuple[bytes, list[bytes]], order: tuple[int, ...]
) -> None:
    head, frames = three_frames
    with pytest.raises(DecryptionFailed):
        opened_stream(head + b"".join(frames[index] for index in order))


def test_the_end_of_one_stream_does_not_fit_another() -> None:
    plaintext = bytes(2 * FRAME_BYTES)
    head, frames = frames_of(sealed_stream(plaintext))
    _, other = frames_of(sealed_stream(plaintext))
    with pytest.raises(DecryptionFailed):
        opened_stream(head + frames[0] + other[1])


def test_a_stream_cut_at_its_end_gives_true_pieces_and_then_refuses() -> None:
    plaintext = secrets.token_bytes(2 * FRAME_BYTES + 9)
    opened = open_chunks(KEY, PLACE, pieces(sealed_stream(plaintext)[:-25], 50_000))
    assert next(opened) == plaintext[:FRAME_BYTES]
    # The last frame is gone, byte for byte, and the one before it does not say that it is the last.
    with pytest.raises(DecryptionFailed):
        next(opened)


def test_a_stream_of_another_key_version_or_room_is_refused() -> None:
    sealed = sealed_stream(b"text")
    with pytest.raises(DecryptionFailed):
        opened_stream(sealed, replace(PLACE, version=2))
    with pytest.raises(DecryptionFailed):
        list(open_chunks(new_data_key(uuid4()), PLACE, [sealed]))


def test_streams_of_the_same_bytes_share_no_frame() -> None:
    _, one = frames_of(sealed_stream(bytes(10)))
    _, other = frames_of(sealed_stream(bytes(10)))
    assert one != other
