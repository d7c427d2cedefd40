"""What crosses the wire about bindings: facts, never names."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.binding.queries import BindingFact, ProofFact
from app.binding.revoking import Because
from app.http.texts import CleanLine

LONGEST_NUMBER = 100


class ProofOut(BaseModel):
    """One accepted evidence: "proved by sign-in at the Square, 14:02"."""

    of: Literal["handle", "customer"]
    method: Literal["sign_in", "direct_message", "sms", "email", "totp", "identity", "passkey"]
    where: str
    level: int
    at: datetime

    @classmethod
    def from_fact(cls, fact: ProofFact) -> ProofOut:
        """The fact as it crosses the wire."""
        return cls.model_validate(
            {"of": fact.of, "method": fact.method, "where": fact.where, "level": fact.level, "at": fact.at}
        )


class BindingOut(BaseModel):
    """A binding: that it holds, how strongly, and the evidence it rests on."""

    id: UUID
    conversation_id: UUID | None
    state: Literal["active", "revoked", "expired"]
    level: int
    proved_at: datetime
    expires_at: datetime
    reproof: Literal["handle_age", "customer_age", "renamed", "gone", "suspended"] | None
    proofs: list[ProofOut]

    @classmethod
    def from_fact(cls, fact: BindingFact) -> BindingOut:
        """The fact as it crosses the wire."""
        return cls.model_validate(
            {
                "id": fact.id,
                "conversation_id": fact.conversation_id,
                "state": fact.state,
                "level": fact.level,
                "proved_at": fact.proved_at,
                "expires_at": fact.expires_at,
                "reproof": fact.reproof,
                "proofs": [ProofOut.from_fact(proof) for proof in fact.proofs],
            }
        )


class BindingsOut(BaseModel):
    """The bindings of one case, newest first."""

    items: list[BindingOut]


class RevokeIn(BaseModel):
    """Why the bank ends a link."""

    model_config = ConfigDict(extra="forbid")

    because: Because


class RevokedOut(BaseModel):
    """A link that the bank has ended; its pair stays shut until then."""

    id: UUID
    state: Literal["revoked", "expired"]
    frozen_until: datetime


class RevocationIn(BaseModel):
    """Whose links the bank ends, by the customer number of its own files, and why."""

    model_config = ConfigDict(extra="forbid")

    customer_number: Annotated[CleanLine, Field(min_length=1, max_length=LONGEST_NUMBER)]
    because: Because


class RevocationOut(BaseModel):
    """How many links held until now."""

    revoked: int
