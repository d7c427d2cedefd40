"""Forged presentations of a credential (SD-JWT with key binding), each one step away from a right one."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from hashlib import sha256
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc.jwk import ECKey

from security.certificates import certified_key, read_certificates, x5c_of
from security.encoding import b64url
from security.jwts import LARGEST_CHAIN, LARGEST_TOKEN, SigningKey, VerificationKeys
from security.sd_jwt import (
    LARGEST_PRESENTATION,
    MOST_DISCLOSURES,
    Presented,
    TrustedIssuer,
    Wanted,
    verify_presentation,
)
from tests.security.forged_jwts import AT, NOW, raw, rsa_key, signed_raw
from tests.security.forgery import Forgery
from tests.support.certificates import Authority, root

ISSUER: Final = "https://pid.example"
STATIC: Final = "https://issuer-with-a-key-list.example"
US: Final = "x509_san_dns:chat.bank.example"
NONCE: Final = "the-nonce-of-this-question"
VCT: Final = "urn:eudi:pid:it:1"
NUMBER: Final = "personal_administrative_number"
PID: Final = SigningKey.new()
HOLDER: Final = SigningKey.new()
THIEF: Final = SigningKey.new()
WANTED: Final = Wanted(VCT, US, NONCE, NOW - timedelta(minutes=3))


def disclosure(*parts: Any) -> str:
    """One disclosure, as it travels."""
    return b64url(json.dumps(parts).encode())


def digest(text: str) -> str:
    """What an issuer leaves in the place of a disclosure."""
    return b64url(sha256(text.encode()).digest())


CODE: Final = disclosure("salt-1", NUMBER, "TINIT-FRRGLI80A41L219X")
NAME: Final = disclosure("salt-2", "family_name", "Ferraro")
ITALY: Final = disclosure("salt-3", "IT")


@cache
def pid_root() -> Authority:
    """The root that the trust list names."""
    return root(NOW)


@cache
def stranger_root() -> Authority:
    """Another root, that it does not."""
    return root(NOW)


def public_of(key: SigningKey) -> ec.EllipticCurvePublicKey:
    """The public half, as certificates take it."""
    public = ECKey.import_key(key.bare_jwk()).public_key
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return public


@cache
def right_chain() -> Sequence[x509.Certificate]:
    """The issuer's certificate, and the authority between it and the root."""
    middle = pid_root().below(NOW)
    return middle.certify(public_of(PID), NOW, uris=[ISSUER]), middle.certificate


@cache
def trusted() -> Mapping[str, TrustedIssuer]:
    """The trust list: one issuer by certificate, one by key."""
    keys = VerificationKeys.of_jwks({"keys": [PID.public_jwk()]})
    return {
        ISSUER: TrustedIssuer(ISSUER, roots=(pid_root().certificate,)),
        STATIC: TrustedIssuer(STATIC, keys),
    }


def claims(**changes: Any) -> dict[str, Any]:
    """What a right issuer signs; None takes a claim away."""
    right = {
        "iss": ISSUER, "vct": VCT, "iat": AT - 86_400, "exp": AT + 86_400, "cnf": {"jwk": HOLDER.bare_jwk()},
        "_sd_alg": "sha-256", "_sd": [digest(CODE), digest(NAME)], "nationalities": [{"...": digest(ITALY)}],
        "status": {"status_list": {"idx": 7, "uri": "https://pid.example/status"}},
    }  # fmt: skip
    return {name: value for name, value in (right | changes).items() if value is not None}


def credential(key: SigningKey = PID, typ: str = "dc+sd-jwt", chain: object = None, **changes: Any) -> str:
    """The issuer's part."""
    return key.sign(claims(**changes), typ=typ, header={"x5c": x5c_of(right_chain()) if chain is None else chain})


def bound(
    selection: str,
    key: SigningKey = HOLDER,
    typ: str = "kb+jwt",
    header: Mapping[str, Any] | None = None,
    **changes: Any,
) -> str:
    """The wallet's signature over a selection, put behind it."""
    right = {"aud": US, "nonce": NONCE, "iat": AT, "sd_hash": digest(selection)}
    said = {name: value for name, value in (right | changes).items() if value is not None}
    return selection + key.sign(said, typ=typ, header=header or {})


