"""What must hold after every act, whoever did it: asked of the real reading services and of the rows behind them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.binding.models import Attempt, Binding
from app.binding.rules import OPEN_STATES
from app.cases.models import Case
from app.conversations.models import Conversation
from app.permissions import DataClass, Level
from app.sessions.models import Session
from tests.machine.browsers import Sight
from tests.machine.ground import ATTACKER, VICTIM
from tests.machine.world import World

HELD_BY_THE_BANK = frozenset({DataClass.ACCOUNT, DataClass.IDENTITY})


class Promise(StrEnum):
    """The sentences that the machine tries to make untrue."""

    SECRET = "nothing that the bank holds of the victim reaches the attacker"
    OWN = "who comes with an own customer's proof sees nothing of anybody else's"
    RIGHT = "nobody but the holder of the addressed account answers as it"
    INSIDE = "the victim is never inside the attacker's identity without seeing it"
    ENDED = "a link that was disowned is open to nobody"


class Broken(AssertionError):
    """A promise that does not hold."""

    def __init__(self, promise: Promise, how: str) -> None:
        super().__init__(f"{promise.value}: {how}")
        self.promise = promise


@dataclass(frozen=True)
class Rows:
    """The rows that say who is where."""

    bindings: dict[UUID, Binding]
    rooms: list[Conversation]
    cases: dict[UUID, Case]
    attempts: list[Attempt]
    sessions: list[Session]


async def check(world: World) -> None:
    """Raise `Broken` where a promise does not hold now."""
    rows = await _rows(world)
    _require_addressed(rows)
    _require_own_proofs(world, rows)
    _require_ended(world, rows)
    await _look_at_victim(world, rows)
    await _look_at_attacker(world, rows)
    await _note_places(world, rows)


async def _rows(world: World) -> Rows:
    ground = world.ground
    bindings: list[Binding] = await ground.rows(Binding)
    cases: list[Case] = await ground.rows(Case)
    return Rows(
        {one.id: one for one in bindings},
        await ground.rows(Conversation),
        {one.id: one for one in cases},
        await ground.rows(Attempt),
        await ground.rows(Session),
    )


def _require_addressed(rows: Rows) -> None:
    """A room stands under the complaint of the very account that it is bound to."""
    for room in rows.rooms:
        if rows.bindings[room.binding_id].handle_hash != rows.cases[room.case_id].author_hash:
            raise Broken(Promise.RIGHT, "a room of a complaint is bound to another account")


def _require_own_proofs(world: World, rows: Rows) -> None:
    """Proofs of an attempt are those that were given in its own browser."""
    handles, customers = world.ground.handles, world.ground.customers
    for attempt in rows.attempts:
        handle, customer = handles.get(attempt.handle_hash or b""), customers.get(attempt.customer_hash or b"")
        if attempt.session_id in world.attacker.sessions and handle == VICTIM.name and not world.may_be_victim:
            raise Broken(Promise.RIGHT, "the victim's account is proved in the attacker's browser")
        if attempt.session_id in world.victim.sessions and customer == ATTACKER.name:
            raise Broken(Promise.INSIDE, "the attacker is proved as the customer in the victim's browser")


def _require_ended(world: World, rows: Rows) -> None:
    live = [one for one in rows.sessions if one.ended_at is None and one.binding_id in world.disowned]
    now = world.ground.services.clock()
    for session in live:
        binding = rows.bindings[session.binding_id or UUID(int=0)]
        if binding.frozen_until is not None and binding.frozen_until > now:
            raise Broken(Promise.ENDED, "a session lives on")


def _identity(world: World, rows: Rows, binding_id: UUID | None) -> tuple[str, str]:
    binding = rows.bindings[binding_id or UUID(int=0)]
    return world.ground.handles[binding.handle_hash], world.ground.customers[binding.customer_hash]


async def _look_at_victim(world: World, rows: Rows) -> None:
    session = await world.standing("victim")
    if session is None:
        return
    identity = _identity(world, rows, session.binding_id)
    if identity != (VICTIM.name, VICTIM.name):
        raise Broken(Promise.INSIDE, f"she is in the room of account {identity[0]} and customer {identity[1]}")
    world.seen[f"victim at level {session.level}"] += 1
    sight = await world.victim.read()
    if sight is not None and any(one.data_class == DataClass.ACCOUNT for one in sight.entries):
        world.seen["victim reads account data"] += 1


async def _look_at_attacker(world: World, rows: Rows) -> None:
    session = await world.standing("attacker")
    if session is None:
        return
    handle, customer = _identity(world, rows, session.binding_id)
    world.seen[f"attacker as account {handle}, customer {customer}, at level {session.level}"] += 1
    if handle == VICTIM.name and not world.may_be_victim:
        raise Broken(Promise.RIGHT, "the attacker is in a room of the victim's account")
    if customer == VICTIM.name and session.level >= Level.L3:
        raise Broken(Promise.SECRET, f"the attacker is the victim's customer at level {session.level}")
    sight = await world.attacker.read()
    if sight is None:
        return
    for entry in sight.entries:
        if entry.kind == "message":
            _require_rightful(world, sight, entry, customer)
    own = sight.own
    if customer == VICTIM.name:
        times = [look.first for look in own.looks] + [one.since for one in own.means]
        if own.created_at is not None or any(one < own.session_began for one in times):
            raise Broken(Promise.SECRET, "the attacker learns what was before his own session")


async def _note_places(world: World, rows: Rows) -> None:
    """Who is where, so that the next act is one that makes sense to try."""
    who = ("victim", "attacker")
    world.inside = {one for one in who if await world.standing(one) is not None}
    open_for = {one.session_id for one in rows.attempts if one.state in OPEN_STATES}
    world.underway = {one for one in who if open_for & world.browser(one).sessions}


def _require_rightful(world: World, sight: Sight, entry: Any, customer: str) -> None:
    """One message that the attacker reads."""
    said = world.said[entry.text]
    world.seen[f"attacker reads {entry.data_class}"] += 1
    if said.customer != customer:
        raise Broken(Promise.OWN, f"a message of {said.customer}'s room is read in {customer}'s")
    if customer == ATTACKER.name:
        return
    if said.by == "victim":
        raise Broken(Promise.SECRET, "the attacker reads what the victim wrote")
    if entry.data_class in HELD_BY_THE_BANK and said.by == "agent":
        raise Broken(Promise.SECRET, f"the attacker reads {entry.data_class} data of the victim")
    if said.session_id != sight.session_id:
        raise Broken(Promise.SECRET, "the attacker reads what was written before his own session")
