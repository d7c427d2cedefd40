"""Forged JSON Web Tokens, each one step away from a right one."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jws, jwt
from joserfc.jwk import ECKey

from security.encoding import b64url
from security.jwts import (
    LARGEST_HEADER,
    LARGEST_TOKEN,
    MOST_KEYS,
    Expected,
    SigningKey,
    VerificationKeys,
    public_key,
    verify,
)
from tests.security.forgery import Forgery
from tests.security.rsa_pair import rsa_key

NOW: Final = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
AT: Final = int(NOW.timestamp())
ISSUER: Final = "https://id.example"
US: Final = "riserbo"
EXPECTED: Final = Expected(
    ISSUER,
    US,
    ("jwt",),
    ("ES256", "RS256"),
    ("iat", "sub"),
    longest=timedelta(minutes=10),
    oldest=timedelta(minutes=5),
)
OURS: Final = SigningKey.new()
ATTACKERS: Final = SigningKey.new()


@cache
def keys() -> VerificationKeys:
    """The issuer's published keys."""
    return VerificationKeys.of_jwks({"keys": [OURS.public_jwk(), rsa_key().as_dict(private=False)]})


def claims(**changes: Any) -> dict[str, Any]:
    """Right claims, with changes; None takes one away."""
    right = {"iss": ISSUER, "aud": US, "sub": "u-1", "iat": AT, "exp": AT + 300, **changes}
    return {name: value for name, value in right.items() if value is not None}


def signed(payload: Mapping[str, Any] | None = None, key: SigningKey = OURS, **header: Any) -> str:
    """A token of the issuer, with changes to its header."""
    return key.sign(payload if payload is not None else claims(), typ="JWT", header={"kid": key.kid, **header})


def raw(header: str, payload: str, signature: bytes = b"\0" * 64) -> str:
    """A token spelled by hand."""
    return f"{b64url(header.encode())}.{b64url(payload.encode())}.{b64url(signature)}"


def signed_raw(header: str, payload: str) -> str:
    """A token spelled by hand and truly signed: only its spelling is wrong."""
    signing_input = f"{b64url(header.encode())}.{b64url(payload.encode())}"
    signature = jws.JWSRegistry.algorithms["ES256"].sign(signing_input.encode(), OURS._key)
    return f"{signing_input}.{b64url(signature)}"


def header(**more: Any) -> str:
    """A right header as JSON."""
    return json.dumps({"alg": "ES256", "typ": "JWT", "kid": OURS.kid, **more})


def shown(token: str, expected: Expected = EXPECTED) -> object:
    """Present a token to the real check."""
    return verify(token, keys(), expected, NOW)


def _by_shared_secret() -> str:
    """RS256 → HS256: the published key's bytes as a shared secret."""
    secret = rsa_key().as_pem(private=False)
    text = f"{b64url(json.dumps({'alg': 'HS256', 'typ': 'JWT', 'kid': 'rsa'}).encode())}.{b64url(json.dumps(claims()).encode())}"
    return f"{text}.{b64url(hmac.digest(secret, text.encode(), 'sha256'))}"


def _moved_payload() -> str:
    first, _, last = signed().split(".")
    return f"{first}.{b64url(json.dumps(claims(sub='victim')).encode())}.{last}"


def _second_spelling() -> str:
    """The last character carries two unused bits: another text, the same bytes to a careless decoder."""
    token = signed()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


def _rsa_by_ec() -> str:
    """An EC signature under the name of the RSA key."""
    return signed(kid="rsa")


def _key_set(*listed: object) -> object:
    return VerificationKeys.of_jwks({"keys": list(listed)})


def _twice_named() -> object:
    other = {**ATTACKERS.public_jwk(), "kid": OURS.kid}
    return verify(signed(), VerificationKeys.of_jwks({"keys": [OURS.public_jwk(), other]}), EXPECTED, NOW)


def _on(curve: ec.EllipticCurve) -> dict[str, Any]:
    made = ec.generate_private_key(curve).public_key()
    return dict(ECKey(made, made).as_dict(private=False))


def _short_rsa() -> dict[str, Any]:
    made = rsa.generate_private_key(65537, 1024).public_key()
    number = made.public_numbers().n
    return {"kty": "RSA", "e": "AQAB", "n": b64url(number.to_bytes(128, "big"))}


def by_rsa(payload: Mapping[str, Any], algorithm: str, typ: str = "JWT") -> str:
    """A token truly signed by the issuer's RSA key."""
    said = {"alg": algorithm, "typ": typ, "kid": "rsa"}
    return jwt.encode(said, dict(payload), rsa_key(), algorithms=[algorithm])


def _other_padding() -> object:
    """A key for RS256 must not vouch for PS256: whoever published it never signs so."""
    published = VerificationKeys.of_jwks({"keys": [{**rsa_key().as_dict(private=False), "alg": "RS256"}]})
    return verify(by_rsa(claims(), "PS256"), published, Expected(ISSUER, US, ("jwt",), ("PS256",)), NOW)


