"""A brand of the bank offers what its policy leaves it, whichever network a visitor names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.binding import handle_proof, queries, step_up, unlocking
from app.binding.errors import MethodNotOffered, NotFinishedHere
from app.binding.flows import Leaving
from app.database import reading
from app.policy import Brand, Method
from tests.app.binding.bank import Bank, Visitor, bound_by_identity, bound_by_sms, customer_of, state_of
from tests.app.binding.outside import HOME
from tests.app.binding.test_customer_codes import at_the_customer_step
from tests.support.policies import changed


def narrow(bank: Bank, brand: Brand) -> None:
    """The brand behind `square` offers less; `other` is a second account of the bank at the same network."""
    connector = bank.ports.connectors[0]
    bank.ports = replace(bank.ports, connectors=(connector, replace(connector, name="other", label="Other")))
    bank.services.policy = changed({"brands": {"square": brand}})


async def leave_by_the_other_brand(visitor: Visitor) -> Leaving:
    leaving = await handle_proof.request_handle(
        visitor.bank.services,
        visitor.bank.ports,
        session_id=visitor.session_id,
        slug=visitor.slug,
        connector="other",
        account="@giulia",
        method="sign_in",
        network=HOME,
        language="it",
    )
    assert isinstance(leaving, Leaving)
    return leaving


async def come_back_by_the_other_brand(visitor: Visitor, leaving: Leaving) -> None:
    await handle_proof.finish_sign_in(
        visitor.bank.services,
        visitor.bank.ports,
        connector="other",
        session_id=visitor.session_id,
        state=state_of(leaving),
        code="code-of-giulia",
        issuer="https://square.example",
    )


async def test_naming_another_brand_does_not_open_a_way_that_the_cases_brand_has_not(bank: Bank) -> None:
    narrow(bank, Brand(handles=frozenset({"direct_message"})))
    visitor = await bank.visit(await bank.complaint())
    with pytest.raises(MethodNotOffered):
        await visitor.leave_for_square()
    with pytest.raises(NotFinishedHere):
        await come_back_by_the_other_brand(visitor, await leave_by_the_other_brand(visitor))
    assert await bank.reasons() == ["not_offered"]


async def test_naming_another_brand_does_not_change_how_the_customer_is_proved(bank: Bank) -> None:
    narrow(bank, Brand(methods=frozenset({Method.TOTP})))
    visitor = await bank.visit(await bank.complaint())
    await come_back_by_the_other_brand(visitor, await leave_by_the_other_brand(visitor))
    with pytest.raises(MethodNotOffered):
        await visitor.ask_code()
    with pytest.raises(MethodNotOffered):
        await visitor.leave_for_kyc()
    async with reading(bank.services) as db:
        view = await queries.view_of_attempt(db, session_id=visitor.session_id, slug=visitor.slug, now=bank.clock())
    assert (view.connector, view.brand) == ("other", "square")
    assert bank.ports.code_methods(bank.services.policy, view.brand) == ("totp",)
    await visitor.ask_code(method="totp")


async def test_inside_a_room_the_brand_of_its_case_counts(bank: Bank) -> None:
    weak, strong = await bound_by_sms(bank), await bound_by_identity(bank, "marco", "C-1002")
    narrow(bank, Brand(methods=frozenset({Method.TOTP})))
    with pytest.raises(MethodNotOffered):
        await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(weak), provider="kyc")
    with pytest.raises(MethodNotOffered):
        await unlocking.begin_unlock(bank.services, bank.ports, session_id=strong.session_id, provider="kyc")
    with pytest.raises(MethodNotOffered):
        await unlocking.request_unlock_code(
            bank.services, bank.ports, session_id=strong.session_id, method="sms", network=HOME
        )
    async with reading(bank.services) as db:
        assert await queries.brand_of_room(db, strong.conversation_id) == "square"


async def test_a_brand_that_is_not_named_offers_everything(bank: Bank) -> None:
    narrow(bank, Brand(methods=frozenset({Method.TOTP})))
    bank.services.policy = changed({"brands": {"other": Brand(methods=frozenset({Method.TOTP}))}})
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code()
    assert len(bank.phone.sms) == 1
