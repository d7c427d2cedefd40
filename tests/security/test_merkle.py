"""The Merkle tree, against the reference tree of Certificate Transparency and against a second, naive tree."""

from hashlib import sha256
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from security.errors import ProofInvalid
from security.merkle import (
    EMPTY_ROOT,
    Frontier,
    TreeHasher,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
)
from tests.security.vector_files import load

VECTORS = load("merkle")
LEAVES = [bytes.fromhex(leaf) for leaf in VECTORS["leaves"]]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]
ROOTS = [bytes.fromhex(root) for root in (VECTORS["empty_root"], *VECTORS["roots"])]
MANY = [leaf_hash(str(index).encode()) for index in range(70)]
ZERO = bytes(32)


def naive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962 section 2.1, word for word, with nothing shared with the code under test."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = max(power for power in (2**bit for bit in range(40)) if power < len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:half]) + naive_root(leaves[half:])).digest()


NAIVE_ROOTS = [naive_root(MANY[:size]) for size in range(len(MANY) + 1)]


def proof_of(case: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(item) for item in case["proof"]]


def test_roots_are_those_of_the_reference_tree() -> None:
    assert ROOTS[0] == EMPTY_ROOT
    frontier, tree = Frontier(), TreeHasher(HASHES)
    for size in range(9):
        assert frontier.root() == root_of(HASHES[:size]) == tree.root(size) == ROOTS[size]
        if size < 8:
            frontier.append(HASHES[size])


@pytest.mark.parametrize("case", VECTORS["inclusion"])
def test_inclusion_proofs_are_those_of_the_reference_tree(case: dict[str, Any]) -> None:
    index, size = case["index"], case["size"]
    assert inclusion_proof(HASHES[:size], index) == TreeHasher(HASHES).inclusion(index, size) == proof_of(case)
    check_inclusion(HASHES[index], index, size, proof_of(case), ROOTS[size])


@pytest.mark.parametrize("case", VECTORS["consistency"])
def test_consistency_proofs_are_those_of_the_reference_tree(case: dict[str, Any]) -> None:
    old, new = case["old"], case["new"]
    assert consistency_proof(HASHES[:new], old) == TreeHasher(HASHES).consistency(old, new) == proof_of(case)
    check_consistency(old, new, proof_of(case), ROOTS[old], ROOTS[new])


def test_every_tree_up_to_seventy_leaves_agrees_with_the_definition() -> None:
    tree, frontier = TreeHasher(MANY), Frontier()
    assert tree.size == 70
    for size, leaf in enumerate(MANY, 1):
        frontier.append(leaf)
        assert frontier.root() == tree.root(size) == NAIVE_ROOTS[size]
        for index in range(size):
            check_inclusion(MANY[index], index, size, tree.inclusion(index, size), NAIVE_ROOTS[size])
        for old in range(size + 1):
            check_consistency(old, size, tree.consistency(old, size), NAIVE_ROOTS[old], NAIVE_ROOTS[size])


def test_a_frontier_survives_being_stored() -> None:
    frontier = Frontier()
    for size, leaf in enumerate(MANY):
        frontier = Frontier.load(size, frontier.dump())
        assert (frontier.size, len(frontier.hashes)) == (size, size.bit_count())
        frontier.append(leaf)
    assert frontier.root() == Frontier(70, frontier.hashes).root() == NAIVE_ROOTS[70]


@pytest.mark.parametrize(
    ("size", "dump"), [(0, ZERO), (1, b""), (3, ZERO), (1, ZERO[:31]), (2, ZERO + b"x"), (-1, ZERO)]
)
def test_a_stored_frontier_that_does_not_fit_its_size_is_refused(size: int, dump: bytes) -> None:
    with pytest.raises(ProofInvalid):
        Frontier.load(size, dump)


@pytest.mark.parametrize("wrong", [b"", bytes(31), bytes(33), bytes(64)])
def test_only_hashes_of_32_bytes_enter_a_tree(wrong: bytes) -> None:
    for use in (lambda: Frontier().append(wrong), lambda: TreeHasher([ZERO, wrong]), lambda: Frontier(1, [wrong])):
        with pytest.raises(ProofInvalid, match="32 bytes"):
            use()
    with pytest.raises(ProofInvalid, match="32 bytes"):
        check_inclusion(HASHES[0], 0, 2, [wrong], ROOTS[2])
    with pytest.raises(ProofInvalid, match="32 bytes"):
        check_consistency(1, 2, [wrong], ROOTS[1], ROOTS[2])


def test_a_leaf_never_passes_for_a_node() -> None:
    pair = HASHES[0] + HASHES[1]
    assert leaf_hash(pair) != node_hash(HASHES[0], HASHES[1])
    with pytest.raises(ProofInvalid):
        check_inclusion(leaf_hash(pair), 0, 1, [], ROOTS[2])


