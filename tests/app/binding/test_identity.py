"""Customer proof by redirect: it counts in the browser, attempt and nonce it was asked for, and names the right person."""

from __future__ import annotations

import pytest

from app.binding import identity_proof
from app.binding.errors import AttemptOver, MethodNotOffered, NotFinishedHere, OutOfStep, SignInUnreachable
from app.binding.rules import Kind, State
from tests.app.binding.bank import Bank, Visitor, finish_kyc, last_code, state_of
from tests.app.binding.outside import STRONG


async def at_the_customer_step(bank: Bank, slug: str | None = None) -> Visitor:
    visitor = await bank.visit(slug or await bank.complaint())
    await visitor.sign_in()
    return visitor


async def test_a_foreign_browser_finishes_nothing_and_the_redirect_is_over(bank: Bank) -> None:
    slug = await bank.complaint()
    owner, foreign = await at_the_customer_step(bank, slug), await at_the_customer_step(bank, slug)
    leaving = await owner.leave_for_kyc()
    with pytest.raises(NotFinishedHere):
        await foreign.come_back_from_kyc(leaving)
    assert await bank.reasons() == ["foreign_browser"]
    assert await foreign.state() == State.HANDLE_OK
    with pytest.raises(NotFinishedHere):
        await owner.come_back_from_kyc(leaving)
    finished = await owner.come_back_from_kyc(await owner.leave_for_kyc())
    assert (finished.kind, finished.slug, finished.session_token) == (Kind.ENTRY, slug, None)


async def test_a_replayed_callback_is_refused(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    leaving = await visitor.leave_for_kyc()
    await visitor.come_back_from_kyc(leaving)
    with pytest.raises(NotFinishedHere):
        await visitor.come_back_from_kyc(leaving)


async def test_a_result_for_another_request_is_refused(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    leaving = await visitor.leave_for_kyc()
    bank.kyc.nonce = "another"
    with pytest.raises(NotFinishedHere):
        await visitor.come_back_from_kyc(leaving)
    assert await bank.reasons() == ["wrong_nonce"]
    assert await visitor.state() == State.CUSTOMER_PENDING


async def test_a_result_of_another_provider_is_refused(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    leaving = await visitor.leave_for_kyc()
    bank.kyc.name = "another"
    with pytest.raises(NotFinishedHere):
        await visitor.come_back_from_kyc(leaving)
    assert await bank.reasons() == ["other_provider"]


async def test_a_sign_ins_flow_is_no_identity_flow(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    leaving = await visitor.leave_for_square()
    with pytest.raises(NotFinishedHere):
        await finish_kyc(bank, visitor.session_id, leaving, f"C-1001 {STRONG}")
    assert await bank.reasons() == ["other_provider"]


@pytest.mark.parametrize(("code", "reason"), [(None, "denied_there"), ("stolen", "proved_nothing")])
async def test_a_provider_that_proved_nothing_leaves_other_ways_open(bank: Bank, code: str | None, reason: str) -> None:
    visitor = await at_the_customer_step(bank)
    with pytest.raises(NotFinishedHere):
        await visitor.come_back_from_kyc(await visitor.leave_for_kyc(), code)
    assert await bank.reasons() == [reason]
    await visitor.ask_code()
    await visitor.type_code(last_code(bank))


async def test_somebody_the_bank_does_not_know_is_refused(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    with pytest.raises(NotFinishedHere):
        await visitor.identify("C-9999")
    assert await bank.reasons() == ["unknown_customer"]


async def test_a_directory_that_is_down_is_nobodys_fault(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    bank.directory.down = True
    with pytest.raises(SignInUnreachable):
        await visitor.identify()
    bank.directory.down = False
    await visitor.identify()
    assert await visitor.state() == State.CUSTOMER_OK


async def test_it_cannot_come_before_the_handle(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    with pytest.raises(OutOfStep):
        await visitor.leave_for_kyc()


async def test_it_is_refused_when_the_handles_proof_has_grown_old_meanwhile(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    bank.clock.pass_by(minutes=9)
    leaving = await visitor.leave_for_kyc()
    bank.clock.pass_by(minutes=7)
    with pytest.raises(AttemptOver):
        await visitor.come_back_from_kyc(leaving)


async def test_an_unknown_provider_is_not_offered(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    with pytest.raises(MethodNotOffered):
        await identity_proof.begin_identity(
            bank.services, bank.ports, session_id=visitor.session_id, slug=visitor.slug, provider="nobody"
        )
    with pytest.raises(MethodNotOffered):
        await identity_proof.finish_identity(
            bank.services,
            bank.ports,
            provider="nobody",
            session_id=visitor.session_id,
            state=state_of(await visitor.leave_for_kyc()),
            code="x",
        )
