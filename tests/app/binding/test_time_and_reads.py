"""What time does by itself, and what desk, guard and pages read."""

from __future__ import annotations

from dataclasses import asdict
from uuid import uuid4

import pytest

from app.actors import Role, Staff
from app.binding import queries, sweeping
from app.binding.errors import AttemptOver
from app.binding.facts import facts_of_case
from app.binding.models import Binding
from app.binding.notices import announce_unread
from app.binding.rules import State
from app.cases.models import Case
from app.conversations.models import Conversation, Message
from app.conversations.service import add_event
from app.database import reading, transaction
from app.errors import NotFound
from app.ids import new_id
from app.sessions import service as sessions
from app.sessions.models import Session
from tests.app.binding.bank import Bank, bound_by_identity, bound_by_sms, last_code

AGENT = Staff(uuid4(), uuid4(), Role.AGENT, "Anna", "AB")
OFFICER = Staff(uuid4(), uuid4(), Role.COMPLIANCE, "Carla", "CC")


async def test_old_attempts_expire_with_a_leaf_and_young_ones_stay(bank: Bank) -> None:
    slug = await bank.complaint()
    old = await bank.visit(slug)
    bank.clock.pass_by(minutes=20)
    young = await bank.visit(slug)
    bank.clock.pass_by(minutes=10)
    assert await sweeping.expire_attempts(bank.services) == 1
    assert (await old.state(), await young.state()) == (State.EXPIRED, State.STARTED)
    assert [leaf["data"] for leaf in await bank.leaves("attempt.expired")] == [{"state": "started"}]
    assert await sweeping.expire_attempts(bank.services) == 0


