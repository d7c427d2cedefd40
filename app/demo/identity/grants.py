"""The stub's requests and one-time codes, checked as a real provider would: the bank's side is tried in earnest."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from app.demo.site import same

CODE_LIFE: Final = timedelta(seconds=60)
CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
KEPT: Final = ("client_id", "redirect_uri", "state", "nonce", "code_challenge", "code_challenge_method", "purpose")


class Untrusted(Exception):
    """Unknown client or address: the browser must not be sent anywhere."""


class Refused(Exception):
    """The code proves nothing."""


@dataclass(frozen=True)
class ProofRequest:
    """What the bank asks for, with an address that is registered."""

    redirect_uri: str
    state: str
    nonce: str
    challenge: str
    purpose: str
    parameters: dict[str, str]
    error: str | None


@dataclass
class Grant:
    """A code that was given out."""

    customer_number: str
    nonce: str
    challenge: str
    redirect_uri: str
    issued_at: datetime
    used: bool = False


@dataclass(frozen=True)
class Client:
    """The one client that the stub serves."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...]

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Client({self.client_id!r})"


class Grants:
    """Requests in, codes out, results for codes; in memory."""

    def __init__(self, issuer: str, client: Client) -> None:
        self.issuer = issuer
        self._client = client
        self._grants: dict[str, Grant] = {}

    def check_request(self, parameters: dict[str, str]) -> ProofRequest:
        """The request; `error` is set when it must be refused at its address. Raises Untrusted."""
        redirect_uri = parameters.get("redirect_uri", "")
        if parameters.get("client_id") != self._client.client_id or redirect_uri not in self._client.redirect_uris:
            raise Untrusted
        state, nonce = parameters.get("state", ""), parameters.get("nonce", "")
        challenge, purpose = parameters.get("code_challenge", ""), parameters.get("purpose", "")
        well = CHALLENGE.fullmatch(challenge) and 8 <= len(state) <= 512 and 8 <= len(nonce) <= 512
        well = well and len(purpose) <= 200 and parameters.get("code_challenge_method", "S256") == "S256"
        kept: dict[str, str] = {name: parameters[name] for name in KEPT if name in parameters}
        return ProofRequest(redirect_uri, state, nonce, challenge, purpose, kept, None if well else "invalid_request")

    def redirect(self, request: ProofRequest, **answer: str) -> str:
        """The bank's address with the answer, `state` and `iss`."""
        joint = "&" if urlsplit(request.redirect_uri).query else "?"
        parameters = {**answer, "state": request.state, "iss": self.issuer}
        return f"{request.redirect_uri}{joint}{urlencode(parameters)}"

    def approve(self, request: ProofRequest, customer_number: str, now: datetime) -> str:
        """A code for this person, good for 60 s and one use."""
        self._grants = {key: one for key, one in self._grants.items() if now < one.issued_at + 10 * CODE_LIFE}
        code = secrets.token_urlsafe(32)
        grant = Grant(customer_number, request.nonce, request.challenge, request.redirect_uri, now)
        self._grants[digest(code)] = grant
        return code

    def authenticate(self, client_id: str, secret: str) -> None:
        """Check the client's credentials. Raises Refused."""
        known = same(client_id, self._client.client_id)
        if not same(secret, self._client.client_secret) or not known:
            raise Refused

    def redeem(self, form: dict[str, str], now: datetime) -> Grant:
        """The grant behind a code. Any try burns it. Raises Refused."""
        grant = self._grants.get(digest(form.get("code", "")))
        if grant is None or grant.used:
            raise Refused
        grant.used = True
        verifier = form.get("code_verifier", "")
        if not VERIFIER.fullmatch(verifier) or not same(create_s256_code_challenge(verifier), grant.challenge):
            raise Refused
        if form.get("redirect_uri", grant.redirect_uri) != grant.redirect_uri or now >= grant.issued_at + CODE_LIFE:
            raise Refused
        return grant


def digest(value: str) -> str:
    """SHA-256 in hex: the store never holds a code."""
    return hashlib.sha256(value.encode()).hexdigest()
