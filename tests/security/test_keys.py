"""Keys: wrapping, rotation, derivation by purpose, and what is refused as a key."""

import hashlib
import hmac
import secrets
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security import errors
from security.errors import DecryptionFailed, EncodingError, SecurityError, UnknownKey, WeakKey
from security.keys import DataKey, KeyRing, WrappedKey, derive, keyed_hash, new_data_key, require_strong
from security.secret import Secret
from tests.security.vector_files import data_key, load, names

VECTORS = load("wrapped-key")
OLD, NEW = Secret(secrets.token_bytes(32)), Secret(secrets.token_bytes(32))


def vector_ring(current: int = 2) -> KeyRing:
    return KeyRing({int(version): Secret(bytes.fromhex(key)) for version, key in VECTORS["ring"].items()}, current)


def assert_same_key(one: DataKey, other: DataKey) -> None:
    assert (one.id, one.encryption, one.commitment) == (other.id, other.encryption, other.commitment)


@pytest.mark.parametrize("case", VECTORS["generate"], ids=names(VECTORS["generate"]))
def test_wrapping_gives_the_bytes_of_the_vectors(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("security.keys.secrets.token_bytes", lambda _length: bytes.fromhex(case["nonce"]))
    wrapped = vector_ring(case["version"]).wrap(data_key(VECTORS["key"]))
    assert (wrapped.version, wrapped.blob.hex()) == (case["version"], case["blob"])


@pytest.mark.parametrize("case", VECTORS["verify"], ids=names(VECTORS["verify"]))
def test_every_held_version_unwraps(case: dict[str, Any]) -> None:
    key = data_key(VECTORS["key"])
    assert_same_key(vector_ring().unwrap(key.id, WrappedKey(case["version"], bytes.fromhex(case["blob"]))), key)


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=names(VECTORS["invalid"]))
def test_a_wrapped_key_that_was_touched_or_moved_does_not_open(case: dict[str, Any]) -> None:
    refusal: type[SecurityError] = getattr(errors, case["error"])
    with pytest.raises(refusal):
        vector_ring().unwrap(UUID(case["id"]), WrappedKey(case["version"], bytes.fromhex(case["blob"])))


@given(st.data())
def test_no_changed_bit_of_a_wrapped_key_goes_unseen(data: st.DataObject) -> None:
    ring, key = vector_ring(), data_key(VECTORS["key"])
    blob = bytearray(ring.wrap(key).blob)
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DecryptionFailed):
        ring.unwrap(key.id, WrappedKey(2, bytes(blob)))


def test_two_rooms_keys_cannot_be_swapped() -> None:
    ring, mine, theirs = vector_ring(), new_data_key(uuid4()), new_data_key(uuid4())
    with pytest.raises(DecryptionFailed):
        ring.unwrap(mine.id, ring.wrap(theirs))


def test_rotation_wraps_anew_and_still_opens_what_is_old() -> None:
    key = new_data_key(uuid4())
    before = KeyRing({1: OLD}, 1).wrap(key)
    during = KeyRing({1: OLD, 2: NEW}, 2)
    after = during.wrap(during.unwrap(key.id, before))
    assert after.version == 2
    assert_same_key(KeyRing({2: NEW}, 2).unwrap(key.id, after), key)
    with pytest.raises(UnknownKey):
        KeyRing({2: NEW}, 2).unwrap(key.id, before)


def test_a_key_is_never_wrapped_to_the_same_bytes_twice() -> None:
    ring, key = vector_ring(), data_key(VECTORS["key"])
    assert len({ring.wrap(key).blob for _ in range(50)}) == 50


def test_ring_needs_its_current_version() -> None:
    with pytest.raises(UnknownKey):
        KeyRing({1: OLD}, 2)
    with pytest.raises(UnknownKey):
        KeyRing({}, 1)


def test_ring_refuses_a_rotation_to_the_same_key() -> None:
    with pytest.raises(WeakKey, match="two versions"):
        KeyRing({1: OLD, 2: Secret(OLD.reveal())}, 2)


def test_ring_prints_versions_and_no_key() -> None:
    shown = repr(vector_ring())
    assert shown == "<key ring, current version 2 of [1, 2]>"


