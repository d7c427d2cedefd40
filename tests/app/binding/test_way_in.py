"""The way in that works: by every method, to the level it is worth, each step with its leaf."""

from __future__ import annotations

import pytest

from app.binding.models import Attempt, Binding, Proof
from app.binding.rules import State
from app.conversations.models import Conversation
from app.permissions import Level
from app.sessions import service as sessions
from app.sessions.models import Session
from tests.app.binding.bank import Bank, bound_by_identity, bound_by_sms, code_in, last_code
from tests.app.binding.outside import WEAK


async def test_sign_in_and_sms_open_an_own_room_at_l2(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    assert bound.level == Level.L2
    binding: Binding = await bank.one(Binding, bound.binding_id)
    assert (binding.state, binding.level) == ("active", 2)
    room: Conversation = await bank.one(Conversation, bound.conversation_id)
    assert (room.binding_id, room.session_id, room.level) == (bound.binding_id, bound.session_id, 2)
    session = await sessions.find(bank.services, bound.session_token, bank.clock())
    assert session is not None
    assert (session.binding_id, session.level, session.locked) == (bound.binding_id, 2, False)


async def test_the_session_before_the_binding_is_worth_nothing_after_it(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    await visitor.ask_code()
    await visitor.type_code(last_code(bank))
    bound = await visitor.confirm()
    before: Session = await bank.one(Session, visitor.session_id)
    assert before.ended_at is not None
    assert bound.session_id != visitor.session_id


async def test_a_redirect_with_a_relay_resistant_acr_gives_l3(bank: Bank) -> None:
    assert (await bound_by_identity(bank)).level == Level.L3


async def test_a_redirect_with_any_other_acr_gives_l2(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    await visitor.identify(acr=WEAK)
    assert (await visitor.confirm()).level == Level.L2


async def test_two_typed_codes_give_l2(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.ask_direct_message()
    await visitor.type_handle_code(code_in(bank.messages.sent[-1][1]))
    await visitor.ask_code("giulia@posta.example", "email")
    await visitor.type_code(code_in(bank.phone.mails[-1][2]))
    assert (await visitor.confirm()).level == Level.L2


async def test_a_code_may_be_typed_with_spaces(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    await visitor.ask_code("+39 333 123 4567")
    code = last_code(bank)
    await visitor.type_code(f" {code[:4]} {code[4:]} ")
    assert await visitor.state() == State.CUSTOMER_OK


async def test_every_step_has_its_leaf_in_order(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    entry = next(one for one in await bank.all(Attempt) if one.binding_id == bound.binding_id)
    events = [leaf["t"] for leaf in await bank.leaves(stream=f"attempt:{entry.id}")]
    assert events == [
        "attempt.started",
        "handle.requested",
        "handle.proved",
        "customer.requested",
        "code.sent",
        "customer.proved",
        "notice.accepted",
    ]
    assert [leaf["t"] for leaf in await bank.leaves(stream=f"binding:{bound.binding_id}")] == [
        "binding.created",
        "delivery.sent",
    ]
    assert [leaf["t"] for leaf in await bank.leaves(stream=f"room:{bound.conversation_id}")] == [
        "room.opened",
        "room.entered",
    ]


async def test_both_proofs_are_kept_as_evidence_of_the_binding(bank: Bank) -> None:
    await bound_by_sms(bank)
    assert [(one.of, one.method, one.level) for one in await bank.all(Proof)] == [
        ("handle", "sign_in", 1),
        ("customer", "sms", 2),
    ]


async def test_coming_back_renews_the_binding_and_enters_the_same_room(bank: Bank) -> None:
    slug = await bank.complaint()
    first = await bound_by_sms(bank, slug=slug)
    bank.clock.pass_by(days=3)
    second = await bound_by_identity(bank, slug=slug)
    assert (second.binding_id, second.conversation_id) == (first.binding_id, first.conversation_id)
    assert len(await bank.leaves("binding.renewed")) == 1
    assert (await bank.one(Binding, first.binding_id)).level == 3
    assert (await bank.one(Session, first.session_id)).ended_at is not None


async def test_a_binding_cancels_other_attempts_of_the_same_pair_and_no_others(bank: Bank) -> None:
    slug = await bank.complaint()
    same_pair, other_customer = await bank.visit(slug), await bank.visit(slug)
    for visitor, number in ((same_pair, "+39 333 1234567"), (other_customer, "C-1002")):
        await visitor.sign_in()
        await visitor.ask_code(number)
    await bound_by_sms(bank, slug=slug)
    assert await same_pair.state() == State.CANCELLED
    assert await other_customer.state() == State.CUSTOMER_PENDING


async def test_starting_again_cancels_the_browsers_own_attempt_only(bank: Bank) -> None:
    from app.binding import starting

    slug = await bank.complaint()
    mine, theirs = await bank.visit(slug), await bank.visit(slug)
    again = await starting.start(bank.services, slug=slug, session_id=mine.session_id)
    assert (again.session_id, again.session_token) == (mine.session_id, None)
    assert await mine.state() == State.CANCELLED
    assert await theirs.state() == State.STARTED


@pytest.mark.parametrize("name", ["giulia", "GIULIA ", " @Giulia"])
async def test_the_account_may_be_named_in_any_usual_spelling(bank: Bank, name: str) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.ask_direct_message(name)
    assert len(bank.messages.sent) == 1