def selection(*disclosures: str, issued: str = "", **changes: Any) -> str:
    """Credential and disclosures, before the wallet signs."""
    return "~".join([issued or credential(**changes), *disclosures, ""])


def presented(*disclosures: str, wanted: Wanted = WANTED, issued: str = "", **changes: Any) -> Presented:
    """Present these disclosures of a credential with these changes, bound as it should be."""
    return shown(bound(selection(*disclosures, issued=issued, **changes)), wanted)


def shown(text: str, wanted: Wanted = WANTED) -> Presented:
    """Present a text to the real check."""
    return verify_presentation(text, trusted(), wanted, NOW)


def _rebound(shown_now: Sequence[str], bound_before: Sequence[str]) -> str:
    """One selection of a credential under the wallet's signature over another one of the same."""
    issued = credential()
    signature = bound(selection(*bound_before, issued=issued)).rpartition("~")[2]
    return selection(*shown_now, issued=issued) + signature


def _certified(by: Authority | None = None, key: SigningKey = PID, **changes: Any) -> Presented:
    """A credential under another certificate."""
    leaf = (by or pid_root()).certify(public_of(key), NOW, **{"uris": [ISSUER], **changes})
    return presented(CODE, issued=credential(key, chain=x5c_of([leaf])))


def _by_the_authority_itself() -> Presented:
    """A root's own key signs: it may make certificates, not credentials."""
    key = SigningKey.of_jwk(ECKey.import_key(pid_root().key).as_dict(private=True))
    return presented(CODE, issued=credential(key, chain=x5c_of([pid_root().certificate])))


def _on_another_curve() -> Presented:
    return presented(CODE, issued=credential(chain=x5c_of([curve_certificate()])))


def _by_rsa() -> Presented:
    return presented(CODE, issued=credential(chain=x5c_of([rsa_certificate()])))


@cache
def rsa_certificate() -> x509.Certificate:
    """A certificate for a key of the other kind."""
    public: Any = rsa_key().public_key
    return pid_root().certify(public, NOW, uris=[ISSUER])


@cache
def curve_certificate() -> x509.Certificate:
    """A certificate for a key on another curve."""
    return pid_root().certify(ec.generate_private_key(ec.SECP384R1()).public_key(), NOW, uris=[ISSUER])


def _of_no_kind() -> Presented:
    """The name of the key's kind is one that nobody knows."""
    der = right_chain()[0].public_bytes(Encoding.DER)
    known = bytes.fromhex("06072a8648ce3d0201")
    assert der.count(known) == 1
    strange = base64.b64encode(der.replace(known, known[:-1] + b"\x7f")).decode()
    return presented(CODE, issued=credential(chain=[strange]))


def _old_chain() -> Presented:
    later = Wanted(VCT, US, NONCE, NOW + timedelta(days=399))
    at = NOW + timedelta(days=400)
    far = credential(exp=int((at + timedelta(days=1)).timestamp()))
    text = bound(selection(CODE, issued=far), iat=int(at.timestamp()))
    return verify_presentation(text, trusted(), later, at)


def _by_shared_secret() -> Presented:
    """The holder's public key as a shared secret, for the binding."""
    base = selection(CODE)
    said = {"aud": US, "nonce": NONCE, "iat": AT, "sd_hash": digest(base)}
    text = f"{b64url(json.dumps({'alg': 'HS256', 'typ': 'kb+jwt'}).encode())}.{b64url(json.dumps(said).encode())}"
    secret = json.dumps(HOLDER.bare_jwk()).encode()
    return shown(f"{base}{text}.{b64url(hmac.digest(secret, text.encode(), 'sha256'))}")


def _unsigned(payload: Mapping[str, Any], **header: Any) -> str:
    return raw(json.dumps({"alg": "ES256", "typ": "dc+sd-jwt", **header}), json.dumps(payload), b"")


