"""Codes to the customer: what is sent where, what counts, what locks, and that nobody learns who is a customer."""

from __future__ import annotations

import pytest

from app.binding import customer_proof
from app.binding.errors import AccountNeeded, AttemptOver, CodeWrong, EnoughCodes, MethodNotOffered, NotReady, OutOfStep
from app.binding.models import Binding, Challenge
from app.binding.rules import State
from app.directory.port import DirectoryUnavailable
from app.errors import RiserboError
from app.limits.errors import Locked
from app.permissions import Level
from app.policy import Policy, Profile
from tests.app.binding.bank import Bank, Visitor, bound_by_identity, bound_by_sms, last_code, wrong
from tests.app.binding.outside import HOME
from tests.app.binding.planting import plant


async def at_the_customer_step(bank: Bank, name: str = "giulia", slug: str | None = None) -> Visitor:
    visitor = await bank.visit(slug or await bank.complaint(name))
    await visitor.sign_in(name)
    return visitor


async def answer(visitor: Visitor, code: str) -> str:
    """What the visitor sees of a typed code."""
    try:
        await visitor.type_code(code)
    except RiserboError as refusal:
        return f"{refusal.status} {refusal.code} {refusal.message} {refusal.retry_after}"
    return "right"


async def test_the_text_names_bank_host_network_and_handle_and_whom_never_to_tell(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code("giulia@posta.example", "sms")
    to, text = bank.phone.sms[-1]
    assert to == "+393331234567"
    assert all(part in text for part in ("Banca Esempio", "chat.bancaesempio.example", "Square", "giulia"))
    assert "Non dirlo a nessuno" in text


async def test_the_text_speaks_the_customers_language(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code("C-1002")
    assert "Never tell it to anybody" in bank.phone.sms[-1][1]


async def test_the_code_is_stored_nowhere_in_clear(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code()
    challenge = (await bank.all(Challenge))[0]
    assert last_code(bank).encode() not in challenge.code_hash
    assert b"C-1001" not in challenge.sealed_customer


async def test_an_unknown_customer_walks_the_same_path_to_the_same_answers(bank: Bank) -> None:
    known = await at_the_customer_step(bank, "giulia")
    unknown = await at_the_customer_step(bank, "mallory")
    await known.ask_code("C-1001")
    await unknown.ask_code("C-9999")
    assert len(bank.phone.sms) == 1
    assert await bank.withheld() == ["unknown"]
    guess = wrong(last_code(bank))
    seen = [[await answer(visitor, guess) for _ in range(6)] for visitor in (known, unknown)]
    assert seen[0] == seen[1]
    assert seen[0][3].startswith("422 code_wrong")
    assert seen[0][4].startswith("429 locked")
    assert await known.state() == await unknown.state() == State.CUSTOMER_PENDING


async def test_an_unknown_customers_code_guessed_right_is_wrong(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code("C-9999")
    with pytest.raises(CodeWrong):
        await visitor.type_code(await plant(bank, (await bank.all(Challenge))[0]))


async def test_before_the_worker_has_looked_nothing_is_guessed_or_counted(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code(work=False)
    for _ in range(7):
        with pytest.raises(NotReady):
            await visitor.type_code("00000000")
    await bank.work()
    await visitor.type_code(last_code(bank))


async def test_a_directory_that_is_down_is_asked_again(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    bank.directory.down = True
    with pytest.raises(DirectoryUnavailable):
        await visitor.ask_code()
    bank.directory.down = False
    bank.clock.pass_by(seconds=61)
    await bank.work()
    await visitor.type_code(last_code(bank))


async def test_five_wrong_codes_lock_the_pair_for_fifteen_minutes_doubling(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code()
    right = last_code(bank)
    for _ in range(4):
        with pytest.raises(CodeWrong):
            await visitor.type_code(wrong(right))
    with pytest.raises(Locked):
        await visitor.type_code(wrong(right))
    with pytest.raises(Locked):
        await visitor.type_code(right)
    with pytest.raises(Locked):
        await visitor.ask_code()
    assert [leaf["data"]["minutes"] for leaf in await bank.leaves("pair.locked")] == [15]
    bank.clock.pass_by(minutes=15)
    again = await at_the_customer_step(bank, slug=visitor.slug)
    await again.ask_code()
    for _ in range(4):
        with pytest.raises(CodeWrong):
            await again.type_code(wrong(last_code(bank)))
    with pytest.raises(Locked):
        await again.type_code(wrong(last_code(bank)))
    assert [leaf["data"]["minutes"] for leaf in await bank.leaves("pair.locked")] == [15, 30]


async def test_a_lock_is_shown_for_what_was_typed_and_silent_for_the_same_customers_other_spellings(bank: Bank) -> None:
    """Or locking the number and finding the phone locked would tell that both are one customer's."""
    slug = await bank.complaint()
    visitor = await at_the_customer_step(bank, slug=slug)
    await visitor.ask_code("C-1001")
    for _ in range(5):
        await answer(visitor, wrong(last_code(bank)))
    sent = len(bank.phone.sms)
    other = await at_the_customer_step(bank, slug=slug)
    await other.ask_code("+39 333 1234567")
    assert len(bank.phone.sms) == sent
    assert (await bank.withheld())[-1] == "locked"
    assert (await answer(other, "00000000")).startswith("422 code_wrong")


async def test_a_code_sent_before_the_lock_is_wrong_during_it(bank: Bank) -> None:
    slug = await bank.complaint()
    early, guesser = await at_the_customer_step(bank, slug=slug), await at_the_customer_step(bank, slug=slug)
    await early.ask_code("giulia@posta.example")
    right = last_code(bank)
    await guesser.ask_code("C-1001")
    for _ in range(5):
        await answer(guesser, wrong(last_code(bank)))
    with pytest.raises(CodeWrong):
        await early.type_code(right)


async def test_ten_wrong_codes_a_day_close_new_pairs_in_silence(bank: Bank) -> None:
    for name in ("mallory", "eve"):
        attacker = await at_the_customer_step(bank, name)
        await attacker.ask_code("C-1001")
        for _ in range(5):
            await answer(attacker, wrong(last_code(bank)))
    sent = len(bank.phone.sms)
    third = await at_the_customer_step(bank, "trudy")
    await third.ask_code("C-1001")
    assert len(bank.phone.sms) == sent
    assert (await bank.withheld())[-1] == "closed"
    assert (await answer(third, "00000000")).startswith("422 code_wrong")


async def test_no_stranger_can_lock_out_a_bound_customer(bank: Bank) -> None:
    slug = await bank.complaint("giulia")
    await bound_by_sms(bank, slug=slug)
    for name in ("mallory", "eve", "trudy"):
        attacker = await at_the_customer_step(bank, name)
        await attacker.ask_code("C-1001")
        for _ in range(5):
            await answer(attacker, wrong(last_code(bank)))
    assert (await bound_by_sms(bank, slug=slug)).level == Level.L2


async def test_codes_sent_in_advance_to_many_handles_do_not_multiply_the_guesses(bank: Bank) -> None:
    attackers = []
    for name in ("mallory", "eve", "trudy"):
        attacker = await at_the_customer_step(bank, name)
        await attacker.ask_code("C-1001")
        attackers.append((attacker, last_code(bank)))
    for attacker, right in attackers[:2]:
        for _ in range(5):
            await answer(attacker, wrong(right))
    third, right = attackers[2]
    with pytest.raises(CodeWrong):
        await third.type_code(right)


async def test_strangers_together_can_send_a_customer_six_codes_a_day(bank: Bank) -> None:
    for number in range(8):
        await (await at_the_customer_step(bank, f"stranger{number}")).ask_code("C-1002")
    assert len(bank.phone.sms) == 6
    assert (await bank.withheld())[-1] == "rate"


async def test_an_identity_provider_stays_open_while_codes_are_locked(bank: Bank) -> None:
    slug = await bank.complaint()
    visitor = await at_the_customer_step(bank, slug=slug)
    await visitor.ask_code()
    for _ in range(5):
        await answer(visitor, wrong(last_code(bank)))
    assert (await bound_by_identity(bank, slug=slug)).level == Level.L3


async def test_a_replayed_code_is_refused(bank: Bank) -> None:
    slug = await bank.complaint()
    visitor = await at_the_customer_step(bank, slug=slug)
    await visitor.ask_code()
    code = last_code(bank)
    await visitor.type_code(code)
    with pytest.raises(OutOfStep):
        await visitor.type_code(code)
    other = await at_the_customer_step(bank, slug=slug)
    await other.ask_code()
    with pytest.raises(CodeWrong):
        await other.type_code(code)


async def test_a_code_lives_five_minutes(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code()
    bank.clock.pass_by(minutes=5)
    with pytest.raises(CodeWrong):
        await visitor.type_code(last_code(bank))


async def test_a_code_that_expires_in_the_outbox_is_never_sent(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code(work=False)
    bank.clock.pass_by(minutes=5, seconds=1)
    await bank.work()
    assert bank.phone.sms == []


async def test_a_new_code_puts_the_old_one_out_of_use(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code()
    old = last_code(bank)
    bank.clock.pass_by(minutes=1)
    await customer_proof.resend_customer_code(
        bank.services, bank.ports, session_id=visitor.session_id, slug=visitor.slug, network=HOME
    )
    await bank.work()
    with pytest.raises(CodeWrong):
        await visitor.type_code(old)
    await visitor.type_code(last_code(bank))


async def test_a_code_for_another_identifier_does_not_prove_this_one(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code("C-1002")
    others = last_code(bank)
    await visitor.ask_code("C-1001")
    with pytest.raises(CodeWrong):
        await visitor.type_code(others)


async def test_one_attempt_may_ask_for_three_codes(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    for method in ("sms", "email", "sms"):
        await visitor.ask_code(method=method)
        bank.clock.pass_by(minutes=1)
    with pytest.raises(EnoughCodes):
        await visitor.ask_code()


async def test_a_customer_without_the_channel_gets_nothing_and_the_page_is_the_same(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code("C-1003")
    assert await bank.withheld() == ["no_channel"]
    assert (await answer(visitor, "00000000")).startswith("422 code_wrong")


async def test_what_is_not_switched_on_cannot_be_chosen_and_nothing_typed_is_asked_again(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    with pytest.raises(MethodNotOffered):
        await visitor.ask_code(method="carrier_pigeon")
    with pytest.raises(AccountNeeded):
        await visitor.ask_code("  ")


async def test_a_bank_may_refuse_codes_by_sms_and_e_mail_and_still_send_notices(bank: Bank) -> None:
    bank.services.policy = Policy(profile=Profile.ASVS_3)
    visitor = await at_the_customer_step(bank)
    for method in ("sms", "email"):
        with pytest.raises(MethodNotOffered):
            await visitor.ask_code(method=method)
    await visitor.identify()
    await visitor.confirm()
    await bank.work()
    assert "/not-me" in bank.phone.sms[-1][1]


async def test_a_customers_proof_holds_ten_minutes(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code()
    await visitor.type_code(last_code(bank))
    bank.clock.pass_by(minutes=10)
    with pytest.raises(AttemptOver):
        await visitor.confirm()


async def test_an_attacker_with_a_case_of_his_own_gets_no_code(bank: Bank) -> None:
    victim = await bound_by_identity(bank, "giulia", "C-1001")
    attacker = await at_the_customer_step(bank, "mallory")
    await attacker.ask_code("C-1001")
    assert bank.phone.sms[-1][0] == "+393331234567"
    assert "mallory" in bank.phone.sms[-1][1]
    with pytest.raises(CodeWrong):
        await attacker.type_code(wrong(last_code(bank)))
    assert [one.id for one in await bank.bindings()] == [victim.binding_id]


async def test_a_relayed_code_opens_an_empty_room_at_l2_and_tells_the_victim(bank: Bank) -> None:
    """The victim reads the code out to the attacker: nothing that the bank holds opens, and a notice goes out."""
    victim = await bound_by_identity(bank, "giulia", "C-1001")
    attacker = await at_the_customer_step(bank, "mallory")
    await attacker.ask_code("C-1001")
    await attacker.type_code(last_code(bank))
    bound = await attacker.confirm()
    await bank.work()
    assert bound.level == Level.L2
    assert bound.conversation_id != victim.conversation_id
    assert bound.binding_id != victim.binding_id
    assert "mallory" in bank.phone.mails[-1][2]
    assert (await bank.one(Binding, victim.binding_id)).state == "active"


async def test_a_right_handle_with_another_customers_proof_gets_its_own_empty_room(bank: Bank) -> None:
    slug = await bank.complaint("giulia")
    hers = await bound_by_identity(bank, "giulia", "C-1001", slug)
    thief = await bound_by_sms(bank, "giulia", "C-1002", slug)
    assert thief.conversation_id != hers.conversation_id
    rooms = [leaf["data"]["binding"] for leaf in await bank.leaves("room.opened")]
    assert rooms == [str(hers.binding_id), str(thief.binding_id)]
