"""A wallet and a PID issuer for tests, on the `sd-jwt` package and jwcrypto: nothing of the code that they try.

The wallet does what one must: it refuses a request that is not signed by whom it names, or that would send the answer
elsewhere (OpenID4VP 1.0, section 5.9.3 `x509_san_dns`, `x509_hash`).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from jwcrypto.common import JWException
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer

from tests.support.certificates import Authority, root

PID_ISSUER: Final = "https://pid.example"
VCT: Final = "urn:eudi:pid:it:1"
NUMBER: Final = "personal_administrative_number"


class WalletRefuses(Exception):
    """The wallet will not answer this request; the message says why."""


class PidIssuer:
    """Issues credentials about people, under a root of its own."""

    def __init__(self, at: datetime, url: str = PID_ISSUER) -> None:
        self.url = url
        self.authority = root(at, "PID root")
        self.key = JWK.generate(kty="EC", crv="P-256")
        middle = self.authority.below(at)
        public = self.key.get_op_key("verify")
        assert isinstance(public, ec.EllipticCurvePublicKey)
        self.chain = [middle.certify(public, at, uris=[url]), middle.certificate]

    def issue(self, holder: JWK, at: datetime, number: str, **more: Any) -> str:
        """A PID of the person with this number, bound to the wallet's key."""
        claims = {
            "iss": self.url,
            "vct": VCT,
            "exp": int((at + timedelta(days=30)).timestamp()),
            SDObj(NUMBER): number,
            SDObj("family_name"): "Ferraro",
            SDObj("nationalities"): [SDObj("IT"), SDObj("DE")],
            **more,
        }
        header = {"typ": "dc+sd-jwt", "x5c": _x5c(self.chain)}
        return str(SDJWTIssuer(claims, self.key, holder, extra_header_parameters=header).sd_jwt_issuance)


@dataclass
class WalletApp:
    """One person's wallet: `trusts` are the roots that it knows verifiers by, `web` how it reaches them."""

    trusts: Sequence[Authority]
    now: datetime
    web: httpx2.AsyncClient
    credential: str = ""
    key: JWK = field(default_factory=lambda: JWK.generate(kty="EC", crv="P-256"))

    async def answer(self, link: str, *, tell: Sequence[str] = (NUMBER,), **changes: Any) -> str:
        """Open a link, show what is asked for, post it; gives the address that the browser must open next."""
        asked = await self.read(link)
        return await self.post(asked, {"response": self.encrypted(asked, self.shown(asked, tell), **changes)})

    async def decline(self, link: str) -> str:
        """The person says no."""
        asked = await self.read(link)
        return await self.post(asked, {"error": "access_denied", "state": asked["state"]})

    async def read(self, link: str) -> dict[str, Any]:
        """The request behind a link, checked as a wallet must check it. Raises `WalletRefuses`."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        if "request_uri" not in query:
            raise WalletRefuses("the request is not signed")
        answer = await self.web.get(query["request_uri"])
        if answer.status_code != 200 or answer.headers["content-type"] != "application/oauth-authz-req+jwt":
            raise WalletRefuses("no request there")
        return self.checked(answer.text, query.get("client_id", ""))

    def checked(self, text: str, client_id: str) -> dict[str, Any]:
        """The claims of a request that is signed by whom it names. Raises `WalletRefuses`."""
        signed = JWS()
        try:
            signed.deserialize(text)
            header = signed.jose_header
            leaf = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0]))
            signed.allowed_algs = ["ES256"]
            signed.verify(JWK.from_pyca(leaf.public_key()))
        except (JWException, ValueError, KeyError, TypeError):
            raise WalletRefuses("the request is not signed") from None
        if header.get("typ") != "oauth-authz-req+jwt":
            raise WalletRefuses("not a request")
        self._require_known(leaf)
        claims: dict[str, Any] = json.loads(signed.payload)
        if claims["client_id"] != client_id or not _is_named(leaf, client_id):
            raise WalletRefuses("somebody else asks than it says")
        if claims["response_mode"] != "direct_post.jwt" or claims["response_type"] != "vp_token":
            raise WalletRefuses("not a way that this wallet knows")
        host = urlsplit(claims["response_uri"]).hostname
        if client_id.startswith("x509_san_dns:") and host != client_id.partition(":")[2]:
            raise WalletRefuses("the answer would go elsewhere")
        if claims["exp"] <= self.now.timestamp():
            raise WalletRefuses("too late")
        return claims

    def shown(self, asked: Mapping[str, Any], tell: Sequence[str]) -> str:
        """The presentation: only what is named, bound to this question."""
        holder = SDJWTHolder(self.credential)
        with patch("sd_jwt.holder.time", self.now.timestamp):
            holder.create_presentation(dict.fromkeys(tell, True), asked["nonce"], asked["client_id"], self.key)
        return str(holder.sd_jwt_presentation)

    def encrypted(self, asked: Mapping[str, Any], presentation: str, **changes: Any) -> str:
        """The answer, to the key that the request brought."""
        key = JWK(**asked["client_metadata"]["jwks"]["keys"][0])
        query = asked["dcql_query"]["credentials"][0]["id"]
        answer = {"vp_token": {query: [presentation]}, "state": asked["state"], **changes}
        header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": key["kid"]}
        sealed = JWE(json.dumps(answer), json.dumps(header), recipient=key)
        return str(sealed.serialize(compact=True))

    async def post(self, asked: Mapping[str, Any], fields: Mapping[str, str]) -> str:
        """Post an answer; gives what the browser must open."""
        answer = await self.web.post(
            asked["response_uri"],
            content=urlencode(fields),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["redirect_uri"])

    def _require_known(self, leaf: x509.Certificate) -> None:
        for authority in self.trusts:
            try:
                leaf.verify_directly_issued_by(authority.certificate)
            except (InvalidSignature, ValueError, TypeError):
                continue
            return
        raise WalletRefuses("nobody known vouches for who asks")


def _is_named(leaf: x509.Certificate, client_id: str) -> bool:
    prefix, _, named = client_id.partition(":")
    if prefix == "x509_hash":
        digest = hashlib.sha256(base64.b64decode(_x5c([leaf])[0])).digest()
        return named == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return prefix == "x509_san_dns" and named in names.get_values_for_type(x509.DNSName)


def _x5c(chain: Sequence[x509.Certificate]) -> list[str]:
    return [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in chain]
