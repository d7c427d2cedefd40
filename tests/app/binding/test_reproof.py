"""When one factor is no longer enough: old proofs, an account that was renamed, has gone or was suspended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from app.binding import account_watch, queries, reproof, revoking, step_up, sweeping, unlocking
from app.binding.errors import AttemptOver, CodeWrong, NotFinishedHere, ReproofNeeded
from app.binding.models import Authenticator, Binding
from app.binding.rules import Reproof
from app.cases.queries import case_by_slug
from app.channels.ports import AccountNow, AccountState, ChannelUnavailable, Subject
from app.conversations.models import Conversation
from app.database import reading
from app.sessions.models import Session
from tests.app.binding.bank import Bank, bound_by_identity, bound_by_sms, code_in, customer_of, finish_kyc
from tests.app.binding.outside import HOME, STRONG, person
from tests.app.binding.test_rooms import idle_until_locked, reference_from, session_by
from tests.app.binding.test_time_and_reads import AGENT


async def needed(bank: Bank, binding_id: object) -> Reproof | None:
    async with reading(bank.services) as db:
        return await reproof.reproof_of(db, await db.get_one(Binding, binding_id), bank.clock())


@dataclass
class Network:
    """What the network says of an account."""

    now: AccountNow
    fault: bool = False
    asked: list[str] = field(default_factory=list)

    async def look(self, subject: Subject) -> AccountNow:
        self.asked.append(subject.immutable_id)
        if self.fault:
            raise ChannelUnavailable("down")
        return self.now


def watched(bank: Bank, now: AccountNow) -> Network:
    network = Network(now)
    bank.ports = replace(bank.ports, connectors=[replace(bank.ports.connectors[0], accounts=network)])
    return network


async def test_ninety_days_after_the_handle_was_proved_only_the_whole_way_leads_in(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    bank.clock.pass_by(days=90, seconds=-1)
    assert await needed(bank, bound.binding_id) is None
    bank.clock.pass_by(seconds=1)
    assert await needed(bank, bound.binding_id) == Reproof.HANDLE_AGE
    await sweeping.sweep(bank.services)
    assert [leaf["data"] for leaf in await bank.leaves("binding.reproof_needed")] == [{"reason": "handle_age"}]
    assert await reproof.note_aged(bank.services) == 0
    again = await bound_by_identity(bank, slug=slug)
    assert again.binding_id == bound.binding_id
    assert await needed(bank, bound.binding_id) is None


async def test_a_step_up_renews_the_customers_proof_and_not_the_handles(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    bank.clock.pass_by(minutes=1)
    leave = await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(bound), provider="kyc")
    await finish_kyc(bank, bound.session_id, leave, f"C-1001 {STRONG}")
    async with reading(bank.services) as db:
        fresh = await reproof.freshness_of(db, await db.get_one(Binding, bound.binding_id))
    assert fresh.customer_proved_at == bank.clock()
    assert fresh.handle_proved_at < fresh.customer_proved_at


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (AccountNow(AccountState.THERE, "@giulia_nuova"), Reproof.RENAMED),
        (AccountNow(AccountState.GONE), Reproof.GONE),
        (AccountNow(AccountState.SUSPENDED), Reproof.SUSPENDED),
    ],
)
async def test_what_the_network_says_of_the_account_asks_for_new_proofs(
    bank: Bank, now: AccountNow, reason: Reproof
) -> None:
    bound = await bound_by_sms(bank)
    network = watched(bank, now)
    assert await account_watch.watch_accounts(bank.services, bank.ports) == 1
    assert await needed(bank, bound.binding_id) == reason
    assert [leaf["data"] for leaf in await bank.leaves("binding.reproof_needed")] == [{"reason": reason.value}]
    ended = (await bank.one(Session, bound.session_id)).ended_at is not None
    room: Conversation = await bank.one(Conversation, bound.conversation_id)
    assert (ended, room.session_id is None) == (reason != Reproof.RENAMED, reason != Reproof.RENAMED)
    bank.clock.pass_by(hours=7)
    assert await account_watch.watch_accounts(bank.services, bank.ports) == 0
    assert network.asked == [person("giulia").immutable_id]


async def test_an_account_as_it_was_is_asked_about_every_six_hours_and_a_silent_network_proves_nothing(
    bank: Bank,
) -> None:
    bound = await bound_by_sms(bank)
    network = watched(bank, AccountNow(AccountState.THERE, "Giulia"))
    for hours, asked in ((0, 1), (5, 1), (1, 2)):
        bank.clock.pass_by(hours=hours)
        assert await account_watch.watch_accounts(bank.services, bank.ports) == 0
        assert len(network.asked) == asked
    network.fault = True
    bank.clock.pass_by(hours=6)
    assert await account_watch.watch_accounts(bank.services, bank.ports) == 0
    assert await needed(bank, bound.binding_id) is None


async def test_a_locked_room_of_a_renamed_account_does_not_open_by_one_factor(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    await idle_until_locked(bank, bound)
    await account_watch.account_seen(
        bank.services, person("giulia"), AccountNow(AccountState.THERE, "somebody_else_now")
    )
    with pytest.raises(ReproofNeeded):
        await unlocking.request_unlock_code(
            bank.services, bank.ports, session_id=bound.session_id, method="sms", network=HOME
        )
    with pytest.raises(ReproofNeeded):
        await unlocking.begin_unlock(bank.services, bank.ports, session_id=bound.session_id, provider="kyc")


async def test_a_rename_that_comes_between_asking_and_answering_stops_the_step_up(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    leave = await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(bound), provider="kyc")
    await account_watch.account_seen(bank.services, person("giulia"), AccountNow(AccountState.THERE, "renamed"))
    with pytest.raises(NotFinishedHere):
        await finish_kyc(bank, bound.session_id, leave, f"C-1001 {STRONG}")
    assert await bank.reasons() == ["reproof_needed"]
    room: Conversation = await bank.one(Conversation, bound.conversation_id)
    assert room.level == 2


@pytest.mark.parametrize("state", [AccountState.GONE, AccountState.SUSPENDED])
async def test_who_proved_an_account_before_it_went_cannot_confirm_it_afterwards(
    bank: Bank, state: AccountState
) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    thief = await bank.visit(slug)
    await thief.sign_in()
    other = await bank.visit(await bank.complaint("marco"))
    await other.sign_in("marco")
    await account_watch.account_seen(bank.services, person("giulia"), AccountNow(state))
    with pytest.raises(AttemptOver):
        await thief.identify()
    with pytest.raises(AttemptOver):
        await thief.confirm()
    assert await needed(bank, bound.binding_id) == Reproof(state.value)
    assert [leaf["data"] for leaf in await bank.leaves("attempt.cancelled")] == [{"reason": state.value}]
    await other.identify("C-1002")
    await other.confirm()
    bank.clock.pass_by(minutes=1)
    assert (await bound_by_identity(bank, slug=slug)).binding_id == bound.binding_id
    assert await needed(bank, bound.binding_id) is None


async def test_a_confirmation_page_left_open_while_the_account_went_confirms_nothing(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_sms(bank, slug=slug)
    thief = await bank.visit(slug)
    await thief.sign_in()
    await thief.identify()
    await account_watch.account_seen(bank.services, person("giulia"), AccountNow(AccountState.GONE))
    with pytest.raises(AttemptOver):
        await thief.confirm()
    assert await needed(bank, bound.binding_id) == Reproof.GONE


async def test_a_code_that_was_sent_before_the_account_went_is_right_no_longer(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_sms(bank, slug=slug)
    thief, other = await bank.visit(slug), await bank.visit(await bank.complaint("marco"))
    await thief.ask_direct_message()
    sent = code_in(bank.messages.sent[-1][1])
    await other.ask_direct_message("@marco")
    await account_watch.account_seen(bank.services, person("giulia"), AccountNow(AccountState.SUSPENDED))
    with pytest.raises(CodeWrong):
        await thief.type_handle_code(sent)
    await other.type_handle_code(code_in(bank.messages.sent[-1][1]))
    assert await needed(bank, bound.binding_id) == Reproof.SUSPENDED
    bank.clock.pass_by(minutes=1)
    await thief.ask_direct_message()
    await thief.type_handle_code(code_in(bank.messages.sent[-1][1]))


async def test_another_persons_account_changes_nothing(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    assert await account_watch.account_seen(bank.services, person("marco"), AccountNow(AccountState.GONE)) == 0
    assert await needed(bank, bound.binding_id) is None


async def test_the_customer_takes_the_link_back_and_may_make_it_anew_at_once(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    await revoking.revoke_own(bank.services, customer_of(bound))
    binding: Binding = await bank.one(Binding, bound.binding_id)
    assert (binding.state, binding.frozen_until) == ("revoked", None)
    assert await session_by(bank, bound.session_token) is None
    assert [leaf["data"] for leaf in await bank.leaves("binding.revoked")] == [{"reason": "by_customer"}]
    assert (await bound_by_identity(bank, slug=slug)).binding_id == bound.binding_id


async def test_an_intruder_who_undoes_the_link_first_does_not_escape_the_freeze(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_sms(bank, slug=slug)
    reference = await reference_from(bank)
    await revoking.revoke_own(bank.services, customer_of(bound))
    await revoking.not_me(bank.services, reference=reference)
    frozen = (await bank.one(Binding, bound.binding_id)).frozen_until
    assert frozen is not None
    assert len(await bank.leaves("binding.frozen")) == 1
    bank.clock.pass_by(hours=5)
    await revoking.not_me(bank.services, reference=reference)
    assert (await bank.one(Binding, bound.binding_id)).frozen_until == frozen
    with pytest.raises((NotFinishedHere, AttemptOver)):
        await bound_by_identity(bank, slug=slug)
    assert all(one.state != "active" for one in await bank.all(Authenticator))


async def test_the_desk_sees_why_nobody_comes_in_and_who_undid_a_link(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_sms(bank, slug=slug)

    async def fact() -> tuple[str, bool, Reproof | None]:
        async with reading(bank.services) as db:
            case = await case_by_slug(db, slug)
            assert case is not None
            [found] = await queries.bindings_of_case(db, AGENT, case.id)
            return found.state, found.complained, found.reproof

    assert await fact() == ("active", False, None)
    await account_watch.account_seen(bank.services, person("giulia"), AccountNow(AccountState.THERE, "renamed"))
    assert await fact() == ("active", False, Reproof.RENAMED)
    reference = await reference_from(bank)
    await revoking.revoke_own(bank.services, customer_of(bound))
    assert await fact() == ("revoked", False, None)
    await revoking.not_me(bank.services, reference=reference)
    assert await fact() == ("revoked", True, None)
