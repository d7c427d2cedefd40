"""The machine's people get wherever a promise could break: what they are not able to do, it could not find."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from app.conversations.models import Conversation
from app.permissions import DataClass
from tests.machine import promises, turns
from tests.machine.ground import ATTACKER, VICTIM, Plan, open_ground, plan_in
from tests.machine.world import World


@pytest.fixture
async def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return await plan_in(tmp_path_factory.mktemp("plan"))


@asynccontextmanager
async def a_world(plan: Plan, folder: Path, *, hijacked: bool = False, gullible: bool = False) -> AsyncIterator[World]:
    async with open_ground(plan, folder) as ground:
        yield World(ground, hijacked, gullible, Counter())


async def where(world: World, who: str) -> tuple[str, str, int] | None:
    """Account, customer and level of the room that somebody is in."""
    session = await world.standing(who)
    if session is None:
        return None
    rooms = {room.id: room for room in await world.ground.rows(Conversation)}
    assert session.conversation_id in rooms
    await promises.check(world)
    bindings = {one.id: one for one in await world.bindings()}
    binding = bindings[session.binding_id]
    return world.ground.handles[binding.handle_hash], world.ground.customers[binding.customer_hash], session.level


@pytest.mark.parametrize("handle", ["sign_in", "direct_message"])
@pytest.mark.parametrize(
    ("proof", "level"), [("sms", 2), ("email", 2), ("push", 2), ("id", 3), ("id_high", 4), ("wallet", 4)]
)
async def test_everybody_comes_in_by_every_way(plan: Plan, tmp_path: Path, handle: str, proof: str, level: int) -> None:
    async with a_world(plan, tmp_path) as world:
        reached = min(level, 3) if handle == "direct_message" else level
        for who, person in (("victim", VICTIM), ("attacker", ATTACKER)):
            await world.go(who, person.name, handle, proof)
            assert await where(world, who) == (person.name, person.name, reached)


@pytest.mark.parametrize("proof", ["victims_sms", "victims_email", "victims_push"])
@pytest.mark.parametrize("hijacked", [False, True])
async def test_who_relays_her_codes_lets_the_attacker_in_at_level_2(
    plan: Plan, tmp_path: Path, hijacked: bool, proof: str
) -> None:
    link, handle = ("giulia", "as_victim") if hijacked else ("marco", "sign_in")
    async with a_world(plan, tmp_path, hijacked=hijacked, gullible=True) as world:
        await world.go("attacker", link, handle, proof)
        assert await where(world, "attacker") == (link, "giulia", 2)
        await turns.pass_by(world, swept=True, minutes=20)
        assert await world.attempt(lambda: world.unlock("attacker", "victims_sms"))
        assert await where(world, "attacker") == (link, "giulia", 2)
        assert await world.attacker.read() is not None


async def test_a_relayed_message_makes_the_attacker_her_account_and_his_own_customer(
    plan: Plan, tmp_path: Path
) -> None:
    async with a_world(plan, tmp_path, gullible=True) as world:
        await world.go("attacker", "giulia", "victims_message", "id_high")
        assert world.held_at is not None
        assert await where(world, "attacker") == ("giulia", "marco", 3)


async def test_she_opens_his_request_and_pastes_what_came_back_and_nothing_is_proved(
    plan: Plan, tmp_path: Path
) -> None:
    async with a_world(plan, tmp_path, gullible=True) as world:
        await world.attacker.start(world.ground.links["giulia"])
        assert not await world.attempt(lambda: world.prove_handle("attacker", "victims_browser"))
        assert world.seen["refused: not_finished_here"] == 1
        await world.go("attacker", "marco", "sign_in", "victims_browser")
        assert await where(world, "attacker") is None
        await promises.check(world)


async def test_an_account_answer_waits_is_read_at_level_3_and_never_by_who_comes_with_a_relayed_code(
    plan: Plan, tmp_path: Path
) -> None:
    async with a_world(plan, tmp_path, hijacked=True, gullible=True) as world:
        await world.go("victim", "giulia", "sign_in", "sms")
        room = (await world.ground.rows(Conversation))[0]
        for data_class in (DataClass.CASE, DataClass.ACCOUNT, DataClass.IDENTITY):
            await turns.agent_posts(world, room.id, data_class)
        assert await read(world, "victim") == ["case"]
        assert await world.attempt(lambda: world.step_up("victim", "id_high"))
        assert await read(world, "victim") == ["case", "account", "identity"]
        await world.go("attacker", "giulia", "as_victim", "victims_sms")
        assert await read(world, "attacker") == []
        await turns.agent_posts(world, room.id, DataClass.CASE)
        assert await read(world, "attacker") == ["case"]
        await promises.check(world)


async def test_an_authenticator_opens_its_own_room_again_until_the_link_is_disowned(plan: Plan, tmp_path: Path) -> None:
    async with a_world(plan, tmp_path, hijacked=True, gullible=True) as world:
        await world.go("attacker", "giulia", "as_victim", "victims_sms")
        assert await world.attempt(world.attacker.enrol)
        await turns.pass_by(world, swept=True, minutes=20)
        assert await world.attempt(lambda: world.unlock("attacker", "totp"))
        await turns.disown(world)
        assert await where(world, "attacker") is None
        await world.go("attacker", "giulia", "as_victim", "victims_sms")
        assert await where(world, "attacker") is None


async def read(world: World, who: str) -> list[str | None]:
    """The classes of the agent's messages that somebody reads."""
    sight = await world.browser(who).read()
    assert sight is not None
    return [one.data_class for one in sight.entries if one.kind == "message" and one.sender == "agent"]


