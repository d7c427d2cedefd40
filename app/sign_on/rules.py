"""What the installation decides about the sign-in, and what of an identity counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from app.actors import Role
from app.oauth.client import OAuthClient
from app.provisioning.rules import one_role

LONGEST_FLOW: Final = timedelta(minutes=10)
MOST_GROUPS: Final = 1000
LOGIN: Final = "login"


@dataclass(frozen=True)
class SignOnPorts:
    """The provider and the table of roles. `sensitive_acrs` empty: any sign-in that is recent enough will do."""

    label: str
    client: OAuthClient
    redirect_uri: str
    scope: str = "openid"
    account_claim: str = "preferred_username"
    named_by: str = LOGIN
    roles_claim: str = "groups"
    roles: Mapping[str, Role] = field(default_factory=dict)
    creates_accounts: bool = False
    acrs: tuple[str, ...] = ()
    sensitive_acrs: tuple[str, ...] = ()
    sensitive_for: timedelta = timedelta(minutes=15)

    @property
    def issuer(self) -> str:
        """The provider's name."""
        return self.client.server.issuer

    def role_in(self, claims: Mapping[str, Any]) -> Role | None:
        """The one role that the groups stand for; None for none, and for two that exclude each other."""
        said = claims.get(self.roles_claim)
        groups = said if isinstance(said, list) else [said]
        return one_role({self.roles[one] for one in groups[:MOST_GROUPS] if isinstance(one, str) and one in self.roles})

    def accepts(self, acr: str, *, again: bool) -> bool:
        """Whether somebody who signed in so may come in, or do what is sensitive."""
        wanted = self.sensitive_acrs if again else (*self.acrs, *(self.sensitive_acrs if self.acrs else ()))
        return not wanted or acr in wanted


def is_fresh(ports: SignOnPorts, acr: str | None, signed_in_at: datetime | None, now: datetime) -> bool:
    """Whether what is known of a session's sign-in is enough for a sensitive act."""
    if acr is None or signed_in_at is None or not ports.accepts(acr, again=True):
        return False
    return now - signed_in_at <= ports.sensitive_for
