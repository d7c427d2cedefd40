"""A European Digital Identity Wallet on the visitor's own device, as one who identifies customers (OpenID4VP 1.0).

The wallet fetches a signed request, and posts its encrypted answer behind the browser's back; the answer counts only
with the code that the wallet hands to the very browser that asked. No QR code: what a second device approves can be
approved for somebody else.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from cryptography.x509 import Certificate

from app.binding.identity_provider import IdentityAnswer, IdentityRefused, IdentityResult, IdentityWish, Posted
from app.channels.ports import Remark, State
from app.directory.port import IdentifierKind
from security.certificates import certificate_hash, names_of, x5c_of
from security.encrypted_answers import CIPHERS, AnswerKey
from security.errors import TokenRefused
from security.jwts import SigningKey
from security.sd_jwt import SIGNED_BY, TYP, Presented, TrustedIssuer, Wanted, verify_presentation
from security.tokens import new_token, token_hash

REQUEST_TYP: Final = "oauth-authz-req+jwt"
AUDIENCE: Final = "https://self-issued.me/v2"
"""Whom a request is for when the wallet is not known beforehand (OpenID4VP section 5.8)."""
QUERY: Final = "pid"
LONGEST_IDENTIFIER: Final = 300
SHORT_LIVED: Final = timedelta(hours=24)
"""Credentials that live no longer need no way to be withdrawn (Implementing Regulation 2024/2977, article 5)."""
SOON: Final = timedelta(days=30)
_ANSWER_KEY: Final = "answer_key"
_STATE: Final = "wallet_state"


class CredentialStatus(Protocol):
    """Whoever knows whether an issuer has withdrawn a credential since."""

    async def is_withdrawn(self, issuer: TrustedIssuer, status: object, now: datetime) -> bool:
        """`status` is the credential's own claim. Raises `OutboundError` when nobody can be asked."""
        ...


