"""What must hold after every act, whoever did it: asked of the real reading services and of the rows behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.binding.models import Attempt, Binding
from app.binding.rules import OPEN_STATES, BindingState, State
from app.cases.models import Case
from app.conversations.models import Conversation
from app.permissions import DataClass, Level
from app.sessions.models import Session
from tests.machine.browsers import Browser, Sight
from tests.machine.ground import ATTACKER, CODE, VICTIM
from tests.machine.world import World

HELD_BY_THE_BANK = frozenset({DataClass.ACCOUNT, DataClass.IDENTITY})


class Promise(StrEnum):
    """The sentences that the machine tries to make untrue."""

    SECRET = "nothing that the bank holds of the victim reaches the attacker"
    OWN = "who comes with an own customer's proof sees nothing of anybody else's"
    RIGHT = "nobody but the holder of the addressed account answers as it"
    INSIDE = "the victim is never inside the attacker's identity without seeing it"
    ENDED = "a link that was disowned is open to nobody"
    QUIET = "no code goes to a telephone that has just changed hands"


class Broken(AssertionError):
    """A promise that does not hold."""

    def __init__(self, promise: Promise, how: str) -> None:
        super().__init__(f"{promise.value}: {how}")
        self.promise = promise


@dataclass(frozen=True)
class Rows:
    """The rows that say who is where, and what each of the two has on the screen."""

    bindings: dict[UUID, Binding]
    rooms: list[Conversation]
    cases: dict[UUID, Case]
    attempts: list[Attempt]
    sessions: list[Session]
    standing: dict[str, Session]
    sights: dict[str, Sight | None]

    def identity(self, world: World, session: Session) -> tuple[str, str]:
        """Account and customer of the room that a session is in."""
        binding = self.bindings[session.binding_id or UUID(int=0)]
        return world.ground.handles[binding.handle_hash], world.ground.customers[binding.customer_hash]


async def check(world: World, watched: Promise | None = None) -> None:
    """Raise `Broken` where a promise does not hold now; with `watched`, of that one only."""
    rows = await _rows(world)
    looks = (_addressed, _own_proofs, _ended, _quiet, _victim, _attacker)
    for broken in (one for look in looks for one in look(world, rows)):
        if watched in (None, broken.promise):
            raise broken
    world.inside = set(rows.standing)
    open_for = {one.session_id for one in rows.attempts if one.state in OPEN_STATES}
    world.underway = {one for one in ("victim", "attacker") if open_for & world.browser(one).sessions}


async def _rows(world: World) -> Rows:
    bindings, rooms, cases, attempts, sessions = await world.ground.tables(
        Binding, Conversation, Case, Attempt, Session
    )
    found = {who: await world.standing(who) for who in ("victim", "attacker")}
    return Rows(
        {one.id: one for one in bindings},
        rooms,
        {one.id: one for one in cases},
        attempts,
        sessions,
        {who: session for who, session in found.items() if session is not None},
        {who: await world.browser(who).read() for who, session in found.items() if session is not None},
    )


def _addressed(_world: World, rows: Rows) -> Iterator[Broken]:
    """A room stands under the complaint of the very account that it is bound to."""
    for room in rows.rooms:
        if rows.bindings[room.binding_id].handle_hash != rows.cases[room.case_id].author_hash:
            yield Broken(Promise.RIGHT, "a room of a complaint is bound to another account")


def _own_proofs(world: World, rows: Rows) -> Iterator[Broken]:
    """Proofs of an attempt are those that were given in its own browser."""
    handles, customers = world.ground.handles, world.ground.customers
    for attempt in rows.attempts:
        handle, customer = handles.get(attempt.handle_hash or b""), customers.get(attempt.customer_hash or b"")
        at, in_his = attempt.handle_proved_at, attempt.session_id in world.attacker.sessions
        if in_his and handle == VICTIM.name and at is not None and not world.held_account(at):
            yield Broken(Promise.RIGHT, "the victim's account is proved in the attacker's browser")
        if attempt.session_id in world.victim.sessions and customer == ATTACKER.name:
            yield Broken(Promise.INSIDE, "the attacker is proved as the customer in the victim's browser")


def _ended(world: World, rows: Rows) -> Iterator[Broken]:
    now = world.ground.services.clock()
    for binding in rows.bindings.values():
        hers = world.ground.customers[binding.customer_hash] == VICTIM.name
        if hers and binding.state == BindingState.ACTIVE and world.shut_until is not None and now < world.shut_until:
            yield Broken(Promise.ENDED, "an account is linked to her although the bank has shut that")
    for session in rows.sessions:
        until = world.disowned.get(session.binding_id or UUID(int=0))
        if session.ended_at is None and until is not None and now < until:
            yield Broken(Promise.ENDED, "a session lives on")
        if session.ended_at is None and session.binding_id is not None and world.gone_at is not None:
            handle, _ = rows.identity(world, session)
            if handle == VICTIM.name and session.created_at < world.gone_at and session.expires_at > now:
                yield Broken(Promise.RIGHT, "a room of an account that nobody holds any more stays open")


def _quiet(world: World, _rows: Rows) -> Iterator[Broken]:
    phone, services = world.ground.phone, world.ground.services
    if phone.thief_since is None or services.clock() >= phone.thief_since + services.policy.phone.quiet:
        return
    if any(CODE.search(text) for text in phone.texts(VICTIM.customer.phone, by_thief=True)):
        yield Broken(Promise.QUIET, "the thief of her number has a code")


def _victim(world: World, rows: Rows) -> Iterator[Broken]:
    session = rows.standing.get("victim")
    if session is None:
        return
    identity = rows.identity(world, session)
    if identity != (VICTIM.name, VICTIM.name):
        yield Broken(Promise.INSIDE, f"she is in the room of account {identity[0]} and customer {identity[1]}")
    world.seen[f"victim at level {session.level}"] += 1
    sight = rows.sights["victim"]
    if sight is not None and any(one.data_class == DataClass.ACCOUNT for one in sight.entries):
        world.seen["victim reads account data"] += 1


def _attacker(world: World, rows: Rows) -> Iterator[Broken]:
    session = rows.standing.get("attacker")
    if session is None:
        return
    handle, customer = rows.identity(world, session)
    world.seen[f"attacker as account {handle}, customer {customer}, at level {session.level}"] += 1
    if handle == VICTIM.name and not world.may_answer_as_victim(session.proved_at):
        yield Broken(Promise.RIGHT, "the attacker is in a room of the victim's account")
    if customer == VICTIM.name and _came_as(world, rows, world.attacker, session) == ATTACKER.name:
        yield Broken(Promise.OWN, "his own contract has brought him into a room of hers")
    if customer == VICTIM.name and session.level >= Level.L3:
        yield Broken(Promise.SECRET, f"the attacker is the victim's customer at level {session.level}")
    sight = rows.sights["attacker"]
    if sight is not None:
        yield from _reads(world, sight, customer)


def _came_as(world: World, rows: Rows, browser: Browser, session: Session) -> str | None:
    """Whose contract the newest proof named that led into this room."""
    own = [one for one in rows.attempts if one.session_id in browser.sessions and one.state == State.BOUND]
    led = [one.customer_hash for one in own if one.binding_id == session.binding_id]
    return world.ground.customers.get(led[-1] or b"") if led else None


def _reads(world: World, sight: Sight, customer: str) -> Iterator[Broken]:
    """What the attacker has on his screen."""
    for entry in sight.entries:
        if entry.kind == "message":
            yield from _one_message(world, sight, entry, customer)
    own = sight.own
    if customer == VICTIM.name:
        times = [look.first for look in own.looks] + [one.since for one in own.means]
        if own.created_at is not None or any(one < own.session_began for one in times):
            yield Broken(Promise.SECRET, "the attacker learns what was before his own session")


def _one_message(world: World, sight: Sight, entry: Any, customer: str) -> Iterator[Broken]:
    said = world.said[entry.text]
    world.seen[f"attacker reads {entry.data_class}"] += 1
    if said.customer != customer:
        yield Broken(Promise.OWN, f"a message of {said.customer}'s room is read in {customer}'s")
    if customer == ATTACKER.name:
        return
    if said.by == "victim":
        yield Broken(Promise.SECRET, "the attacker reads what the victim wrote")
    if said.held or (entry.data_class in HELD_BY_THE_BANK and said.by == "agent"):
        yield Broken(Promise.SECRET, f"the attacker reads {entry.data_class} data of the victim")
    if said.session_id != sight.session_id:
        yield Broken(Promise.SECRET, "the attacker reads what was written before his own session")
