"""A public message finds its case by the immutable id of its author, and brings its thread."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cases import queries, service
from app.cases.arriving import handle_hash, receive_post
from app.cases.models import Case, Post
from app.cases.rules import CaseClocks, Outcome, Status, is_overdue
from app.cases.threads import read_thread
from app.channels.ports import ArrivedPost, ChannelUnavailable, PostGone
from app.database import reading
from app.notifications.models import OutboxRow
from app.notifications.service import Work, claim
from tests.support.house import House
from tests.support.square import public_post

CLOCKS = CaseClocks(first_answer=timedelta(hours=1), resolution=timedelta(hours=24))


async def receive(house: House, post: ArrivedPost) -> UUID:
    keys = {await handle_hash(house.services, post.author): await house.services.vault.create_key("case")}
    arrival = await house.act(lambda db: receive_post(db, house.connector, post, keys, CLOCKS))
    assert arrival is not None
    return arrival.case_id


async def texts(house: House, case_id: UUID) -> list[tuple[str, str]]:
    async with reading(house.services) as db:
        return [(one.kind, one.text) for one in await queries.thread_of(db, await db.get_one(Case, case_id))]


async def test_an_author_who_was_renamed_keeps_the_case(house: House) -> None:
    first = await receive(house, public_post("giulia", "uno"))
    again = await receive(house, public_post("giulia", "due", handle="giulia_nuova"))
    assert first == again
    async with reading(house.services) as db:
        newest = await queries.latest_complaint(db, await db.get_one(Case, first))
    assert newest.author.handle in {"giulia", "giulia_nuova"}


async def test_who_takes_over_a_freed_name_gets_a_case_of_his_own(house: House) -> None:
    first = await receive(house, public_post("giulia", "uno"))
    other = await receive(house, public_post("impostor", "due", handle="giulia"))
    assert first != other


async def test_a_closed_case_reopens_with_fresh_clocks_for_who_worked_it(house: House) -> None:
    case_id = await house.claimed()
    await house.act(lambda db: service.close(db, house.anna, case_id, Outcome.EXPLAINED))
    house.clock.pass_by(days=3)
    assert await receive(house, public_post("giulia", "di nuovo", at=house.clock())) == case_id
    case = await house.case(case_id)
    assert (case.status, case.assigned_to, case.reopened) == (Status.CLAIMED, house.anna.id, 1)
    assert (case.outcome, case.closed_at, case.first_answered_at) == (None, None, None)
    assert case.first_answer_due == house.clock() + timedelta(hours=1)
    assert [leaf["t"] for leaf in await house.leaves(stream=f"case:{case_id}")][-2:] == [
        "case.reopened",
        "post.received",
    ]


async def test_an_open_case_grows_and_its_clocks_go_on(house: House) -> None:
    case_id = await receive(house, public_post("giulia", "uno"))
    due = (await house.case(case_id)).first_answer_due
    house.clock.pass_by(minutes=50)
    await receive(house, public_post("giulia", "due", at=house.clock()))
    case = await house.case(case_id)
    assert (case.first_answer_due, case.reopened, case.status) == (due, 0, Status.OPEN)
    assert await texts(house, case_id) == [("complaint", "uno"), ("complaint", "due")]


async def test_without_a_key_no_case_opens(house: House) -> None:
    post = public_post("giulia", "uno")
    assert await house.act(lambda db: receive_post(db, house.connector, post, {}, CLOCKS)) is None
    assert await house.all(Case) == []


async def test_posts_and_authors_are_sealed(house: House) -> None:
    await receive(house, public_post("giulia", "canarino"))
    [case], [post] = await house.all(Case), await house.all(Post)
    for word in (b"canarino", b"giulia", b"Giulia", b"id-of-giulia"):
        assert word not in post.sealed_content + case.sealed_author
    leaves = json.dumps(await house.leaves())
    assert not [
        word for word in ("canarino", "giulia", "Giulia", post.external_hash.decode("latin-1")) if word in leaves
    ]


async def thread_work(house: House) -> Work:
    [work] = [one for one in await claim(house.services) if one.topic == "read_thread"]
    return work


async def test_the_thread_around_a_complaint_travels_with_the_case(house: House) -> None:
    house.square.posts = [
        public_post("bancaesempio", "Buongiorno Giulia", is_own=True),
        public_post("ugo", "Anche a me!"),
        public_post("giulia", "altrove", thread_id="other"),
    ]
    complaint = public_post("giulia", "uno")
    house.square.posts.append(complaint)
    case_id = await receive(house, complaint)
    work = await thread_work(house)
    await read_thread(house.services, [house.connector], work)
    assert sorted(await texts(house, case_id)) == [
        ("bank", "Buongiorno Giulia"),
        ("complaint", "uno"),
        ("thread", "Anche a me!"),
    ]
    await read_thread(house.services, [house.connector], work)
    assert len(await texts(house, case_id)) == 3


async def test_somebody_elses_post_in_a_thread_may_be_his_own_complaint_too(house: House) -> None:
    ugo = public_post("ugo", "Anche a me!")
    house.square.posts = [ugo]
    await receive(house, public_post("giulia", "uno"))
    await read_thread(house.services, [house.connector], await thread_work(house))
    assert await receive(house, ugo) is not None
    assert len(await house.all(Case)) == 2


@pytest.mark.parametrize("gone", [True, False])
async def test_a_thread_that_is_gone_is_no_fault_one_that_is_late_is(
    house: House, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    async def fail(_post: Any) -> list[ArrivedPost]:
        raise PostGone("gone") if gone else ChannelUnavailable("late")

    monkeypatch.setattr(house.square, "read_thread", fail)
    await receive(house, public_post("giulia", "uno"))
    work = await thread_work(house)
    if gone:
        await read_thread(house.services, [house.connector], work)
    else:
        with pytest.raises(ChannelUnavailable):
            await read_thread(house.services, [house.connector], work)
    [row] = await house.all(OutboxRow)
    assert (row.done_at is not None) is gone


def test_a_clock_that_ran_out_stays_run_out() -> None:
    from tests.support.house import START

    late = START + timedelta(seconds=1)
    assert not is_overdue(START, None, START)
    assert is_overdue(START, None, late)
    assert is_overdue(START, late, START)
    assert not is_overdue(START, START, late)
