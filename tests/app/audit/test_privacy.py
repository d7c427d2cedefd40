"""The whole desk's story, told with canaries: no leaf holds a name, a handle, a text, a phone, a code or a token."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.agents import service as agents
from app.agents.errors import SignInRefused
from app.agents.service import Credentials
from app.cases import service as cases
from app.cases.arriving import take_in
from app.cases.models import Case
from app.cases.rules import CaseClocks, Outcome
from app.channels.ports import ChannelRefused
from app.conversations import service as rooms
from app.conversations.errors import NeverHere
from app.conversations.models import Conversation
from app.conversations.queries import Window
from app.conversations.rating import rate_room
from app.conversations.reading import read_as_customer, read_as_staff
from app.database import Audited, Base, reading
from app.handover import service as handover
from app.handover.errors import GuardBlocked
from app.handover.posting import post_reply
from app.notifications.service import claim
from app.permissions import DataClass, Level
from app.sessions import rules
from tests.support.house import PASSWORD, House, Room
from tests.support.square import public_post

CANARIES = {
    "handle": "canarinohandle",
    "name": "Canarinohandle",
    "post": "canarino-nel-post",
    "note": "canarino-nella-nota",
    "reply": "canarino-nella-risposta",
    "blocked": "canarino-bloccato IT60X0542811101000000123456",
    "customer": "canarino-del-cliente",
    "agent": "canarino-dell-agente",
    "held": "canarino-trattenuto",
    "card": "4111 1111 1111 1111",
    "comment": "canarino-nel-giudizio",
    "why": "canarino-nel-motivo",
    "login": "canarino-login",
    "password": PASSWORD,
}


async def told(house: House) -> list[str]:
    """Everything that can happen at the desk; gives the tokens that were made."""
    house.square.pages = [[public_post(CANARIES["handle"], CANARIES["post"])]]
    house.square.posts = house.square.pages[0]
    await take_in(house.services, house.connector, CaseClocks())
    [case] = await house.all(Case)
    await house.act(lambda db: cases.claim(db, house.anna, case.id))
    await house.act(lambda db: cases.add_note(db, house.anna, case.id, CANARIES["note"]))
    await public_part(house, case.id)
    room = await house.room(Level.L2, case_id=case.id)
    await house.say(room, CANARIES["customer"])
    await house.answer(room, CANARIES["held"], chosen=DataClass.ACCOUNT)
    with pytest.raises(NeverHere):
        await house.say(room, CANARIES["card"])
    await house.act(lambda db: rooms.request_step_up(db, house.anna, room.id, Level.L3))
    room = await house.come_back(room, Level.L3)
    await house.answer(room, CANARIES["agent"])
    await read_as_customer(house.services, room.customer, Window())
    await read_as_staff(house.services, house.anna, room.id, Window())
    await house.act(lambda db: cases.close(db, house.anna, case.id, Outcome.RESOLVED))
    await house.act(lambda db: rate(db, room))
    for login in ("anna", CANARIES["login"]):
        with pytest.raises(SignInRefused):
            await agents.sign_in(house.services, Credentials(login, PASSWORD, "00000000"), kind=rules.API)
    return [room.token]


async def rate(db: AsyncSession, room: Room) -> None:
    await rate_room(db, room.customer, await db.get_one(Conversation, room.id), 5, CANARIES["comment"])


async def public_part(house: House, case_id: Any) -> None:
    with pytest.raises(GuardBlocked) as blocked:
        await house.act(lambda db: handover.publish(db, house.ports, house.anna, case_id, CANARIES["blocked"]))
    await house.act(lambda db: handover.override(db, house.ports, house.sara, blocked.value.block_id, CANARIES["why"]))
    await house.act(
        lambda db: handover.publish(db, house.ports, house.anna, case_id, f"Ciao, {CANARIES['reply']} in privato.")
    )
    house.square.faults = [None, ChannelRefused(f"@{CANARIES['handle']} blocked you")]
    for work in await claim(house.services):
        if work.topic == "post_reply":
            await post_reply(house.services, house.ports, work)


def spellings(canary: str) -> set[str]:
    raw = canary.encode()
    return {canary, raw.hex(), quote(canary), base64.b64encode(raw).decode().rstrip("=")[:-2], json.dumps(canary)[1:-1]}


async def everything_stored(house: House) -> str:
    """Every value of every table, bytes as they are."""
    found = []
    async with reading(house.services) as db:
        for table in Base.metadata.tables:
            for row in await db.execute(text(f"SELECT * FROM {table}")):
                found += [
                    bytes(value).decode("latin-1") if isinstance(value, (bytes, memoryview)) else str(value)
                    for value in row
                ]
    return "\n".join(found)


async def test_the_story_leaves_its_leaves_and_no_person_in_any_of_them(house: House) -> None:
    tokens = await told(house)
    leaves = json.dumps(await house.leaves())
    happened = {leaf["t"] for leaf in await house.leaves()}
    assert {
        "case.opened", "post.received", "case.claimed", "note.added", "reply.checked", "reply.overridden",
        "reply.registered", "reply.posted", "reply.failed", "room.opened", "message.sent", "message.held",
        "message.refused", "message.released", "room.step_up_requested", "room.read", "case.closed", "case.rated",
        "staff.refused",
    } <= happened  # fmt: skip
    stored = await everything_stored(house)
    for name, canary in {**CANARIES, **{f"token {number}": token for number, token in enumerate(tokens)}}.items():
        for spelling in spellings(canary):
            assert spelling not in leaves, name
            assert spelling not in stored, name
    await house.log_round()
    await house.check_streams()


async def test_every_audited_row_names_a_leaf_of_its_own(house: House) -> None:
    await told(house)
    known = {leaf["id"] for leaf in await house.leaves()}
    for mapper in Base.registry.mappers:
        if issubclass(mapper.class_, Audited):
            named = [str(row.leaf_id) for row in await house.all(mapper.class_)]
            assert len(set(named)) == len(named)
            assert set(named) <= known
