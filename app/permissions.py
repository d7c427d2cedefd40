"""Roles, assurance levels and data classes, and the checks that raise. Which class needs which level: `app.policy`."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

from app.actors import Role, Staff
from app.errors import Forbidden, ScopeTooNarrow


class Level(IntEnum):
    """Assurance of a binding's session: L1 handle only, L2 one element, L3 strong, L4 high (design, decision 9)."""

    L0 = 0
    L1 = 1
    L2 = 2
    L3 = 3
    L4 = 4


class DataClass(StrEnum):
    """What a message reveals."""

    GENERAL = "general"
    CASE = "case"
    ACCOUNT = "account"
    IDENTITY = "identity"
    NEVER = "never"


class Permission(StrEnum):
    """Named `resource:action`; the table below says which role holds it."""

    CASES_READ = "cases:read"
    CASES_WORK = "cases:work"
    CASES_TRANSFER_ANY = "cases:transfer_any"
    REPLIES_PUBLISH = "replies:publish"
    GUARD_OVERRIDE = "guard:override"
    ROOMS_TALK = "rooms:talk"
    ROOMS_READ_ANY = "rooms:read_any"
    BINDINGS_REVOKE_ANY = "bindings:revoke_any"
    EXPORTS_MAKE = "exports:make"
    AUDIT_READ = "audit:read"
    AGENTS_MANAGE = "agents:manage"
    SCIM = "scim"


ROLE_PERMISSIONS: Final[dict[Role, frozenset[Permission]]] = {
    Role.AGENT: frozenset(
        {Permission.CASES_READ, Permission.CASES_WORK, Permission.REPLIES_PUBLISH, Permission.ROOMS_TALK}
    ),
    Role.SUPERVISOR: frozenset(
        {
            Permission.CASES_READ,
            Permission.CASES_WORK,
            Permission.CASES_TRANSFER_ANY,
            Permission.REPLIES_PUBLISH,
            Permission.GUARD_OVERRIDE,
            Permission.ROOMS_TALK,
            Permission.ROOMS_READ_ANY,
            Permission.BINDINGS_REVOKE_ANY,
        }
    ),
    Role.COMPLIANCE: frozenset({Permission.EXPORTS_MAKE, Permission.AUDIT_READ}),
    Role.ADMINISTRATOR: frozenset({Permission.AGENTS_MANAGE}),
    # The most that a program may be given. What needs a person's judgement or opens every room is not among it.
    Role.MACHINE: frozenset(
        {
            Permission.CASES_READ,
            Permission.CASES_WORK,
            Permission.REPLIES_PUBLISH,
            Permission.ROOMS_TALK,
            Permission.AUDIT_READ,
            Permission.SCIM,
        }
    ),
}
ROOM_READING: Final = frozenset({Permission.CASES_READ, Permission.ROOMS_TALK})
"""Who reads in a room: nobody by the queue alone."""


def held_by(staff: Staff) -> frozenset[Permission]:
    """What this actor may: the role's permissions, narrowed by the scopes of session or token, never widened."""
    held, scopes = ROLE_PERMISSIONS[staff.role], staff.scopes
    return held if scopes is None else frozenset(one for one in held if one.value in scopes)


def require(staff: Staff, permission: Permission) -> None:
    """Raise `Forbidden` unless the role holds the permission, `ScopeTooNarrow` where only the token lacks it."""
    if permission not in ROLE_PERMISSIONS[staff.role]:
        raise Forbidden
    if permission not in held_by(staff):
        raise ScopeTooNarrow
