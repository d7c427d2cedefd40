"""In the room: step-up, idle lock and unlock, leaving, and "this was not me", which ends everything at once."""

from __future__ import annotations

import re

import pytest

from app.actors import Customer
from app.binding import confirming, leaving, revoking, starting, step_up, sweeping, unlocking
from app.binding.confirming import Bound
from app.binding.errors import (
    AttemptOver,
    CodeWrong,
    MethodNotOffered,
    NotFinishedHere,
    NoticeNotAccepted,
    NotReady,
    OutOfStep,
)
from app.binding.models import Attempt, Binding
from app.binding.rules import State
from app.conversations.errors import RoomLocked
from app.conversations.models import Conversation
from app.database import transaction
from app.limits.errors import Locked
from app.permissions import Level
from app.sessions import service as sessions
from app.sessions.models import Session
from tests.app.binding.bank import Bank, bound_by_identity, bound_by_sms, customer_of, finish_kyc, last_code, wrong
from tests.app.binding.outside import HOME, STRONG, WEAK


async def reference_from(bank: Bank) -> str:
    """The newest reference on either channel of the phone."""
    texts = [text for _, text in bank.phone.sms] + [text for _, _, text in bank.phone.mails]
    found = [match.group() for text in texts if (match := re.search(r"\b\w{4}-\w{4}-\w{4}\b", text))]
    return found[-1]


async def room_of(bank: Bank, bound: Bound) -> Conversation:
    room: Conversation = await bank.one(Conversation, bound.conversation_id)
    return room


async def session_by(bank: Bank, token: str) -> Session | None:
    return await sessions.find(bank.services, token, bank.clock())


async def step_up_attempt(bank: Bank) -> Attempt:
    return next(one for one in await bank.all(Attempt) if one.kind == "step_up")


async def test_a_step_up_raises_room_and_session_under_a_new_token(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    leave = await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(bound), provider="kyc")
    finished = await finish_kyc(bank, bound.session_id, leave, f"C-1001 {STRONG}")
    assert finished.level == Level.L3
    assert finished.session_token is not None
    assert finished.session_token != bound.session_token
    raised = await session_by(bank, finished.session_token)
    assert raised is not None
    assert (raised.level, raised.binding_id) == (3, bound.binding_id)
    assert await session_by(bank, bound.session_token) is None
    room = await room_of(bank, bound)
    assert (room.level, room.session_id) == (3, raised.id)
    assert [leaf["data"]["level"] for leaf in await bank.leaves("binding.stepped_up")] == [3]
    assert (await step_up_attempt(bank)).state == State.BOUND


async def test_a_step_up_that_names_another_customer_is_refused(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    leave = await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(bound), provider="kyc")
    with pytest.raises(NotFinishedHere):
        await finish_kyc(bank, bound.session_id, leave, f"C-1002 {STRONG}")
    assert await bank.reasons() == ["other_customer"]
    assert (await step_up_attempt(bank)).state == State.REFUSED
    room = await room_of(bank, bound)
    assert (room.level, room.session_id) == (2, bound.session_id)
    assert await session_by(bank, bound.session_token) is not None


async def test_a_step_up_by_a_weak_acr_raises_nothing(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    leave = await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(bound), provider="kyc")
    with pytest.raises(NotFinishedHere):
        await finish_kyc(bank, bound.session_id, leave, f"C-1001 {WEAK}")
    assert await bank.reasons() == ["no_higher_level"]


async def test_a_step_up_in_a_foreign_browser_is_refused(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    other = await bound_by_sms(bank, "marco", "C-1002")
    leave = await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(bound), provider="kyc")
    with pytest.raises(NotFinishedHere):
        await finish_kyc(bank, other.session_id, leave, f"C-1001 {STRONG}")
    assert (await room_of(bank, bound)).level == 2