WEAK = {
    "empty": b"",
    "short": secrets.token_bytes(31),
    "zeros": bytes(32),
    "ones": b"\xff" * 32,
    "one letter": b"k" * 32,
    "counting up, as in test vectors": bytes(range(32)),
    "counting down": bytes(range(64, 32, -1)),
    "counting by seven": bytes(range(0, 7 * 32, 7)),
    "half a key twice": secrets.token_bytes(16) * 2,
    "ten bytes again and again": (secrets.token_bytes(10) * 4)[:33],
    "few different bytes": bytes([1, 2, 3, 5, 8, 13, 21]) * 3 + b"\x01\x01\x02\x03\x05\x05\x08\x08\x0d\x15\x15",
    "a pass phrase": b"correct horse battery staple, and more of it",
    "sixteen bytes as hex digits": b"d41d8cd98f00b204e9800998ecf8427e",
    "NIST's AES-256 example": bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"),
    "RFC 8032's first key": bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
    **{
        f"the hash of {word!r}": hashlib.sha256(word).digest()
        for word in (b"", b"\n", b"admin", b"changeme", b"password", b"secret", b"test")
    },
}


@pytest.mark.parametrize("value", WEAK.values(), ids=WEAK.keys())
def test_weak_keys_are_refused_by_ring_and_derivation(value: bytes) -> None:
    for use in (
        lambda key: KeyRing({1: key}, 1),
        lambda key: KeyRing({1: OLD, 2: key}, 1),
        lambda key: derive(key, "p"),
    ):
        with pytest.raises(WeakKey) as refused:
            use(Secret(value))
        assert not value or value.hex() not in str(refused.value)


@given(st.binary(min_size=32, max_size=32))
def test_no_key_from_the_random_source_is_refused(seed: bytes) -> None:
    require_strong(Secret(hashlib.sha256(b"as random" + seed).digest()))


def test_eight_different_bytes_in_no_pattern_are_the_fewest_that_pass() -> None:
    require_strong(
        Secret(bytes([200, 1, 2, 3, 5, 8, 13, 21]) + b"\x01\x01\x02\x03\x05\x05\x08\x08" * 2 + b"\x0d\x15" * 4)
    )


def test_data_key_needs_two_different_keys_of_32_bytes() -> None:
    good = secrets.token_bytes(32)
    for encryption, commitment in ((good, good[:31]), (good + b"x", good), (good[:16], good[16:]), (good, good)):
        with pytest.raises(WeakKey):
            DataKey(uuid4(), Secret(encryption), Secret(commitment))


def test_new_data_keys_differ_and_do_not_print() -> None:
    key, other = new_data_key(uuid4()), new_data_key(uuid4())
    assert len({k.reveal() for k in (key.encryption, key.commitment, other.encryption, other.commitment)}) == 4
    assert repr(key).count("<secret>") == 2


def test_derivation_is_hkdf_with_the_purpose_as_info() -> None:
    extracted = hmac.digest(bytes(32), OLD.reveal(), "sha256")
    expected = hmac.digest(extracted, b"riserbo/v1/derive\0pepper\x01", "sha256")
    assert derive(OLD, "pepper").reveal() == expected


def test_each_purpose_and_each_secret_gives_its_own_key() -> None:
    derived = [derive(secret, purpose).reveal() for secret in (OLD, NEW) for purpose in ("a", "b", "ab")]
    assert len(set(derived)) == 6


def test_keyed_hash_separates_keys_purposes_and_values() -> None:
    cases = [
        (OLD, "phone", b"1"),
        (NEW, "phone", b"1"),
        (OLD, "mail", b"1"),
        (OLD, "phone", b"2"),
        (OLD, "phon", b"e1"),
    ]
    hashes = [keyed_hash(*case) for case in cases]
    assert len(set(hashes)) == len(cases)
    assert {len(value) for value in hashes} == {32}
    assert keyed_hash(OLD, "phone", b"1") == hashes[0]


def test_keyed_hash_is_hmac_over_label_purpose_and_value() -> None:
    message = b"".join(len(part).to_bytes(8, "big") + part for part in (b"riserbo/v1/keyed-hash", b"phone", b"+39"))
    assert keyed_hash(OLD, "phone", b"+39") == hmac.digest(OLD.reveal(), message, "sha256")


@pytest.mark.parametrize("value", [b"", b"short", bytes(31)])
def test_keyed_hash_refuses_a_short_key(value: bytes) -> None:
    with pytest.raises(WeakKey):
        keyed_hash(Secret(value), "phone", b"1")


def test_a_key_needs_a_purpose() -> None:
    with pytest.raises(EncodingError):
        derive(OLD, "")
    with pytest.raises(EncodingError):
        keyed_hash(OLD, "", b"1")
