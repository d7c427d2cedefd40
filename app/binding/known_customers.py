"""What the directory said about a customer, as challenges, attempts and bindings keep it: always sealed."""

from __future__ import annotations

import dataclasses
import json
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import attempts
from app.binding.errors import CodeWrong
from app.binding.models import Attempt, Binding, Challenge
from app.cases.queries import subject_document, subject_from
from app.channels.ports import Subject
from app.database import services_of
from app.directory.port import CustomerRecord
from app.services import Services
from security.envelope import Place, seal

BINDINGS_KEY = "bindings"
NOBODY = CustomerRecord("0" * 8, "0" * 24, "0" * 13, "0" * 20, "it")

__all__ = ["NOBODY", "CustomerRecord", "document", "of_attempt", "of_binding", "of_challenge", "record_from"]


def document(customer: CustomerRecord) -> dict[str, Any]:
    """The record as it is sealed; when the phone changed is asked anew each time."""
    fields = dataclasses.asdict(customer)
    del fields["phone_changed_at"]
    return fields


def record_from(sealed: dict[str, Any]) -> CustomerRecord:
    """The record as it was sealed."""
    return CustomerRecord(**sealed)


async def seal_for_challenge(
    db: AsyncSession, attempt: Attempt, challenge: Challenge, customer: CustomerRecord
) -> bytes:
    """A record, sealed as the one whom this challenge is about."""
    key = await attempts.sealing_key(db, attempt)
    return seal(key, _challenge_place(challenge.id), json.dumps(document(customer)).encode())


async def of_challenge(db: AsyncSession, challenge: Challenge) -> CustomerRecord:
    """The customer that the worker found; raises `CodeWrong` when it found none."""
    if challenge.sealed_customer is None:
        raise CodeWrong
    opened = await services_of(db).vault.open(_challenge_place(challenge.id), challenge.sealed_customer)
    return record_from(json.loads(opened))


async def of_attempt(db: AsyncSession, attempt: Attempt) -> CustomerRecord:
    """The customer that the attempt has proved."""
    return record_from(await attempts.opened(db, attempt, "sealed_customer"))


async def of_binding(services: Services, binding: Binding) -> CustomerRecord:
    """The bound customer, as the directory described them when the binding was last proved."""
    place = Place("bindings", "sealed_customer", str(binding.id))
    return record_from(json.loads(await services.vault.open(place, binding.sealed_customer)))


async def subject_of_binding(services: Services, binding: Binding) -> Subject:
    """The bound account."""
    place = Place("bindings", "sealed_subject", str(binding.id))
    return subject_from(json.loads(await services.vault.open(place, binding.sealed_subject)))


async def sealed_for_binding(services: Services, binding_id: UUID, customer: CustomerRecord) -> bytes:
    """A record, sealed as a binding's customer."""
    place = Place("bindings", "sealed_customer", str(binding_id))
    return await services.vault.seal_for_service(BINDINGS_KEY, place, json.dumps(document(customer)).encode())


async def subject_for_binding(services: Services, binding_id: UUID, subject: Subject) -> bytes:
    """An account, sealed as a binding's."""
    place = Place("bindings", "sealed_subject", str(binding_id))
    return await services.vault.seal_for_service(BINDINGS_KEY, place, json.dumps(subject_document(subject)).encode())


def _challenge_place(challenge_id: UUID) -> Place:
    return Place("challenges", "sealed_customer", str(challenge_id))
