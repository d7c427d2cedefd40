"""One request at the token endpoint, judged by authlib's core: grant, client authentication, scopes, words of refusal.

The core is synchronous and knows no database: the one client that the request claims to be of is read before, and what
must be written (the assertion used up, the session) is written after. Assertions are read by `client_assertions` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from security.client_assertions import ASSERTION_TYPE, Assertion, read_assertion
from security.errors import TokenRefused
from security.jwts import VerificationKeys

METHOD: Final = "private_key_jwt"
# Not an address of ours: the core only looks whether it begins like one that TLS protects.
_BEHIND_TLS: Final = "https://token.endpoint.invalid/"


@dataclass(frozen=True)
class KnownClient(ClientMixin):  # type: ignore[misc]
    """A registered program, as the core asks about it."""

    client_id: str
    scopes: frozenset[str]
    keys: VerificationKeys

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """There is one way to prove oneself, at the one endpoint."""
        return (method, endpoint) == (METHOD, "token")

    def check_grant_type(self, grant_type: str) -> bool:
        """A program acts for itself, never for a person."""
        return grant_type == "client_credentials"


@dataclass(frozen=True)
class Granted:
    """What the core allowed; nothing is written yet."""

    assertion: Assertion
    scopes: frozenset[str]


@dataclass(frozen=True)
class Declined:
    """What the core refused: OAuth's word for it, and ours for the evidence."""

    error: str
    status: int
    reason: str


def judge(form: Mapping[str, str], client: KnownClient | None, issuer: str, now: datetime) -> Granted | Declined:
    """What the form earns at `now`, if `client` is who it claims to be of."""
    server = _Server(client, issuer, now)
    status, body = server.create_token_response(_Request(form))
    if server.assertion is not None and server.scopes is not None and status == 200:
        return Granted(server.assertion, server.scopes)
    error = str(body.get("error", "invalid_request"))
    return Declined(error, 401 if error == "invalid_client" else 400, server.reason or error)


class _Grant(ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = [METHOD]


class _Request(OAuth2Request):  # type: ignore[misc]
    def __init__(self, form: Mapping[str, str]) -> None:
        super().__init__("POST", _BEHIND_TLS)
        self.payload = BasicOAuth2Payload(dict(form))

    @property
    def form(self) -> dict[str, str]:
        return dict(self.payload.data)


class _Server(AuthorizationServer):  # type: ignore[misc]
    """The core for one request and one client."""

    def __init__(self, client: KnownClient | None, issuer: str, now: datetime) -> None:
        super().__init__()
        self._known, self._issuer, self._now = client, issuer, now
        self.assertion: Assertion | None = None
        self.scopes: frozenset[str] | None = None
        self.reason = ""
        self.register_grant(_Grant)
        self.register_client_auth_method(METHOD, self._authenticated)
        self.register_token_generator("default", self._granted)

    def query_client(self, client_id: str) -> KnownClient | None:
        """The one client that was read for this request."""
        return self._known if self._known is not None and self._known.client_id == client_id else None

    def _authenticated(self, _query_client: object, request: _Request) -> KnownClient:
        form = request.form
        client, assertion = self._known, form.get("client_assertion", "")
        if client is None or form.get("client_assertion_type") != ASSERTION_TYPE or "client_secret" in form:
            self.reason = "no_client"
            raise InvalidClientError
        if form.get("client_id", client.client_id) != client.client_id:
            self.reason = "other_client"
            raise InvalidClientError
        try:
            self.assertion = read_assertion(assertion, client.keys, client.client_id, self._issuer, self._now)
        except TokenRefused as refused:
            self.reason = refused.reason
            raise InvalidClientError from None
        return client

    def _granted(self, *, client: KnownClient, scope: str | None, **_rest: object) -> dict[str, str]:
        """Every scope that is asked for must be the client's; who asks for none gets all of them."""
        wanted = client.scopes if scope is None else frozenset(scope.split(" "))
        if not wanted or not wanted <= client.scopes:
            self.reason = "scope"
            raise InvalidScopeError
        self.scopes = wanted
        return {}

    def save_token(self, token: Mapping[str, Any], request: _Request) -> None:
        """Nothing yet: the token is made where it is stored."""

    def create_oauth2_request(self, request: _Request) -> _Request:
        """The request is in the core's form already."""
        return request

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def handle_response(self, status: int, body: dict[str, Any], _headers: object) -> tuple[int, dict[str, Any]]:
        """Only the word of a refusal is used; its sentence would tell an outsider which check failed."""
        return status, body
