"""Authenticator apps: enrolled in the room, used as a customer proof of the very binding that they belong to.

The secret on the enrolment page is derived, not stored, so that showing the page changes nothing; it is stored, sealed,
once a code has shown that the app has it.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Actor, Customer
from app.audit.service import record
from app.binding import known_customers, notices, rules
from app.binding.errors import AuthenticatorNotAdded, CodeWrong, EnoughAuthenticators, MethodNotOffered
from app.binding.models import Authenticator, Binding
from app.binding.ports import BindingPorts
from app.binding.queries import authenticators_of, is_live
from app.binding.room_entry import require_in_room
from app.binding.rules import CodeMethod
from app.database import reading, services_of, transaction
from app.errors import NotFound
from app.ids import new_id
from app.permissions import Level
from app.services import Services
from security import totp
from security.encoding import join
from security.envelope import Place, seal
from security.errors import CodeRefused
from security.keys import keyed_hash
from security.secret import Secret

KEY = "authenticators"
SECRET_BYTES = 20


@dataclass(frozen=True)
class Enrolment:
    """What the enrolment page shows: `uri` for the picture, `secret` in base32 to type, `account` the app's label."""

    uri: str = field(repr=False)
    secret: str = field(repr=False)
    account: str = field(repr=False)


async def offer_authenticator(services: Services, ports: BindingPorts, *, customer: Customer) -> Enrolment:
    """The secret that this session may enrol next; looking at it changes nothing. Raises `EnoughAuthenticators`."""
    async with reading(services) as db:
        binding = await db.get_one(Binding, customer.binding_id)
        secret = await _next_secret(db, customer)
    account = (await known_customers.subject_of_binding(services, binding)).handle
    uri = totp.provisioning_uri(secret, account, ports.bank)
    return Enrolment(uri, base64.b32encode(secret.reveal()).decode(), account)


async def add_authenticator(services: Services, *, customer: Customer, code: str) -> None:
    """Keep the authenticator, at no more than this session's level. Raises `AuthenticatorNotAdded`."""
    now = services.clock()
    async with transaction(services) as db:
        # The binding's lock makes a second enrolment with the same secret wait, and then see another secret.
        binding = await db.get(Binding, customer.binding_id, with_for_update=True)
        session = await require_in_room(db, customer, now)
        if binding is None or not is_live(binding, now):
            raise NotFound
        secret = await _next_secret(db, customer)
        try:
            step = totp.check(secret, code, now, None)
        except CodeRefused:
            raise AuthenticatorNotAdded from None
        max_level = rules.level_of_code(services.policy, CodeMethod.TOTP, session.level)
        key, authenticator_id = await services.vault.service_key(KEY), new_id(now)
        db.add(
            Authenticator(
                id=authenticator_id,
                binding_id=binding.id,
                sealed_secret=seal(key, _place(authenticator_id), secret.reveal()),
                max_level=int(max_level),
                last_step=step,
                state="active",
                created_at=now,
                confirmed_at=now,
                leaf_id=record(
                    db,
                    "authenticator.enrolled",
                    stream=f"binding:{binding.id}",
                    actor=customer,
                    data={"max_level": int(max_level)},
                ),
            )
        )
        await notices.enqueue_notice(db, binding, kind="authenticator", proved_by="totp")


async def use_authenticator(db: AsyncSession, binding: Binding, code: str, actor: Actor, now: datetime) -> Level:
    """The level of a right and fresh code of this binding's authenticators; raises `CodeWrong`.

    The rows are locked while their last step is compared: of two equal codes one wins (RFC 6238 section 5.2).
    """
    services = services_of(db)
    for one in await authenticators_of(db, binding.id, lock=True):
        secret = Secret(await services.vault.open(_place(one.id), one.sealed_secret))
        try:
            step = totp.check(secret, code, now, one.last_step)
        except CodeRefused:
            continue
        one.last_step = step
        one.leaf_id = record(
            db, "authenticator.used", stream=f"binding:{binding.id}", actor=actor, data={"id": str(one.id)}
        )
        return rules.level_of_code(services.policy, CodeMethod.TOTP, one.max_level)
    raise CodeWrong


async def try_in_vain(db: AsyncSession, nobody: UUID, code: str, now: datetime) -> None:
    """The work of a wrong code where there is nothing to try it on, so that time does not tell who has what."""
    await authenticators_of(db, nobody, lock=True)
    with suppress(CodeRefused):
        totp.check(Secret(bytes(SECRET_BYTES)), code, now, None)


async def _next_secret(db: AsyncSession, customer: Customer) -> Secret:
    # Revoked ones count for the number, so that no secret comes twice, and not for how many there may be.
    counted = select(func.count()).where(Authenticator.binding_id == customer.binding_id)
    number = (await db.execute(counted)).scalar_one()
    services = services_of(db)
    if not services.policy.offers_method(CodeMethod.TOTP, None):
        raise MethodNotOffered
    if len(await authenticators_of(db, customer.binding_id)) >= services.policy.tries.authenticators:
        raise EnoughAuthenticators
    key = await services.vault.service_key(KEY)
    seed = join(str(customer.binding_id).encode(), str(customer.session_id).encode(), str(number).encode())
    return Secret(keyed_hash(key.commitment, "authenticator-secret", seed)[:SECRET_BYTES])


def _place(authenticator_id: UUID) -> Place:
    return Place("authenticators", "sealed_secret", str(authenticator_id))