async def test_a_session_in_use_does_not_lock(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    bank.clock.pass_by(minutes=14)
    async with transaction(bank.services) as db:
        await sessions.touch(db, bound.session_id, bank.clock())
    bank.clock.pass_by(minutes=14)
    assert await sweeping.lock_idle_sessions(bank.services) == 0
    assert not (await bank.one(Session, bound.session_id)).locked


async def test_an_l3_session_locks_after_five_minutes_and_an_l2_session_after_fifteen(bank: Bank) -> None:
    strong, weak = await bound_by_identity(bank), await bound_by_sms(bank, "marco", "C-1002")
    bank.clock.pass_by(minutes=5, seconds=1)
    assert await sweeping.lock_idle_sessions(bank.services) == 1
    assert [(await bank.one(Session, one.session_id)).locked for one in (strong, weak)] == [True, False]
    bank.clock.pass_by(minutes=10)
    assert await sweeping.lock_idle_sessions(bank.services) == 1
    assert await sweeping.lock_idle_sessions(bank.services) == 0


async def test_a_session_past_its_absolute_limit_ends_and_leaves_the_room(bank: Bank) -> None:
    bound = await bound_by_identity(bank)
    bank.clock.pass_by(minutes=60)
    await sweeping.sweep(bank.services)
    assert (await bank.one(Session, bound.session_id)).ended_at is not None
    room: Conversation = await bank.one(Conversation, bound.conversation_id)
    assert room.session_id is None
    await sweeping.sweep(bank.services)
    assert len(await bank.leaves("room.locked")) == 1


async def test_a_binding_ends_after_180_days_without_a_freeze(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_sms(bank, slug=slug)
    bank.clock.pass_by(days=180)
    assert await sweeping.expire_bindings(bank.services) == 1
    binding: Binding = await bank.one(Binding, bound.binding_id)
    assert (binding.state, binding.frozen_until) == ("expired", None)
    again = await bound_by_sms(bank, slug=slug)
    assert again.binding_id == bound.binding_id
    assert (await bank.one(Binding, bound.binding_id)).state == "active"


async def test_the_desk_sees_proofs_as_facts_and_no_names(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    case = (await bank.all(Case))[0]
    async with reading(bank.services) as db:
        bindings = await queries.bindings_of_case(db, AGENT, case.id)
        proofs = await queries.proofs_of_case(db, AGENT, case.id)
    assert [(one.id, one.level, one.state) for one in bindings] == [(bound.binding_id, 2, "active")]
    assert [(one.of, one.method, one.where) for one in proofs] == [
        ("handle", "sign_in", "square"),
        ("customer", "sms", ""),
    ]
    assert "Giulia" not in str([asdict(one) for one in bindings])


async def test_an_identity_proof_names_its_provider(bank: Bank) -> None:
    bound = await bound_by_identity(bank)
    async with reading(bank.services) as db:
        facts = await queries.proofs_of_binding(db, bound.binding_id)
    assert [(one.method, one.where, one.level) for one in facts][1] == ("identity", "kyc", 3)


async def test_coming_back_shows_the_proofs_of_the_last_way_in(bank: Bank) -> None:
    slug = await bank.complaint()
    await bound_by_sms(bank, slug=slug)
    bank.clock.pass_by(days=1)
    bound = await bound_by_identity(bank, slug=slug)
    async with reading(bank.services) as db:
        facts = await queries.proofs_of_binding(db, bound.binding_id)
    assert [one.method for one in facts] == ["sign_in", "identity"]


async def test_who_may_not_see_the_case_sees_no_bindings(bank: Bank) -> None:
    await bound_by_sms(bank)
    case = (await bank.all(Case))[0]
    async with reading(bank.services) as db:
        with pytest.raises(NotFound):
            await queries.bindings_of_case(db, OFFICER, case.id)


async def test_before_a_binding_the_guard_knows_no_facts_and_after_it_the_customers(bank: Bank) -> None:
    slug = await bank.complaint()
    case = (await bank.all(Case))[0]
    async with reading(bank.services) as db:
        assert await facts_of_case(db, case.id) == ()
    await bound_by_sms(bank, slug=slug)
    async with reading(bank.services) as db:
        facts = {fact.kind: fact.value for fact in await facts_of_case(db, case.id)}
    assert facts == {
        "customer_number": "C-1001",
        "name": "Giulia Ferraro",
        "phone": "+393331234567",
        "email": "giulia@posta.example",
        "city": "Torino",
    }


async def test_the_pages_show_only_what_the_visitor_typed_or_proved(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    await visitor.ask_code("+39 333 1234567")
    await visitor.type_code(last_code(bank))
    async with reading(bank.services) as db:
        view = await queries.view_of_attempt(db, session_id=visitor.session_id, slug=visitor.slug, now=bank.clock())
        step = await queries.step_of(db, session_id=visitor.session_id, slug=visitor.slug, now=bank.clock())
    assert view == queries.AttemptView(
        state=State.CUSTOMER_OK,
        connector="square",
        account="@giulia",
        handle="giulia",
        handle_method="sign_in",
        identifier="+39 333 1234567",
        customer_method="sms",
        brand="square",  # not shown: of the case, it decides which methods are offered
    )
    assert step == State.CUSTOMER_OK
    assert "333" not in repr(view)


async def test_another_browser_sees_nothing_of_an_attempt(bank: Bank) -> None:
    slug = await bank.complaint()
    await (await bank.visit(slug)).sign_in()
    async with reading(bank.services) as db:
        with pytest.raises(AttemptOver):
            await queries.view_of_attempt(db, session_id=uuid4(), slug=slug, now=bank.clock())
        assert await queries.step_of(db, session_id=uuid4(), slug=slug, now=bank.clock()) is None


async def test_what_a_visitor_typed_and_who_complained_are_stored_nowhere_in_clear(bank: Bank) -> None:
    from app.binding.models import Attempt, Challenge, Flow
    from app.notifications.models import OutboxRow

    await bound_by_sms(bank, identifier="giulia@posta.example")
    stored = b""
    for model in (Attempt, Binding, Challenge, Flow, OutboxRow):
        for row in await bank.all(model):
            stored += b"|".join(
                str(value).encode() + (value if isinstance(value, bytes) else b"") for value in vars(row).values()
            )
    stored += b"".join(str(leaf).encode() for leaf in await bank.leaves())
    for secret in (b"posta.example", b"id-of-giulia", b"Ferraro", b"C-1001", b"333123"):
        assert secret not in stored


async def answer_in(bank: Bank, conversation_id: object) -> None:
    """An agent's message, as the lane would have stored it."""
    from app.audit.service import record
    from security.envelope import Place, seal

    async with transaction(bank.services) as db:
        room = await db.get_one(Conversation, conversation_id)
        message_id = new_id(bank.clock())
        key = await bank.services.vault.key(room.key_id)
        leaf = record(db, "message.sent", stream=f"room:{room.id}", actor=AGENT, data={"id": str(message_id)})
        room.leaf_id = leaf
        db.add(
            Message(
                id=message_id,
                conversation_id=room.id,
                n=add_event(db, room, "message", {}, message_id),
                sender="agent",
                sender_id=AGENT.id,
                session_id=None,
                data_class="case",
                state="sent",
                sealed_text=seal(key, Place("messages", "sealed_text", str(message_id)), b"Segreto"),
                client_key=message_id.bytes,
                body_hash=b"",
                sent_at=bank.clock(),
                released_at=None,
                expires_at=None,
                leaf_id=leaf,
            )
        )


async def test_an_unread_answer_is_announced_once_without_its_content(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    await answer_in(bank, bound.conversation_id)
    assert await announce_unread(bank.services) == 0
    bank.clock.pass_by(minutes=2, seconds=1)
    assert await announce_unread(bank.services) == 1
    await bank.work()
    to, text = bank.phone.sms[-1]
    assert to == "+393331234567"
    assert "Segreto" not in text
    assert "http" not in text
    assert await announce_unread(bank.services) == 0
