"""SIM swap: no code by SMS while a change of SIM or number is fresh, and nobody outside can tell."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from app.binding import unlocking
from app.binding.errors import CodeWrong
from app.binding.models import Challenge
from app.directory.phone_changes import PhoneChangesUnavailable
from app.policy import Unknown
from app.worker import PASSING
from tests.app.binding.bank import Bank, Visitor, bound_by_identity, code_in
from tests.app.binding.outside import GIULIA, HOME
from tests.app.binding.planting import plant
from tests.app.binding.test_customer_codes import answer, at_the_customer_step
from tests.support.policies import changed

HOUR = timedelta(hours=1)


@dataclass
class Operator:
    """A source that knows of one change, or of no phone at all."""

    changed: bool | None = False
    down: bool = False
    asked: list[tuple[str, timedelta]] = field(default_factory=list)

    async def changed_within(self, phone: str, span: timedelta) -> bool | None:
        self.asked.append((phone, span))
        if self.down:
            raise PhoneChangesUnavailable("down")
        return self.changed


def listen_to(bank: Bank, operator: Operator) -> Operator:
    bank.ports = replace(bank.ports, phone_changes=operator)
    return operator


async def test_a_fresh_change_keeps_the_code_from_leaving_and_the_page_is_the_same(bank: Bank) -> None:
    operator = listen_to(bank, Operator(changed=True))
    stopped = await at_the_customer_step(bank)
    await stopped.ask_code()
    assert bank.phone.sms == []
    assert await bank.withheld() == ["phone_changed"]
    assert operator.asked == [(GIULIA.phone, timedelta(hours=72))]
    operator.changed = False
    sent = await at_the_customer_step(bank, "mallory")
    await sent.ask_code("C-1002")
    assert len(bank.phone.sms) == 1
    assert await answer(stopped, "00000000") == await answer(sent, "00000000")
    assert await stopped.state() == await sent.state()


async def test_a_code_that_was_not_sent_is_never_right(bank: Bank) -> None:
    listen_to(bank, Operator(changed=True))
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code()
    guessed = await plant(bank, (await bank.all(Challenge))[-1])
    with pytest.raises(CodeWrong):
        await visitor.type_code(guessed)


async def test_a_bound_pair_is_no_exception(bank: Bank) -> None:
    bound = await bound_by_identity(bank)
    listen_to(bank, Operator(changed=True))
    await unlocking.request_unlock_code(
        bank.services, bank.ports, session_id=bound.session_id, method="sms", network=HOME
    )
    await bank.work()
    assert await bank.withheld() == ["phone_changed"]


@pytest.mark.parametrize(
    ("ago", "reasons"), [(71 * HOUR, ["phone_changed"]), (73 * HOUR, []), (-HOUR, ["phone_changed"])]
)
async def test_the_directorys_date_counts_without_an_operator(bank: Bank, ago: timedelta, reasons: list[str]) -> None:
    bank.directory.customers[0] = replace(GIULIA, phone_changed_at=bank.clock() - ago)
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code()
    assert await bank.withheld() == reasons


async def test_the_directorys_date_spares_the_question_to_the_operator(bank: Bank) -> None:
    bank.directory.customers[0] = replace(GIULIA, phone_changed_at=bank.clock() - HOUR)
    operator = listen_to(bank, Operator())
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code()
    assert (await bank.withheld(), operator.asked) == (["phone_changed"], [])


@pytest.mark.parametrize(("unknown", "reasons"), [(Unknown.REFUSE, ["phone_unknown"]), (Unknown.SEND, [])])
async def test_a_phone_that_the_operator_does_not_know_is_the_policys_to_decide(
    bank: Bank, unknown: Unknown, reasons: list[str]
) -> None:
    bank.services.policy = changed({"phone.unknown": unknown})
    listen_to(bank, Operator(changed=None))
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code()
    assert await bank.withheld() == reasons


async def test_the_operator_is_asked_for_the_policys_hours_or_not_at_all(bank: Bank) -> None:
    operator = listen_to(bank, Operator(changed=True))
    bank.services.policy = changed({"phone.quiet": 5 * HOUR})
    await (await at_the_customer_step(bank)).ask_code()
    assert operator.asked == [(GIULIA.phone, 5 * HOUR)]
    bank.services.policy = changed({"phone.quiet": timedelta()})
    await (await at_the_customer_step(bank, "mallory")).ask_code()
    assert len(operator.asked) == 1
    assert len(bank.phone.sms) == 1


async def test_other_methods_do_not_ask_about_the_phone(bank: Bank) -> None:
    operator = listen_to(bank, Operator(changed=True))
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code(method="email")
    await visitor.type_code(code_in(bank.phone.mails[-1][2]))
    assert operator.asked == []


async def test_an_operator_is_not_asked_about_who_gets_no_code_anyway(bank: Bank) -> None:
    operator = listen_to(bank, Operator())
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code("C-9999")
    await visitor.ask_code("C-1003")
    assert await bank.withheld() == ["unknown", "no_channel"]
    assert operator.asked == []


async def test_an_operator_that_is_away_holds_the_code_back_until_it_answers(bank: Bank) -> None:
    operator = listen_to(bank, Operator(down=True))
    visitor: Visitor = await at_the_customer_step(bank)
    await visitor.ask_code(work=False)
    with pytest.raises(PASSING):
        await bank.work()
    assert bank.phone.sms == []
    operator.down = False
    bank.clock.pass_by(seconds=70)
    await bank.work()
    await visitor.type_code(code_in(bank.phone.sms[-1][1]))


@pytest.mark.parametrize(
    ("operator", "texts", "mails"),
    [(Operator(changed=True), 1, 1), (Operator(down=True), 1, 1), (Operator(changed=False), 1, 0)],
)
async def test_while_a_phone_may_be_somebody_elses_the_notice_goes_to_every_channel(
    bank: Bank, operator: Operator, texts: int, mails: int
) -> None:
    """Who took the number over and proves by something else must not be the only one to hear of it."""
    listen_to(bank, operator)
    await bound_by_identity(bank)
    assert (len(bank.phone.sms), len(bank.phone.mails)) == (texts, mails)
