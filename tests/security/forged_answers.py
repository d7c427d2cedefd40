"""Forged encrypted answers of a wallet."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwe
from joserfc.jwk import ECKey, OctKey

from security.encoding import b64url
from security.encrypted_answers import LARGEST_ANSWER, AnswerKey
from security.jwts import LARGEST_HEADER
from tests.security.forgery import Forgery

OURS: Final = AnswerKey.new()
OTHER: Final = AnswerKey.new()
ANSWER: Final = {"vp_token": {"pid": ["text"]}, "state": "s"}
EPK: Final = ECKey.generate_key("P-256").as_dict(private=False)


def encrypted(answer: object = ANSWER, to: AnswerKey = OURS, **header: Any) -> str:
    """An answer, with changes to its header; None takes one away."""
    wanted = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": to.kid, **header}
    said = {name: value for name, value in wanted.items() if value is not None}
    text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    registry = jwe.JWERegistry(algorithms=["ECDH-ES", "A128GCM", "A256GCM", "A128CBC-HS256", "DEF"])
    registry.strict_check_header = False
    return jwe.encrypt_compact(said, text, ECKey.import_key(to.public_jwk()), registry=registry)


def shown(text: str) -> Mapping[str, Any]:
    """Present an answer to the real check."""
    return OURS.decrypt(text)


def spelled(header: Mapping[str, Any], ciphertext: bytes = b"x") -> str:
    """An answer spelled by hand, that nothing was encrypted for."""
    parts = [json.dumps(header).encode(), b"", b"\0" * 12, ciphertext, b"\0" * 16]
    return ".".join(b64url(part) for part in parts)


def _named(**changes: Any) -> dict[str, Any]:
    right = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": OURS.kid, "epk": EPK, **changes}
    return {name: value for name, value in right.items() if value is not None}


def _by_shared_secret() -> str:
    """`dir` with a key that is no secret: the text is readable to whoever guesses that we would take it."""
    header = {"alg": "dir", "enc": "A256GCM", "kid": OURS.kid}
    return jwe.encrypt_compact(header, json.dumps(ANSWER), OctKey.import_key(b"0" * 32), algorithms=["dir", "A256GCM"])


def _moved_tag() -> str:
    *parts, tag = encrypted().split(".")
    return ".".join([*parts, "A" * len(tag)])


FORGERIES: Final[dict[str, Forgery]] = {
    "to another question's key": Forgery(lambda: shown(encrypted(to=OTHER)), "other_key"),
    "to another question's key under our name": Forgery(lambda: shown(encrypted(to=OTHER, kid=OURS.kid)), "decryption"),
    "to a key without a name": Forgery(lambda: shown(encrypted(kid=None)), "other_key"),
    "not encrypted": Forgery(lambda: shown(json.dumps(ANSWER)), "not_encrypted"),
    "signed, not encrypted": Forgery(lambda: shown("a.b.c"), "not_encrypted"),
    "with a shared secret": Forgery(lambda: shown(_by_shared_secret()), "algorithm"),
    "with a wrapped key": Forgery(lambda: shown(spelled(_named(alg="ECDH-ES+A128KW"))), "algorithm"),
    "with a key that it brings": Forgery(lambda: shown(encrypted().replace("..", ".AAAA.", 1)), "not_encrypted"),
    "with another cipher": Forgery(lambda: shown(encrypted(enc="A128CBC-HS256")), "algorithm"),
    "with no algorithm": Forgery(lambda: shown(spelled(_named(alg=None))), "algorithm"),
    "with a cipher that is a list": Forgery(lambda: shown(spelled(_named(enc=["A256GCM"]))), "algorithm"),
    "compressed": Forgery(lambda: shown(encrypted(zlib.compress(b"{}"), zip="DEF")), "extension"),
    "with an extension that must be understood": Forgery(lambda: shown(spelled(_named(crit=["x"], x=1))), "extension"),
    "with a header that is a list": Forgery(lambda: shown(f"{b64url(b'[]')}...."), "extension"),
    "with a header that is no JSON": Forgery(lambda: shown("e30x...."), "malformed"),
    "with no key of its own": Forgery(lambda: shown(spelled(_named(epk=None))), "key"),
    "with a key of its own off the curve": Forgery(lambda: shown(spelled(_named(epk={**EPK, "y": EPK["x"]}))), "key"),
    "with a key of its own with its private half": Forgery(
        lambda: shown(spelled(_named(epk=ECKey.generate_key("P-256").as_dict(private=True)))), "key"
    ),
    "changed": Forgery(lambda: shown(_moved_tag()), "decryption"),
    "of a list": Forgery(lambda: shown(encrypted([])), "malformed"),
    "of nothing": Forgery(lambda: shown(encrypted(b"")), "malformed"),
    "of no JSON": Forgery(lambda: shown(encrypted(b"{")), "malformed"),
    "of a name twice": Forgery(lambda: shown(encrypted(b'{"state":"a","state":"b"}')), "malformed"),
    "huge": Forgery(lambda: shown(encrypted({"pad": "x" * LARGEST_ANSWER})), "too_large"),
    "with a huge header": Forgery(lambda: shown(spelled(_named(pad="x" * LARGEST_HEADER))), "not_encrypted"),
    "another curve to decrypt with": Forgery(
        lambda: AnswerKey.of_jwk(ECKey.generate_key("P-384").as_dict(private=True)), "WeakKey"
    ),
    "a public key to decrypt with": Forgery(lambda: AnswerKey.of_jwk(OURS.public_jwk()), "WeakKey"),
    "no key to decrypt with": Forgery(lambda: AnswerKey.of_jwk({"kty": "EC"}), "WeakKey"),
}  # fmt: skip
