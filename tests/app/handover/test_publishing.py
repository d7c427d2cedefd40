"""A public reply: guarded, registered before it is posted, let through only by a second person, once."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Staff
from app.agents import service as agents
from app.cases import service as cases
from app.cases.errors import CaseClosed, NotYourCase
from app.cases.rules import Outcome
from app.database import reading
from app.errors import Forbidden, NotFound
from app.handover import service
from app.handover.errors import GuardBlocked, NoPublicAnswer, ReplyTooLong, SecondPersonNeeded
from app.handover.models import GuardBlock, Reply
from app.handover.queries import replies_of
from app.notifications.service import claim
from tests.support.house import PUBLIC_URL, House

GOOD = "Ciao Giulia, ci dispiace. Ne parliamo in privato qui sotto."
LEAK = "Il suo conto IT60X0542811101000000123456 risulta addebitato."
WHY = "il cliente ha pubblicato lui stesso il numero"


async def publish(house: House, case_id: UUID, text: str = GOOD, *, by: Staff | None = None, **options: Any) -> Reply:
    return await house.act(lambda db: service.publish(db, house.ports, by or house.anna, case_id, text, **options))


async def override(house: House, by: Staff, block_id: UUID) -> Reply:
    return await house.act(lambda db: service.override(db, house.ports, by, block_id, WHY))


async def blocked(house: House, case_id: UUID, *, by: Staff | None = None) -> UUID:
    with pytest.raises(GuardBlocked) as refused:
        await publish(house, case_id, LEAK, by=by)
    return refused.value.block_id


async def waiting(house: House, case_id: UUID) -> list[UUID]:
    async with reading(house.services) as db:
        return [one.id for one in await service.blocks_of(db, house.sara, case_id)]


async def test_a_reply_is_registered_whole_before_anything_is_posted(house: House) -> None:
    case_id = await house.claimed()
    reply = await publish(house, case_id)
    assert (reply.state, reply.agent_id, reply.posted_at) == ("registered", house.anna.id, None)
    assert house.square.published == []
    slug = (await house.case(case_id)).slug
    async with reading(house.services) as db:
        [stored] = await replies_of(db, await house.case(case_id))
    assert stored.text == f"@giulia {GOOD} — Anna {PUBLIC_URL}/c/{slug}"
    [leaf] = await house.leaves("reply.registered")
    assert leaf["data"]["id"] == str(reply.id)
    assert GOOD not in json.dumps(leaf)
    assert GOOD.encode() not in reply.sealed_text
    assert [work.payload for work in await claim(house.services) if work.topic == "post_reply"] == [
        {"reply": str(reply.id)}
    ]


async def test_a_blocked_text_stays_here_sealed_and_its_author_is_told_where(house: House) -> None:
    case_id = await house.claimed()
    with pytest.raises(GuardBlocked) as refused:
        await publish(house, case_id, LEAK)
    places = [(one["kind"], one["start"], one["end"]) for one in refused.value.findings]
    assert ("iban", LEAK.index("IT60"), LEAK.index(" risulta")) in places
    [block] = await house.all(GuardBlock)
    assert LEAK.encode() not in block.sealed_text
    assert await house.all(Reply) == []
    assert [work for work in await claim(house.services) if work.topic == "post_reply"] == []
    [leaf] = await house.leaves("reply.checked")
    assert leaf["data"]["verdict"] == "block"
    assert "IT60" not in json.dumps(leaf)


async def test_the_author_cannot_let_it_through_whatever_the_role(house: House) -> None:
    case_id = await house.claimed()
    of_agent = await blocked(house, case_id)
    with pytest.raises(Forbidden):
        await override(house, house.anna, of_agent)
    of_supervisor = await blocked(house, case_id, by=house.sara)
    with pytest.raises(SecondPersonNeeded):
        await override(house, house.sara, of_supervisor)
    refusals = [(leaf["actor"]["id"], leaf["data"]["reason"]) for leaf in await house.leaves("case.refused")]
    assert refusals == [(str(house.anna.id), "own_text"), (str(house.sara.id), "own_text")]
    assert await waiting(house, case_id) == [of_agent, of_supervisor]
    assert await house.all(Reply) == []


async def test_nobody_but_a_supervisor_decides(house: House) -> None:
    block_id = await blocked(house, await house.claimed())
    for login in ("bruno", "olga", "ada"):
        with pytest.raises(Forbidden):
            await override(house, house.staff[login], block_id)
    assert [leaf["data"]["reason"] for leaf in await house.leaves("case.refused")] == ["role"]


async def test_a_second_person_lets_it_through_once_under_the_authors_name(house: House) -> None:
    case_id = await house.claimed()
    block_id = await blocked(house, case_id)
    reply = await override(house, house.sara, block_id)
    assert (reply.agent_id, reply.overridden_by) == (house.anna.id, house.sara.id)
    [leaf] = await house.leaves("reply.overridden")
    assert (leaf["actor"]["id"], leaf["data"]["by"]) == (str(house.sara.id), str(house.sara.id))
    assert WHY not in json.dumps(await house.leaves())
    assert await waiting(house, case_id) == []
    with pytest.raises(NotFound):
        await override(house, house.silvio, block_id)
    assert len(await house.all(Reply)) == 1


async def test_of_two_supervisors_at_once_one_decides(house: House) -> None:
    block_id = await blocked(house, await house.claimed())
    outcomes = await asyncio.gather(
        *(override(house, one, block_id) for one in (house.sara, house.silvio) * 3), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["NotFound"] * 5 + ["Reply"]
    assert len(await house.all(Reply)) == 1


async def test_a_decision_that_cannot_be_carried_out_is_none(house: House) -> None:
    case_id = await house.claimed()
    block_id = await blocked(house, case_id)
    await house.act(lambda db: cases.close(db, house.anna, case_id, Outcome.RESOLVED))
    with pytest.raises(CaseClosed):
        await override(house, house.sara, block_id)
    assert await waiting(house, case_id) == [block_id]
    assert await house.leaves("reply.overridden") == []


async def test_a_leavers_blocked_text_does_not_leave(house: House) -> None:
    case_id = await house.claimed()
    block_id = await blocked(house, case_id)
    await house.act(lambda db: agents.deactivate(db, house.ada, house.anna.id, "left"))
    with pytest.raises(NotFound):
        await override(house, house.sara, block_id)
    assert await waiting(house, case_id) == [block_id]


async def test_a_colleague_without_the_case_publishes_nothing(house: House) -> None:
    case_id = await house.claimed()
    with pytest.raises(NotYourCase):
        await publish(house, case_id, by=house.bruno)
    for login in ("olga", "ada"):
        with pytest.raises(Forbidden):
            await publish(house, case_id, by=house.staff[login])
    assert await house.all(Reply) == []
    assert [leaf["data"]["act"] for leaf in await house.leaves("case.refused")] == ["reply"]


async def test_a_closed_case_gets_a_closing_word_and_no_answer(house: House) -> None:
    case_id = await house.claimed()
    await house.act(lambda db: cases.close(db, house.anna, case_id, Outcome.RESOLVED))
    with pytest.raises(CaseClosed):
        await publish(house, case_id)
    assert (await publish(house, case_id, purpose=service.CLOSING)).purpose == "closing"


async def test_what_does_not_fit_the_network_is_refused_whole(house: House) -> None:
    case_id = await house.claimed()
    with pytest.raises(ReplyTooLong):
        await publish(house, case_id, "Ciao " * 120)
    assert await house.all(Reply) == []


async def test_without_a_way_to_post_nothing_is_registered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    case_id = await house.claimed()
    ports = type(house.ports)((), PUBLIC_URL, "Banca Esempio", "800 000 000")
    with pytest.raises(NoPublicAnswer):
        await house.act(lambda db: service.publish(db, ports, house.anna, case_id, GOOD))


async def test_looking_at_a_text_stores_nothing(house: House) -> None:
    case_id = await house.claimed()
    before = len(await house.leaves())

    async def check(db: AsyncSession, text: str) -> str:
        return (await service.check(db, house.ports, house.anna, case_id, text)).verdict

    async with reading(house.services) as db:
        assert [await check(db, text) for text in (GOOD, LEAK)] == ["allow", "block"]
    assert len(await house.leaves()) == before
    assert await house.all(GuardBlock) == []
