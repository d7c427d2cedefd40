"""Passkeys: what is asked, what is kept, every algorithm, and what a registration must not bring in."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from hypothesis import given
from hypothesis import strategies as st

from app.demo.soft_passkey import ELIGIBLE, SYNCED, EdwardsKey, P256Key, RsaKey, Signer, SoftPasskey
from security.encoding import b64url, unb64url
from security.errors import PasskeyRefused
from security.passkeys import (
    LARGEST_ANSWER,
    Asserted,
    Holder,
    KnownCredential,
    NewPasskey,
    RelyingParty,
    StoredPasskey,
    check_assertion,
    check_registration,
    claim_of,
    creation_options,
    decoy,
    new_challenge,
    new_user_handle,
    request_options,
)

PARTY = RelyingParty("bank.example", "https://bank.example", "Banca Esempio")
MINUTES = timedelta(minutes=5)


def device(signer: Signer | None = None, **given: Any) -> SoftPasskey:
    return SoftPasskey(PARTY.origin, PARTY.id, signer or P256Key(), **given)


def asked_to_create(challenge: bytes, *, known: tuple[KnownCredential, ...] = ()) -> dict[str, Any]:
    return creation_options(PARTY, Holder(new_user_handle(), "@giulia"), challenge, known=known, lifetime=MINUTES)


def registered(key: SoftPasskey, **changed: Any) -> NewPasskey:
    challenge = new_challenge()
    return check_registration(key.create(asked_to_create(challenge), **changed), party=PARTY, challenge=challenge)


def stored(key: SoftPasskey, new: NewPasskey) -> StoredPasskey:
    return StoredPasskey(new.credential_id, key.user_handle, new.public_key, new.sign_count, new.backup_eligible)


def asserted(key: SoftPasskey, known: StoredPasskey, *, named: bool = False, **changed: Any) -> Asserted:
    challenge = new_challenge()
    answer = key.get(request_options(PARTY, challenge, lifetime=MINUTES), **changed)
    return check_assertion(answer, party=PARTY, challenge=challenge, stored=known, named=named)


@pytest.mark.parametrize("signer", [P256Key, EdwardsKey, RsaKey])
@pytest.mark.parametrize(
    ("backup", "eligible", "backed_up"), [(SYNCED, True, True), (ELIGIBLE, True, False), (0, False, False)]
)
def test_each_algorithm_registers_and_proves(
    signer: type[Signer], backup: int, eligible: bool, backed_up: bool
) -> None:
    key = device(signer(), backup=backup)
    new = registered(key)
    assert (new.credential_id, new.backup_eligible, new.backed_up) == (key.credential_id, eligible, backed_up)
    assert (new.transports, new.model) == (("hybrid", "internal"), None)
    assert asserted(key, stored(key, new)) == Asserted(0, backed_up)


def test_a_counting_passkey_is_kept_at_its_newest_count() -> None:
    key = device(counter=4)
    new = registered(key)
    assert new.sign_count == 4
    assert asserted(key, stored(key, new)).sign_count == 5


def test_the_question_for_a_new_passkey_names_host_holder_and_what_is_wanted() -> None:
    challenge, known = new_challenge(), KnownCredential(b"k" * 16, ("internal",))
    asked = asked_to_create(challenge, known=(known,))
    assert asked["rp"] == {"name": "Banca Esempio", "id": "bank.example"}
    assert unb64url(asked["challenge"]) == challenge
    assert len(unb64url(asked["user"]["id"])) == 32
    assert asked["user"]["name"] == "@giulia"
    assert [one["alg"] for one in asked["pubKeyCredParams"]] == [-8, -7, -257]
    assert asked["authenticatorSelection"]["residentKey"] == "preferred"
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    assert (asked["attestation"], asked["timeout"]) == ("none", 300_000)
    assert asked["excludeCredentials"] == [{"id": b64url(b"k" * 16), "type": "public-key", "transports": ["internal"]}]


def test_the_question_for_a_known_passkey_names_none_unless_told() -> None:
    challenge = new_challenge()
    asked = request_options(PARTY, challenge, lifetime=MINUTES)
    assert (asked["rpId"], asked["userVerification"], asked["timeout"]) == ("bank.example", "required", 300_000)
    assert (unb64url(asked["challenge"]), asked["allowCredentials"]) == (challenge, [])
    named = request_options(PARTY, challenge, known=(KnownCredential(b"k" * 16),), lifetime=MINUTES)
    assert named["allowCredentials"] == [{"id": b64url(b"k" * 16), "type": "public-key"}]


def test_challenges_and_user_handles_are_32_random_bytes() -> None:
    made = {new_challenge() for _ in range(50)} | {new_user_handle() for _ in range(50)}
    assert {len(one) for one in made} == {32}
    assert len(made) == 100


def test_a_claim_is_whom_the_answer_names() -> None:
    key = device(user_handle=b"h" * 32)
    asked = request_options(PARTY, new_challenge(), lifetime=MINUTES)
    assert claim_of(key.get(asked)).credential_id == key.credential_id
    assert claim_of(key.get(asked)).user_handle == b"h" * 32
    assert claim_of(key.get(asked, response={"userHandle": None})).user_handle is None


def test_a_named_question_may_leave_the_holder_out_of_its_answer() -> None:
    key = device()
    known = stored(key, registered(key))
    assert asserted(key, known, named=True, response={"userHandle": None}) == Asserted(0, backed_up=True)


def test_an_unknown_credential_is_checked_as_long_and_always_refused() -> None:
    key, challenge = device(user_handle=b"h" * 32), new_challenge()
    for changed in ({}, {"response": {"userHandle": None}}):
        answer = key.get(request_options(PARTY, challenge, lifetime=MINUTES), **changed)
        named = bool(changed)
        with pytest.raises(PasskeyRefused) as refused:
            check_assertion(answer, party=PARTY, challenge=challenge, stored=decoy(claim_of(answer)), named=named)
        assert refused.value.reason == "signature"


def test_a_self_signature_is_no_obstacle_and_proves_no_model() -> None:
    key, challenge = device(), new_challenge()
    asked = asked_to_create(challenge)
    plain = json.loads(key.create(asked))
    # The statement signs what stands beside it, so it is made from the very bytes of a plain registration.
    import hashlib

    from webauthn.helpers import encode_cbor, parse_cbor

    data = parse_cbor(unb64url(plain["response"]["attestationObject"]))["authData"]
    client = unb64url(plain["response"]["clientDataJSON"])
    statement = {"alg": -7, "sig": key.signer.sign(data + hashlib.sha256(client).digest())}
    plain["response"]["attestationObject"] = b64url(
        encode_cbor({"fmt": "packed", "attStmt": statement, "authData": data})
    )
    assert check_registration(json.dumps(plain), party=PARTY, challenge=challenge).model is None
    statement["sig"] = key.signer.sign(b"something else")
    plain["response"]["attestationObject"] = b64url(
        encode_cbor({"fmt": "packed", "attStmt": statement, "authData": data})
    )
    with pytest.raises(PasskeyRefused):
        check_registration(json.dumps(plain), party=PARTY, challenge=challenge)


def _p521() -> dict[int, Any]:
    at = ec.generate_private_key(ec.SECP521R1()).public_key().public_numbers()
    return {1: 2, 3: -7, -1: 3, -2: at.x.to_bytes(66, "big"), -3: at.y.to_bytes(66, "big")}


def _post_quantum() -> dict[int, Any]:
    return {1: 7, 3: -48, -1: mldsa.MLDSA44PrivateKey.generate().public_key().public_bytes_raw()}


ODD_KEYS: dict[str, tuple[dict[int, Any] | int, str]] = {
    "another curve under the same algorithm": (_p521(), "algorithm"),
    "an RSA key of 1024 bits": (RsaKey(1024).cose(), "algorithm"),
    "an RSA key of 8192 bits": ({1: 3, 3: -257, -1: b"\xff" * 1024, -2: b"\x01\x00\x01"}, "algorithm"),
    "an algorithm that was not asked for": ({**P256Key().cose(), 3: -35}, "algorithm"),
    "a post-quantum key": (_post_quantum(), "algorithm"),
    "an elliptic key that says it is EdDSA": ({**P256Key().cose(), 3: -8}, "algorithm"),
    "an Edwards key that says it is ES256": ({**EdwardsKey().cose(), 3: -7}, "algorithm"),
    "an Edwards key on another curve": ({**EdwardsKey().cose(), -1: 7}, "malformed"),
    "a point beside the curve": ({**P256Key().cose(), -3: b"\x01" * 32}, "malformed"),
    "an RSA key whose exponent is even": ({1: 3, 3: -257, -1: b"\xff" * 256, -2: b"\x02"}, "malformed"),
    "no key at all": (4, "malformed"),
}


@pytest.mark.parametrize("name", ODD_KEYS)
def test_a_key_that_does_not_fit_its_algorithm_is_not_registered(name: str) -> None:
    cose, reason = ODD_KEYS[name]
    with pytest.raises(PasskeyRefused) as refused:
        registered(device(), cose=cose)
    assert refused.value.reason == reason


@pytest.mark.parametrize("length", [15, 1024])
def test_a_credential_id_has_16_to_1023_bytes(length: int) -> None:
    with pytest.raises(PasskeyRefused) as refused:
        registered(device(credential_id=b"i" * length))
    assert refused.value.reason == "credential_id"
    registered(device(credential_id=b"i" * 16))
    registered(device(credential_id=b"i" * 1023))


@given(
    st.one_of(
        st.text(max_size=300),
        st.recursive(
            st.none() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(st.sampled_from(["id", "rawId", "type", "response", "clientDataJSON"]), inner)
            ),
        ).map(json.dumps),
    )
)
def test_whatever_is_sent_nothing_but_a_refusal_comes_out(text: str) -> None:
    for check in (claim_of, lambda answer: check_registration(answer, party=PARTY, challenge=b"c" * 32)):
        with pytest.raises(PasskeyRefused):
            check(text)


def test_deep_json_is_a_refusal() -> None:
    with pytest.raises(PasskeyRefused):
        claim_of("[" * LARGEST_ANSWER)


def test_a_refusal_says_one_word_and_nothing_of_the_answer() -> None:
    refused = PasskeyRefused("origin")
    assert (str(refused), refused.reason) == ("origin", "origin")
