"""A wall clock that jumps: order, sessions, codes and limits do not follow it, and the log says that it jumped."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.actors import Staff
from app.agents import service as agents
from app.agents.errors import SignInRefused
from app.agents.service import Credentials
from app.binding.sweeping import sweep
from app.clock_watch import ClockWatch
from app.conversations.queries import Window
from app.conversations.reading import read_as_staff
from app.database import transaction
from app.limits.rates import take
from app.notifications.astray import pull_back
from app.notifications.service import claim, enqueue
from app.permissions import DataClass, Level
from app.sessions import rules
from app.sessions import service as sessions
from app.sessions.models import Session
from security import totp
from tests.support.house import PASSWORD, House, secret_of

JUMPS = [timedelta(hours=1), timedelta(hours=-1), timedelta(days=2), timedelta(days=-2)]


@pytest.mark.parametrize("jump", JUMPS, ids=str)
async def test_a_jump_leaves_the_order_of_messages_and_the_evidence_alone(house: House, jump: timedelta) -> None:
    room = await house.room(Level.L4)
    before = [(await house.answer(room, f"prima {number}")).n for number in range(3)]
    house.clock.now += jump
    room = await house.come_back(room, Level.L4)
    after = [(await house.answer(room, f"dopo {number}", by=await staff(house))).n for number in range(3)]
    numbers = [n for n in before + after if n is not None]
    assert len(numbers) == 6
    assert numbers == sorted(set(numbers))
    await house.log_round()
    await house.check_streams()


async def test_a_clock_that_goes_back_ten_seconds_each_second_changes_no_order(house: House) -> None:
    room = await house.room(Level.L4)
    said = []
    for number in range(12):
        said.append(f"messaggio {number}")
        await (house.say if number % 2 else house.answer)(room, said[-1])
        house.clock.pass_by(seconds=-10)
    await house.log_round()
    await house.check_streams()
    page = await read_as_staff(house.services, house.anna, room.id, Window())
    assert [entry.text for entry in page.entries if entry.text] == said


async def test_answers_that_waited_are_freed_as_they_were_written_whatever_the_clock_said(house: House) -> None:
    room = await house.room(Level.L2)
    texts = [f"Il codice {number} della pratica" for number in ("uno", "due", "tre")]
    for text in texts:
        await house.answer(room, text, chosen=DataClass.IDENTITY)
        house.clock.pass_by(seconds=-30)
    await house.come_back(room, Level.L4)
    page = await read_as_staff(house.services, house.anna, room.id, Window())
    assert [entry.text for entry in page.entries if entry.text] == texts


async def test_beyond_2038_everything_works(house: House) -> None:
    house.clock.now = datetime(2038, 1, 19, 3, 14, 6, tzinfo=UTC)
    by = await staff(house)
    case_id = await house.claimed(by)
    room = await house.room(Level.L3, case_id=case_id)
    for number in range(4):
        await house.answer(room, f"messaggio {number}", by=by)
        house.clock.pass_by(seconds=1)
    await house.log_round()
    assert await house.check_streams() > 8


async def staff(house: House) -> Staff:
    """Anna, in a session of this moment: the one she had is over by this clock."""
    async with transaction(house.services) as db:
        started = await sessions.start_staff(db, house.anna.id, house.clock(), kind=rules.API)
    return replace(house.anna, session_id=started.session.id)


@pytest.mark.parametrize("seconds", [3600, -3600, 172800, -10])
async def test_the_log_says_that_the_clock_jumped_once_and_by_how_much(house: House, seconds: int) -> None:
    own = 1000.0
    watch = ClockWatch(house.services, monotonic=lambda: own)
    await watch.round()
    own += 5
    house.clock.pass_by(seconds=5 + seconds)
    await watch.round()
    own += 5
    house.clock.pass_by(seconds=5)
    await watch.round()
    assert [leaf["data"] for leaf in await house.leaves("log.clock_jumped")] == [{"seconds": seconds}]


async def test_a_clock_that_creeps_away_is_noticed_and_one_that_keeps_time_is_not(house: House) -> None:
    own = 1000.0
    watch = ClockWatch(house.services, monotonic=lambda: own)
    for _ in range(10):
        await watch.round()
        own += 5
        house.clock.pass_by(seconds=5)
    assert not await house.leaves("log.clock_jumped")
    for _ in range(10):
        await watch.round()
        own += 5
        house.clock.pass_by(seconds=5.5)
    assert await house.leaves("log.clock_jumped")


async def test_a_session_that_was_over_stays_over_when_the_clock_goes_back(house: House) -> None:
    async with transaction(house.services) as db:
        console = await sessions.start_staff(db, house.anna.id, house.clock(), kind=rules.STAFF)
        visitor = await sessions.start_visitor(db, house.clock())
    room = await house.room()
    house.clock.pass_by(hours=9)
    await sweep(house.services)
    house.clock.pass_by(hours=-9)
    for session_id in (console.session.id, visitor.session.id, room.customer.session_id):
        assert (await house.one(Session, session_id)).ended_at is not None


async def test_a_session_from_a_clock_that_was_ahead_does_not_outlive_its_time(house: House) -> None:
    house.clock.pass_by(days=2)
    async with transaction(house.services) as db:
        console = await sessions.start_staff(db, house.anna.id, house.clock(), kind=rules.STAFF)
    by = await staff(house)
    room = await house.room(case_id=await house.claimed(by))
    house.clock.pass_by(days=-2)
    await sweep(house.services)
    for session_id in (console.session.id, room.customer.session_id):
        assert (await house.one(Session, session_id)).ended_at is not None


async def test_a_step_back_of_seconds_ends_nobodys_session(house: House) -> None:
    room = await house.room()
    house.clock.pass_by(seconds=-10)
    await sweep(house.services)
    await house.say(room, "Sono ancora qui")


@pytest.mark.parametrize("jump", JUMPS, ids=str)
async def test_no_code_of_an_authenticator_is_taken_twice_over_a_jump(house: House, jump: timedelta) -> None:
    credentials = Credentials("anna", PASSWORD, totp.code_at(secret_of("anna"), house.clock()))
    await agents.sign_in(house.services, credentials, kind=rules.API)
    house.clock.now += jump
    with pytest.raises(SignInRefused):
        await agents.sign_in(house.services, credentials, kind=rules.API)
    house.clock.now -= jump
    with pytest.raises(SignInRefused):
        await agents.sign_in(house.services, credentials, kind=rules.API)


async def test_a_limit_used_up_by_a_clock_ahead_locks_nobody_out_for_days(house: House) -> None:
    async def use(at: datetime) -> bool:
        async with transaction(house.services) as db:
            return await take(db, b"k" * 32, 3, timedelta(hours=1), at)

    now = house.clock()
    ahead = now + timedelta(days=2)
    assert [await use(ahead) for _ in range(4)] == [True, True, True, False]
    assert [await use(now) for _ in range(4)] == [True, True, True, False]


async def test_two_hosts_whose_clocks_differ_by_seconds_share_one_limit(house: House) -> None:
    """Else who asks the host that is behind would start anew each time."""

    async def use(at: datetime) -> bool:
        async with transaction(house.services) as db:
            return await take(db, b"k" * 32, 3, timedelta(hours=1), at)

    now = house.clock()
    assert [await use(now + timedelta(seconds=5)) for _ in range(4)] == [True, True, True, False]
    assert not await use(now)


async def test_work_that_waits_for_a_time_of_another_clock_is_done_now(house: House) -> None:
    now = house.clock()
    house.clock.pass_by(days=2)
    for number in range(2):
        async with transaction(house.services) as db:
            await enqueue(db, "t", {"number": number})
    [leased] = await claim(house.services, 1)
    house.clock.now = now
    assert await claim(house.services) == []
    await pull_back(house.services)
    works = await claim(house.services)
    assert {work.payload["number"] for work in works} == {0, 1}
    assert leased.id in {work.id for work in works}
    await pull_back(house.services)
    assert await claim(house.services) == []
