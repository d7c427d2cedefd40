"""What somebody writes to the bank in private is worked like any complaint, and never answered in public."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.cases import queries, service
from app.cases.arriving import READ_THREAD, handle_hash, receive_post
from app.cases.models import Case
from app.cases.rules import CaseClocks, Outcome, Status
from app.channels.ports import ArrivedPost, Visibility
from app.database import reading
from app.handover import service as handover
from app.handover.errors import WrittenInPrivate
from app.notifications.models import OutboxRow
from tests.support.house import House
from tests.support.square import public_post

IBAN = "IT60X0542811101000000123456"


def private(post: ArrivedPost) -> ArrivedPost:
    return replace(post, visibility=Visibility.PRIVATE)


async def receive(house: House, post: ArrivedPost) -> Case:
    keys = {await handle_hash(house.services, post.author): await house.services.vault.create_key("case")}
    arrival = await house.act(lambda db: receive_post(db, house.connector, post, keys, CaseClocks()))
    assert arrival is not None
    return await house.case(arrival.case_id)


async def test_a_private_message_opens_a_case_that_can_be_worked_and_closed(house: House) -> None:
    case = await receive(house, private(public_post("giulia", "Vi scrivo in privato")))
    await house.act(lambda db: service.claim(db, house.anna, case.id))
    await house.act(lambda db: service.add_note(db, house.anna, case.id, "telefonato"))
    await house.act(lambda db: service.close(db, house.anna, case.id, Outcome.EXPLAINED))
    assert (await house.case(case.id)).status == Status.CLOSED


async def test_a_private_message_is_never_answered_in_public(house: House) -> None:
    case = await receive(house, private(public_post("giulia", "Vi scrivo in privato")))
    await house.act(lambda db: service.claim(db, house.anna, case.id))
    for purpose in (handover.ANSWER, handover.CLOSING):
        with pytest.raises(WrittenInPrivate):
            await house.act(
                lambda db, purpose=purpose: handover.publish(  # type: ignore[misc]
                    db, house.ports, house.anna, case.id, "Eccoci", purpose=purpose
                )
            )
    assert await house.all(OutboxRow) == []


async def test_a_private_message_after_a_public_one_leaves_the_answer_to_the_public_one(house: House) -> None:
    first = await receive(house, public_post("giulia", "In pubblico", external_id="p1"))
    again = await receive(house, private(public_post("giulia", "In privato", external_id="p2")))
    assert first.id == again.id
    async with reading(house.services) as db:
        answered = await queries.latest_public_complaint(db, again)
        assert answered is not None
        assert answered.external_id == "p1"
        kinds = {one.external_id: one.kind for one in await queries.thread_of(db, again)}
        assert kinds == {"p1": "complaint", "p2": "private"}


async def test_a_private_message_has_no_thread_to_be_read(house: House) -> None:
    await receive(house, private(public_post("giulia", "In privato")))
    assert [row.topic for row in await house.all(OutboxRow) if row.topic == READ_THREAD] == []


async def test_what_was_written_in_private_may_not_be_repeated_in_public(house: House) -> None:
    case = await receive(house, public_post("giulia", f"Il mio IBAN è {IBAN}", external_id="p1"))
    other = await receive(house, public_post("marco", "Aiuto", external_id="p2"))
    await receive(house, private(public_post("marco", f"Il mio IBAN è {IBAN}", external_id="p3")))
    async with reading(house.services) as db:
        assert (await handover.verdict_on(db, house.ports, other, f"IBAN {IBAN}")).verdict == "block"
        assert (await handover.verdict_on(db, house.ports, case, "Grazie")).verdict == "allow"


async def test_a_closed_case_reopens_by_a_private_message_too(house: House) -> None:
    case = await receive(house, public_post("giulia", "uno", external_id="p1"))
    await house.act(lambda db: service.claim(db, house.anna, case.id))
    await house.act(lambda db: service.close(db, house.anna, case.id, Outcome.EXPLAINED))
    again = await receive(house, private(public_post("giulia", "due", external_id="p2")))
    assert (again.id, again.status) == (case.id, Status.CLAIMED)
