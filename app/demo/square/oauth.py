"""The Square's OAuth 2 authorization server: code with PKCE for confidential clients (RFC 6749, 7636, 9207, 9700).

No web here: parameters in, decisions or refusals out. Codes and tokens are kept as hashes only.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from app.demo.site import same
from app.demo.square.models import ClientApp
from app.demo.square.store import digest

CODE_LIFE = timedelta(seconds=60)
TOKEN_LIFE = timedelta(minutes=10)
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of SHA-256, RFC 7636 section 4.2
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 section 4.1
SCOPE = "profile"


class Untrusted(Exception):
    """The client or its address cannot be trusted: the browser must not be sent anywhere (RFC 6749 4.1.2.1)."""


class OAuthError(Exception):
    """A refusal with its registered error code."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


@dataclass(frozen=True)
class AuthorizationRequest:
    """A request whose client and redirect address are known to match."""

    client: ClientApp
    redirect_uri: str
    state: str
    challenge: str
    parameters: dict[str, str]


@dataclass
class Grant:
    """A code that was given out; it stays known after use so that a replay can be punished."""

    client_id: str
    redirect_uri: str
    challenge: str
    person_id: str
    expires_at: datetime
    used: bool = False
    tokens: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Access:
    """A live access token's meaning."""

    client_id: str
    person_id: str
    expires_at: datetime


class AuthorizationServer:
    """Codes and tokens of one issuer."""

    def __init__(self, issuer: str, clients: tuple[ClientApp, ...]) -> None:
        self.issuer = issuer
        self._clients = {client.client_id: client for client in clients}
        self._grants: dict[str, Grant] = {}
        self._access: dict[str, Access] = {}

    def check_request(self, parameters: dict[str, str]) -> AuthorizationRequest:
        """The request, checked as far as a redirect can be trusted. Raises Untrusted, or Denied by redirect."""
        client = self._clients.get(parameters.get("client_id", ""))
        redirect_uri = parameters.get("redirect_uri", "")
        if client is None or redirect_uri not in client.redirect_uris:  # exact, RFC 9700 section 2.1
            raise Untrusted
        state = parameters.get("state", "")
        asked = AuthorizationRequest(client, redirect_uri, state, parameters.get("code_challenge", ""), parameters)
        if parameters.get("response_type") != "code":
            raise Denied(asked, "unsupported_response_type")
        if parameters.get("scope", SCOPE) != SCOPE:
            raise Denied(asked, "invalid_scope")
        if parameters.get("code_challenge_method") != "S256" or not CHALLENGE.fullmatch(asked.challenge):
            raise Denied(asked, "invalid_request")
        if not 8 <= len(state) <= 512:
            raise Denied(asked, "invalid_request")
        return asked

    def redirect(self, request: AuthorizationRequest, **answer: str) -> str:
        """The client's address with the answer, `state` and `iss` (RFC 9207)."""
        parameters = {**answer, "iss": self.issuer}
        if request.state:
            parameters["state"] = request.state
        joint = "&" if urlsplit(request.redirect_uri).query else "?"
        return f"{request.redirect_uri}{joint}{urlencode(parameters)}"

    def approve(self, request: AuthorizationRequest, person_id: str, now: datetime) -> str:
        """A fresh code for this person, good for 60 s and one exchange."""
        self._sweep(now)
        code = secrets.token_urlsafe(32)
        self._grants[digest(code)] = Grant(
            request.client.client_id, request.redirect_uri, request.challenge, person_id, now + CODE_LIFE
        )
        return code

    def authenticate(self, client_id: str, secret: str) -> ClientApp:
        """The client behind these credentials. Raises OAuthError invalid_client."""
        client = self._clients.get(client_id)
        if not same(client.client_secret if client else secrets.token_urlsafe(32), secret) or client is None:
            raise OAuthError("invalid_client", 401)
        return client

    def exchange(self, client: ClientApp, form: dict[str, str], now: datetime) -> str:
        """An access token for a code. Any failed try burns the code; a replay revokes its tokens. Raises OAuthError."""
        if form.get("grant_type") != "authorization_code":
            raise OAuthError("unsupported_grant_type")
        grant = self._grants.get(digest(form.get("code", "")))
        if grant is None:
            raise OAuthError("invalid_grant")
        if grant.used:
            for token in grant.tokens:
                self._access.pop(token, None)
            raise OAuthError("invalid_grant")
        grant.used = True
        verifier = form.get("code_verifier", "")
        proved = VERIFIER.fullmatch(verifier) and same(create_s256_code_challenge(verifier), grant.challenge)
        bound = grant.client_id == client.client_id and grant.redirect_uri == form.get("redirect_uri")
        if not proved or not bound or now >= grant.expires_at:
            raise OAuthError("invalid_grant")
        token = secrets.token_urlsafe(32)
        grant.tokens.append(digest(token))
        self._access[digest(token)] = Access(client.client_id, grant.person_id, now + TOKEN_LIFE)
        return token

    def person_of(self, token: str, now: datetime) -> str:
        """The id of who signed in. Raises OAuthError invalid_token."""
        access = self._access.get(digest(token))
        if access is None or now >= access.expires_at:
            raise OAuthError("invalid_token", 401)
        return access.person_id

    def revoke(self, client: ClientApp, token: str) -> None:
        """Forget the client's own token; anything else is silently fine (RFC 7009 section 2.2)."""
        access = self._access.get(digest(token))
        if access is not None and access.client_id == client.client_id:
            del self._access[digest(token)]

    def metadata(self) -> dict[str, object]:
        """The server's description (RFC 8414)."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/oauth/authorize",
            "token_endpoint": f"{self.issuer}/oauth/token",
            "userinfo_endpoint": f"{self.issuer}/oauth/userinfo",
            "revocation_endpoint": f"{self.issuer}/oauth/revoke",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "scopes_supported": [SCOPE],
            "authorization_response_iss_parameter_supported": True,
        }

    def _sweep(self, now: datetime) -> None:
        # a grant is remembered as long as its tokens could live, for the replay rule
        self._grants = {key: one for key, one in self._grants.items() if now < one.expires_at + TOKEN_LIFE}
        self._access = {key: one for key, one in self._access.items() if now < one.expires_at}


class Denied(Exception):
    """The request is refused at the client's own address."""

    def __init__(self, request: AuthorizationRequest, error: str) -> None:
        super().__init__(error)
        self.request = request
        self.error = error
