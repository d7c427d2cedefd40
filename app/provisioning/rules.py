"""What an account needs, and which role the client's words stand for."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from app.actors import Role
from app.provisioning.errors import ScimRefused
from security.tokens import token_hash

LONGEST: Final = 100
"""Characters of a name."""


@dataclass(frozen=True)
class Person:
    """Who somebody is, as the client says it. None of `active` and `roles`: it does not say, so nothing changes."""

    user_name: str
    external_id: str | None = None
    display_name: str = ""
    given_name: str = ""
    family_name: str = ""
    nick_name: str = ""
    active: bool | None = None
    roles: tuple[str, ...] | None = None

    @property
    def shown_name(self) -> str:
        """What colleagues read, never longer than a client could send it back: or nobody could be patched, nor end."""
        named = self.display_name or " ".join(filter(None, (self.given_name, self.family_name))) or self.user_name
        return named[:LONGEST].rstrip()

    @property
    def signature(self) -> str:
        """What the public reads under a reply: the nickname, or the first name."""
        return self.nick_name or self.given_name or self.shown_name.split()[0]


@dataclass(frozen=True)
class ProvisioningPorts:
    """What the installation decides. `token_hash` is SHA-256 of a token that is good here only; None for none."""

    base_url: str
    is_on: bool = False
    roles: Mapping[str, Role] = field(default_factory=dict)
    default_role: Role | None = None
    token_hash: bytes | None = field(default=None, repr=False)

    def knows(self, token: str) -> bool:
        """Whether this is the client's own long-lived token."""
        return self.token_hash is not None and hmac.compare_digest(token_hash(token), self.token_hash)

    def role_of(self, names: Collection[str]) -> Role:
        """The one role that the names stand for; raises `ScimRefused` for none, and for two that exclude each other."""
        found = one_role({self.roles[name] for name in names if name in self.roles}) or self.default_role
        if found is None:
            raise ScimRefused("The roles stand for no one role here.", kind="invalidValue")
        return found


def one_role(roles: Collection[Role]) -> Role | None:
    """The role, where there is one: a supervisor is an agent too, other duties stay separate."""
    distinct = set(roles)
    if distinct == {Role.AGENT, Role.SUPERVISOR}:
        return Role.SUPERVISOR
    return distinct.pop() if len(distinct) == 1 else None