@dataclass(frozen=True)
class WalletRequest:
    """What one request is made of: `state` leads to it, nonce and memo are those of its redirect."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    memo: Mapping[str, str] = field(repr=False)
    made_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class WalletProvider:
    """Wallets at large, reached by `url` (`openid4vp://`), that hold a credential of type `vct` from these issuers.

    `claim` of it names the customer, as the `kind` by which the directory knows it. `client_id` is who we are to
    wallets, proved by `chain` and `key`.
    """

    name: str
    url: str
    public_url: str
    client_id: str
    key: SigningKey
    chain: Sequence[Certificate]
    issuers: Mapping[str, TrustedIssuer]
    vct: str
    claim: str
    kind: IdentifierKind
    status: CredentialStatus | None = None

    def prepare(self) -> Mapping[str, str]:
        """A key pair that only the answer to this request can be read with, and the request's own name."""
        return {_ANSWER_KEY: json.dumps(AnswerKey.new().private_jwk()), _STATE: new_token()}

    async def begin(self, wish: IdentityWish) -> str:
        """See `IdentityProvider`: the link that opens the wallet, which then fetches the request."""
        where = {"client_id": self.client_id, "request_uri": self._address("request", wish.state)}
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(where)}"

    def request_object(self, asked: WalletRequest) -> str:
        """The signed request (RFC 9101): one claim of one credential, to be posted encrypted to this address."""
        answer_key = AnswerKey.of_jwk(json.loads(asked.memo[_ANSWER_KEY]))
        claims = {
            "aud": AUDIENCE,
            "client_id": self.client_id,
            "response_type": "vp_token",
            "response_mode": "direct_post.jwt",
            "response_uri": self._address("response", asked.state),
            "nonce": asked.nonce,
            "state": asked.memo[_STATE],
            "iat": int(asked.made_at.timestamp()),
            "exp": int(asked.expires_at.timestamp()),
            "dcql_query": self._query(),
            "client_metadata": _metadata(answer_key),
        }
        return self.key.sign(claims, typ=REQUEST_TYP, header={"x5c": x5c_of(self.chain)})

    async def finish(self, answer: IdentityAnswer) -> IdentityResult:
        """See `IdentityProvider`; the code is the one that the wallet gave to the browser."""
        fields = _fields(answer.posted, answer.code)
        try:
            presented = self._presented(fields["response"], answer)
        except TokenRefused as refused:
            raise IdentityRefused(f"wallet_{refused.reason}") from None
        await self._require_standing(presented, answer.now)
        value = presented.claims.get(self.claim)
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_IDENTIFIER:
            raise IdentityRefused("customer_not_named")
        return IdentityResult(value, self.vct, answer.nonce, self.name, self.kind)

    def _presented(self, response: str, answer: IdentityAnswer) -> Presented:
        opened = AnswerKey.of_jwk(json.loads(answer.memo[_ANSWER_KEY])).decrypt(response)
        if opened.get("state") != answer.memo[_STATE]:
            raise TokenRefused("other_request")
        answered = opened.get("vp_token")
        shown = answered.get(QUERY) if isinstance(answered, dict) and answered.keys() == {QUERY} else None
        if not isinstance(shown, list) or len(shown) != 1 or not isinstance(shown[0], str):
            raise TokenRefused("no_presentation")
        wanted = Wanted(self.vct, self.client_id, answer.nonce, answer.begun_at)
        return verify_presentation(shown[0], self.issuers, wanted, answer.now)

    async def _require_standing(self, presented: Presented, now: datetime) -> None:
        """Not withdrawn since it was issued; one that ends within a day need not say where that can be asked."""
        if self.status is None or (presented.status is None and presented.expires_at <= now + SHORT_LIVED):
            return
        if presented.status is None:
            raise IdentityRefused("wallet_without_status")
        if await self.status.is_withdrawn(presented.issuer, presented.status, now):
            raise IdentityRefused("wallet_withdrawn")

    async def look(self, now: datetime) -> Sequence[Remark]:
        """Whether wallets can know us by our certificate, and how long still; for the doctor."""
        leaf = self.chain[0]
        prefix, _, named = self.client_id.partition(":")
        fits = {"x509_san_dns": named in names_of(leaf), "x509_hash": named == certificate_hash(leaf)}
        remarks = []
        if not fits.get(prefix, False):
            remarks.append(Remark(State.WRONG, "client_id is not what the certificate says (x509_san_dns, x509_hash)"))
        if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
            remarks.append(Remark(State.WRONG, "the certificate that wallets know us by is not valid now"))
        elif leaf.not_valid_after_utc < now + SOON:
            remarks.append(Remark(State.ODD, f"the certificate ends on {leaf.not_valid_after_utc:%Y-%m-%d}"))
        if self.status is None:
            remarks.append(Remark(State.ODD, "does not ask whether a credential has been withdrawn"))
        return remarks or [Remark(State.RIGHT, "signs its requests with a certificate that holds")]

    def _query(self) -> dict[str, Any]:
        """DCQL (OpenID4VP section 6): the one claim that names the customer, and no other."""
        wanted = {"id": QUERY, "format": TYP, "meta": {"vct_values": [self.vct]}, "claims": [{"path": [self.claim]}]}
        return {"credentials": [wanted]}

    def _address(self, part: str, state: str) -> str:
        return f"{self.public_url}/wallet/{self.name}/{part}/{state}"


def _metadata(answer_key: AnswerKey) -> dict[str, Any]:
    algorithms = {"sd-jwt_alg_values": list(SIGNED_BY), "kb-jwt_alg_values": list(SIGNED_BY)}
    return {
        "jwks": {"keys": [answer_key.public_jwk()]},
        "encrypted_response_enc_values_supported": list(CIPHERS),
        "vp_formats_supported": {TYP: algorithms},
    }


def _fields(posted: Posted | None, code: str) -> Mapping[str, str]:
    """What the wallet posted, if the browser brings the code that its wallet was given for it."""
    if posted is None:
        raise IdentityRefused("nothing_posted")
    if not hmac.compare_digest(posted.code_hash, token_hash(code)):
        # a browser that knows the request and never got back from the wallet: it would finish another's presentation
        raise IdentityRefused("wrong_response_code")
    if "response" not in posted.fields:
        raise IdentityRefused("wallet_said_no")
    return posted.fields
