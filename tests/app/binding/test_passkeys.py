"""Passkeys at the bank: registered at L3, back with one tap, unlock and step-up; and everything they do not open."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest

from app.actors import SYSTEM, Customer
from app.binding import passkey_proof, passkey_raising, passkeys, returning, revoking, sweeping
from app.binding.confirming import Bound
from app.binding.errors import (
    EnoughPasskeys,
    MethodNotOffered,
    NotFinishedHere,
    PasskeyNeedsMore,
    PasskeyNotAccepted,
    PasskeyNotAdded,
)
from app.binding.models import Attempt, Passkey, PasskeyChallenge
from app.binding.passkeys import listed
from app.binding.rules import MOST_PASSKEYS, Kind, State
from app.conversations.errors import RoomLocked
from app.conversations.models import Conversation
from app.database import reading, transaction
from app.demo.soft_passkey import PRESENT, SYNCED, SoftPasskey
from app.errors import NotFound, RiserboError
from app.permissions import Level
from app.policy import Handles, Method, Methods
from app.sessions import service as sessions
from app.sessions.models import Session
from security.encoding import b64url, unb64url
from tests.app.binding.bank import START, Bank, Visitor, bound_by_identity, bound_by_sms, customer_of
from tests.app.binding.test_rooms import reference_from

HOST = "chat.bancaesempio.example"


def device(**given: Any) -> SoftPasskey:
    return SoftPasskey(f"https://{HOST}", HOST, **given)


async def enrol(bank: Bank, bound: Bound, key: SoftPasskey | None = None) -> SoftPasskey:
    """Create a passkey in the room."""
    made, customer = key or device(), customer_of(bound)
    asked = await passkeys.begin_registration(bank.services, bank.ports, customer=customer)
    answer = made.create(asked)
    await passkeys.finish_registration(bank.services, bank.ports, customer=customer, answer=answer)
    return made


@dataclass
class Browser:
    """One that opens a case link and taps."""

    bank: Bank
    slug: str
    session_id: Any = None

    async def ask(self) -> dict[str, Any]:
        asked = await returning.begin_return(
            self.bank.services, self.bank.ports, slug=self.slug, session_id=self.session_id
        )
        if asked.session_token is not None:
            session = await sessions.find(self.bank.services, asked.session_token, self.bank.clock())
            assert session is not None
            self.session_id = session.id
        return asked.options

    async def tap(self, key: SoftPasskey, **changed: Any) -> returning.Returned:
        return await self.answer(key.get(await self.ask(), **changed))

    async def answer(self, answer: str) -> returning.Returned:
        return await returning.finish_return(
            self.bank.services, self.bank.ports, slug=self.slug, session_id=self.session_id, answer=answer
        )


async def session_of(bank: Bank, token: str) -> Session:
    session = await sessions.find(bank.services, token, bank.clock())
    assert session is not None
    return session


async def came_in(bank: Bank, done: returning.Returned) -> Customer:
    session = await session_of(bank, done.session_token)
    assert session.binding_id is not None
    assert session.conversation_id is not None
    return Customer(session.binding_id, session.conversation_id, session.id, session.level, START)


async def refused_with(bank: Bank, reason: str, tap: Any) -> None:
    """The same words for all; the log alone knows why, and nobody is in any room by it."""
    rooms = {(room.id, room.session_id) for room in await bank.all(Conversation)}
    with pytest.raises(PasskeyNotAccepted):
        await tap
    assert (await bank.reasons())[-1] == reason
    assert {(room.id, room.session_id) for room in await bank.all(Conversation)} == rooms


async def test_one_tap_brings_the_customer_back_into_the_same_room_at_l3(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    key = await enrol(bank, bound)
    bank.clock.pass_by(days=30)
    back = await came_in(bank, await Browser(bank, slug).tap(key))
    assert (back.binding_id, back.conversation_id, back.level) == (bound.binding_id, bound.conversation_id, Level.L3)
    attempt = (await bank.all(Attempt))[-1]
    assert (attempt.kind, attempt.state, attempt.binding_id) == (Kind.RETURN, State.BOUND, bound.binding_id)
    events = [leaf["t"] for leaf in await bank.leaves()]
    for event in ("passkey.registered", "passkey.used", "customer.proved", "binding.returned"):
        assert event in events
    with pytest.raises(RoomLocked):
        await passkeys.begin_registration(bank.services, bank.ports, customer=customer_of(bound))


async def test_the_question_at_a_link_is_the_same_for_a_customer_a_stranger_and_no_link(bank: Bank) -> None:
    slug, silent = await bank.complaint(), await bank.complaint("marco")
    await enrol(bank, await bound_by_identity(bank, slug=slug))
    asked = [await Browser(bank, link).ask() for link in (slug, silent, "not-a-link-of-ours")]
    for one in asked:
        assert len(unb64url(one.pop("challenge"))) == 32
        assert one == {"allowCredentials": [], "rpId": HOST, "timeout": 300_000, "userVerification": "required"}


async def test_the_channel_on_file_hears_of_a_new_passkey_and_its_word_ends_it(bank: Bank) -> None:

    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    key = await enrol(bank, bound)
    await bank.work()
    text = bank.phone.sms[-1][1]
    assert "passkey" in text
    assert "giulia" in text
    await revoking.not_me(bank.services, reference=await reference_from(bank))
    await refused_with(bank, "revoked", Browser(bank, slug).tap(key))
    assert len(await bank.leaves("passkey.revoked")) == 1


async def test_names_are_sealed_and_the_holder_is_32_random_bytes_the_same_for_one_binding(bank: Bank) -> None:
    bound = await bound_by_identity(bank)
    first, second = await enrol(bank, bound), await enrol(bank, bound)
    other = await enrol(bank, await bound_by_identity(bank, "marco", "C-1002"))
    assert len(first.user_handle) == 32
    assert first.user_handle == second.user_handle != other.user_handle
    for row in await bank.all(Passkey):
        for secret in (first.credential_id, first.user_handle, b64url(first.credential_id).encode()):
            assert secret not in row.sealed_names
        assert row.credential_hash not in (first.credential_id, second.credential_id)


async def test_below_l3_nothing_of_passkeys_is_to_be_had(bank: Bank) -> None:
    customer = customer_of(await bound_by_sms(bank))
    with pytest.raises(PasskeyNeedsMore):
        await passkeys.begin_registration(bank.services, bank.ports, customer=customer)
    with pytest.raises(PasskeyNeedsMore):
        await passkeys.finish_registration(bank.services, bank.ports, customer=customer, answer="{}")
    with pytest.raises(PasskeyNeedsMore):
        await passkeys.remove(bank.services, customer=customer, passkey_id=uuid4())
    async with reading(bank.services) as db:
        with pytest.raises(PasskeyNeedsMore):
            await listed(db, customer)


async def test_a_passkey_is_worth_l3_at_most(bank: Bank) -> None:
    bound = await bound_by_identity(bank)
    async with transaction(bank.services) as db:
        (await db.get_one(Session, bound.session_id)).level = int(Level.L4)
    await enrol(bank, bound)
    await enrol(bank, bound, device(backup=0))
    assert [row.max_level for row in await bank.all(Passkey)] == [Level.L3, Level.L3]


async def test_a_question_for_a_new_passkey_is_answered_once_and_the_newest_alone(bank: Bank) -> None:
    customer, key = customer_of(await bound_by_identity(bank)), device()

    async def answer(text: str) -> None:
        await passkeys.finish_registration(bank.services, bank.ports, customer=customer, answer=text)

    older = key.create(await passkeys.begin_registration(bank.services, bank.ports, customer=customer))
    newer = key.create(await passkeys.begin_registration(bank.services, bank.ports, customer=customer))
    with pytest.raises(PasskeyNotAdded):
        await answer(older)
    with pytest.raises(PasskeyNotAdded):
        await answer(newer)
    late = key.create(await passkeys.begin_registration(bank.services, bank.ports, customer=customer))
    bank.clock.pass_by(minutes=4, seconds=59)
    await answer(late)
    with pytest.raises(PasskeyNotAdded):
        await answer(late)
    again = device().create(await passkeys.begin_registration(bank.services, bank.ports, customer=customer))
    async with transaction(bank.services) as db:
        (await db.get_one(Session, customer.session_id)).last_seen_at = bank.clock()
    bank.clock.pass_by(minutes=5)
    with pytest.raises(PasskeyNotAdded):
        await answer(again)
    reasons = [leaf["data"]["reason"] for leaf in await bank.leaves("passkey.refused")]
    assert reasons == ["challenge", "no_question", "no_question", "no_question"]


async def test_nobody_registers_what_somebody_has_registered(bank: Bank) -> None:
    victim = await enrol(bank, await bound_by_identity(bank))
    thief = await bound_by_identity(bank, "marco", "C-1002")
    with pytest.raises(PasskeyNotAdded):
        await enrol(bank, thief, device(credential_id=victim.credential_id))
    assert [leaf["data"]["reason"] for leaf in await bank.leaves("passkey.refused")] == ["known_already"]


async def test_a_binding_has_only_so_many_passkeys_and_the_question_names_those_there_are(bank: Bank) -> None:
    bound = await bound_by_identity(bank)
    for _ in range(MOST_PASSKEYS - 1):
        last = await enrol(bank, bound)
    asked = await passkeys.begin_registration(bank.services, bank.ports, customer=customer_of(bound))
    assert b64url(last.credential_id) in [one["id"] for one in asked["excludeCredentials"]]
    assert asked["user"]["name"] == "giulia"
    await enrol(bank, bound)
    with pytest.raises(EnoughPasskeys):
        await enrol(bank, bound)


async def test_the_list_is_the_customers_own_and_a_removed_one_opens_nothing(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    key, other = await enrol(bank, bound), customer_of(await bound_by_identity(bank, "marco", "C-1002"))
    async with reading(bank.services) as db:
        mine, theirs = await listed(db, customer_of(bound)), await listed(db, other)
    assert ([one.synced for one in mine], theirs) == ([True], ())
    assert mine[0].last_used_at is None
    with pytest.raises(NotFound):
        await passkeys.remove(bank.services, customer=other, passkey_id=mine[0].id)
    await passkeys.remove(bank.services, customer=customer_of(bound), passkey_id=mine[0].id)
    with pytest.raises(NotFound):
        await passkeys.remove(bank.services, customer=customer_of(bound), passkey_id=mine[0].id)
    await refused_with(bank, "removed", Browser(bank, slug).tap(key))


async def test_it_opens_no_room_from_somebody_elses_link_or_from_none(bank: Bank) -> None:
    slug, other = await bank.complaint(), await bank.complaint("marco")
    key = await enrol(bank, await bound_by_identity(bank, slug=slug))
    await refused_with(bank, "other_account", Browser(bank, other).tap(key))
    await refused_with(bank, "unknown_link", Browser(bank, "not-a-link-of-ours").tap(key))
    await refused_with(bank, "unknown_passkey", Browser(bank, slug).tap(device(user_handle=b"h" * 32)))


async def test_unknown_and_forged_answers_are_told_the_same(bank: Bank) -> None:
    slug = await bank.complaint()
    key = await enrol(bank, await bound_by_identity(bank, slug=slug))
    forger = device(credential_id=key.credential_id, user_handle=key.user_handle)
    for reason, forged in (
        ("origin", Browser(bank, slug).tap(key, client={"origin": f"https://{HOST}.evil"})),
        ("rp_id", Browser(bank, slug).tap(key, signed_rp_id="evil.example")),
        ("not_verified", Browser(bank, slug).tap(key, flags=PRESENT | SYNCED)),
        ("user_handle", Browser(bank, slug).tap(key, response={"userHandle": b64url(b"o" * 32)})),
        ("user_handle", Browser(bank, slug).tap(key, response={"userHandle": None})),
        ("signature", Browser(bank, slug).tap(forger)),
    ):
        await refused_with(bank, reason, forged)
    with pytest.raises(PasskeyNotAccepted):
        await Browser(bank, slug).answer("{}")
    assert (await Browser(bank, slug).tap(key)).level == Level.L3


async def test_an_answer_counts_in_its_own_browser_link_and_moment_and_once(bank: Bank) -> None:
    slug = await bank.complaint()
    key = await enrol(bank, await bound_by_identity(bank, slug=slug))
    asked, foreign = Browser(bank, slug), Browser(bank, slug)
    answer = key.get(await asked.ask())
    await foreign.ask()
    await refused_with(bank, "challenge", foreign.answer(answer))
    elsewhere = Browser(bank, await bank.complaint("marco"), asked.session_id)
    with pytest.raises(PasskeyNotAccepted):
        await elsewhere.answer(answer)
    assert (await asked.answer(answer)).level == Level.L3
    with pytest.raises(PasskeyNotAccepted):
        await asked.answer(answer)
    slow = Browser(bank, slug)
    answer = key.get(await slow.ask())
    bank.clock.pass_by(minutes=5)
    await refused_with(bank, "no_question", slow.answer(answer))


async def test_a_refused_tap_is_over_and_asking_again_starts_anew(bank: Bank) -> None:
    slug = await bank.complaint()
    key = await enrol(bank, await bound_by_identity(bank, slug=slug))
    browser = Browser(bank, slug)
    older = key.get(await browser.ask())
    await browser.ask()
    await refused_with(bank, "challenge", browser.answer(older))
    assert (await browser.tap(key)).level == Level.L3
    states = [attempt.state for attempt in await bank.all(Attempt) if attempt.kind == Kind.RETURN]
    assert sorted(states) == ["bound", "cancelled", "refused"]


async def test_of_two_equal_taps_at_once_one_counts(bank: Bank) -> None:
    slug = await bank.complaint()
    key = await enrol(bank, await bound_by_identity(bank, slug=slug))
    browser = Browser(bank, slug)
    answer = key.get(await browser.ask())
    done = await asyncio.gather(*(browser.answer(answer) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(one, returning.Returned) for one in done) == 1
    assert all(isinstance(one, (returning.Returned, RiserboError)) for one in done)
    assert len(await bank.leaves("passkey.used")) == 1


async def test_a_counter_that_goes_back_is_a_copy_and_refused(bank: Bank) -> None:
    slug = await bank.complaint()
    key = await enrol(bank, await bound_by_identity(bank, slug=slug), device(counter=5, backup=0))
    await Browser(bank, slug).tap(key)
    await Browser(bank, slug).tap(key)
    await refused_with(bank, "counter", Browser(bank, slug).tap(key, counter=7))
    assert [row.sign_count for row in await bank.all(Passkey)] == [7]


async def test_it_ends_with_its_binding_and_stays_ended_when_that_is_made_anew(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    key = await enrol(bank, bound)
    async with transaction(bank.services) as db:
        await revoking.revoke(db, bound.binding_id, reason="by_bank", actor=SYSTEM)
    await refused_with(bank, "revoked", Browser(bank, slug).tap(key))
    bank.clock.pass_by(hours=25)
    again = await bound_by_identity(bank, slug=slug)
    assert again.binding_id == bound.binding_id
    await refused_with(bank, "revoked", Browser(bank, slug).tap(key))


async def test_not_me_ends_the_passkeys_of_a_link_that_had_ended_already(bank: Bank) -> None:
    slug = await bank.complaint()
    key = await enrol(bank, await bound_by_identity(bank, slug=slug))
    await bank.work()
    bank.clock.pass_by(days=180)
    await sweeping.sweep(bank.services)
    await revoking.not_me(bank.services, reference=await reference_from(bank))
    assert [row.state for row in await bank.all(Passkey)] == ["revoked"]
    bank.clock.pass_by(hours=25)
    await bound_by_identity(bank, slug=slug)
    await refused_with(bank, "revoked", Browser(bank, slug).tap(key))


async def test_after_180_days_the_whole_way_is_needed(bank: Bank) -> None:
    slug = await bank.complaint()
    key = await enrol(bank, await bound_by_identity(bank, slug=slug))
    bank.clock.pass_by(days=180)
    await sweeping.sweep(bank.services)
    with pytest.raises(PasskeyNotAccepted):
        await Browser(bank, slug).tap(key)
    assert (await bank.reasons())[-1] == "binding_over"


async def test_after_90_days_one_tap_is_not_enough_and_the_handle_proved_anew_is(bank: Bank) -> None:
    slug = await bank.complaint()
    key = await enrol(bank, await bound_by_identity(bank, slug=slug))
    bank.clock.pass_by(days=90)
    await refused_with(bank, "reproof_needed", Browser(bank, slug).tap(key))
    assert (await (await proved_by_passkey(bank, slug, key)).confirm()).level == Level.L3
    assert (await Browser(bank, slug).tap(key)).level == Level.L3


async def test_where_the_bank_switches_passkeys_off_none_is_made_and_none_opens(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    key = await enrol(bank, bound)
    off = Methods(passkey=Level.L0, passkey_device_bound=Level.L0)
    bank.services.policy = replace(bank.services.policy, methods=off)
    with pytest.raises(MethodNotOffered):
        await enrol(bank, bound)
    await refused_with(bank, "switched_off", Browser(bank, slug).tap(key))


async def test_a_policy_that_thinks_less_of_them_counts_for_those_made_before(bank: Bank) -> None:
    slug = await bank.complaint()
    key = await enrol(bank, await bound_by_identity(bank, slug=slug))
    bank.services.policy = replace(bank.services.policy, handles=Handles(sign_in=Level.L2, direct_message=Level.L2))
    assert (await Browser(bank, slug).tap(key)).level == Level.L2


async def test_where_passkeys_raise_nothing_a_step_up_does_not_ask_for_them(bank: Bank) -> None:
    slug = await bank.complaint()
    await enrol(bank, await bound_by_identity(bank, slug=slug))
    await bank.work()
    bound = await bound_by_sms(bank, slug=slug)
    bank.services.policy = replace(bank.services.policy, step_up=frozenset({Method.IDENTITY}))
    with pytest.raises(MethodNotOffered):
        await passkey_raising.begin_step_up(bank.services, bank.ports, customer=customer_of(bound))


async def tap_as_customer(bank: Bank, visitor: Visitor, key: SoftPasskey) -> None:
    """Answer the question of an attempt; it names no passkey."""
    asked = await passkey_proof.begin_customer_passkey(
        bank.services, bank.ports, session_id=visitor.session_id, slug=visitor.slug
    )
    assert asked["allowCredentials"] == []
    await passkey_proof.finish_customer_passkey(
        bank.services, bank.ports, session_id=visitor.session_id, slug=visitor.slug, answer=key.get(asked)
    )


async def proved_by_passkey(bank: Bank, slug: str, key: SoftPasskey, name: str = "giulia") -> Visitor:
    """Sign in at the network, then tap; the visitor stands before the confirmation."""
    visitor = await bank.visit(slug)
    await visitor.sign_in(name)
    await tap_as_customer(bank, visitor, key)
    return visitor


async def test_with_the_handle_proved_anew_it_proves_the_customer_and_lengthens_nothing(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    key, until = await enrol(bank, bound), (await bank.bindings())[0].expires_at
    bank.clock.pass_by(days=100)
    again = await (await proved_by_passkey(bank, slug, key)).confirm()
    assert (again.binding_id, again.level) == (bound.binding_id, Level.L3)
    assert [one.expires_at for one in await bank.bindings()] == [until]


async def test_it_proves_nobody_behind_another_handle(bank: Bank) -> None:
    """The same customer even: a passkey belongs to its binding (decision 16)."""
    key = await enrol(bank, await bound_by_identity(bank))
    with pytest.raises(PasskeyNotAccepted):
        await proved_by_passkey(bank, await bank.complaint("marco"), key, "marco")
    assert (await bank.reasons())[-1] == "other_handle"
    assert len(await bank.bindings()) == 1


async def test_a_binding_that_ended_before_the_confirmation_stays_ended(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    key = await enrol(bank, bound)
    bank.clock.pass_by(days=179, hours=23, minutes=59)
    visitor = await proved_by_passkey(bank, slug, key)
    bank.clock.pass_by(minutes=2)
    with pytest.raises(NotFinishedHere):
        await visitor.confirm()
    assert (await bank.reasons())[-1] == "binding_over"


async def test_after_a_refusal_another_way_is_still_open(bank: Bank) -> None:
    slug = await bank.complaint()
    visitor = await bank.visit(slug)
    await visitor.sign_in()
    with pytest.raises(PasskeyNotAccepted):
        await tap_as_customer(bank, visitor, device(user_handle=b"h" * 32))
    assert await visitor.state() == State.CUSTOMER_PENDING
    await visitor.identify()
    assert (await visitor.confirm()).level == Level.L3


async def test_it_opens_the_locked_room_again(bank: Bank) -> None:
    bound = await bound_by_identity(bank)
    key = await enrol(bank, bound)
    bank.clock.pass_by(minutes=6)
    await sweeping.sweep(bank.services)
    asked = await passkey_raising.begin_unlock(bank.services, bank.ports, session_id=bound.session_id)
    assert [unb64url(one["id"]) for one in asked["allowCredentials"]] == [key.credential_id]
    done = await passkey_raising.finish_unlock(
        bank.services, bank.ports, session_id=bound.session_id, answer=key.get(asked, response={"userHandle": None})
    )
    assert done.level == Level.L3
    assert (await session_of(bank, done.session_token)).locked is False


async def test_nobody_unlocks_with_another_customers_passkey(bank: Bank) -> None:
    stranger = await enrol(bank, await bound_by_identity(bank, "marco", "C-1002"))
    bound = await bound_by_identity(bank)
    await enrol(bank, bound)
    asked = await passkey_raising.begin_unlock(bank.services, bank.ports, session_id=bound.session_id)
    with pytest.raises(PasskeyNotAccepted):
        await passkey_raising.finish_unlock(
            bank.services, bank.ports, session_id=bound.session_id, answer=stranger.get(asked)
        )
    assert (await bank.reasons())[-1] == "other_binding"


async def test_a_room_without_passkeys_asks_for_none(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    with pytest.raises(MethodNotOffered):
        await passkey_raising.begin_unlock(bank.services, bank.ports, session_id=bound.session_id)
    with pytest.raises(MethodNotOffered):
        await passkey_raising.begin_step_up(bank.services, bank.ports, customer=customer_of(bound))


async def test_it_steps_a_session_of_its_binding_up_to_l3_and_no_other_one(bank: Bank) -> None:
    slug = await bank.complaint()
    key = await enrol(bank, await bound_by_identity(bank, slug=slug))
    stranger = await enrol(bank, await bound_by_identity(bank, "marco", "C-1002"))
    await bank.work()
    bound = await bound_by_sms(bank, slug=slug)
    assert bound.level == Level.L2
    asked = await passkey_raising.begin_step_up(bank.services, bank.ports, customer=customer_of(bound))
    which = {"session_id": bound.session_id}
    with pytest.raises(PasskeyNotAccepted):
        await passkey_raising.finish_step_up(bank.services, bank.ports, **which, answer=stranger.get(asked))
    assert (await bank.reasons())[-1] == "other_binding"
    asked = await passkey_raising.begin_step_up(bank.services, bank.ports, customer=customer_of(bound))
    done = await passkey_raising.finish_step_up(bank.services, bank.ports, **which, answer=key.get(asked))
    assert done.level == Level.L3
    assert (await session_of(bank, done.session_token)).level == Level.L3


async def test_a_question_is_bound_to_its_attempt(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    key = await enrol(bank, bound)
    unlocking = await passkey_raising.begin_unlock(bank.services, bank.ports, session_id=bound.session_id)
    browser = Browser(bank, slug)
    await browser.ask()
    await refused_with(bank, "challenge", browser.answer(key.get(unlocking)))
    used = [one for one in await bank.all(PasskeyChallenge) if one.used_at is None]
    assert len(used) == 1


async def test_nothing_that_a_stranger_does_stands_in_the_way_of_the_next_tap(bank: Bank) -> None:
    slug = await bank.complaint()
    key = await enrol(bank, await bound_by_identity(bank, slug=slug))
    for _ in range(30):
        with pytest.raises(PasskeyNotAccepted):
            await Browser(bank, slug).tap(device(credential_id=key.credential_id, user_handle=key.user_handle))
    assert (await Browser(bank, slug).tap(key)).level == Level.L3
