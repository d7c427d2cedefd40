"""Commitments: each proves one body in one context, and nothing without its key."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.commitments import check_commitment, ciphertext_hash, commit, opening
from security.errors import EncodingError, ProofInvalid
from security.keys import new_data_key
from tests.security.vector_files import data_key, load, names

VECTORS = load("commitment")
KEY = data_key(VECTORS["key"])


def parts(case: dict[str, Any]) -> tuple[bytes, bytes, bytes, bytes]:
    return (
        bytes.fromhex(case["opening"]),
        case["context"].encode(),
        case["body"].encode(),
        bytes.fromhex(case["commitment"]),
    )


@pytest.mark.parametrize("case", VECTORS["generate"], ids=names(VECTORS["generate"]))
def test_commitments_are_those_of_the_vectors(case: dict[str, Any]) -> None:
    expected_opening, context, body, commitment = parts(case)
    assert opening(KEY, case["message_id"]) == expected_opening
    assert commit(expected_opening, context, body) == commitment


@pytest.mark.parametrize("case", VECTORS["verify"], ids=names(VECTORS["verify"]))
def test_a_disclosed_message_is_proved_without_the_key(case: dict[str, Any]) -> None:
    check_commitment(*parts(case))


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=names(VECTORS["invalid"]))
def test_a_commitment_proves_nothing_else(case: dict[str, Any]) -> None:
    with pytest.raises(ProofInvalid):
        check_commitment(*parts(case))


@given(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), st.tuples(st.binary(max_size=9), st.binary(max_size=9)))
def test_context_and_body_cannot_trade_bytes(one: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> None:
    disclosed = opening(KEY, "m")
    assert (commit(disclosed, *one) == commit(disclosed, *other)) == (one == other)


def test_each_message_and_each_room_has_its_own_opening() -> None:
    other = new_data_key(uuid4())
    assert len({opening(KEY, "m1"), opening(KEY, "m2"), opening(other, "m1")}) == 3


@pytest.mark.parametrize("length", [0, 31, 33, 64, 65])
def test_only_openings_of_32_bytes_commit(length: int) -> None:
    with pytest.raises(EncodingError):
        commit(bytes(length), b"", b"")


@pytest.mark.parametrize("case", VECTORS["ciphertext_hash"], ids=names(VECTORS["ciphertext_hash"]))
def test_the_ciphertext_hash_covers_every_sealed_byte(case: dict[str, Any]) -> None:
    sealed = bytes.fromhex(case["sealed"])
    assert ciphertext_hash(sealed).hex() == case["hash"]
    assert all(ciphertext_hash(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]) != ciphertext_hash(sealed)
               for at in range(len(sealed)))  # fmt: skip
