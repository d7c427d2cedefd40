"""What the digital identity takes from the bank: requests that are pushed, signed, by a key that is registered."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from security.client_assertions import ASSERTION_TYPE, keys_of, read_assertion, registered_keys
from security.errors import TokenRefused
from security.jwts import Expected, VerificationKeys, verify

ACR: Final = "urn:riserbo:demo:eid:substantial"
CLAIM: Final = "fiscal_code"
SCOPE: Final = f"openid {CLAIM}"
REQUEST_LIFE: Final = timedelta(minutes=5)
REQUEST_TYP: Final = "oauth-authz-req+jwt"
LONGEST_REQUEST: Final = timedelta(seconds=120)
_IDENTIFIED: Final = frozenset({"client_id", "client_assertion_type", "client_assertion"})
_HASH: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class Refused(Exception):
    """An error of OAuth, by its code, for the bank."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class Citizen:
    """Somebody who has a digital identity, whether or not they are anybody's customer."""

    fiscal_code: str
    name: str


@dataclass(frozen=True)
class Registration:
    """The one client: its name for people, the one address that its answers go to, and its public key."""

    client_id: str
    name: str
    redirect_uri: str
    key: dict[str, Any]

    def keys(self) -> VerificationKeys:
        """For reading what it signs."""
        return keys_of(registered_keys(self.key))


@dataclass
class Pushed:
    """A request that waits for its person. `browser` is the hash of the cookie of who opened it first."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    challenge: str
    jkt: str
    pushed_at: datetime
    browser: str = ""


@dataclass
class Client:
    """Who may push, and which assertions of theirs were seen."""

    registration: Registration
    issuer: str
    _seen: dict[str, datetime] = field(default_factory=dict)

    def authenticate(self, form: dict[str, str], now: datetime) -> None:
        """Raise `Refused` unless the form carries a new assertion by the registered key (RFC 7523)."""
        known = self.registration
        named = (form.get("client_id", known.client_id), form.get("client_assertion_type"))
        if named != (known.client_id, ASSERTION_TYPE):
            raise Refused("invalid_client")
        try:
            made = read_assertion(form.get("client_assertion", ""), known.keys(), known.client_id, self.issuer, now)
        except TokenRefused:
            raise Refused("invalid_client") from None
        self._seen = {jti: void_at for jti, void_at in self._seen.items() if void_at > now}
        if made.jti in self._seen:
            raise Refused("invalid_client")
        self._seen[made.jti] = made.void_at

    def read_request(self, form: dict[str, str], now: datetime) -> Pushed:
        """The request in a pushed form (RFC 9126), which stands in its signed object alone (RFC 9101)."""
        if form.keys() != _IDENTIFIED | {"request"}:
            raise Refused("invalid_request")
        known = self.registration
        expected = Expected(known.client_id, self.issuer, (REQUEST_TYP,), ("ES256",), longest=LONGEST_REQUEST)
        try:
            asked = verify(form["request"], known.keys(), expected, now)
        except TokenRefused:
            raise Refused("invalid_request_object") from None
        return self._checked(asked, now)

    def _checked(self, asked: Any, now: datetime) -> Pushed:
        texts = {name: value for name, value in asked.items() if isinstance(value, str)}
        if texts.get("client_id") != self.registration.client_id or texts.get("response_type") != "code":
            raise Refused("invalid_request")
        if texts.get("redirect_uri") != self.registration.redirect_uri:
            raise Refused("invalid_request")
        if set(texts.get("scope", "").split()) != set(SCOPE.split()):
            raise Refused("invalid_scope")
        if texts.get("response_mode", "query") != "query" or ACR not in texts.get("acr_values", ACR).split():
            raise Refused("invalid_request")
        challenge, jkt = texts.get("code_challenge", ""), texts.get("dpop_jkt", "")
        bound = texts.get("code_challenge_method") == "S256" and _HASH.fullmatch(challenge) and _HASH.fullmatch(jkt)
        once = all(8 <= len(texts.get(name, "")) <= 512 for name in ("state", "nonce"))
        if not (bound and once):
            raise Refused("invalid_request")
        return Pushed(texts["state"], texts["nonce"], challenge, jkt, now)
