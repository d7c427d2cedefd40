"""A program's live view of a room ends with the program, and with its token."""

from __future__ import annotations

import pytest

from app.agents import queries
from app.clients import service
from app.conversations.stream import Ended, begin_watch, staff_stream
from app.errors import Unauthenticated
from security.jwts import SigningKey
from security.tokens import token_hash
from tests.app.clients.door import OPERATOR, Door
from tests.app.conversations.readers import reading


@pytest.mark.parametrize("how", ["ended", "new keys at once", "token over"])
async def test_a_programs_stream_ends_within_a_second_of_its_end(door: Door, crm: SigningKey, how: str) -> None:
    house = door.house
    await door.register(crm)
    token, case_id = await door.token(crm), await house.complaint()
    assert (await door.send("POST", f"/cases/{case_id}/claim", token)).status_code == 200
    room = await house.room(case_id=case_id)
    actor = queries.staff_of(await queries.signed_in(house.services, token_hash(token)))
    stream = staff_stream(house.services, actor, await begin_watch(house.services, actor, room.id, 0))
    async with reading(stream) as program:
        await program.until(lambda items: len(items) >= 1)
        if how == "ended":
            await house.act(lambda db: service.disable(db, OPERATOR, "crm", "x"))
        elif how == "new keys at once":
            fresh = [SigningKey.new().public_jwk()]
            await house.act(lambda db: service.rotate(db, OPERATOR, "crm", fresh, service.OVERLAP * 0))
        else:
            house.clock.pass_by(minutes=5)
        await program.until(lambda items: isinstance(items[-1], Ended), 2)
        await house.say(room, "troppo tardi")
    assert program.items[-1] == Ended(Unauthenticated.code)
    assert program.texts == []