PLAIN: Final = Expected(ISSUER, US, ("jwt",), plain_audience=True)
NAMELESS: Final = "{" + f'"alg":"ES256","typ":"JWT","kid":"{OURS.kid}"'

FORGERIES: Final[dict[str, Forgery]] = {
    "alg none, no signature": Forgery(lambda: shown(raw('{"alg":"none","typ":"JWT"}', json.dumps(claims()), b"")), "algorithm"),
    "alg None in another case": Forgery(lambda: shown(raw('{"alg":"nOnE","typ":"JWT"}', json.dumps(claims()), b"")), "algorithm"),
    "no alg": Forgery(lambda: shown(raw('{"typ":"JWT"}', json.dumps(claims()))), "algorithm"),
    "alg is a list": Forgery(lambda: shown(raw('{"alg":["ES256"],"typ":"JWT"}', json.dumps(claims()))), "algorithm"),
    "the public key as a shared secret": Forgery(lambda: shown(_by_shared_secret()), "algorithm"),
    "an algorithm this issuer does not use": Forgery(
        lambda: shown(raw('{"alg":"PS256","typ":"JWT","kid":"rsa"}', json.dumps(claims()))), "algorithm"
    ),
    "HS256 where the caller's list allows it": Forgery(
        lambda: shown(_by_shared_secret(), Expected(ISSUER, US, ("jwt",), ("HS256",))), "algorithm"
    ),
    "signed by a stranger under our key's name": Forgery(lambda: shown(signed(key=ATTACKERS, kid=OURS.kid)), "signature"),
    "signed by a stranger under his own name": Forgery(lambda: shown(signed(key=ATTACKERS)), "unknown_signer"),
    "the key of the other kind": Forgery(lambda: shown(_rsa_by_ec()), "unknown_signer"),
    "the right key by an algorithm that it is not published for": Forgery(_other_padding, "unknown_signer"),
    "two keys of one name": Forgery(_twice_named, "unknown_signer"),
    "no signature": Forgery(lambda: shown(signed().rpartition(".")[0] + "."), "signature"),
    "a signature of zeros (CVE-2022-21449)": Forgery(lambda: shown(raw(header(), json.dumps(claims()))), "signature"),
    "another signature spelling": Forgery(lambda: shown(_second_spelling()), "signature"),
    "a payload put under another's signature": Forgery(lambda: shown(_moved_payload()), "signature"),
    "a key in the header (CVE-2026-27962)": Forgery(
        lambda: shown(signed(key=ATTACKERS, jwk=ATTACKERS.bare_jwk())), "brought_key"
    ),
    "a key's address in the header": Forgery(lambda: shown(signed(jku="https://attacker.example/jwks")), "brought_key"),
    "a certificate's address in the header": Forgery(lambda: shown(signed(x5u="https://attacker.example/c")), "brought_key"),
    "a certificate in the header": Forgery(lambda: shown(signed(x5c=["AAAA"])), "brought_key"),
    "an extension that must be understood": Forgery(
        lambda: shown(raw(header(crit=["exp"], exp=1), json.dumps(claims()))), "extension"
    ),
    "an unencoded payload": Forgery(lambda: shown(raw(header(b64=False), json.dumps(claims()))), "extension"),
    "a compressed payload": Forgery(lambda: shown(signed(zip="DEF")), "extension"),
    "a payload that says it is encrypted": Forgery(lambda: shown(signed(enc="A256GCM")), "extension"),
    "encrypted (five parts)": Forgery(lambda: shown("a.b.c.d.e"), "not_signed"),
    "two parts": Forgery(lambda: shown(signed().rpartition(".")[0]), "not_signed"),
    "huge": Forgery(lambda: shown(signed(claims(pad="x" * LARGEST_TOKEN))), "too_large"),
    "a huge header": Forgery(lambda: shown(raw(header(pad="x" * LARGEST_HEADER), json.dumps(claims()))), "too_large"),
    "a name twice in the claims": Forgery(
        lambda: shown(signed_raw(header(), json.dumps(claims())[:-1] + ',"sub":"victim"}')), "malformed"
    ),
    "a name twice in the header": Forgery(
        lambda: shown(signed_raw(NAMELESS + ',"alg":"none"}', json.dumps(claims()))), "malformed"
    ),
    "claims that are a list": Forgery(lambda: shown(signed_raw(header(), "[]")), "malformed"),
    "claims that are not JSON": Forgery(lambda: shown(signed_raw(header(), "{")), "malformed"),
    "claims nested without end": Forgery(lambda: shown(signed_raw(header(), "[" * 9000)), "malformed"),
    "text that is no Unicode": Forgery(lambda: shown(signed_raw(header(), '{"sub":"\\ud800"}')), "malformed"),
    "padding at a part's end": Forgery(lambda: shown(signed().replace(".", "=.", 1)), "malformed"),
    "another type of token": Forgery(lambda: shown(OURS.sign(claims(), typ="at+jwt")), "type"),
    "no type": Forgery(lambda: shown(raw(json.dumps({"alg": "ES256", "kid": OURS.kid}), json.dumps(claims()))), "type"),
    "a type that is not text": Forgery(lambda: shown(signed_raw(header(typ=["JWT"]), json.dumps(claims()))), "type"),
    "another issuer": Forgery(lambda: shown(signed(claims(iss="https://attacker.example"))), "issuer"),
    "no issuer": Forgery(lambda: shown(signed(claims(iss=None))), "issuer"),
    "a list with the issuer": Forgery(lambda: shown(signed(claims(iss=[ISSUER]))), "issuer"),
    "an issuer that only begins the same": Forgery(lambda: shown(signed(claims(iss=ISSUER + ".attacker.example"))), "issuer"),
    "for another audience": Forgery(lambda: shown(signed(claims(aud="other"))), "audience"),
    "for us and another audience": Forgery(lambda: shown(signed(claims(aud=[US, "other"]))), "audience"),
    "for nobody": Forgery(lambda: shown(signed(claims(aud=None))), "audience"),
    "for a list of one where plain text is due": Forgery(lambda: shown(signed(claims(aud=[US])), PLAIN), "audience"),
    "expired": Forgery(lambda: shown(signed(claims(exp=AT - 31))), "expired"),
    "without an end": Forgery(lambda: shown(signed(claims(exp=None))), "expired"),
    "valid for years": Forgery(lambda: shown(signed(claims(exp=AT + 9_000_000))), "too_long"),
    "not valid yet": Forgery(lambda: shown(signed(claims(nbf=AT + 60))), "not_yet"),
    "made in the future": Forgery(lambda: shown(signed(claims(iat=AT + 60))), "from_the_future"),
    "made an hour ago": Forgery(lambda: shown(signed(claims(iat=AT - 3600))), "too_old"),
    "made at no time": Forgery(lambda: shown(signed(claims(iat=None))), "incomplete"),
    "made at no time, where only the age is asked": Forgery(
        lambda: shown(signed(claims(iat=None)), Expected(ISSUER, US, ("jwt",), required=(), oldest=timedelta(1))), "too_old"
    ),
    "about nobody": Forgery(lambda: shown(signed(claims(sub=None))), "incomplete"),
    "about an empty name": Forgery(lambda: shown(signed(claims(sub=""))), "incomplete"),
    "an end that is text": Forgery(lambda: shown(signed(claims(exp="9999999999"))), "time"),
    "an end that is true": Forgery(lambda: shown(signed(claims(exp=True))), "time"),
    "an end beyond all numbers": Forgery(lambda: shown(signed_raw(header(), json.dumps(claims()).replace(str(AT + 300), "1e999"))), "time"),
    "an end that is no number": Forgery(lambda: shown(signed_raw(header(), json.dumps(claims()).replace(str(AT + 300), "NaN"))), "malformed"),
    "an age before all time": Forgery(lambda: shown(signed(claims(iat=-1))), "time"),
    "a key set that is none": Forgery(lambda: VerificationKeys.of_jwks([]), "keys"),
    "a key set without keys": Forgery(lambda: _key_set({"kty": "oct", "k": "AAAA"}), "keys"),
    "a key set without end": Forgery(lambda: _key_set(*[OURS.public_jwk()] * (MOST_KEYS + 1)), "keys"),
    "keys for encryption only": Forgery(lambda: _key_set({**OURS.public_jwk(), "use": "enc"}), "keys"),
    "keys that may not verify": Forgery(lambda: _key_set({**OURS.bare_jwk(), "key_ops": ["encrypt"]}), "keys"),
    **{
        f"a public key with {name} beside it": Forgery(partial(public_key, {**OURS.bare_jwk(), name: "AAAA"}), "key")
        for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
    },
    "a key with its private half": Forgery(lambda: public_key(OURS.private_jwk()), "key"),
    "a shared secret as a key": Forgery(lambda: public_key({"kty": "oct", "k": "AAAA"}), "key"),
    "a key on another curve": Forgery(lambda: public_key(_on(ec.SECP384R1())), "key"),
    "a short RSA key": Forgery(lambda: public_key(_short_rsa()), "key"),
    "a point off the curve": Forgery(lambda: public_key({**OURS.bare_jwk(), "y": OURS.bare_jwk()["x"]}), "key"),
    "a public key of ours, to sign with": Forgery(lambda: SigningKey.of_jwk(OURS.public_jwk()), "WeakKey"),
    "another curve, to sign with": Forgery(
        lambda: SigningKey.of_jwk(ECKey.generate_key("P-384").as_dict(private=True)), "WeakKey"
    ),
    "a key that is text": Forgery(lambda: public_key("-----BEGIN PUBLIC KEY-----"), "key"),
}  # fmt: skip
