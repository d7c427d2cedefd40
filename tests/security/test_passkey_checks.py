"""Each check of a passkey's answer is needed: taken out, ours or the library's, it lets a forgery of the table in."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any, Final

import pytest
from webauthn.authentication import verify_authentication_response as asserting
from webauthn.registration import verify_registration_response as registering

import security.passkeys as ours
from security.errors import PasskeyRefused
from tests.security.forged_passkeys import ANSWERS, MADE, made, question
from tests.security.test_passkeys import ODD_KEYS, PARTY, asked_to_create, device

NEVER = "if False"
# What stands there, what takes its place. Each must stand there exactly once.
OURS: dict[str, tuple[str, str]] = {
    "size": ("if len(answer) > LARGEST_ANSWER", NEVER),
    "each name once": ("if len(document) != len(pairs)", NEVER),
    "one spelling": ("            unb64url(text)\n        if", "            pass\n        if"),
    "length of the id": ('if len(unb64url(document["id"])) not in _ID_BYTES', NEVER),
    "framed": ('if document.get("crossOrigin", False) is not False or "topOrigin" in document', NEVER),
    "framed, said in the old way alone": (' or "topOrigin" in document', ""),
    "certificates": (" or parsed.att_stmt.x5c is not None", ""),
    "kinds of attestation": ("parsed.fmt not in (AttestationFormat.NONE, AttestationFormat.PACKED) or ", ""),
    "key fits algorithm": ("        _require_usable(verified.credential_public_key)\n", ""),
    "the attested id": ("if verified.credential_id != claimed", NEVER),
    "verified, when made": ("require_user_verification=True,\n        )\n        _require", ")\n        _require"),
    "the credential": ("if not hmac.compare_digest(claim.credential_id, stored.credential_id)", NEVER),
    "a holder at all": ("if claim.user_handle is None and not named", NEVER),
    "the holder": (
        "if claim.user_handle is not None and not hmac.compare_digest(claim.user_handle, stored.user_handle)",
        NEVER,
    ),
    "verified": ("require_user_verification=True,\n        )\n    except", ")\n    except"),
    "counter": ("credential_current_sign_count=stored.sign_count", "credential_current_sign_count=0"),
    "copies": ("if (verified.credential_device_type is _MULTI_DEVICE) is not stored.backup_eligible", NEVER),
}
UNPARSED: Final = ("certificates", "kinds of attestation")
"""Without these the forgery falls as well, but only after certificates of strangers were parsed."""
THEIRS: dict[str, tuple[str, str]] = {
    "both names": ("if bytes_to_base64url(credential.raw_id) != credential.id", NEVER),
    "ceremony": ("if client_data.type != ClientDataType.{ceremony}", NEVER),
    "challenge": ("if expected_challenge != client_data.challenge", NEVER),
    "origin": ("if expected_origin != client_data.origin", NEVER),
    "host": ("if auth_data.rp_id_hash != expected_rp_id_hash_bytes", NEVER),
    "presence": ("if {presence}not auth_data.flags.up", NEVER),
    "verification": ("if require_user_verification and not auth_data.flags.uv", NEVER),
}
ASSERTING: dict[str, tuple[str, str]] = {
    "signature": (
        "except InvalidSignature:\n        raise InvalidAuthenticationResponse(",
        "except InvalidSignature:\n        str(",
    ),
    "counter": (") and auth_data.sign_count <= credential_current_sign_count", ") and False"),
}


def changed(module: ModuleType, old: str, new: str) -> ModuleType:
    """The module with one place of its source replaced."""
    source = inspect.getsource(module)
    assert source.count(old) == 1, (module.__name__, old)
    made_of = ModuleType(module.__name__)
    made_of.__package__ = module.__package__
    exec(compile(source.replace(old, new), module.__name__, "exec"), made_of.__dict__)
    return made_of


def outcomes(checks: Any) -> dict[str, str]:
    """What these checks say of each forgery: the word of the refusal, or "accepted"."""
    said: dict[str, str] = {}
    for name, (forge, _) in ANSWERS.items():
        asked = question()
        given = {"party": PARTY, "challenge": asked.challenge, "stored": asked.known}
        said[name] = _said(checks.check_assertion, forge(asked), given)
    for name in MADE:
        answer, challenge = made(name)
        said[f"made: {name}"] = _said(checks.check_registration, answer, {"party": PARTY, "challenge": challenge})
    odd: list[tuple[str, dict[str, Any], Any]] = [
        (name, {"cose": cose}, device()) for name, (cose, _) in ODD_KEYS.items()
    ]
    for name, changes, key in [*odd, ("a short id", {}, device(credential_id=b"i" * 15))]:
        answer = key.create(asked_to_create(b"c" * 32), **changes)
        said[name] = _said(checks.check_registration, answer, {"party": PARTY, "challenge": b"c" * 32})
    return said


def _said(check: Any, answer: str, given: dict[str, Any]) -> str:
    try:
        check(answer, **given)
    except PasskeyRefused as refused:
        return refused.reason
    return "accepted"


def test_the_checks_as_they_are_let_no_forgery_in() -> None:
    said = outcomes(ours)
    assert len(said) >= 60
    assert "accepted" not in said.values()


@pytest.mark.parametrize("name", OURS)
def test_none_of_our_checks_can_be_spared(name: str) -> None:
    said = outcomes(changed(ours, *OURS[name]))
    assert "accepted" in said.values() if name not in UNPARSED else said != outcomes(ours)


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("part", ["asserting", "registering"])
def test_none_of_the_librarys_checks_can_be_spared(name: str, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {
        "asserting": {"ceremony": "WEBAUTHN_GET", "presence": ""},
        "registering": {"ceremony": "WEBAUTHN_CREATE", "presence": "require_user_presence and "},
    }
    old, new = THEIRS[name]
    module, function = {
        "asserting": (asserting, "verify_authentication_response"),
        "registering": (registering, "verify_registration_response"),
    }[part]
    monkeypatch.setattr(ours, function, getattr(changed(module, old.format(**words[part]), new), function))
    assert "accepted" in outcomes(ours).values()


@pytest.mark.parametrize("name", ASSERTING)
def test_nor_can_signature_and_counter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = changed(asserting, *ASSERTING[name])
    monkeypatch.setattr(ours, "verify_authentication_response", module.__dict__["verify_authentication_response"])
    assert "accepted" in outcomes(ours).values()
