"""Passkeys (WebAuthn level 3): what the browser is asked, and whether its answer holds for exactly that question.

The parsing and the signatures are py_webauthn's. Added here are what it leaves to its caller, and one refusal for all.
"""

import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.authentication.generate_authentication_options import generate_authentication_options
from webauthn.authentication.verify_authentication_response import verify_authentication_response
from webauthn.helpers import encode_cbor, options_to_json_dict, parse_attestation_object
from webauthn.helpers.cose import COSECRV, COSEAlgorithmIdentifier
from webauthn.helpers.decode_credential_public_key import (
    DecodedEC2PublicKey,
    DecodedOKPPublicKey,
    DecodedRSAPublicKey,
    decode_credential_public_key,
)
from webauthn.helpers.decoded_public_key_to_cryptography import decoded_public_key_to_cryptography
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.generate_registration_options import generate_registration_options
from webauthn.registration.verify_registration_response import verify_registration_response

from security.encoding import unb64url
from security.errors import PasskeyRefused, SecurityError

CHALLENGE_BYTES: Final = 32
USER_HANDLE_BYTES: Final = 32
LARGEST_ANSWER: Final = 8192
"""Characters; an RSA key of 4096 bits with the longest credential id stays below."""

ALGORITHMS: Final = (
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
)
# WebAuthn level 3, section 4, "credential ID": at least 16 bytes, at most 1023.
_ID_BYTES: Final = range(16, 1024)
_RSA_BITS: Final = range(2048, 4097)
_TRANSPORTS: Final = frozenset(one.value for one in AuthenticatorTransport)
_MULTI_DEVICE: Final = CredentialDeviceType.MULTI_DEVICE

# How the library begins its refusals, and the word that the log keeps of each; anything else is "malformed".
_WORDS: Final = (
    ("Unexpected client data type", "ceremony"),
    ("Client data challenge", "challenge"),
    ("Unexpected client data origin", "origin"),
    ("Unexpected RP ID hash", "rp_id"),
    ("User was not present", "not_present"),
    ("User presence", "not_present"),
    ("User verification", "not_verified"),
    ("Response sign count", "counter"),
    ("Could not verify authentication signature", "signature"),
    ("Unsupported credential public key alg", "algorithm"),
    ("Single-device credential indicated", "backup"),
)


@dataclass(frozen=True)
class RelyingParty:
    """The public host as authenticators know it: `id` is the host name alone, `origin` scheme, host and port."""

    id: str
    origin: str
    name: str


