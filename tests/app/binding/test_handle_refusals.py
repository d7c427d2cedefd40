"""Who does not get past the handle: strangers, other accounts, foreign browsers, replays."""

from __future__ import annotations

import pytest

from app.binding import flows, handle_proof
from app.binding.errors import (
    AccountNeeded,
    AttemptOver,
    CodeWrong,
    MethodNotOffered,
    NotFinishedHere,
    OutOfStep,
    SignInUnreachable,
)
from app.binding.models import Flow
from app.binding.rules import State
from app.cases.models import Case
from app.channels.ports import ChannelUnavailable
from app.database import transaction
from security.tokens import new_slug
from tests.app.binding.bank import Bank, Visitor, state_of
from tests.app.binding.outside import HOME, ISSUER


async def test_a_stranger_with_the_link_alone_can_do_nothing(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    with pytest.raises(OutOfStep):
        await visitor.ask_code()
    with pytest.raises(OutOfStep):
        await visitor.leave_for_kyc()
    with pytest.raises(OutOfStep):
        await visitor.type_code("12345678")
    with pytest.raises(OutOfStep):
        await visitor.confirm()
    assert await bank.bindings() == []
    assert (bank.phone.sms, bank.messages.sent, bank.directory.asked) == ([], [], [])


async def test_a_wrong_handle_ends_the_attempt_with_neutral_words_and_a_leaf(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint("giulia"))
    leaving = await visitor.leave_for_square("@giulia")
    with pytest.raises(NotFinishedHere) as refusal:
        await visitor.come_back(leaving, "code-of-mallory")
    assert await visitor.state() == State.REFUSED
    assert await bank.reasons() == ["other_account"]
    assert "account" not in refusal.value.message
    with pytest.raises(AttemptOver):
        await visitor.leave_for_square("@giulia")


async def test_a_recycled_name_is_another_account(bank: Bank) -> None:
    """The name alone matches: the immutable id decides."""
    visitor = await bank.visit(await bank.complaint("giulia"))
    leaving = await visitor.leave_for_square("@giulia")
    with pytest.raises(NotFinishedHere):
        await visitor.come_back(leaving, "code-of-giulia-the-second")


async def test_a_link_that_is_not_ours_walks_the_same_path_to_the_same_words(bank: Bank) -> None:
    genuine, invented = await bank.visit(await bank.complaint()), await bank.visit(new_slug())
    words = []
    for visitor, code in ((genuine, "code-of-mallory"), (invented, "code-of-giulia")):
        await visitor.ask_direct_message("@giulia")
        with pytest.raises(CodeWrong):
            await visitor.type_handle_code("00000000")
        leaving = await visitor.leave_for_square("@giulia")
        with pytest.raises(NotFinishedHere) as refusal:
            await visitor.come_back(leaving, code)
        words.append((refusal.value.status, refusal.value.code, refusal.value.message))
    assert words[0] == words[1]
    assert await bank.reasons() == ["other_account", "unknown_link"]


async def test_a_foreign_browser_finishes_no_sign_in_and_the_redirect_is_over(bank: Bank) -> None:
    slug = await bank.complaint()
    owner, foreign = await bank.visit(slug), await bank.visit(slug)
    leaving = await owner.leave_for_square()
    with pytest.raises(NotFinishedHere):
        await foreign.come_back(leaving)
    with pytest.raises(NotFinishedHere):
        await handle_proof.finish_sign_in(
            bank.services,
            bank.ports,
            connector="square",
            session_id=None,
            state=state_of(leaving),
            code="x",
            issuer=ISSUER,
        )
    assert bank.sign_in.finished == []
    assert await bank.reasons() == ["foreign_browser", "foreign_browser"]
    assert await foreign.state() == State.STARTED
    with pytest.raises(NotFinishedHere):
        await owner.come_back(leaving)
    assert await bank.reasons() == ["foreign_browser", "foreign_browser", "replayed"]
    await owner.sign_in()
    assert await owner.state() == State.HANDLE_OK


async def test_an_address_that_the_victims_browser_opened_is_of_no_use_to_who_made_her_sign_in(bank: Bank) -> None:
    """She signs in for the attacker's request, is refused, and is talked into sending him what her address bar says."""
    slug = await bank.complaint()
    victim, attacker = await bank.visit(slug), await bank.visit(slug)
    leaving = await attacker.leave_for_square()
    with pytest.raises(NotFinishedHere):
        await victim.come_back(leaving)
    with pytest.raises(NotFinishedHere):
        await attacker.come_back(leaving)
    assert bank.sign_in.finished == []
    assert await attacker.state() == State.HANDLE_PENDING


async def test_the_attackers_flow_finished_in_the_victims_browser_proves_nothing(bank: Bank) -> None:
    """Cross-user session fixation: the attacker starts, the victim signs in."""
    slug = await bank.complaint("giulia")
    attacker, victim = await bank.visit(slug), await bank.visit(slug)
    leaving = await attacker.leave_for_square("@giulia")
    with pytest.raises(NotFinishedHere):
        await victim.come_back(leaving, "code-of-giulia")
    assert await attacker.state() == State.HANDLE_PENDING


async def test_a_replayed_callback_is_refused(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    leaving = await visitor.leave_for_square()
    await visitor.come_back(leaving)
    with pytest.raises(NotFinishedHere):
        await visitor.come_back(leaving)
    assert len(bank.sign_in.finished) == 1
    assert await bank.reasons() == ["replayed"]
    assert await visitor.state() == State.HANDLE_OK


async def test_an_invented_state_is_refused(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.leave_for_square()
    with pytest.raises(NotFinishedHere):
        await visitor.come_back(flows.Leaving("https://square.example/?state=invented", "Square"))


@pytest.mark.parametrize("issuer", [None, "https://evil.example"])
async def test_an_answer_of_another_server_is_never_exchanged(bank: Bank, issuer: str | None) -> None:
    visitor = await bank.visit(await bank.complaint())
    leaving = await visitor.leave_for_square()
    with pytest.raises(NotFinishedHere):
        await visitor.come_back(leaving, issuer=issuer)
    assert bank.sign_in.finished == []
    assert await bank.reasons() == ["wrong_issuer"]


async def test_a_flow_older_than_ten_minutes_is_refused(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    leaving = await visitor.leave_for_square()
    bank.clock.pass_by(minutes=10)
    with pytest.raises(NotFinishedHere):
        await visitor.come_back(leaving)
    assert await bank.reasons() == ["too_late"]


async def test_an_older_flow_dies_when_the_visitor_chooses_again(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    older = await visitor.leave_for_square()
    await visitor.ask_direct_message()
    with pytest.raises(NotFinishedHere):
        await visitor.come_back(older)
    assert await bank.reasons() == ["moved_on"]
    assert await visitor.state() == State.HANDLE_PENDING


async def test_a_flow_of_an_ended_session_is_refused(bank: Bank) -> None:
    from app.sessions import service as sessions

    visitor = await bank.visit(await bank.complaint())
    leaving = await visitor.leave_for_square()
    async with transaction(bank.services) as db:
        await sessions.end(db, visitor.session_id, bank.clock())
    with pytest.raises(AttemptOver):
        await visitor.come_back(leaving)


@pytest.mark.parametrize("code", [None, "stolen"])
async def test_a_sign_in_that_proved_nothing_leaves_the_choice_open(bank: Bank, code: str | None) -> None:
    visitor = await bank.visit(await bank.complaint())
    leaving = await visitor.leave_for_square()
    with pytest.raises(NotFinishedHere):
        await visitor.come_back(leaving, code)
    assert await visitor.state() == State.HANDLE_PENDING
    await visitor.sign_in()
    assert await visitor.state() == State.HANDLE_OK


async def test_a_network_that_is_down_holds_nothing_against_the_visitor(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    leaving = await visitor.leave_for_square()
    bank.sign_in.fault = ChannelUnavailable("down")
    with pytest.raises(SignInUnreachable):
        await visitor.come_back(leaving)
    bank.sign_in.fault = None
    await visitor.sign_in()
    assert await visitor.state() == State.HANDLE_OK


async def test_the_redirect_uri_is_the_connectors_own_and_pkce_is_s256(bank: Bank) -> None:
    import base64
    import hashlib

    visitor = await bank.visit(await bank.complaint())
    leaving = await visitor.leave_for_square()
    await visitor.come_back(leaving)
    _, verifier, redirect_uri = bank.sign_in.finished[0]
    assert redirect_uri == "https://chat.bancaesempio.example/signin/square/callback"
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert f"code_challenge={challenge}" in leaving.url
    flow: Flow = (await bank.all(Flow))[0]
    assert state_of(leaving).encode() not in flow.sealed_secrets + flow.state_hash
    assert verifier.encode() not in flow.sealed_secrets


async def test_an_attempt_older_than_half_an_hour_is_over(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    bank.clock.pass_by(minutes=30)
    with pytest.raises(AttemptOver):
        await visitor.leave_for_square()


async def test_a_proved_handle_holds_fifteen_minutes(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    bank.clock.pass_by(minutes=15)
    with pytest.raises(AttemptOver):
        await visitor.ask_code()


async def test_a_proof_does_not_move_to_another_session(bank: Bank) -> None:
    slug = await bank.complaint()
    proved, other = await bank.visit(slug), await bank.visit(slug)
    await proved.sign_in()
    with pytest.raises(OutOfStep):
        await other.ask_code()
    moved = Visitor(bank, slug, other.session_id, proved.attempt_id)
    with pytest.raises(OutOfStep):
        await moved.confirm()


async def test_a_proof_does_not_move_to_another_case(bank: Bank) -> None:
    """The attacker's own complaint proves nothing at the victim's link."""
    own, victims = await bank.complaint("mallory"), await bank.complaint("giulia")
    attacker = await bank.visit(own)
    await attacker.sign_in("mallory")
    elsewhere = Visitor(bank, victims, attacker.session_id, attacker.attempt_id)
    with pytest.raises(AttemptOver):
        await elsewhere.ask_code()


@pytest.mark.parametrize(("connector", "method"), [("nowhere", "sign_in"), ("square", "carrier_pigeon")])
async def test_what_is_not_switched_on_cannot_be_chosen(bank: Bank, connector: str, method: str) -> None:
    visitor = await bank.visit(await bank.complaint())
    with pytest.raises(MethodNotOffered):
        await handle_proof.request_handle(
            bank.services,
            bank.ports,
            session_id=visitor.session_id,
            slug=visitor.slug,
            connector=connector,
            account="@giulia",
            method=method,
            network=HOME,
            language="it",
        )


async def test_an_empty_account_is_asked_for_again(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    with pytest.raises(AccountNeeded):
        await visitor.leave_for_square("   ")


async def test_before_the_handle_is_proved_nothing_counts_against_the_case(bank: Bank) -> None:
    slug = await bank.complaint("giulia")
    before = (await bank.all(Case))[0]
    for _ in range(12):
        visitor = await bank.visit(slug)
        leaving = await visitor.leave_for_square("@giulia")
        with pytest.raises(NotFinishedHere):
            await visitor.come_back(leaving, "code-of-mallory")
    owner = await bank.visit(slug)
    await owner.sign_in("giulia")
    assert await owner.state() == State.HANDLE_OK
    assert (await bank.all(Case))[0].version == before.version
