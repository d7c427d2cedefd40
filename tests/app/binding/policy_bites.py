"""For each figure of the policy an act that turns out otherwise once the figure is changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.binding import attempts, reproof, revoking, step_up
from app.binding.errors import AttemptOver, CodeTooSoon, CodeWrong, MethodNotOffered
from app.binding.models import Attempt, Binding, Challenge, Flow
from app.conversations.rules import must_wait
from app.database import reading, transaction
from app.errors import RiserboError
from app.ids import new_id
from app.permissions import DataClass, Level
from app.policy import Brand, Method, Profile, Rate, Unknown
from app.sessions import rules as session_rules
from app.sessions import service as sessions
from app.sessions.models import Session
from tests.app.binding.bank import (
    Bank,
    Visitor,
    bound_by_identity,
    bound_by_sms,
    code_in,
    customer_of,
    last_code,
)
from tests.app.binding.outside import STRONG, WEAK
from tests.app.binding.test_phone_quiet import Operator, listen_to
from tests.support.policies import changed

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

Bite = Callable[[Bank], Awaitable[None]]
BITES: dict[str, Bite] = {}


def bites(*keys: str) -> Callable[[Bite], Bite]:
    """That this act shows these figures."""

    def kept(bite: Bite) -> Bite:
        for key in keys:
            assert key not in BITES
            BITES[key] = bite
        return bite

    return kept


def rule(bank: Bank, figures: dict[str, Any]) -> None:
    bank.services.policy = changed(figures, bank.services.policy)


async def at_the_customer_step(bank: Bank, name: str = "giulia") -> Visitor:
    visitor = await bank.visit(await bank.complaint(name))
    await visitor.sign_in(name)
    return visitor


async def is_over(visitor: Visitor) -> bool:
    """Whether the attempt, or a proof that it rests on, is too old."""
    async with reading(visitor.bank.services) as db:
        try:
            await attempts.of_session(db, visitor.session_id, visitor.bank.clock(), slug=visitor.slug)
        except AttemptOver:
            return True
    return False


@bites("profile")
async def asvs_3_takes_sms_and_mail_away(bank: Bank) -> None:
    rule(bank, {"profile": Profile.ASVS_3})
    visitor = await at_the_customer_step(bank)
    for method in ("sms", "email"):
        with pytest.raises(MethodNotOffered):
            await visitor.ask_code(method=method)
    await visitor.ask_code(method="totp")


@bites("methods.sms", "methods.email", "methods.totp")
async def a_code_that_is_off_cannot_be_chosen(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    for method in ("sms", "email", "totp"):
        bank.services.policy = changed({f"methods.{method}": Level.L0})
        with pytest.raises(MethodNotOffered):
            await visitor.ask_code(method=method)


@bites("methods.identity")
async def an_acr_that_nobody_lists_proves_nothing_where_that_is_off(bank: Bank) -> None:
    rule(bank, {"methods.identity": Level.L0})
    visitor = await at_the_customer_step(bank)
    with pytest.raises(RiserboError):
        await visitor.identify(acr=WEAK)
    assert (await bank.reasons())[-1] == "level_too_low"
    again = await at_the_customer_step(bank)
    await again.identify(acr=STRONG)


@bites("methods.identity_relay_resistant")
async def a_listed_acr_gives_no_more_than_the_policy(bank: Bank) -> None:
    rule(bank, {"methods.identity_relay_resistant": Level.L2})
    assert (await bound_by_identity(bank)).level == Level.L2


@bites("handles.sign_in", "handles.direct_message")
async def a_handle_bounds_what_stands_behind_it(bank: Bank) -> None:
    rule(bank, {"handles.sign_in": Level.L2})
    assert (await bound_by_identity(bank)).level == Level.L2
    rule(bank, {"handles.direct_message": Level.L0})
    visitor = await bank.visit(await bank.complaint())
    with pytest.raises(MethodNotOffered):
        await visitor.ask_direct_message()


@bites("step_up")
async def what_may_not_step_up_does_not(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    rule(bank, {"step_up": frozenset({Method.PASSKEY})})
    with pytest.raises(MethodNotOffered):
        await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(bound), provider="kyc")


@bites("needs.general", "needs.case", "needs.account", "needs.identity")
async def a_class_waits_for_its_level(bank: Bank) -> None:
    for kind in (DataClass.GENERAL, DataClass.CASE, DataClass.ACCOUNT, DataClass.IDENTITY):
        for level in (Level.L1, Level.L2, Level.L3, Level.L4):
            policy = changed({f"needs.{kind.value}": level})
            assert must_wait(policy, kind, level - 1)
            assert not must_wait(policy, kind, level)
            assert (kind in policy.classes_at(level - 1), kind in policy.classes_at(level)) == (False, True)


@bites("lifetimes.attempt", "lifetimes.handle_proof")
async def attempt_and_handle_live_as_long_as_the_policy_says(bank: Bank) -> None:
    rule(bank, {"lifetimes.attempt": 9 * MINUTE})
    visitor = await bank.visit(await bank.complaint())
    assert (await bank.one(Attempt, visitor.attempt_id)).expires_at == bank.clock() + 9 * MINUTE
    rule(bank, {"lifetimes.handle_proof": 3 * MINUTE})
    await visitor.sign_in()
    bank.clock.pass_by(minutes=3, seconds=-1)
    assert not await is_over(visitor)
    bank.clock.pass_by(seconds=1)
    assert await is_over(visitor)


@bites("lifetimes.customer_proof")
async def the_customer_holds_as_long_as_the_policy_says(bank: Bank) -> None:
    rule(bank, {"lifetimes.customer_proof": 2 * MINUTE})
    visitor = await at_the_customer_step(bank)
    await visitor.identify()
    bank.clock.pass_by(minutes=2, seconds=-1)
    assert not await is_over(visitor)
    bank.clock.pass_by(seconds=1)
    assert await is_over(visitor)


@bites("lifetimes.handle_code", "lifetimes.customer_code")
async def codes_live_as_long_as_the_policy_says(bank: Bank) -> None:
    rule(bank, {"lifetimes.handle_code": 2 * MINUTE, "lifetimes.customer_code": MINUTE})
    visitor = await bank.visit(await bank.complaint())
    await visitor.ask_direct_message()
    await visitor.type_handle_code(code_in(bank.messages.sent[-1][1]))
    await visitor.ask_code()
    lives = [one.expires_at - one.created_at for one in await bank.all(Challenge)]
    assert sorted(lives) == [MINUTE, 2 * MINUTE]
    bank.clock.pass_by(minutes=1)
    with pytest.raises(CodeWrong):
        await visitor.type_code(last_code(bank))


@bites("lifetimes.redirect")
async def a_redirect_lives_as_long_as_the_policy_says(bank: Bank) -> None:
    rule(bank, {"lifetimes.redirect": MINUTE})
    visitor = await bank.visit(await bank.complaint())
    leaving = await visitor.leave_for_square()
    assert [one.expires_at - one.created_at for one in await bank.all(Flow)] == [MINUTE]
    bank.clock.pass_by(minutes=1)
    with pytest.raises(RiserboError):
        await visitor.come_back(leaving)


@bites("lifetimes.binding", "lifetimes.handle_again", "lifetimes.customer_again", "lifetimes.freeze")
async def a_binding_holds_and_ages_and_freezes_by_the_policy(bank: Bank) -> None:
    days = timedelta(days=1)
    rule(bank, {"lifetimes.binding": 9 * days, "lifetimes.freeze": 2 * HOUR})
    bound = await bound_by_identity(bank)
    binding = await bank.one(Binding, bound.binding_id)
    assert binding.expires_at - binding.proved_at == 9 * days
    for key, reason in (("handle_again", "handle_age"), ("customer_again", "customer_age")):
        bank.services.policy = changed({"lifetimes.handle_again": 8 * days, "lifetimes.customer_again": 8 * days})
        rule(bank, {f"lifetimes.{key}": 3 * days, "lifetimes.freeze": 2 * HOUR})
        async with reading(bank.services) as db:
            live = await db.get_one(Binding, bound.binding_id)
            at = binding.proved_at + 3 * days
            assert await reproof.reproof_of(db, live, at - SECOND) is None
            assert str(await reproof.reproof_of(db, live, at)) == reason
    async with transaction(bank.services) as db:
        await revoking.revoke(db, bound.binding_id, reason="not_me", actor=customer_of(bound))
    frozen = await bank.one(Binding, bound.binding_id)
    assert frozen.frozen_until == bank.clock() + 2 * HOUR


@bites("sessions.visitor", "sessions.level_2.absolute", "sessions.level_3.absolute", "sessions.level_4.absolute")
async def a_session_ends_when_the_policy_says(bank: Bank) -> None:
    rule(bank, {"sessions.visitor": 40 * MINUTE})
    visitor = await bank.visit(await bank.complaint())
    assert (await bank.one(Session, visitor.session_id)).expires_at == bank.clock() + 40 * MINUTE
    for level in (Level.L2, Level.L3, Level.L4):
        rule(bank, {f"sessions.level_{level:d}.absolute": level * HOUR})
        async with transaction(bank.services) as db:
            started = await sessions.raise_to_binding(
                db,
                visitor.session_id,
                binding_id=new_id(bank.clock()),
                conversation_id=new_id(bank.clock()),
                level=level,
                now=bank.clock(),
            )
            assert started.session.expires_at == bank.clock() + level * HOUR


@bites("sessions.level_2.idle", "sessions.level_3.idle", "sessions.level_4.idle", "sessions.staff.idle")
async def a_session_is_idle_when_the_policy_says(bank: Bank) -> None:
    rows = [(session_rules.VISITOR, level, f"level_{level:d}") for level in (Level.L2, Level.L3, Level.L4)]
    for kind, level, name in [*rows, (session_rules.STAFF, Level.L0, "staff")]:
        terms = changed({f"sessions.{name}.idle": 77 * SECOND}).sessions
        session = Session(kind=kind, level=level, last_seen_at=bank.clock())
        assert not session_rules.is_idle(terms, session, bank.clock() + 77 * SECOND)
        assert session_rules.is_idle(terms, session, bank.clock() + 78 * SECOND)


@bites("sessions.staff.absolute", "sessions.api")
async def staff_stay_as_long_as_the_policy_says(bank: Bank) -> None:
    rule(bank, {"sessions.staff.absolute": 2 * HOUR, "sessions.api": 3 * HOUR})
    for kind, longest in ((session_rules.STAFF, 2 * HOUR), (session_rules.API, 3 * HOUR)):
        async with transaction(bank.services) as db:
            started = await sessions.start_staff(db, new_id(bank.clock()), bank.clock(), kind=kind)
            assert started.session.expires_at == bank.clock() + longest


@bites("sending.handle_account", "sending.handle_network", "sending.handle_connector")
async def direct_messages_leave_at_the_policys_rates(bank: Bank) -> None:
    for number, key in enumerate(("handle_account", "handle_network", "handle_connector")):
        bank.services.policy = changed({f"sending.{key}": Rate(1, HOUR)})
        slug, sent, home = await bank.complaint(f"person{number}"), len(bank.messages.sent), f"192.0.{number}.0/24"
        for _ in range(2):
            await (await bank.visit(slug)).ask_direct_message(f"@person{number}", network=home)
        assert len(bank.messages.sent) - sent == 1
        assert await bank.withheld() == ["rate"] * (number + 1)
        bank.clock.pass_by(hours=2)


@bites("sending.customer_pair", "sending.customer_new_pairs")
async def codes_to_a_customer_leave_at_the_policys_rates(bank: Bank) -> None:
    rule(bank, {"sending.customer_pair": Rate(1, HOUR)})
    visitor = await at_the_customer_step(bank)
    for _ in range(2):
        await visitor.ask_code()
        bank.clock.pass_by(minutes=1)
    assert (len(bank.phone.sms), await bank.withheld()) == (1, ["rate"])
    bank.services.policy = changed({"sending.customer_new_pairs": Rate(1, HOUR)})
    for name in ("eve", "trudy"):
        await (await at_the_customer_step(bank, name)).ask_code("C-1002")
    assert (len(bank.phone.sms), await bank.withheld()) == (2, ["rate", "rate"])


@bites("sending.gap")
async def a_second_code_to_one_place_waits_as_the_policy_says(bank: Bank) -> None:
    rule(bank, {"sending.gap": 5 * SECOND})
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code()
    with pytest.raises(CodeTooSoon):
        await visitor.ask_code()
    bank.clock.pass_by(seconds=5)
    await visitor.ask_code()


@bites("phone.quiet", "phone.unknown")
async def a_changed_phone_is_quiet_as_the_policy_says(bank: Bank) -> None:
    operator = listen_to(bank, Operator(changed=None))
    rule(bank, {"phone.quiet": 5 * HOUR, "phone.unknown": Unknown.SEND})
    await (await at_the_customer_step(bank)).ask_code()
    assert ([span for _, span in operator.asked], len(bank.phone.sms)) == ([5 * HOUR], 1)
    rule(bank, {"phone.unknown": Unknown.REFUSE})
    await (await at_the_customer_step(bank)).ask_code()
    assert await bank.withheld() == ["phone_unknown"]


@bites("brands")
async def a_brand_offers_less_and_naming_another_one_does_not_help(bank: Bank) -> None:
    connector = bank.ports.connectors[0]
    bank.ports = replace(bank.ports, connectors=(connector, replace(connector, name="other")))
    rule(bank, {"brands": {"square": Brand(methods=frozenset({Method.TOTP}))}})
    visitor = await at_the_customer_step(bank)
    with pytest.raises(MethodNotOffered):
        await visitor.ask_code()
    with pytest.raises(MethodNotOffered):
        await visitor.leave_for_kyc()
    await visitor.ask_code(method="totp")
    rule(bank, {"brands": {"square": Brand(handles=frozenset({"direct_message"}))}})
    late = await bank.visit(await bank.complaint())
    with pytest.raises(MethodNotOffered):
        await late.leave_for_square()