@dataclass(frozen=True, repr=False)
class KnownCredential:
    """A credential that a question names, so that an authenticator finds it, or makes no second one."""

    credential_id: bytes
    transports: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class NewPasskey:
    """A credential that was just made. `model` is its AAGUID where an attestation proved it: so far, never."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    backup_eligible: bool
    backed_up: bool
    transports: tuple[str, ...]
    model: str | None = None


@dataclass(frozen=True, repr=False)
class Claim:
    """Whose credential an answer says it is, before anything is checked: good for looking it up, and nothing else."""

    credential_id: bytes
    user_handle: bytes | None


@dataclass(frozen=True, repr=False)
class StoredPasskey:
    """What registration left to check an assertion against."""

    credential_id: bytes
    user_handle: bytes
    public_key: bytes
    sign_count: int
    backup_eligible: bool


@dataclass(frozen=True)
class Asserted:
    """What an accepted assertion changes of the stored passkey."""

    sign_count: int
    backed_up: bool


@dataclass(frozen=True, repr=False)
class Holder:
    """Under which name an authenticator keeps a passkey; `handle` is random and says nothing of its owner."""

    handle: bytes
    name: str = field(default="")


def new_challenge() -> bytes:
    """Make the random bytes that one answer, and no other, has to sign."""
    return secrets.token_bytes(CHALLENGE_BYTES)


def new_user_handle() -> bytes:
    """Make the random name of a holder."""
    return secrets.token_bytes(USER_HANDLE_BYTES)


def creation_options(
    party: RelyingParty, holder: Holder, challenge: bytes, *, known: Sequence[KnownCredential], lifetime: timedelta
) -> dict[str, Any]:
    """Return the JSON form of what `navigator.credentials.create` is asked; `known` get no second one beside them."""
    options = generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=holder.handle,
        user_name=holder.name,
        user_display_name=holder.name,
        challenge=challenge,
        timeout=int(lifetime.total_seconds() * 1000),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_descriptors(known),
        supported_pub_key_algs=list(ALGORITHMS),
    )
    return dict(options_to_json_dict(options))


def request_options(
    party: RelyingParty, challenge: bytes, *, known: Sequence[KnownCredential] = (), lifetime: timedelta
) -> dict[str, Any]:
    """Return the JSON form of what `navigator.credentials.get` is asked; without `known`, any passkey of this host."""
    options = generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=int(lifetime.total_seconds() * 1000),
        allow_credentials=_descriptors(known),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return dict(options_to_json_dict(options))


def _descriptors(known: Sequence[KnownCredential]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=one.credential_id, transports=[AuthenticatorTransport(name) for name in one.transports]
        )
        for one in known
    ]


def check_registration(answer: str, *, party: RelyingParty, challenge: bytes) -> NewPasskey:
    """Return the credential that was made for this challenge; raises PasskeyRefused, also for weak or odd keys."""
    document = _read(answer, "attestationObject")
    claimed = unb64url(document["id"])
    try:
        _require_no_certificates(unb64url(document["response"]["attestationObject"]))
        verified = verify_registration_response(
            credential=document,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
        _require_usable(verified.credential_public_key)
    except SecurityError:
        raise
    except Exception as fault:  # noqa: BLE001 (on hostile input the library raises whatever its parsers raise)
        raise PasskeyRefused(_word(fault)) from None
    if verified.credential_id != claimed:
        raise PasskeyRefused("other_credential")
    return NewPasskey(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        backup_eligible=verified.credential_device_type is _MULTI_DEVICE,
        backed_up=verified.credential_backed_up,
        transports=tuple(document["response"]["transports"]),
    )


def claim_of(answer: str) -> Claim:
    """Return whom an assertion names; raises PasskeyRefused for what is no assertion."""
    return _claim(_read(answer, "authenticatorData", "signature"))


def _claim(document: dict[str, Any]) -> Claim:
    handle = document["response"]["userHandle"]
    return Claim(unb64url(document["id"]), None if handle is None else unb64url(handle))


def check_assertion(
    answer: str, *, party: RelyingParty, challenge: bytes, stored: StoredPasskey, named: bool = False
) -> Asserted:
    """Return what to store after an assertion by this passkey to this challenge; raises PasskeyRefused.

    `named` says that the question named the credential: only then may the answer leave its holder out.
    """
    document = _read(answer, "authenticatorData", "signature")
    claim = _claim(document)
    if not hmac.compare_digest(claim.credential_id, stored.credential_id):
        raise PasskeyRefused("other_credential")
    if claim.user_handle is None and not named:
        raise PasskeyRefused("user_handle")
    if claim.user_handle is not None and not hmac.compare_digest(claim.user_handle, stored.user_handle):
        raise PasskeyRefused("user_handle")
    try:
        verified = verify_authentication_response(
            credential=document,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=stored.public_key,
            credential_current_sign_count=stored.sign_count,
            require_user_verification=True,
        )
    except Exception as fault:  # noqa: BLE001 (on hostile input the library raises whatever its parsers raise)
        raise PasskeyRefused(_word(fault)) from None
    if (verified.credential_device_type is _MULTI_DEVICE) is not stored.backup_eligible:
        # It never changes in a credential's life (section 6.1.3); one that may be copied must not pass for one that
        # cannot.
        raise PasskeyRefused("backup")
    return Asserted(verified.new_sign_count, verified.credential_backed_up)


def decoy(claim: Claim) -> StoredPasskey:
    """Return what to check an unknown credential against, so that it takes the time of a known one and is refused."""
    return StoredPasskey(claim.credential_id, claim.user_handle or b"", _nobodys_key(), 0, backup_eligible=True)


@cache
def _nobodys_key() -> bytes:
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    coordinates = {-2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
    return encode_cbor({1: 2, 3: -7, -1: 1, **coordinates})


def _read(answer: str, *parts: str) -> dict[str, Any]:
    """The answer's JSON with the fields that count and no other, each as canonical base64url."""
    if len(answer) > LARGEST_ANSWER:
        raise PasskeyRefused("oversized")
    try:
        document = json.loads(answer, object_pairs_hook=_each_once)
        response = document["response"]
        kept: dict[str, Any] = {name: response[name] for name in ("clientDataJSON", *parts)}
        kept["userHandle"] = response.get("userHandle")
        for text in (document["id"], document["rawId"], *(text for text in kept.values() if text is not None)):
            unb64url(text)
        if len(unb64url(document["id"])) not in _ID_BYTES:
            raise PasskeyRefused("credential_id")
        _require_own_page(unb64url(kept["clientDataJSON"]))
        kept["transports"] = _transports(response.get("transports"))
        return {"id": document["id"], "rawId": document["rawId"], "type": document["type"], "response": kept}
    except PasskeyRefused:
        raise
    except Exception as fault:
        raise PasskeyRefused("malformed") from fault


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise PasskeyRefused("malformed")
    return document


def _transports(given: object) -> list[str]:
    """The known words, each once; what a later standard may add is left out."""
    listed = given if isinstance(given, list) else []
    return sorted({word for word in listed if isinstance(word, str) and word in _TRANSPORTS})


def _require_own_page(client_data: bytes) -> None:
    """Refuse what was asked from inside a frame of another site: the library reads that and lets it pass."""
    document = json.loads(client_data, object_pairs_hook=_each_once)
    if document.get("crossOrigin", False) is not False or "topOrigin" in document:
        raise PasskeyRefused("framed")


def _require_no_certificates(attestation: bytes) -> None:
    """Only "none", or a self-signature: nobody asked for certificates, so none are parsed."""
    parsed = parse_attestation_object(attestation)
    if parsed.fmt not in (AttestationFormat.NONE, AttestationFormat.PACKED) or parsed.att_stmt.x5c is not None:
        raise PasskeyRefused("attestation")


def _require_usable(public_key: bytes) -> None:
    """Refuse a key whose type, curve or size does not belong to its algorithm; the library finds out at first use."""
    match decode_credential_public_key(public_key):
        case DecodedEC2PublicKey(alg=COSEAlgorithmIdentifier.ECDSA_SHA_256, crv=COSECRV.P256) as key:
            decoded_public_key_to_cryptography(key)
        case DecodedOKPPublicKey(alg=COSEAlgorithmIdentifier.EDDSA) as key:
            decoded_public_key_to_cryptography(key)
        case DecodedRSAPublicKey(alg=COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256, n=n) as key if (
            int.from_bytes(n, "big").bit_length() in _RSA_BITS
        ):
            decoded_public_key_to_cryptography(key)
        case _:
            raise PasskeyRefused("algorithm")


def _word(fault: Exception) -> str:
    return next((word for start, word in _WORDS if str(fault).startswith(start)), "malformed")
