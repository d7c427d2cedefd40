"""Where a story of the machine may begin: in the middle, so that the rest of the way is short."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from app.conversations.models import Conversation
from app.permissions import DataClass
from tests.machine import turns
from tests.machine.ground import ATTACKER, VICTIM
from tests.machine.world import World

Beginning = Callable[[World, str], Awaitable[None]]
"""`relayed` says which of her proofs the attacker relays, where he does."""


async def apart(_world: World, _relayed: str) -> None:
    """Nobody has begun."""


async def victim_in(world: World, _relayed: str) -> None:
    """She is in her room, which holds something, with a passkey."""
    await _her_room(world)
    await world.each(world.victim.add_passkey)


async def attacker_in(world: World, _relayed: str) -> None:
    """He is in a room of his own, with a passkey."""
    await world.go("attacker", ATTACKER.name, "sign_in", "id_high")
    await world.each(world.attacker.add_passkey)


async def both_in(world: World, relayed: str) -> None:
    """Each in the own room."""
    await _her_room(world)
    await attacker_in(world, relayed)


async def relayed_in(world: World, relayed: str) -> None:
    """She has a room, and he is in one as her customer; in hers, where he has her account."""
    await _her_room(world)
    await _as_her_customer(world, relayed)


async def relayed_locked(world: World, relayed: str) -> None:
    """The same, locked meanwhile."""
    await relayed_in(world, relayed)
    await turns.pass_by(world, swept=True, minutes=20)


async def relayed_with_key(world: World, relayed: str) -> None:
    """The same as `relayed_in`, after each has made a passkey in the own room."""
    await attacker_in(world, relayed)
    await victim_in(world, relayed)
    await _as_her_customer(world, relayed)


async def disowned(world: World, relayed: str) -> None:
    """He was in as her customer, and she has said that this was not her."""
    await relayed_in(world, relayed)
    await world.each(lambda: turns.disown(world))


async def phoned(world: World, _relayed: str) -> None:
    """She has phoned the bank, before anybody was linked to her."""
    await world.each(lambda: turns.she_phones(world))


async def underway(world: World, _relayed: str) -> None:
    """She has proved her account and no more."""
    await world.victim.start(world.ground.links[VICTIM.name])
    await world.prove_handle("victim", "sign_in")


async def at_her_door(world: World, _relayed: str) -> None:
    """He has opened the link of her case and no more."""
    await world.attacker.start(world.ground.links[VICTIM.name])


async def names_changed(world: World, _relayed: str) -> None:
    """Her name of before is his now."""
    await turns.rename(world)


async def hijacked_once(world: World, _relayed: str) -> None:
    """He was in as her account and his own customer, made a passkey, and lost her account again three months ago."""
    await world.go("attacker", VICTIM.name, "as_victim", "id_high")
    await world.each(world.attacker.add_passkey)
    if world.hijacked:
        await turns.she_gets_her_account_back(world)
        await turns.pass_by(world, swept=True, days=91)


async def telephone_taken(world: World, _relayed: str) -> None:
    """Her number rings at his since a moment ago."""
    await turns.telephone_is_taken(world)


async def _as_her_customer(world: World, relayed: str) -> None:
    link, way = (VICTIM.name, "as_victim") if world.hijacked else (ATTACKER.name, "sign_in")
    await world.go("attacker", link, way, relayed)


async def _her_room(world: World) -> None:
    await world.go("victim", VICTIM.name, "sign_in", "id_high")
    await world.each(lambda: world.write("victim"))
    rooms = await world.ground.rows(Conversation)
    for data_class in (DataClass.CASE, DataClass.ACCOUNT, DataClass.IDENTITY):
        await turns.agent_posts(world, rooms[-1].id, data_class)


BEGINNINGS: Final[Mapping[str, Beginning]] = {
    one.__name__: one
    for one in (
        apart,
        victim_in,
        attacker_in,
        both_in,
        relayed_in,
        relayed_locked,
        relayed_with_key,
        disowned,
        phoned,
        underway,
        at_her_door,
        names_changed,
        hijacked_once,
        telephone_taken,
    )
}
