"""The passkeys of a binding: registered in its room at L3 or above, listed, removed, revoked with it.

A passkey belongs to its binding, as an authenticator app does: it proves this customer behind this handle, nobody else
(docs/decisions/0016).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Actor, Customer
from app.audit.service import record
from app.binding import attempts, known_customers, notices, pairs, passkey_challenges, rules
from app.binding.errors import EnoughPasskeys, MethodNotOffered, PasskeyNeedsMore, PasskeyNotAdded
from app.binding.models import Attempt, Binding, Passkey
from app.binding.passkey_challenges import KEY
from app.binding.ports import BindingPorts
from app.binding.queries import is_live
from app.binding.room_entry import require_in_room
from app.binding.rules import State
from app.database import services_of, transaction
from app.errors import NotFound
from app.ids import new_id
from app.services import Services
from app.sessions.models import Session
from security.encoding import b64url, unb64url
from security.envelope import Place
from security.errors import PasskeyRefused
from security.passkeys import (
    Holder,
    KnownCredential,
    NewPasskey,
    check_registration,
    creation_options,
    new_user_handle,
)

ACTIVE, REMOVED, REVOKED = "active", "removed", "revoked"


@dataclass(frozen=True, repr=False)
class Names:
    """What an authenticator knows a passkey by."""

    credential_id: bytes
    user_handle: bytes


@dataclass(frozen=True)
class PasskeyFact:
    """A passkey as its customer may see it; `synced` says that it may be on more than one device."""

    id: UUID
    created_at: datetime
    last_used_at: datetime | None
    synced: bool


async def credential_hash(services: Services, credential_id: bytes) -> bytes:
    """Under which a credential is found."""
    return await services.vault.lookup_hash("passkey", b64url(credential_id))


async def names_of(services: Services, passkey: Passkey) -> Names:
    """The sealed names."""
    document = json.loads(await services.vault.open(_place(passkey.id), passkey.sealed_names))
    return Names(unb64url(document["credential"]), unb64url(document["holder"]))


async def passkeys_of(db: AsyncSession, binding_id: UUID, *, above: int = 0, lock: bool = False) -> list[Passkey]:
    """The passkeys of a binding that can be used, oldest first, of those worth more than `above`."""
    statement = (
        select(Passkey)
        .where(Passkey.binding_id == binding_id, Passkey.state == ACTIVE, Passkey.max_level > above)
        .order_by(Passkey.id)
        .execution_options(populate_existing=True)
    )
    return list((await db.execute(statement.with_for_update() if lock else statement)).scalars())


async def has_passkey(db: AsyncSession, binding_id: UUID, *, above: int = 0) -> bool:
    """Whether the binding has a passkey worth more than this level."""
    return bool(await passkeys_of(db, binding_id, above=above))


async def known_of(services: Services, found: Sequence[Passkey]) -> list[KnownCredential]:
    """The credentials as a question names them."""
    return [
        KnownCredential((await names_of(services, one)).credential_id, tuple(one.transports.split())) for one in found
    ]


async def listed(db: AsyncSession, customer: Customer) -> tuple[PasskeyFact, ...]:
    """The customer's own passkeys, oldest first; raises `PasskeyNeedsMore` below L3."""
    _require_level(customer.level)
    return tuple(
        PasskeyFact(one.id, one.created_at, one.last_used_at, one.backup_eligible)
        for one in await passkeys_of(db, customer.binding_id)
    )


async def begin_registration(services: Services, ports: BindingPorts, *, customer: Customer) -> dict[str, Any]:
    """What the browser is to ask its authenticator.

    Raises `RoomLocked`, `MethodNotOffered`, `PasskeyNeedsMore`, `EnoughPasskeys`.
    """
    async with transaction(services) as db:
        session, binding = await _room_of(db, customer)
        found = await _require_room_for_one_more(db, binding)
        holder = Holder(
            await _holder_of(db, binding), (await known_customers.subject_of_binding(services, binding)).handle
        )
        challenge = await passkey_challenges.add(db, session.id, holder=holder.handle)
        known = await known_of(services, found)
    lifetime = rules.PASSKEY_QUESTION_LIFETIME
    return creation_options(ports.party, holder, challenge, known=known, lifetime=lifetime)


async def finish_registration(services: Services, ports: BindingPorts, *, customer: Customer, answer: str) -> None:
    """Keep the passkey, and tell the channel on file. Raises `PasskeyNotAdded`, and what `begin_registration` does."""
    now = services.clock()
    async with transaction(services) as db:
        session, binding = await _room_of(db, customer)
        await _require_room_for_one_more(db, binding)
        question = await passkey_challenges.take(db, session.id, now)
        if question is None or question[1] is None:
            raise _refused(db, binding, customer, "no_question")
        try:
            made = check_registration(answer, party=ports.party, challenge=question[0])
        except PasskeyRefused as refused:
            raise _refused(db, binding, customer, refused.reason) from None
        names = Names(made.credential_id, question[1])
        if await _is_known(db, names):
            raise _refused(db, binding, customer, "known_already")
        await _keep(db, session, customer, made, names)
        await notices.enqueue_notice(db, binding, kind="passkey", proved_by=rules.PASSKEY)


