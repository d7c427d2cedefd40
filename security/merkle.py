"""The Merkle tree of the evidence log: roots, inclusion and consistency proofs of RFC 6962 and RFC 9162.

Everything here works on leaf hashes (32 bytes); leaves themselves are hashed by `leaf_hash`.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Self

from security.errors import ProofInvalid

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Hash a leaf; the prefix keeps a leaf from passing for an inner node (RFC 6962 section 2.1)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into their parent."""
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes, in one pass."""
    frontier = Frontier()
    for leaf in hashes:
        frontier.append(leaf)
    return frontier.root()


class Frontier:
    """The growing edge of a log: the roots of its full subtrees, largest first; enough to append and to sign."""

    __slots__ = ("_hashes", "_size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or len(hashes) != size.bit_count():
            raise ProofInvalid("a frontier has one hash for each one-bit of its size")
        _require_hashes(hashes)
        self._size = size
        self._hashes = list(hashes)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The roots of the full subtrees, largest first."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash, in place."""
        _require_hashes((leaf,))
        # Each trailing one-bit of the size is a full subtree that the new leaf completes to a larger one.
        merged, bits = leaf, self._size
        while bits & 1:
            merged = node_hash(self._hashes.pop(), merged)
            bits >>= 1
        self._hashes.append(merged)
        self._size += 1

    def root(self) -> bytes:
        """Return the root of all leaves so far."""
        return _fold(self._hashes) if self._hashes else EMPTY_ROOT

    def dump(self) -> bytes:
        """Return the hashes as bytes, to be stored beside the size."""
        return b"".join(self._hashes)

    @classmethod
    def load(cls, size: int, dump: bytes) -> Self:
        """Restore what `dump` gave; raises ProofInvalid if it does not fit the size."""
        return cls(size, [dump[at : at + HASH_BYTES] for at in range(0, len(dump), HASH_BYTES)])


class TreeHasher:
    """A tree over given leaf hashes with its full subtrees cached: n hashes once, then every proof in O(log² n)."""

    __slots__ = ("_levels",)

    def __init__(self, hashes: Sequence[bytes]) -> None:
        _require_hashes(hashes)
        # Level k holds the root of every full subtree of 2^k leaves.
        self._levels = [list(hashes)]
        while len(level := self._levels[-1]) > 1:
            self._levels.append([node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)])

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0])

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` leaves."""
        self._require_size(size)
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the audit path of a leaf in the tree of the first `size` leaves (RFC 6962 section 2.1.1)."""
        self._require_size(size)
        if not 0 <= index < size:
            raise ProofInvalid("no such leaf")
        path = []
        low, high = 0, size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low = middle
        return path[::-1]

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of `old` leaves is a prefix of that of `new` (RFC 6962 section 2.1.2)."""
        self._require_size(new)
        if not 0 <= old <= new:
            raise ProofInvalid("a log does not shrink")
        if old == 0:
            return []
        proof = []
        low, high = 0, new
        while high != old:
            middle = low + _split(high - low)
            if old <= middle:
                proof.append(self._range(middle, high))
                high = middle
            else:
                proof.append(self._range(low, middle))
                low = middle
        if low:
            # The verifier holds the old root itself, but not this part of it.
            proof.append(self._range(low, high))
        return proof[::-1]

    def _require_size(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise ProofInvalid("no tree of that size")

    def _range(self, low: int, high: int) -> bytes:
        # `low` is always a multiple of the largest power of two that fits, so each piece is a cached subtree.
        pieces = []
        while low < high:
            level = (high - low).bit_length() - 1
            pieces.append(self._levels[level][low >> level])
            low += 1 << level
        return _fold(pieces)


def inclusion_proof(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of one leaf in the tree over all hashes; for many, keep a TreeHasher."""
    return TreeHasher(hashes).inclusion(index, len(hashes))


def consistency_proof(hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the first `old_size` hashes are a prefix of all; for many, keep a TreeHasher."""
    return TreeHasher(hashes).consistency(old_size, len(hashes))


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise ProofInvalid unless the leaf hash is at `index` of the tree with this root (RFC 9162 section 2.1.3.2)."""
    _require_hashes((leaf, root, *proof))
    if not 0 <= index < size:
        raise ProofInvalid("the index is outside the tree")
    node, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofInvalid("the proof is too long")
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            while not node & 1 and node:
                # The last node of an odd level moves up unpaired.
                node, last = node >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or current != root:
        raise ProofInvalid("the leaf is not in the tree")


def check_consistency(old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Raise ProofInvalid unless the old tree is a prefix of the new one (RFC 9162 section 2.1.4.2)."""
    _require_hashes((old_root, new_root, *proof))
    if not 0 <= old_size <= new_size:
        raise ProofInvalid("a log does not shrink")
    if old_size in (0, new_size):
        expected = EMPTY_ROOT if old_size == 0 else new_root
        if proof or old_root != expected or (new_size == 0 and new_root != EMPTY_ROOT):
            raise ProofInvalid("the trees do not match")
        return
    if not proof:
        raise ProofInvalid("the proof is missing")
    _climb_both(old_size, new_size, list(proof), old_root, new_root)


def _climb_both(old_size: int, new_size: int, proof: list[bytes], old_root: bytes, new_root: bytes) -> None:
    if old_size & (old_size - 1) == 0:
        # The old tree is itself a full subtree of the new one, so its root starts the climb.
        proof = [old_root, *proof]
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            raise ProofInvalid("the proof is too long")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or old != old_root or new != new_root:
        raise ProofInvalid("the old tree is not a prefix of the new one")


def _split(size: int) -> int:
    """Return the largest power of two smaller than the size."""
    return 1 << ((size - 1).bit_length() - 1)


def _fold(pieces: Sequence[bytes]) -> bytes:
    result = pieces[-1]
    for piece in reversed(pieces[:-1]):
        result = node_hash(piece, result)
    return result


def _require_hashes(hashes: Sequence[bytes]) -> None:
    # Hashes of other lengths would let two different pairs of children share a parent.
    if any(len(item) != HASH_BYTES for item in hashes):
        raise ProofInvalid("a hash has 32 bytes")