async def test_her_passkey_brings_her_back_and_nobody_else_even_where_she_taps_on_a_copied_page(
    plan: Plan, tmp_path: Path
) -> None:
    async with a_world(plan, tmp_path, gullible=True) as world:
        await world.go("victim", "giulia", "sign_in", "id_high")
        assert await world.attempt(world.victim.add_passkey)
        await turns.pass_by(world, swept=True, hours=9)
        assert await where(world, "victim") is None
        assert not await world.attempt(lambda: world.come_back("attacker", "victims_passkey", "giulia"))
        assert not await world.attempt(lambda: world.come_back("victim", "passkey", "marco"))
        assert world.seen["refused: passkey_not_accepted"] == 2
        assert await world.attempt(lambda: world.come_back("victim", "passkey", "giulia"))
        assert await where(world, "victim") == ("giulia", "giulia", 3)


@pytest.mark.parametrize("way", ["victims_code", "victims_session", "victims_wallet", "victims_wallet_browser"])
async def test_what_was_not_asked_for_in_his_browser_is_of_no_use_in_it(plan: Plan, tmp_path: Path, way: str) -> None:
    async with a_world(plan, tmp_path, gullible=True) as world:
        await world.go("victim", "giulia", "sign_in", "id_high")
        await turns.pass_by(world, swept=False, minutes=3)
        await world.go("attacker", "marco", "sign_in", "victims_sms")
        assert not await world.attempt(lambda: world.step_up("attacker", way))
        assert world.seen["refused: not_finished_here"] == 1
        assert await where(world, "attacker") == ("marco", "giulia", 2)


async def test_a_code_of_her_sign_in_that_she_pasted_fits_no_request_of_his(plan: Plan, tmp_path: Path) -> None:
    async with a_world(plan, tmp_path, gullible=True) as world:
        await world.attacker.start(world.ground.links["giulia"])
        assert not await world.attempt(lambda: world.prove_handle("attacker", "victims_code"))
        await promises.check(world)


async def test_who_takes_her_telephone_gets_no_code_for_three_days_and_then_level_2(plan: Plan, tmp_path: Path) -> None:
    async with a_world(plan, tmp_path) as world:
        await turns.telephone_is_taken(world)
        await world.go("attacker", "marco", "sign_in", "victims_sms")
        assert await where(world, "attacker") is None
        await turns.pass_by(world, swept=True, hours=73)
        await world.go("attacker", "marco", "sign_in", "victims_sms")
        assert await where(world, "attacker") == ("marco", "giulia", 2)


@pytest.mark.parametrize("end", ["time", "name"])
async def test_who_held_her_account_once_comes_back_by_a_passkey_until_it_must_be_shown_again(
    plan: Plan, tmp_path: Path, end: str
) -> None:
    async with a_world(plan, tmp_path, hijacked=True) as world:
        await world.go("attacker", "giulia", "as_victim", "id_high")
        assert await world.attempt(world.attacker.add_passkey)
        await turns.she_gets_her_account_back(world)
        await turns.pass_by(world, swept=False, hours=9)
        assert await world.attempt(lambda: world.come_back("attacker", "passkey", "giulia"))
        assert await where(world, "attacker") == ("giulia", "marco", 3)
        await (turns.pass_by(world, swept=False, days=91) if end == "time" else turns.rename(world))
        assert not await world.attempt(lambda: world.come_back("attacker", "passkey", "giulia"))
        assert world.seen["refused: passkey_not_accepted"] == 1
        await promises.check(world)


async def test_his_own_passkey_raises_no_room_of_hers(plan: Plan, tmp_path: Path) -> None:
    async with a_world(plan, tmp_path, hijacked=True, gullible=True) as world:
        await world.go("victim", "giulia", "sign_in", "id_high")
        assert await world.attempt(world.victim.add_passkey)
        await world.go("attacker", "marco", "sign_in", "id_high")
        assert await world.attempt(world.attacker.add_passkey)
        await world.go("attacker", "giulia", "as_victim", "victims_sms")
        assert not await world.attempt(lambda: world.step_up("attacker", "passkey"))
        assert await where(world, "attacker") == ("giulia", "giulia", 2)


async def test_an_agent_who_is_talked_into_it_cannot_call_an_account_anything_else(plan: Plan, tmp_path: Path) -> None:
    async with a_world(plan, tmp_path, gullible=True) as world:
        await world.go("attacker", "marco", "sign_in", "victims_sms")
        room = (await world.ground.rows(Conversation))[0]
        posts = partial(turns.agent_posts, world, room.id, persuaded=True)
        assert not await world.attempt(lambda: posts(DataClass.CASE))
        assert await world.attempt(lambda: posts(DataClass.ACCOUNT))
        assert await read(world, "attacker") == []