async def test_nobody_steps_up_to_a_level_held_already_or_from_a_session_of_another_binding(bank: Bank) -> None:
    bound = await bound_by_identity(bank)
    with pytest.raises(MethodNotOffered):
        await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(bound), provider="kyc")
    other = await bound_by_sms(bank, "marco", "C-1002")
    mixed = Customer(bound.binding_id, bound.conversation_id, other.session_id, 2, bank.clock())
    with pytest.raises(RoomLocked):
        await step_up.begin_step_up(bank.services, bank.ports, customer=mixed, provider="kyc")


async def test_not_me_during_a_step_up_wins(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    leave = await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(bound), provider="kyc")
    await revoking.not_me(bank.services, reference=await reference_from(bank))
    with pytest.raises(AttemptOver):
        await finish_kyc(bank, bound.session_id, leave, f"C-1001 {STRONG}")
    assert (await room_of(bank, bound)).session_id is None


async def test_the_notice_goes_to_the_other_channel_and_names_the_handle(bank: Bank) -> None:
    await bound_by_sms(bank)
    to, subject, text = bank.phone.mails[-1]
    assert to == "giulia@posta.example"
    assert "giulia" in text
    assert "chat.bancaesempio.example/not-me" in text
    assert "C-1001" not in text + subject


async def test_not_me_revokes_ends_all_sessions_at_once_and_freezes_for_a_day(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_sms(bank, slug=slug)
    reference = await reference_from(bank)
    await revoking.not_me(bank.services, reference=reference.lower().replace("-", " "))
    binding: Binding = await bank.one(Binding, bound.binding_id)
    assert binding.state == "revoked"
    assert await session_by(bank, bound.session_token) is None
    assert (await room_of(bank, bound)).session_id is None
    assert [leaf["data"]["reason"] for leaf in await bank.leaves("binding.revoked")] == ["not_me"]
    bank.clock.pass_by(hours=23)
    with pytest.raises(NotFinishedHere):
        await bound_by_identity(bank, slug=slug)
    assert await bank.reasons() == ["frozen"]
    bank.clock.pass_by(hours=1)
    again = await bound_by_identity(bank, slug=slug)
    assert again.binding_id == bound.binding_id


async def test_no_code_is_sent_for_a_frozen_pair(bank: Bank) -> None:
    slug = await bank.complaint()
    await bound_by_sms(bank, slug=slug)
    await revoking.not_me(bank.services, reference=await reference_from(bank))
    visitor = await bank.visit(slug)
    await visitor.sign_in()
    await visitor.ask_code()
    assert (await bank.withheld())[-1] == "frozen"


async def test_every_notice_of_a_binding_can_undo_it(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_sms(bank, slug=slug)
    first = await reference_from(bank)
    await bound_by_identity(bank, slug=slug)
    await revoking.not_me(bank.services, reference=first)
    assert (await bank.one(Binding, bound.binding_id)).state == "revoked"


@pytest.mark.parametrize("reference", ["", "ABCD-EFGH-JKMN", "x" * 5000, "ABCD-EFGH-JKM\x00"])
async def test_an_unknown_reference_changes_nothing(bank: Bank, reference: str) -> None:
    bound = await bound_by_sms(bank)
    await revoking.not_me(bank.services, reference=reference)
    assert (await bank.one(Binding, bound.binding_id)).state == "active"


async def test_a_reference_used_twice_does_not_freeze_for_longer(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    reference = await reference_from(bank)
    await revoking.not_me(bank.services, reference=reference)
    frozen = (await bank.one(Binding, bound.binding_id)).frozen_until
    bank.clock.pass_by(hours=5)
    await revoking.not_me(bank.services, reference=reference)
    assert (await bank.one(Binding, bound.binding_id)).frozen_until == frozen


async def test_the_reference_is_stored_nowhere_in_clear(bank: Bank) -> None:
    from app.binding.models import NoticeReference

    await bound_by_sms(bank)
    stored: NoticeReference = (await bank.all(NoticeReference))[0]
    assert (await reference_from(bank)).encode() not in stored.reference_hash


async def test_nothing_is_bound_without_the_notices_acceptance(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    await visitor.identify()
    with pytest.raises(NoticeNotAccepted):
        await visitor.confirm(accepted=False)
    assert await bank.bindings() == []
    assert (await visitor.confirm()).level == Level.L3
    assert [leaf["data"] for leaf in await bank.leaves("notice.accepted")] == [{"version": 1}]


async def test_a_confirmation_works_once(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    await visitor.identify()
    await visitor.confirm()
    with pytest.raises(AttemptOver):
        await visitor.confirm()


async def idle_until_locked(bank: Bank, bound: Bound) -> None:
    bank.clock.pass_by(minutes=15, seconds=1)
    await sweeping.sweep(bank.services)
    assert (await bank.one(Session, bound.session_id)).locked


async def test_an_idle_room_locks_and_a_code_opens_it_again(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    await idle_until_locked(bank, bound)
    assert (await room_of(bank, bound)).session_id is None
    assert len(await bank.leaves("room.locked")) == 1
    await unlocking.request_unlock_code(
        bank.services, bank.ports, session_id=bound.session_id, method="sms", network=HOME
    )
    with pytest.raises(NotReady):
        await unlocking.check_unlock_code(bank.services, session_id=bound.session_id, code="00000000", network=HOME)
    await bank.work()
    assert bank.phone.sms[-1][0] == "+393331234567"
    unlocked = await unlocking.check_unlock_code(
        bank.services, session_id=bound.session_id, code=last_code(bank), network=HOME
    )
    assert unlocked.level == Level.L2
    session = await session_by(bank, unlocked.session_token)
    assert session is not None
    assert (session.id, session.locked) == (bound.session_id, False)
    assert await session_by(bank, bound.session_token) is None
    assert (await room_of(bank, bound)).session_id == bound.session_id
    assert [leaf["data"]["level"] for leaf in await bank.leaves("room.unlocked")] == [2]


async def test_a_code_unlocks_an_l3_room_at_l2_only(bank: Bank) -> None:
    bound = await bound_by_identity(bank)
    await idle_until_locked(bank, bound)
    await unlocking.request_unlock_code(
        bank.services, bank.ports, session_id=bound.session_id, method="email", network=HOME
    )
    await bank.work()
    code = re.findall(r"\b\d{8}\b", bank.phone.mails[-1][2])[0]
    await unlocking.check_unlock_code(bank.services, session_id=bound.session_id, code=code, network=HOME)
    assert (await room_of(bank, bound)).level == Level.L2
    assert (await bank.one(Session, bound.session_id)).level == Level.L2


async def test_five_wrong_codes_lock_the_unlocking_and_the_pair_everywhere(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_sms(bank, slug=slug)
    await idle_until_locked(bank, bound)
    await unlocking.request_unlock_code(
        bank.services, bank.ports, session_id=bound.session_id, method="sms", network=HOME
    )
    await bank.work()
    for expected in (CodeWrong, CodeWrong, CodeWrong, CodeWrong, Locked, Locked):
        with pytest.raises(expected):
            await unlocking.check_unlock_code(
                bank.services, session_id=bound.session_id, code=wrong(last_code(bank)), network=HOME
            )
    with pytest.raises(Locked):
        await unlocking.request_unlock_code(
            bank.services, bank.ports, session_id=bound.session_id, method="sms", network=HOME
        )


async def test_an_identity_provider_unlocks_at_its_level_and_for_the_bound_customer_only(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    await idle_until_locked(bank, bound)
    leave = await unlocking.begin_unlock(bank.services, bank.ports, session_id=bound.session_id, provider="kyc")
    with pytest.raises(NotFinishedHere):
        await finish_kyc(bank, bound.session_id, leave, f"C-1002 {STRONG}")
    assert (await room_of(bank, bound)).session_id is None
    leave = await unlocking.begin_unlock(bank.services, bank.ports, session_id=bound.session_id, provider="kyc")
    finished = await finish_kyc(bank, bound.session_id, leave, f"C-1001 {STRONG}")
    assert finished.level == Level.L3
    assert (await room_of(bank, bound)).level == Level.L3


async def test_an_unlocked_session_keeps_its_absolute_limit(bank: Bank) -> None:
    bound = await bound_by_identity(bank)
    before = (await bank.one(Session, bound.session_id)).expires_at
    await idle_until_locked(bank, bound)
    leave = await unlocking.begin_unlock(bank.services, bank.ports, session_id=bound.session_id, provider="kyc")
    await finish_kyc(bank, bound.session_id, leave, f"C-1001 {STRONG}")
    assert (await bank.one(Session, bound.session_id)).expires_at == before


async def test_an_l2_session_that_is_unlocked_at_l3_lives_no_longer_than_an_l3_session(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    await idle_until_locked(bank, bound)
    leave = await unlocking.begin_unlock(bank.services, bank.ports, session_id=bound.session_id, provider="kyc")
    await finish_kyc(bank, bound.session_id, leave, f"C-1001 {STRONG}")
    session = await bank.one(Session, bound.session_id)
    assert (session.level, session.expires_at) == (3, bank.clock() + bank.services.policy.sessions.level_3.absolute)


async def test_an_unlock_needs_the_locked_session_itself(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    await idle_until_locked(bank, bound)
    stranger = await bank.visit(await bank.complaint("marco"))
    with pytest.raises(RoomLocked):
        await unlocking.request_unlock_code(
            bank.services, bank.ports, session_id=stranger.session_id, method="sms", network=HOME
        )
    with pytest.raises(AttemptOver):
        await unlocking.check_unlock_code(bank.services, session_id=stranger.session_id, code="00000000", network=HOME)


async def test_a_locked_session_cannot_step_up(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    leave = await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(bound), provider="kyc")
    async with transaction(bank.services) as db:
        await sessions.lock(db, bound.session_id)
    with pytest.raises(NotFinishedHere):
        await finish_kyc(bank, bound.session_id, leave, f"C-1001 {STRONG}")
    with pytest.raises(RoomLocked):
        await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(bound), provider="kyc")


async def test_leaving_ends_the_session_and_keeps_the_binding(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    await leaving.leave_room(bank.services, session_id=bound.session_id)
    assert await session_by(bank, bound.session_token) is None
    assert (await room_of(bank, bound)).session_id is None
    assert (await bank.one(Binding, bound.binding_id)).state == "active"
    assert len(await bank.leaves("room.left")) == 1
    with pytest.raises(RoomLocked):
        await leaving.leave_room(bank.services, session_id=bound.session_id)


async def test_a_second_browser_of_the_same_customer_ends_the_first(bank: Bank) -> None:
    slug = await bank.complaint()
    first = await bound_by_sms(bank, slug=slug)
    second = await bound_by_sms(bank, slug=slug)
    assert await session_by(bank, first.session_token) is None
    assert (await room_of(bank, second)).session_id == second.session_id


async def test_a_customer_who_opens_the_link_again_starts_in_a_session_of_its_own(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_sms(bank, slug=slug)
    started = await starting.start(bank.services, slug=slug, session_id=bound.session_id)
    assert started.session_token is not None
    assert started.session_id != bound.session_id
    assert await session_by(bank, bound.session_token) is not None


async def test_the_rooms_key_is_in_the_key_store_before_the_room(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    room = await room_of(bank, bound)
    assert (await bank.services.vault.key(room.key_id)).id == room.key_id


async def test_confirming_needs_the_customers_proof(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    with pytest.raises(OutOfStep):
        await confirming.confirm(bank.services, session_id=visitor.session_id, slug=visitor.slug, accepted=True)
