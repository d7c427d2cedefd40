"""From a pushed request over a person's consent to tokens: each step once, in one browser, for a short while."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from app.demo.eid.requests import ACR, CLAIM, REQUEST_LIFE, SCOPE, Citizen, Client, Pushed, Refused, Registration
from app.demo.site import same
from security.dpop import verify_proof
from security.encoding import b64url
from security.errors import TokenRefused
from security.jwts import SigningKey

CODE_LIFE: Final = timedelta(seconds=60)
TOKEN_LIFE: Final = timedelta(seconds=60)
REQUEST_URI: Final = "urn:ietf:params:oauth:request_uri:"
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class Untrusted(Exception):
    """No request that this browser may answer: it must not be sent anywhere."""


@dataclass
class Grant:
    """A code that was given out, for one person's consent."""

    asked: Pushed
    citizen: Citizen
    agreed_at: datetime


@dataclass
class Grants:
    """What is under way, in memory."""

    client: Client
    citizens: tuple[Citizen, ...]
    key: SigningKey = field(default_factory=SigningKey.new)
    _salt: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _pushed: dict[str, Pushed] = field(default_factory=dict, repr=False)
    _grants: dict[str, Grant] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, issuer: str, registration: Registration, citizens: tuple[Citizen, ...]) -> Grants:
        """Nothing under way yet."""
        return cls(Client(registration, issuer), citizens)

    def push(self, form: dict[str, str], now: datetime) -> str:
        """Keep an authenticated request; gives its `request_uri`. Raises `Refused`."""
        self.client.authenticate(form, now)
        asked = self.client.read_request(form, now)
        self._pushed = {uri: one for uri, one in self._pushed.items() if now < one.pushed_at + REQUEST_LIFE}
        uri = REQUEST_URI + secrets.token_urlsafe(32)
        self._pushed[uri] = asked
        return uri

    def open(self, parameters: dict[str, str], browser: str, now: datetime) -> Pushed:
        """The request for this browser: whoever opens it first. Raises `Untrusted`."""
        asked = self._pushed.get(parameters.get("request_uri", ""))
        if asked is None or parameters.get("client_id") != self.client.registration.client_id:
            raise Untrusted
        if now >= asked.pushed_at + REQUEST_LIFE or asked.browser not in ("", digest(browser)):
            raise Untrusted
        asked.browser = digest(browser)
        return asked

    def citizen(self, fiscal_code: str) -> Citizen | None:
        """The person of a code."""
        return next((one for one in self.citizens if one.fiscal_code == fiscal_code), None)

    def answer(self, uri: str, citizen: Citizen | None, now: datetime) -> str:
        """Use the request up; gives the bank's address with a code, or without a person with `access_denied`."""
        asked = self._pushed.pop(uri)
        if citizen is None:
            return self._back(asked, error="access_denied")
        code = secrets.token_urlsafe(32)
        self._grants = {key: one for key, one in self._grants.items() if now < one.agreed_at + CODE_LIFE}
        self._grants[digest(code)] = Grant(asked, citizen, now)
        return self._back(asked, code=code)

    def redeem(self, form: dict[str, str], proof: str, url: str, now: datetime) -> dict[str, Any]:
        """The tokens of a code. Any try by the bank burns it. Raises `Refused`."""
        self.client.authenticate(form, now)
        grant = self._grants.pop(digest(form.get("code", "")), None)
        if form.get("grant_type") != "authorization_code":
            raise Refused("unsupported_grant_type")
        if grant is None or now >= grant.agreed_at + CODE_LIFE:
            raise Refused("invalid_grant")
        verifier = form.get("code_verifier", "")
        if not _VERIFIER.fullmatch(verifier) or not same(create_s256_code_challenge(verifier), grant.asked.challenge):
            raise Refused("invalid_grant")
        if form.get("redirect_uri") != self.client.registration.redirect_uri:
            raise Refused("invalid_grant")
        try:
            verify_proof(proof, "POST", url, now, jkt=grant.asked.jkt)
        except TokenRefused:
            raise Refused("invalid_dpop_proof") from None
        return self._tokens(grant, now)

    def _tokens(self, grant: Grant, now: datetime) -> dict[str, Any]:
        """An access token that opens nothing here, and the ID token that says who it was."""
        access_token, at = secrets.token_urlsafe(32), int(now.timestamp())
        life = int(TOKEN_LIFE.total_seconds())
        client_id, code = self.client.registration.client_id, grant.citizen.fiscal_code
        claims = {
            "iss": self.client.issuer,
            "aud": client_id,
            # the same person has another name at each client (pairwise, Core 8.1)
            "sub": b64url(hmac.digest(self._salt, f"{client_id} {code}".encode(), "sha256")),
            "iat": at,
            "exp": at + life,
            "auth_time": int(grant.agreed_at.timestamp()),
            "nonce": grant.asked.nonce,
            "acr": ACR,
            "at_hash": b64url(hashlib.sha256(access_token.encode()).digest()[:16]),
            CLAIM: f"TINIT-{code}",
        }
        id_token = self.key.sign(claims, typ="JWT")
        told = {"access_token": access_token, "token_type": "DPoP", "expires_in": life, "scope": SCOPE}
        return {**told, "id_token": id_token}

    def _back(self, asked: Pushed, **answer: str) -> str:
        parameters = {**answer, "state": asked.state, "iss": self.client.issuer}
        return f"{self.client.registration.redirect_uri}?{urlencode(parameters)}"


def digest(value: str) -> str:
    """SHA-256 in hex: neither codes nor cookies are kept."""
    return hashlib.sha256(value.encode()).hexdigest()
