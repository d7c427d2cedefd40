"""What the bank, the network, thieves and time do in the machine, besides the two people."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from app.actors import Role
from app.binding import account_watch, ending, revoking, sweeping
from app.binding.models import Binding, NoticeReference
from app.binding.notices import reference_hash
from app.binding.rules import BindingState
from app.channels.ports import AccountNow, AccountState
from app.conversations import sweeping as room_sweeps
from app.conversations.models import Conversation
from app.conversations.posting import post_message
from app.database import reading, transaction
from app.permissions import DataClass
from security.tokens import typed_reference
from tests.app.binding.outside import GIULIA, Directory
from tests.machine.ground import ATTACKER, VICTIM
from tests.machine.world import NothingToShow, Said, World, word

HELD_FACT = "Il conto di Giulia è IT60 X054 2811 1010 0000 0123 456"
"""What an agent must not say as anything less than `account`, whoever asks."""


async def agent_posts(world: World, room_id: UUID, data_class: DataClass, *, persuaded: bool = False) -> None:
    """Anna answers; where she is `persuaded`, she writes of an account what she then calls by this class."""
    text = f"Rispondo {word(len(world.said))}" + f". {HELD_FACT}" * persuaded
    room: Conversation = await world.ground.row(Conversation, room_id)
    binding = await world.binding_of(room_id)
    world.said[text] = Said("agent", world.customer_of(binding), room.session_id, held=persuaded)
    services, agent = world.ground.services, await world.ground.agent()
    await post_message(services, agent, room_id, text, client_key=text, chosen=data_class)


async def disown(world: World) -> None:
    """The victim answers her newest notice: this was not me."""
    reference = world.ground.newest_reference(VICTIM.customer)
    if reference is None:
        raise NothingToShow
    services = world.ground.services
    async with reading(services) as db:
        known = await db.get(NoticeReference, await reference_hash(services, typed_reference(reference)))
    if known is not None:
        await _note_disowned(world, known.binding_id)
    await revoking.not_me(services, reference=reference)


async def bank_revokes(world: World, binding_id: UUID) -> None:
    """Anna ends a link."""
    await _note_disowned(world, binding_id)
    agent = await world.ground.agent()
    async with transaction(world.ground.services) as db:
        await revoking.end_by_bank(db, binding_id, because="customer_asked", actor=agent)


async def she_phones(world: World) -> None:
    """The victim phones: a supervisor ends whatever is linked to her, and nothing is linked to her for a day."""
    for binding in await world.bindings():
        if world.customer_of(binding) == VICTIM.name and binding.state == BindingState.ACTIVE:
            await _note_disowned(world, binding.id)
    services = world.ground.services
    world.shut_until = world.now + services.policy.lifetimes.freeze
    agent = await world.ground.agent()
    supervisor = replace(agent, role=Role.SUPERVISOR, scopes=None)
    async with transaction(services) as db:
        await ending.end_links_of(db, supervisor, VICTIM.customer.customer_number, "suspicion")


async def _note_disowned(world: World, binding_id: UUID) -> None:
    """From now on it is shut; a second word about a link that is shut changes nothing."""
    binding: Binding = await world.ground.row(Binding, binding_id)
    if binding.state == BindingState.ACTIVE or binding.frozen_until is None:
        world.disowned[binding_id] = world.now + world.ground.services.policy.lifetimes.freeze


async def bindings_in_force(world: World) -> list[UUID]:
    """The links that hold."""
    return [one.id for one in await world.bindings() if one.state == BindingState.ACTIVE]


async def pass_by(world: World, *, swept: bool, **amount: float) -> None:
    """Time passes, and the sweepers have been here or are late."""
    world.ground.house.clock.pass_by(**amount)
    if swept:
        await sweeping.sweep(world.ground.services)
        await room_sweeps.expire(world.ground.services)


async def rename(world: World) -> None:
    """The victim takes another name, and the attacker the one that she left; the network tells the bank."""
    names = world.ground.square.names
    if names[VICTIM.account] == VICTIM.name:
        names[VICTIM.account], names[ATTACKER.account] = "giulia2", VICTIM.name
        await account_is(world, AccountState.THERE)


async def account_is(world: World, state: AccountState) -> None:
    """The network says how the victim's account stands."""
    subject = world.ground.square.subject(VICTIM.account)
    world.learned_at = world.now
    if state != AccountState.THERE:
        world.gone_at = world.now
    await account_watch.account_seen(world.ground.services, subject, AccountNow(state, subject.handle))


async def she_gets_her_account_back(world: World) -> None:
    """The thief of her account is out of it, and keeps what he has made of it at the bank."""
    if not world.hijacked:
        raise NothingToShow
    world.hijacked, world.held_at = False, world.now


async def telephone_is_taken(world: World) -> None:
    """A SIM swap: her number rings at the attacker's, and the bank's files say when that began."""
    phone, directory = world.ground.phone, world.ground.ports.directory
    if phone.thief_since is not None:
        raise NothingToShow
    assert isinstance(directory, Directory)
    phone.thief_since = world.now
    directory.customers[0] = replace(GIULIA, phone_changed_at=world.now)
