"""The port to whoever identifies customers by redirect (bank login, digital identity, KYC), and its HTTP form.

A result counts only when it returns to the same browser, attempt and nonce; the callers see to the first two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

from app.outbound import OutboundClient
from app.permissions import Level
from security.secret import Secret


class IdentityRefused(Exception):
    """The provider identified nobody, or answered what cannot be believed."""


@dataclass(frozen=True)
class IdentityResult:
    """Who the provider says signed in, how strongly (`acr`), for which request (`nonce`)."""

    customer_number: str = field(repr=False)
    acr: str
    nonce: str = field(repr=False)
    provider: str


class IdentityProvider(Protocol):
    """One provider."""

    def begin(self, *, state: str, nonce: str, redirect_uri: str, code_challenge: str, purpose: str) -> str:
        """The address to send the browser to; `purpose` is `entry`, `step_up` or `unlock`."""
        ...

    async def finish(self, *, code: str, code_verifier: str, redirect_uri: str) -> IdentityResult:
        """Exchange the code. Raises `IdentityRefused`, or `OutboundError` when the provider cannot be reached."""
        ...


@dataclass(frozen=True)
class OfferedProvider:
    """A provider as the bank's policy offers it.

    `relay_resistant` lists the acr values that are bound to our origin or to the same device, with their level; every
    other acr counts as L2 (design, decision 9). `is_stub` marks the demonstration's provider, which checks nothing.
    """

    name: str
    label: str
    port: IdentityProvider
    relay_resistant: Mapping[str, Level]
    is_stub: bool = False

    @property
    def best_level(self) -> Level:
        """The highest level that this provider can give."""
        return max(self.relay_resistant.values(), default=Level.L2)


@dataclass(frozen=True)
class HttpIdentityProvider:
    """A KYC service with two addresses: GET /authorize for the browser, POST /result for us (client by Basic auth).

    /result takes {"code", "code_verifier", "redirect_uri"} and answers {"customer_number", "nonce", "acr", "subject"}.
    """

    name: str
    base_url: str
    client_id: str
    client_secret: Secret
    outbound: OutboundClient
    public_url: str | None = None

    def begin(self, *, state: str, nonce: str, redirect_uri: str, code_challenge: str, purpose: str) -> str:
        """See `IdentityProvider`; PKCE by S256 (RFC 7636)."""
        query = urlencode(
            {
                "client_id": self.client_id,
                "redirect_uri": redirect_uri,
                "state": state,
                "nonce": nonce,
                "code_challenge": code_challenge,
                "code_challenge_method": "S256",
                "purpose": purpose,
            }
        )
        return f"{self.public_url or self.base_url}/authorize?{query}"

    async def finish(self, *, code: str, code_verifier: str, redirect_uri: str) -> IdentityResult:
        """See `IdentityProvider`."""
        answer = await self.outbound.request(
            "POST",
            f"{self.base_url}/result",
            json={"code": code, "code_verifier": code_verifier, "redirect_uri": redirect_uri},
            auth=(self.client_id, self.client_secret.reveal().decode()),
        )
        if answer.status != 200:
            raise IdentityRefused(f"answered {answer.status}")
        return _result(answer.json(), self.name)


def _result(document: Any, provider: str) -> IdentityResult:
    if not isinstance(document, dict):
        raise IdentityRefused("not an object")
    number, nonce, acr = (document.get(name) for name in ("customer_number", "nonce", "acr"))
    if not (isinstance(number, str) and number and isinstance(nonce, str) and nonce and isinstance(acr, str)):
        raise IdentityRefused("incomplete")
    return IdentityResult(customer_number=number, acr=acr[:200], nonce=nonce, provider=provider)
