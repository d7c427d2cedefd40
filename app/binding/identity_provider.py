"""The port to whoever identifies customers by redirect (bank login, digital identity, KYC), and its HTTP form.

A result counts only when it returns to the same browser, attempt and nonce; the callers see to the first two.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlencode

from app.channels.ports import Remark
from app.directory.port import IdentifierKind
from app.outbound import OutboundClient
from app.permissions import Level
from security.secret import Secret


class IdentityRefused(Exception):
    """The provider identified nobody, or answered what cannot be believed; `reason` is a word of ours, for the leaf."""

    def __init__(self, reason: str = "proved_nothing") -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class IdentityWish:
    """One redirect, already stored. `purpose` is `entry`, `step_up` or `unlock`, `level` what the session has."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    redirect_uri: str
    code_challenge: str = field(repr=False)
    purpose: str
    level: Level
    now: datetime
    memo: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Posted:
    """What a wallet posted for a redirect, and the hash of the code that it was given for its browser."""

    code_hash: bytes
    fields: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class IdentityAnswer:
    """The callback of a redirect that has been consumed. `issuer` is its `iss`, None when it had none.

    `posted` is what came for it behind the browser's back, None when nothing did.
    """

    code: str = field(repr=False)
    code_verifier: str = field(repr=False)
    redirect_uri: str
    nonce: str = field(repr=False)
    issuer: str | None
    begun_at: datetime
    now: datetime
    memo: Mapping[str, str] = field(default_factory=dict, repr=False)
    posted: Posted | None = None


@dataclass(frozen=True)
class IdentityResult:
    """Who the provider says signed in, how strongly (`acr`), for which request (`nonce`).

    `identifier` is what the directory looks up, as the `kind` that it is.
    """

    identifier: str = field(repr=False)
    acr: str
    nonce: str = field(repr=False)
    provider: str
    kind: IdentifierKind = IdentifierKind.NUMBER


class IdentityProvider(Protocol):
    """One provider. Its methods are called between transactions, never inside one."""

    def prepare(self) -> Mapping[str, str]:
        """What `begin` and `finish` of one redirect must both know; it is sealed in the redirect's row. No I/O."""
        ...

    async def begin(self, wish: IdentityWish) -> str:
        """The address to send the browser to. Raises `IdentityRefused`, or `OutboundError` when out of reach."""
        ...

    async def finish(self, answer: IdentityAnswer) -> IdentityResult:
        """Exchange the code. Raises `IdentityRefused`, or `OutboundError` when the provider cannot be reached."""
        ...


@dataclass(frozen=True)
class OfferedProvider:
    """A provider as the bank's policy offers it.

    `relay_resistant` lists the acr values that are bound to our origin or to the same device, with their level; every
    other acr counts as L2 (design, decision 9). `is_stub` marks the demonstration's provider, which checks nothing.
    `look` says how the provider itself stands, for the doctor; `public_key` is the one that it knows us by.
    `approval` is where its people agree: in the `browser` that came, or on another device (`push`, `qr`).
    """

    name: str
    label: str
    port: IdentityProvider
    relay_resistant: Mapping[str, Level]
    is_stub: bool = False
    look: Callable[[datetime], Awaitable[Sequence[Remark]]] | None = None
    public_key: Mapping[str, str] | None = None
    approval: str = "browser"


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

    def prepare(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    async def begin(self, wish: IdentityWish) -> str:
        """See `IdentityProvider`; PKCE by S256 (RFC 7636)."""
        query = urlencode(
            {
                "client_id": self.client_id,
                "redirect_uri": wish.redirect_uri,
                "state": wish.state,
                "nonce": wish.nonce,
                "code_challenge": wish.code_challenge,
                "code_challenge_method": "S256",
                "purpose": wish.purpose,
            }
        )
        return f"{self.public_url or self.base_url}/authorize?{query}"

    async def finish(self, answer: IdentityAnswer) -> IdentityResult:
        """See `IdentityProvider`."""
        told = await self.outbound.request(
            "POST",
            f"{self.base_url}/result",
            json={
                "code": answer.code,
                "code_verifier": answer.code_verifier,
                "redirect_uri": answer.redirect_uri,
            },
            auth=(self.client_id, self.client_secret.reveal().decode()),
        )
        if told.status != 200:
            raise IdentityRefused
        return _result(told.json(), self.name)


def _result(document: Any, provider: str) -> IdentityResult:
    if not isinstance(document, dict):
        raise IdentityRefused
    number, nonce, acr = (document.get(name) for name in ("customer_number", "nonce", "acr"))
    if not (isinstance(number, str) and number and isinstance(nonce, str) and nonce and isinstance(acr, str)):
        raise IdentityRefused
    return IdentityResult(identifier=number, acr=acr[:200], nonce=nonce, provider=provider)
