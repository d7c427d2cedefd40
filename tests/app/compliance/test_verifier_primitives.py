"""The verifier's own Ed25519, notes, proofs and commitments agree with other implementations, and are strict."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from app.compliance import verifier
from security.commitments import commit
from security.encoding import canonical_json
from security.merkle import TreeHasher, leaf_hash, root_of
from security.notes import SigningKey
from tests.support.evidence_samples import (
    LOG_KEY,
    ORIGIN,
    ROOM,
    Bags,
    make_bags,
)


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Bags:
    return make_bags(tmp_path_factory.mktemp("bags"))


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.integers(0, 511))
def test_ed25519_agrees_with_another_implementation(seed: bytes, message: bytes, bit: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    verifier.check_ed25519(public, signature, message)
    broken = bytearray(signature)
    broken[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(public).verify(bytes(broken), message)
    with pytest.raises(verifier.EvidenceFails):
        verifier.check_ed25519(public, bytes(broken), message)


def test_ed25519_rfc_8032_vector_verifies() -> None:
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    verifier.check_ed25519(public, signature, b"\x72")


def test_ed25519_refuses_a_second_form_of_a_signature_and_weak_points() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public, signature = private.public_key().public_bytes_raw(), private.sign(b"m")
    s = int.from_bytes(signature[32:], "little") + verifier.L
    identity, zero_y = (1).to_bytes(32, "little"), bytes(32)
    order_8 = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
    for key, value in [
        (public, signature[:32] + s.to_bytes(32, "little")),
        (public, signature[:63]),
        (public, identity + bytes(32)),
        (identity, identity + bytes(32)),
        (zero_y, signature),
        (order_8, signature),
        ((verifier.P + 1).to_bytes(32, "little"), signature),
        ((2).to_bytes(32, "little"), signature),
        (identity[:31] + b"\x80", signature),
    ]:
        with pytest.raises(verifier.EvidenceFails):
            verifier.check_ed25519(key, value, b"m")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 27])
def test_roots_and_proofs_agree_with_the_logs_own(size: int) -> None:
    hashes = [leaf_hash(bytes([n])) for n in range(size)]
    tree, hasher = verifier.Tree(), TreeHasher(hashes)
    for value in hashes:
        tree.append(value)
    assert tree.root() == root_of(hashes)
    for index in range(size):
        proof = hasher.inclusion(index, size)
        verifier.check_proof(hashes[index], index, size, proof, tree.root())
        for wrong in ([*proof, bytes(32)], proof[:-1] or [bytes(32)], [bytes(32), *proof[1:]]):
            with pytest.raises(verifier.EvidenceFails):
                verifier.check_proof(hashes[index], index, size, wrong, tree.root())


def test_the_commitment_is_the_one_that_leaves_carry() -> None:
    context = verifier.text_context(f"room:{ROOM}", "m-è")
    assert context.encode() == canonical_json({"stream": f"room:{ROOM}", "id": "m-è"})
    assert verifier.commitment(bytes(range(32)), context, "Buongiorno") == (
        commit(bytes(range(32)), context.encode(), b"Buongiorno").hex()
    )


@pytest.mark.parametrize(
    "broken",
    [
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note[:-1],
        lambda note: note.replace("\u2014", "-"),
        lambda note: note.replace("=\n", "\n"),
        lambda note: note + "\u2014 x y\n",
        lambda note: note.replace("\n27\n", "\n027\n"),
        lambda note: "x" + note,
    ],
)
def test_a_note_that_is_not_exact_is_refused(bags: Bags, broken: Callable[[str], str]) -> None:
    keys = [verifier.parse_vkey(LOG_KEY.vkey())]
    assert verifier.open_checkpoint(bags.log.note().encode(), ORIGIN, keys).size == 27
    with pytest.raises(verifier.EvidenceFails):
        verifier.open_checkpoint(broken(bags.log.note()).encode(), ORIGIN, keys)


def test_the_line_of_an_unknown_witness_is_skipped(bags: Bags) -> None:
    witness = SigningKey("witness.example", Ed25519PrivateKey.generate())
    note = bags.log.note()
    note += witness.signature_line(note.partition("\n\n")[0] + "\n")
    assert verifier.open_checkpoint(note.encode(), ORIGIN, [verifier.parse_vkey(LOG_KEY.vkey())]).size == 27


def test_the_vector_of_the_format_page_holds() -> None:
    page = (Path(__file__).parents[3] / "docs/formats/leaf.md").read_text("utf-8")
    vector = dict(re.findall(r"^\| ([a-z ]+) \| `(.+)` \|$", page, re.MULTILINE))
    opening = bytes.fromhex(vector["opening"])
    assert verifier.text_context("room:r-1", "m-1") == vector["context"]
    assert verifier.commitment(opening, vector["context"], vector["text"]) == vector["pt"]
    assert commit(opening, vector["context"].encode(), vector["text"].encode()).hex() == vector["pt"]
    assert verifier.leaf_hash(vector["leaf"].encode()).hex() == vector["leaf hash"]
    assert leaf_hash(vector["leaf"].encode()).hex() == vector["leaf hash"]
