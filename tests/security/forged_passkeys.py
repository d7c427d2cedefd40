"""Forged WebAuthn answers and registrations: each is right in everything but one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from app.demo.soft_passkey import ELIGIBLE, PRESENT, SYNCED, USUAL, VERIFIED, P256Key, SoftPasskey
from security.encoding import b64url
from security.passkeys import (
    LARGEST_ANSWER,
    StoredPasskey,
    check_assertion,
    check_registration,
    new_challenge,
    request_options,
)
from tests.security.forgery import Forgery
from tests.security.test_passkeys import MINUTES, ODD_KEYS, PARTY, asked_to_create, device, registered, stored

Answer = dict[str, Any]


@dataclass
class Question:
    """A passkey, what is stored of it, and a question that only it can answer."""

    key: SoftPasskey
    known: StoredPasskey
    challenge: bytes
    asked: dict[str, Any]

    def accepts(self, answer: str) -> bool:
        check_assertion(answer, party=PARTY, challenge=self.challenge, stored=self.known)
        return True


def question() -> Question:
    key = device(counter=7)
    known = stored(key, registered(key))
    challenge = new_challenge()
    return Question(key, known, challenge, request_options(PARTY, challenge, lifetime=MINUTES))


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x01]) + data[place + 1 :]


def _other(answer: str, **changed: Any) -> str:
    return json.dumps({**json.loads(answer), **changed})


def _twice(answer: str) -> str:
    """The id stands twice in the text: the first reader and the second one see another passkey each."""
    return '{"id": "AAAAAAAAAAAAAAAAAAAAAA", ' + answer.removeprefix("{")


def _client_twice(asked: Question) -> str:
    client = asked.key.client_data("webauthn.get", asked.asked["challenge"], {})
    doubled = b'{"origin": "https://evil.example", ' + client.removeprefix(b"{")
    return asked.key.get(asked.asked, client_bytes=doubled)


def _changed_after(asked: Question, place: int) -> str:
    data = asked.key.authenticator_data(USUAL | asked.key.backup, counter=(asked.key.counter or 0) + 1)
    return asked.key.get(asked.asked, swapped_data=flipped(data, place))


ANSWERS: dict[str, tuple[Callable[[Question], str], str]] = {
    "asked by another site": (lambda q: q.key.get(q.asked, client={"origin": "https://bank.example.evil"}), "origin"),
    "asked by another scheme": (lambda q: q.key.get(q.asked, client={"origin": "http://bank.example"}), "origin"),
    "asked at another port": (lambda q: q.key.get(q.asked, client={"origin": "https://bank.example:8443"}), "origin"),
    "asked by a host below ours": (lambda q: q.key.get(q.asked, client={"origin": "https://x.bank.example"}), "origin"),
    "signed for another host": (lambda q: q.key.get(q.asked, signed_rp_id="evil.example"), "rp_id"),
    "signed for the host's parent": (lambda q: q.key.get(q.asked, signed_rp_id="example"), "rp_id"),
    "answer to another question": (lambda q: q.key.get({**q.asked, "challenge": b64url(b"c" * 32)}), "challenge"),
    "answer to an empty question": (lambda q: q.key.get({**q.asked, "challenge": ""}), "challenge"),
    "answer to the beginning of the question": (
        lambda q: q.key.get({**q.asked, "challenge": b64url(q.challenge[:16])}),
        "challenge",
    ),
    "a registration's client data": (lambda q: q.key.get(q.asked, client={"type": "webauthn.create"}), "ceremony"),
    "a payment's client data": (lambda q: q.key.get(q.asked, client={"type": "payment.get"}), "ceremony"),
    "asked from a frame": (lambda q: q.key.get(q.asked, client={"crossOrigin": True}), "framed"),
    "asked from a frame, said otherwise": (lambda q: q.key.get(q.asked, client={"crossOrigin": "no"}), "framed"),
    "asked under another page": (lambda q: q.key.get(q.asked, client={"topOrigin": "https://evil.example"}), "framed"),
    "nobody verified": (lambda q: q.key.get(q.asked, flags=PRESENT | SYNCED), "not_verified"),
    "nobody present": (lambda q: q.key.get(q.asked, flags=VERIFIED | SYNCED), "not_present"),
    "another passkey's name": (lambda q: q.key.get(q.asked, credential_id=b"o" * 32), "other_credential"),
    "two names": (lambda q: _other(q.key.get(q.asked), rawId=b64url(b"o" * 32)), "malformed"),
    "another kind of credential": (lambda q: _other(q.key.get(q.asked), type="password"), "malformed"),
    "another passkey's signature": (lambda q: replace(q.key, signer=P256Key()).get(q.asked), "signature"),
    "no signature": (lambda q: q.key.get(q.asked, signature=b""), "signature"),
    "a signature with one bit changed": (
        lambda q: q.key.get(q.asked, signature=flipped(q.key.signer.sign(b"m"), 20)),
        "signature",
    ),
    "a counter that stands still": (lambda q: q.key.get(q.asked, counter=7), "counter"),
    "a counter that goes back": (lambda q: q.key.get(q.asked, counter=3), "counter"),
    "a counter that fell to nothing": (lambda q: q.key.get(q.asked, counter=0), "counter"),
    "another holder": (lambda q: q.key.get(q.asked, response={"userHandle": b64url(b"o" * 32)}), "user_handle"),
    "an empty holder": (lambda q: q.key.get(q.asked, response={"userHandle": ""}), "user_handle"),
    "no holder, where none was named": (lambda q: q.key.get(q.asked, response={"userHandle": None}), "user_handle"),
    "data changed after signing: the counter": (lambda q: _changed_after(q, 36), "signature"),
    "data with a byte too many": (
        lambda q: q.key.get(q.asked, swapped_data=q.key.authenticator_data(USUAL | SYNCED, counter=9) + b"\0"),
        "malformed",
    ),
    "data cut short": (lambda q: q.key.get(q.asked, swapped_data=q.key.authenticator_data(USUAL)[:36]), "malformed"),
    "client data changed after signing": (
        lambda q: q.key.get(q.asked, response={"clientDataJSON": b64url(_with_space(q))}),
        "signature",
    ),
    "client data that says its origin twice": (_client_twice, "malformed"),
    "a passkey that cannot be copied any more": (lambda q: q.key.get(q.asked, flags=USUAL), "backup"),
    "a copy of what cannot be copied": (lambda q: q.key.get(q.asked, flags=USUAL | (SYNCED ^ ELIGIBLE)), "backup"),
    "oversized": (lambda q: q.key.get(q.asked) + " " * LARGEST_ANSWER, "oversized"),
    "one name twice": (lambda q: _twice(q.key.get(q.asked)), "malformed"),
    "another spelling of the same bytes": (
        lambda q: _other(q.key.get(q.asked), rawId=b64url(q.key.credential_id) + "="),
        "malformed",
    ),
    "a list": (lambda q: f"[{q.key.get(q.asked)}]", "malformed"),
    "a number for a signature": (lambda q: q.key.get(q.asked, response={"signature": 1}), "malformed"),
    "a registration's answer": (lambda q: replace(q.key).create(asked_to_create(q.challenge)), "malformed"),
}


def _with_space(asked: Question) -> bytes:
    return asked.key.client_data("webauthn.get", asked.asked["challenge"], {}) + b" "


MADE: dict[str, tuple[dict[str, Any], str]] = {
    "made for another site": ({"client": {"origin": "https://evil.example"}}, "origin"),
    "made for another host": ({"signed_rp_id": "evil.example"}, "rp_id"),
    "made for another question": ({"client": {"challenge": b64url(b"c" * 32)}}, "challenge"),
    "an assertion's client data": ({"client": {"type": "webauthn.get"}}, "ceremony"),
    "made in a frame": ({"client": {"crossOrigin": True}}, "framed"),
    "nobody verified": ({"flags": PRESENT | SYNCED}, "not_verified"),
    "nobody present": ({"flags": VERIFIED | SYNCED}, "not_present"),
    "a copy of what cannot be copied": ({"flags": USUAL | (SYNCED ^ ELIGIBLE)}, "backup"),
    "another id than the one attested": ({"attested_id": b"o" * 32}, "other_credential"),
    "a statement where none belongs": ({"attestation": {"fmt": "none", "attStmt": {"sig": b"s"}}}, "malformed"),
    "certificates that nobody asked for": (
        {"attestation": {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"s", "x5c": [b"c"]}}},
        "attestation",
    ),
    "an attestation of another kind": ({"attestation": {"fmt": "android-safetynet", "attStmt": {}}}, "attestation"),
    "oversized": ({"extra": "x" * LARGEST_ANSWER}, "oversized"),
    "two names": ({"rawId": b64url(b"o" * 32)}, "malformed"),
}


def made(name: str) -> tuple[str, bytes]:
    """The forged registration of this name, and the question that it answers."""
    challenge = new_challenge()
    return device().create(asked_to_create(challenge), **dict(MADE[name][0])), challenge


def _answered(name: str) -> Forgery:
    forge, reason = ANSWERS[name]

    def present() -> object:
        asked = question()
        return asked.accepts(forge(asked))

    return Forgery(present, reason)


def _made(name: str) -> Forgery:
    def present() -> object:
        answer, challenge = made(name)
        return check_registration(answer, party=PARTY, challenge=challenge)

    return Forgery(present, MADE[name][1])


def _odd(name: str) -> Forgery:
    cose, reason = ODD_KEYS[name]
    return Forgery(lambda: registered(device(), cose=cose), reason)


def _of_length(length: int) -> Forgery:
    return Forgery(lambda: registered(device(credential_id=b"i" * length)), "credential_id")


FORGERIES: Final[dict[str, Forgery]] = {
    **{name: _answered(name) for name in ANSWERS},
    **{f"made: {name}": _made(name) for name in MADE},
    **{f"made: {name}": _odd(name) for name in ODD_KEYS},
    "made: an id of 15 bytes": _of_length(15),
    "made: an id of 1024 bytes": _of_length(1024),
}
