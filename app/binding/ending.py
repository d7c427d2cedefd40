"""The bank ends links itself when a customer phones: one, by who works its case, or all of a customer, by a supervisor.

Suspicion shuts the customer: for a while nobody is linked to them, by whatever account. So does the word by customer
number, since who gives it sees no attempt that is under way.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Staff
from app.binding import freezing, pairs
from app.binding.models import Binding
from app.binding.ports import BindingPorts
from app.binding.revoking import Because, end_by_bank
from app.binding.rules import BindingState
from app.cases import service as cases
from app.conversations import service as conversations
from app.database import services_of
from app.directory.port import DirectoryUnavailable, IdentifierKind
from app.errors import NotFound
from app.permissions import Permission, require


@dataclass(frozen=True)
class Ended:
    """A link that the bank has ended, or that had ended before; shut until `frozen_until`."""

    id: UUID
    state: str
    frozen_until: datetime


async def require_workable(db: AsyncSession, staff: Staff, binding_id: UUID) -> None:
    """Raise unless this member works the case in which the link's room stands, or the role may work any.

    Raises `NotFound` for what is not there or not to be seen; `NotYourCase`, with its leaf, for another's case.
    """
    require(staff, Permission.CASES_WORK)
    room = await conversations.room_of_binding(db, binding_id)
    if room is None:
        raise NotFound
    await cases.workable(db, staff, room.case_id, "revoke")


async def end_link(db: AsyncSession, staff: Staff, binding_id: UUID, because: Because) -> Ended:
    """End one link, its sessions and its streams; one that has ended is only frozen. Raises as `require_workable`."""
    await require_workable(db, staff, binding_id)
    customer = (await db.execute(select(Binding.customer_hash).where(Binding.id == binding_id))).scalar_one()
    await freezing.lock_customer(db, customer)
    ended = await end_by_bank(db, binding_id, because=because, actor=staff)
    if because == "suspicion":
        await freezing.shut(db, customer, because=because, ended=int(ended), actor=staff)
    binding = await db.get_one(Binding, binding_id)
    assert binding.frozen_until is not None
    return Ended(binding.id, binding.state, binding.frozen_until)


async def spelling_of(ports: BindingPorts, staff: Staff, typed: str) -> str:
    """The customer number as the directory spells it, or as it was typed where that is silent or knows nobody.

    Outside any transaction. Only a number: a phone or an e-mail names whoever has it by now.
    """
    require(staff, Permission.BINDINGS_REVOKE_ANY)
    with suppress(DirectoryUnavailable):
        found = await ports.directory.find(typed, IdentifierKind.NUMBER)
        if found is not None:
            return found.customer_number
    return typed


async def end_links_of(db: AsyncSession, staff: Staff, customer_number: str, because: Because) -> int:
    """End every link of a customer and shut them for a while; returns how many held until now.

    An unknown number is shut like any other: what is under way for it can be known only by its hash.
    """
    require(staff, Permission.BINDINGS_REVOKE_ANY)
    customer = await pairs.customer_hash(services_of(db), customer_number)
    await freezing.lock_customer(db, customer)
    active = select(Binding.id).where(Binding.customer_hash == customer, Binding.state == BindingState.ACTIVE)
    ids = list((await db.execute(active.order_by(Binding.id))).scalars())
    ended = sum([await end_by_bank(db, one, because=because, actor=staff) for one in ids])
    await freezing.shut(db, customer, because=because, ended=ended, actor=staff)
    return ended
