"""What the staff door believes of access tokens: whose, how they must be, and where the keys come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from security.access_tokens import Rule
from security.jwts import VerificationKeys


class IssuerKeys(Protocol):
    """The published keys of an authorization server."""

    async def verification_keys(self, *, fresh: bool = False) -> VerificationKeys:
        """The keys, kept for a while; `fresh` asks again, as far as that is not too often. Raises `OutboundError`."""
        ...


@dataclass(frozen=True)
class TrustedIssuer:
    """The bank's own authorization server.

    `subject_claim` names an account's login; `scope_prefix` stands before our names of scopes in its tokens.
    """

    rule: Rule
    keys: IssuerKeys
    subject_claim: str = "sub"
    scope_prefix: str = ""

    def scopes(self, said: frozenset[str]) -> frozenset[str]:
        """A token's scopes by our names; those of other services fall away."""
        return frozenset(one.removeprefix(self.scope_prefix) for one in said if one.startswith(self.scope_prefix))


@dataclass(frozen=True)
class LocalSignIn:
    """Passwords of our own: `sealed` where the bank has its own sign-in, and then good only for break-glass.

    `tell` is the address that hears of each opening and use; "" where there is no break-glass at all. `words` are the
    bank's own, which no new password is to be made of.
    """

    sealed: bool = False
    tell: str = ""
    words: tuple[str, ...] = ()


UNSEALED: Final = LocalSignIn()


@dataclass(frozen=True)
class TokenPorts:
    """Everything about tokens that the installation decides. `url` is the staff door's address, as clients see it."""

    url: str
    issuers: Mapping[str, TrustedIssuer] = field(default_factory=dict)
    requires_dpop: bool = False
    uses_nonces: bool = False

    @property
    def audience(self) -> str:
        """What a token must be for: the staff API."""
        return f"{self.url}/api/v1"


def by_issuer(issuers: Sequence[TrustedIssuer]) -> dict[str, TrustedIssuer]:
    """The issuers, to be found by what a token claims."""
    return {one.rule.issuer: one for one in issuers}