@settings(max_examples=200)
@given(st.data())
def test_an_inclusion_proof_shows_one_leaf_at_one_index_of_one_tree(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    proof = TreeHasher(MANY).inclusion(index, size)
    root = NAIVE_ROOTS[size]
    other_index = data.draw(st.integers(-2, 140).filter(lambda drawn: drawn != index))
    other_leaf = data.draw(st.sampled_from([leaf for leaf in MANY if leaf != MANY[index]]))
    attempts = [(other_leaf, index, size, proof, root), (MANY[index], index, size, proof, ZERO)]
    attempts.append((MANY[index], other_index, size, proof, root))
    attempts.append((MANY[index], index, size, [*proof, ZERO], root))
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        attempts.append((MANY[index], index, size, [*proof[:at], ZERO, *proof[at + 1 :]], root))
        attempts.append((MANY[index], index, size, proof[:at] + proof[at + 1 :], root))
    for attempt in attempts:
        with pytest.raises(ProofInvalid):
            check_inclusion(*attempt)


@settings(max_examples=200)
@given(st.data())
def test_a_consistency_proof_shows_one_prefix_of_one_tree(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 70))
    old = data.draw(st.integers(1, new - 1))
    proof = TreeHasher(MANY).consistency(old, new)
    old_root, new_root = NAIVE_ROOTS[old], NAIVE_ROOTS[new]
    at = data.draw(st.integers(0, len(proof) - 1))
    attempts = [
        (old, new, proof, ZERO, new_root),
        (old, new, proof, old_root, ZERO),
        (old, new, proof, new_root, old_root),
        (old, new, [*proof, ZERO], old_root, new_root),
        (old, new, [*proof[:at], ZERO, *proof[at + 1 :]], old_root, new_root),
        (old, new, proof[:at] + proof[at + 1 :], old_root, new_root),
        (old, new, [], old_root, new_root),
        (old, old, proof, old_root, new_root),
        (new, old, proof, new_root, old_root),
        (0, new, proof, EMPTY_ROOT, new_root),
    ]
    for attempt in attempts:
        with pytest.raises(ProofInvalid):
            check_consistency(*attempt)


def test_a_rewritten_leaf_breaks_consistency_with_every_older_head() -> None:
    for changed in range(8):
        forged = [*HASHES[:changed], leaf_hash(b"rewritten"), *HASHES[changed + 1 :]]
        for old in range(changed + 1, 9):
            with pytest.raises(ProofInvalid):
                check_consistency(old, 8, consistency_proof(forged, old), ROOTS[old], root_of(forged))


def test_reordered_leaves_have_another_root() -> None:
    assert len({root_of(order) for order in permutations(HASHES[:5])}) == 120


def test_every_log_continues_the_empty_one_and_itself() -> None:
    check_consistency(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)
    check_consistency(0, 8, [], EMPTY_ROOT, ROOTS[8])
    check_consistency(8, 8, [], ROOTS[8], ROOTS[8])
    for old, new, old_root, new_root in (
        (0, 8, ROOTS[1], ROOTS[8]),
        (0, 0, EMPTY_ROOT, ROOTS[1]),
        (0, 0, ROOTS[1], ROOTS[1]),
        (8, 8, ROOTS[7], ROOTS[8]),
        (-1, 8, EMPTY_ROOT, ROOTS[8]),
    ):
        with pytest.raises(ProofInvalid):
            check_consistency(old, new, [], old_root, new_root)


def test_no_proof_is_made_for_what_is_not_there() -> None:
    tree = TreeHasher(HASHES)
    for ask in (
        lambda: tree.root(9),
        lambda: tree.root(-1),
        lambda: tree.inclusion(8, 8),
        lambda: tree.inclusion(-1, 8),
        lambda: tree.inclusion(0, 9),
        lambda: tree.consistency(5, 4),
        lambda: tree.consistency(-1, 4),
        lambda: tree.consistency(1, 9),
        lambda: inclusion_proof([], 0),
    ):
        with pytest.raises(ProofInvalid):
            ask()


def test_many_proofs_of_a_large_tree_hash_each_pair_of_leaves_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = 0

    def counted(left: bytes, right: bytes) -> bytes:
        nonlocal hashed
        hashed += 1
        return sha256(b"\x01" + left + right).digest()

    monkeypatch.setattr("security.merkle.node_hash", counted)
    size = 5000
    tree = TreeHasher([index.to_bytes(32, "big") for index in range(size)])
    built = hashed
    for index in range(0, size, 5):
        tree.inclusion(index, size)
    assert built < size
    # Only the ragged right edge is folded again, at most once for each level above it.
    assert hashed - built <= 1000 * 13 * 2
