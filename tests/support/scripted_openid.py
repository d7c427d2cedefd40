"""An OpenID Provider that says whatever a test wants, where a certified one would not. It stands where the outbound
client stands, so nothing leaves the process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, cast

from app.oauth.client import OAuthClient
from app.oauth.server import AuthorizationServer
from app.outbound import OutboundClient, OutboundError, OutboundResponse
from security.encoding import unb64url
from security.jwts import SigningKey
from security.secret import Secret

ISSUER: Final = "https://id.example"
CLIENT: Final = "riserbo"
OUR_KEY: Final = SigningKey.new()
NOW: Final = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ACCESS_TOKEN: Final = "access-token-1"


def metadata(**changes: Any) -> dict[str, Any]:
    """What the provider says of itself; None takes a part away."""
    right: dict[str, Any] = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/auth",
        "token_endpoint": f"{ISSUER}/token",
        "jwks_uri": f"{ISSUER}/jwks",
        "pushed_authorization_request_endpoint": f"{ISSUER}/par",
        "userinfo_endpoint": f"{ISSUER}/me",
        "revocation_endpoint": f"{ISSUER}/revoke",
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": True,
        "claims_parameter_supported": True,
        "dpop_signing_alg_values_supported": ["ES256"],
    }
    return {name: value for name, value in (right | changes).items() if value is not None}


@dataclass
class Asked:
    """One request that came in."""

    method: str
    url: str
    headers: dict[str, str]
    form: dict[str, str]
    auth: tuple[str, str] | None


@dataclass
class ScriptedProvider:
    """Right in everything, until a test changes a part. `faults` by path replace an answer, `down` are out of reach."""

    metadata: dict[str, Any] = field(default_factory=metadata)
    key: SigningKey = field(default_factory=SigningKey.new)
    published: list[Mapping[str, Any]] | None = None
    at: datetime = NOW
    nonce: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    signs_userinfo: bool = False
    dpop_nonce: str = ""
    demands_nonces: bool = False
    """Whether our registration there wants a nonce after every proof."""
    faults: dict[str, OutboundResponse] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    asked: list[Asked] = field(default_factory=list)

    def client(self, *, by_key: bool = True) -> OAuthClient:
        """Our registration there."""
        server = AuthorizationServer(ISSUER, cast(OutboundClient, self))
        if by_key:
            return OAuthClient(server, CLIENT, key=OUR_KEY, demands_nonces=self.demands_nonces)
        return OAuthClient(server, CLIENT, secret=Secret(b"s e:cret"))

    def to(self, path: str) -> list[Asked]:
        """The requests to one path."""
        return [one for one in self.asked if one.url == f"{ISSUER}{path}"]

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        **_more: Any,
    ) -> OutboundResponse:
        """See `OutboundClient.request`."""
        path = url.removeprefix(ISSUER)
        one = Asked(method, url, dict(headers or {}), dict(data or {}), auth)
        self.asked.append(one)
        if path in self.down:
            raise OutboundError("gone")
        if path in self.faults:
            return self.faults[path]
        if self.dpop_nonce and "dpop" in one.headers and read(one.headers["dpop"]).get("nonce") != self.dpop_nonce:
            return answer({"error": "use_dpop_nonce"}, 400, {"dpop-nonce": self.dpop_nonce})
        return self._answer(path)

    def _answer(self, path: str) -> OutboundResponse:
        match path:
            case "/.well-known/openid-configuration":
                return answer(self.metadata)
            case "/jwks":
                return answer({"keys": self.published if self.published is not None else [self.key.public_jwk()]})
            case "/par":
                return answer({"request_uri": "urn:request:1", "expires_in": 60}, 201)
            case "/token":
                return answer(self._tokens())
            case "/me":
                return self._userinfo()
            case _:
                return OutboundResponse(200, {}, b"")

    def _tokens(self) -> dict[str, Any]:
        right = {"access_token": ACCESS_TOKEN, "id_token": self.id_token(), "token_type": "DPoP", "expires_in": 60}
        return {name: value for name, value in (right | self.tokens).items() if value is not None}

    def id_token(self) -> str:
        """The next ID token."""
        at = int(self.at.timestamp())
        right = {
            "iss": ISSUER, "aud": CLIENT, "sub": "u-1", "iat": at, "exp": at + 300, "auth_time": at, "nonce": self.nonce,
            "acr": "high",
        }  # fmt: skip
        claims = {name: value for name, value in (right | self.claims).items() if value is not None}
        return self.key.sign(claims, typ="JWT")

    def _userinfo(self) -> OutboundResponse:
        claims = {"sub": "u-1", "customer": "C-1001", **self.told}
        if not self.signs_userinfo:
            return answer(claims)
        token = self.key.sign({"iss": ISSUER, "aud": CLIENT, **claims}, typ="JWT")
        return OutboundResponse(200, {"content-type": "application/jwt; charset=utf-8"}, token.encode())


def answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> OutboundResponse:
    """A JSON answer."""
    return OutboundResponse(
        status, {"content-type": "application/json", **(headers or {})}, json.dumps(document).encode()
    )


def read(token: str) -> dict[str, Any]:
    """The claims of a token, unchecked."""
    claims: dict[str, Any] = json.loads(unb64url(token.split(".")[1]))
    return claims