def _nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = {"down": value}
    return value


def _hidden_in_array() -> Presented:
    """An object's disclosure in the place of an array's element."""
    return presented(CODE, NAME, _sd=[digest(CODE)], nationalities=[{"...": digest(NAME)}])


_HIDDEN_START: Final = disclosure("salt-4", "nbf", AT + 86_400)
_TAKES_OVER: Final = disclosure("salt-5", "vct", "urn:other")
_DIGESTS: Final = disclosure("salt-6", "_sd", [digest(NAME)])
_PLACE: Final = disclosure("salt-10", "...", digest(NAME))
_STANDING: Final = disclosure("salt-11", "status", {"status_list": {"idx": 8, "uri": "https://pid.example/status"}})
_NAMELESS: Final = disclosure("salt-7", 7, "x")
_SALTLESS: Final = disclosure(7, NUMBER, "x")
_NOTHING: Final = disclosure()
_NO_LIST: Final = b64url(b'{"salt":"x","name":"y","value":"z"}')
_HUGE: Final = disclosure("salt-8", NUMBER, "x" * LARGEST_PRESENTATION)
_OTHER_CODE: Final = disclosure("salt-9", NUMBER, "TINIT-VTTMRA80A41L219X")

FORGERIES: Final[dict[str, Forgery]] = {
    "signed by a stranger under the issuer's certificate": Forgery(lambda: presented(CODE, key=THIEF), "signature"),
    "of an issuer that is not on the list": Forgery(lambda: presented(CODE, iss="https://pid.attacker.example"), "issuer"),
    "of no issuer": Forgery(lambda: presented(CODE, iss=None), "issuer"),
    "of a list of issuers": Forgery(lambda: presented(CODE, iss=[ISSUER]), "issuer"),
    "under a certificate of a stranger's root": Forgery(lambda: _certified(stranger_root()), "chain"),
    "under a certificate of one whom the root certified for himself": Forgery(
        lambda: _certified(uris=["https://museum.example"]), "certificate_name"
    ),
    "under a certificate without a name": Forgery(lambda: _certified(uris=[]), "chain"),
    "under a certificate that may not sign": Forgery(lambda: _certified(signs=False), "chain"),
    "under an authority's certificate": Forgery(lambda: _certified(is_authority=True), "chain"),
    "by the root itself": Forgery(_by_the_authority_itself, "chain"),
    "under a certificate that has ended": Forgery(_old_chain, "chain"),
    "under a certificate of another curve": Forgery(_on_another_curve, "key"),
    "under the certificate alone, its authority left out": Forgery(
        lambda: presented(CODE, issued=credential(chain=x5c_of(right_chain()[:1]))), "chain"
    ),
    "under a certificate of a key of the other kind": Forgery(_by_rsa, "key"),
    "under a certificate of a key of no kind": Forgery(_of_no_kind, "key"),
    "without certificates": Forgery(
        lambda: presented(CODE, issued=PID.sign(claims(), typ="dc+sd-jwt", header={})), "chain"
    ),
    "a certificate of ours for another kind of key": Forgery(lambda: certified_key(rsa_certificate()), "WeakKey"),
    "a certificate of ours for another curve": Forgery(lambda: certified_key(curve_certificate()), "WeakKey"),
    "certificates of ours that are none": Forgery(lambda: read_certificates(b"-----BEGIN"), "WeakKey"),
    "under no certificate": Forgery(lambda: presented(CODE, issued=credential(chain=[])), "chain"),
    "under a certificate that is text": Forgery(lambda: presented(CODE, issued=_unsigned(claims(), x5c="AAAA")), "chain"),
    "under certificates that are none": Forgery(lambda: presented(CODE, issued=credential(chain=["AAAA"])), "chain"),
    "under a certificate in another spelling": Forgery(
        lambda: presented(CODE, issued=credential(chain=["!" + x5c_of(right_chain())[0], x5c_of(right_chain())[1]])), "chain"
    ),
    "under certificates that are numbers": Forgery(lambda: presented(CODE, issued=_unsigned(claims(), x5c=[7])), "chain"),
    "under certificates without end": Forgery(
        lambda: presented(CODE, issued=credential(chain=x5c_of([*right_chain()] * 3))), "chain"
    ),
    "under another key than the list's": Forgery(
        lambda: presented(CODE, issued=THIEF.sign(claims(iss=STATIC), typ="dc+sd-jwt", header={"kid": PID.kid})), "signature"
    ),
    "with a certificate that the list does not ask for, by a stranger": Forgery(
        lambda: presented(CODE, issued=credential(THIEF, iss=STATIC)), "signature"
    ),
    "with a key in the header": Forgery(
        lambda: presented(CODE, issued=THIEF.sign(claims(iss=STATIC), typ="dc+sd-jwt", header={"jwk": THIEF.bare_jwk()})),
        "brought_key",
    ),
    "with alg none": Forgery(lambda: presented(CODE, issued=_unsigned(claims(), alg="none")), "algorithm"),
    "an ID token as credential": Forgery(lambda: presented(CODE, typ="JWT"), "type"),
    "with an extension that must be understood": Forgery(
        lambda: presented(CODE, issued=signed_raw('{"alg":"ES256","typ":"dc+sd-jwt","crit":["x"],"x":1}', "{}")), "extension"
    ),
    "expired": Forgery(lambda: presented(CODE, exp=AT - 60), "expired"),
    "without an end": Forgery(lambda: presented(CODE, exp=None), "expired"),
    "not valid yet": Forgery(lambda: presented(CODE, nbf=AT + 3600), "not_yet"),
    "of tomorrow": Forgery(lambda: presented(CODE, iat=AT + 3600), "from_the_future"),
    "of another type": Forgery(lambda: presented(CODE, vct="urn:eudi:mdl:1"), "vct"),
    "of no type": Forgery(lambda: presented(CODE, vct=None), "vct"),
    "not bound at all": Forgery(lambda: shown(selection(CODE)), "unbound"),
    "not even a selection": Forgery(lambda: shown(credential()), "unbound"),
    "of a credential that names no holder": Forgery(lambda: presented(CODE, cnf=None), "key"),
    "of a credential whose holder is text": Forgery(lambda: presented(CODE, cnf="holder"), "key"),
    "of a credential whose holder has another kind of key": Forgery(
        lambda: presented(CODE, cnf={"jwk": rsa_key().as_dict(private=False)}), "signature"
    ),
    "bound by another's key": Forgery(lambda: shown(bound(selection(CODE), THIEF)), "signature"),
    "bound by a key that it brings": Forgery(
        lambda: shown(bound(selection(CODE), THIEF, header={"jwk": THIEF.bare_jwk()})), "brought_key"
    ),
    "bound by no signature": Forgery(
        lambda: shown(selection(CODE) + _unsigned({"aud": US, "nonce": NONCE}, alg="none", typ="kb+jwt")), "algorithm"
    ),
    "bound by a shared secret": Forgery(_by_shared_secret, "algorithm"),
    "bound by a token of another type": Forgery(lambda: shown(bound(selection(CODE), typ="jwt")), "type"),
    "for another verifier": Forgery(lambda: shown(bound(selection(CODE), aud="x509_san_dns:shop.example")), "audience"),
    "for us and another verifier": Forgery(lambda: shown(bound(selection(CODE), aud=[US, "other"])), "audience"),
    "for nobody": Forgery(lambda: shown(bound(selection(CODE), aud=None)), "audience"),
    "of another question (replay)": Forgery(lambda: shown(bound(selection(CODE), nonce="the-nonce-of-yesterday")), "nonce"),
    "of no question": Forgery(lambda: shown(bound(selection(CODE), nonce=None)), "nonce"),
    "bound before it was asked": Forgery(lambda: shown(bound(selection(CODE), iat=AT - 600)), "too_old"),
    "bound at no time": Forgery(lambda: shown(bound(selection(CODE), iat=None)), "too_old"),
    "bound in the future": Forgery(lambda: shown(bound(selection(CODE), iat=AT + 600)), "from_the_future"),
    "with a disclosure more than was bound": Forgery(
        lambda: shown(_rebound((CODE, NAME), (CODE,))), "other_selection"
    ),
    "with a disclosure less than was bound": Forgery(
        lambda: shown(_rebound((CODE,), (CODE, NAME))), "other_selection"
    ),
    "bound to nothing": Forgery(lambda: shown(bound(selection(CODE), sd_hash=None)), "other_selection"),
    "with a changed value": Forgery(lambda: presented(_OTHER_CODE), "disclosure_added"),
    "with a disclosure that the issuer never made": Forgery(lambda: presented(CODE, _OTHER_CODE), "disclosure_added"),
    "with a disclosure twice": Forgery(lambda: presented(CODE, CODE), "disclosure_twice"),
    "with a digest twice": Forgery(lambda: presented(CODE, _sd=[digest(CODE), digest(CODE)]), "digest_twice"),
    "with a digest in two places": Forgery(
        lambda: presented(CODE, address={"_sd": [digest(NAME)]}), "digest_twice"
    ),
    "with a digest that is a number": Forgery(lambda: presented(_sd=[7]), "malformed"),
    "with digests that are no list": Forgery(lambda: presented(_sd=digest(CODE)), "malformed"),
    "with an element's digest outside a list": Forgery(
        lambda: presented(address={"...": digest(CODE), "more": 1}), "malformed"
    ),
    "with digests by another hash": Forgery(lambda: presented(CODE, _sd_alg="sha-1"), "digest_algorithm"),
    "with a claim that is there already": Forgery(
        lambda: presented(_TAKES_OVER, _sd=[digest(_TAKES_OVER)]), "claim_twice"
    ),
    "with a beginning that is disclosed": Forgery(
        lambda: presented(_HIDDEN_START, _sd=[digest(_HIDDEN_START)]), "hidden_claim"
    ),
    "with a standing that is disclosed": Forgery(
        lambda: presented(_STANDING, _sd=[digest(_STANDING)], status=None), "hidden_claim"
    ),
    "with a disclosure of a place": Forgery(lambda: presented(_PLACE, _sd=[digest(_PLACE)]), "disclosure"),
    "with a disclosure of digests": Forgery(lambda: presented(_DIGESTS, _sd=[digest(_DIGESTS)]), "disclosure"),
    "with a disclosure without a name": Forgery(lambda: presented(_NAMELESS, _sd=[digest(_NAMELESS)]), "disclosure"),
    "with a disclosure without a salt": Forgery(lambda: presented(_SALTLESS, _sd=[digest(_SALTLESS)]), "disclosure"),
    "with a disclosure of nothing": Forgery(lambda: presented(CODE, _NOTHING), "disclosure"),
    "with a disclosure that is an object": Forgery(lambda: presented(_NO_LIST, _sd=[digest(_NO_LIST)]), "disclosure"),
    "with a disclosure that is no JSON": Forgery(lambda: presented(b64url(b"[")), "malformed"),
    "with a disclosure in another spelling": Forgery(lambda: presented(CODE + "="), "malformed"),
    "with an element's disclosure as a claim": Forgery(lambda: presented(ITALY, _sd=[digest(ITALY)], nationalities=[]), "disclosure"),
    "with a claim's disclosure as an element": Forgery(_hidden_in_array, "disclosure"),
    "nested without end": Forgery(lambda: presented(CODE, address=_nested(30)), "too_deep"),
    "with disclosures without end": Forgery(
        lambda: presented(*(disclosure("s", str(number), 1) for number in range(MOST_DISCLOSURES + 1))), "too_large"
    ),
    "with a huge header": Forgery(
        lambda: presented(CODE, issued=_unsigned(claims(), x5c=["A" * LARGEST_CHAIN])), "too_large"
    ),
    "huge": Forgery(lambda: presented(_HUGE, _sd=[digest(_HUGE)]), "too_large"),
    "with a huge issuer's part": Forgery(lambda: presented(CODE, pad="x" * LARGEST_TOKEN), "too_large"),
}  # fmt: skip