async def remove(services: Services, *, customer: Customer, passkey_id: UUID) -> None:
    """Take one of the customer's own passkeys out of use. Raises `NotFound`, `RoomLocked`, `PasskeyNeedsMore`.

    Whoever has just shown a passkey of this binding and not confirmed yet begins again: it may be the lost one.
    """
    async with transaction(services) as db:
        waiting = await _waiting_by_passkey(db, customer)
        _, binding = await _room_of(db, customer)
        found = [one for one in await passkeys_of(db, binding.id, lock=True) if one.id == passkey_id]
        if not found:
            raise NotFound
        _end(db, found[0], REMOVED, "passkey.removed", customer)
        for attempt in waiting:
            data = {"reason": "passkey_removed"}
            await attempts.move(db, attempt, State.CANCELLED, "attempt.cancelled", data, actor=customer)


async def _waiting_by_passkey(db: AsyncSession, customer: Customer) -> list[Attempt]:
    """The attempts of the pair that stand before their confirmation by a passkey, locked: attempts before bindings."""
    binding = await db.get(Binding, customer.binding_id)
    if binding is None:
        raise NotFound
    pair = await pairs.pair_hash(services_of(db), binding.handle_hash, binding.customer_hash)
    statement = (
        select(Attempt)
        .where(Attempt.pair_hash == pair, Attempt.customer_method == rules.PASSKEY, Attempt.state == State.CUSTOMER_OK)
        .order_by(Attempt.id)
        .with_for_update()
    )
    return list((await db.execute(statement)).scalars())


async def revoke_all(db: AsyncSession, binding: Binding, actor: Actor) -> None:
    """With the binding, whose row the caller holds: none may open the one that its owner makes anew."""
    for one in await passkeys_of(db, binding.id, lock=True):
        _end(db, one, REVOKED, "passkey.revoked", actor)


def _end(db: AsyncSession, passkey: Passkey, state: str, event: str, actor: Actor) -> None:
    passkey.state = state
    stream = f"binding:{passkey.binding_id}"
    passkey.leaf_id = record(db, event, stream=stream, actor=actor, data={"id": str(passkey.id)})


async def _room_of(db: AsyncSession, customer: Customer) -> tuple[Session, Binding]:
    """Session and binding of who is in the room at L3; the binding's lock makes a second registration wait."""
    now = services_of(db).clock()
    binding = await db.get(Binding, customer.binding_id, with_for_update=True, populate_existing=True)
    session = await require_in_room(db, customer, now)
    if binding is None or not is_live(binding, now):
        raise NotFound
    if not services_of(db).policy.offers_method(rules.PASSKEY, None):
        raise MethodNotOffered
    _require_level(session.level)
    return session, binding


def _require_level(level: int) -> None:
    if level < rules.PASSKEY_LEAST:
        raise PasskeyNeedsMore


async def _require_room_for_one_more(db: AsyncSession, binding: Binding) -> list[Passkey]:
    found = await passkeys_of(db, binding.id)
    if len(found) >= rules.MOST_PASSKEYS:
        raise EnoughPasskeys
    return found


async def _holder_of(db: AsyncSession, binding: Binding) -> bytes:
    """The binding's holder name, the same for all its passkeys, ended ones too: so a device keeps one of them."""
    newest = select(Passkey).where(Passkey.binding_id == binding.id).order_by(Passkey.id.desc()).limit(1)
    passkey = (await db.execute(newest)).scalar_one_or_none()
    if passkey is None:
        return new_user_handle()
    return (await names_of(services_of(db), passkey)).user_handle


def _refused(db: AsyncSession, binding: Binding, customer: Customer, reason: str) -> PasskeyNotAdded:
    record(db, "passkey.refused", stream=f"binding:{binding.id}", actor=customer, data={"reason": reason})
    return PasskeyNotAdded()


async def _is_known(db: AsyncSession, names: Names) -> bool:
    """Whether anybody registered this credential before, or it would be found for two bindings."""
    hashed = await credential_hash(services_of(db), names.credential_id)
    return (await db.execute(select(Passkey.id).where(Passkey.credential_hash == hashed))).first() is not None


async def _keep(db: AsyncSession, session: Session, customer: Customer, made: NewPasskey, names: Names) -> None:
    services = services_of(db)
    now = services.clock()
    passkey_id = new_id(now)
    level = rules.level_of_passkey(
        services.policy, session.level, backup_eligible=made.backup_eligible, model=made.model
    )
    document = {"credential": b64url(names.credential_id), "holder": b64url(names.user_handle)}
    synced = "yes" if made.backup_eligible else "no"
    data: dict[str, str | int] = {"id": str(passkey_id), "max_level": int(level), "synced": synced}
    stream = f"binding:{customer.binding_id}"
    db.add(
        Passkey(
            id=passkey_id,
            binding_id=customer.binding_id,
            credential_hash=await credential_hash(services, names.credential_id),
            sealed_names=await services.vault.seal_for_service(KEY, _place(passkey_id), json.dumps(document).encode()),
            public_key=made.public_key,
            sign_count=made.sign_count,
            backup_eligible=made.backup_eligible,
            backed_up=made.backed_up,
            transports=" ".join(made.transports),
            max_level=int(level),
            state=ACTIVE,
            created_at=now,
            last_used_at=None,
            leaf_id=record(db, "passkey.registered", stream=stream, actor=customer, data=data),
        )
    )
    await db.flush()


def _place(passkey_id: UUID) -> Place:
    return Place("passkeys", "sealed_names", str(passkey_id))
