"""Who is asking. Every read and every act takes one of these; a level is never taken from a client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID


class Role(StrEnum):
    """What a member of the bank's staff may be; `machine` is a registered program, which is nobody."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    COMPLIANCE = "compliance"
    ADMINISTRATOR = "administrator"
    MACHINE = "machine"


@dataclass(frozen=True)
class Staff:
    """A signed-in member of staff, or a registered program, by one session or token.

    `scopes` narrows what the role may (`permissions.held_by`); None is everything that the role may.
    """

    id: UUID
    session_id: UUID
    role: Role
    display_name: str
    signature: str
    scopes: frozenset[str] | None = None


@dataclass(frozen=True)
class Customer:
    """A visitor whose binding was proved in this very session; `level` is the session's, never the client's word."""

    binding_id: UUID
    conversation_id: UUID
    session_id: UUID
    level: int
    proved_at: datetime


@dataclass(frozen=True)
class Visitor:
    """A browser with a session that has proved nothing yet, or is between proofs."""

    session_id: UUID


@dataclass(frozen=True)
class System:
    """The service itself: worker, sequencer, sweeps."""


@dataclass(frozen=True)
class Operator:
    """Somebody at the command line of the host, named by the operating system."""

    os_user: str


@dataclass(frozen=True)
class Program:
    """A program known by a token that the settings name, without an account: `name` says which."""

    name: str


Actor = Staff | Customer | Visitor | System | Operator | Program
SYSTEM: Final = System()


def audit_name(actor: Actor) -> dict[str, str]:
    """The actor as a leaf names it: a kind and a pseudonymous id, never a person's name."""
    match actor:
        case Staff(role=Role.MACHINE):
            return {"k": "client", "id": str(actor.id), "role": actor.role.value}
        case Staff():
            return {"k": "agent", "id": str(actor.id), "role": actor.role.value}
        case Customer():
            return {"k": "customer", "id": str(actor.binding_id)}
        case Visitor():
            return {"k": "visitor", "id": str(actor.session_id)}
        case Program():
            return {"k": "client", "id": actor.name}
        case Operator():
            return {"k": "operator", "id": actor.os_user}
        case System():
            return {"k": "system", "id": "riserbo"}
