"""A wallet on the same device: from the case link to a room at L4, step-up and unlock, and what it asks and tells."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from app.binding import identity_proof, step_up, sweeping, unlocking
from app.binding.errors import NotFinishedHere
from app.binding.rules import Kind, State
from app.permissions import Level
from tests.app.binding.bank import Bank, bound_by_sms, customer_of, last_code
from tests.app.binding.wallets import CLIENT_ID, GIULIAS, HOST, MARCOS, NAME, Wallets, open_wallets
from tests.support.wallet import NUMBER, VCT


@pytest.fixture
async def wallets(bank: Bank) -> AsyncIterator[Wallets]:
    async with open_wallets(bank) as opened:
        yield opened


async def test_a_wallet_leads_to_a_bound_room_at_the_highest_level(wallets: Wallets) -> None:
    visitor = await wallets.visitor()
    back = await wallets.of().answer((await wallets.leave(visitor)).url)
    finished = await wallets.open(visitor.session_id, back)
    assert (finished.kind, finished.level, finished.session_token) == (Kind.ENTRY, Level.L4, None)
    bound = await visitor.confirm()
    assert bound.level == Level.L4
    assert [binding.level for binding in await wallets.bank.bindings()] == [4]
    (proved,) = await wallets.bank.leaves("customer.proved")
    assert proved["data"] == {"method": f"identity:{NAME}", "level": 4, "acr": VCT}
    assert await wallets.kept() == []
    assert GIULIAS not in str(await wallets.bank.leaves())


@pytest.mark.parametrize("prefix", ["x509_hash"])
async def test_wallets_may_know_us_by_the_certificates_hash(bank: Bank, prefix: str) -> None:
    async with open_wallets(bank, prefix) as wallets:
        visitor = await wallets.visitor()
        back = await wallets.of().answer((await wallets.leave(visitor)).url)
        assert (await wallets.open(visitor.session_id, back)).level == Level.L4


async def test_the_link_opens_an_app_and_says_where_the_signed_request_is(wallets: Wallets) -> None:
    leaving = await wallets.leave(await wallets.visitor())
    assert (leaving.host, leaving.destination) == ("", "IT-Wallet")
    assert leaving.url.startswith(
        f"openid4vp://?client_id={CLIENT_ID.replace(':', '%3A')}&request_uri=https%3A%2F%2F{HOST}"
    )


async def test_a_wallet_that_is_opened_by_an_address_keeps_what_stands_in_it(wallets: Wallets) -> None:
    wallets.offer(replace(wallets.provider, url="https://wallet.example/open?kind=pid"), {VCT: Level.L4})
    leaving = await wallets.leave(await wallets.visitor())
    assert leaving.host == "wallet.example"
    assert leaving.url.startswith("https://wallet.example/open?kind=pid&client_id=")


async def test_the_request_asks_for_one_claim_and_is_the_same_however_often_it_is_fetched(wallets: Wallets) -> None:
    visitor, wallet = await wallets.visitor(), wallets.of()
    link = (await wallets.leave(visitor)).url
    first, second = await wallet.read(link), await wallet.read(link)
    assert first == second
    (wanted,) = first["dcql_query"]["credentials"]
    assert wanted["claims"] == [{"path": [NUMBER]}]
    assert wanted["meta"] == {"vct_values": [VCT]}
    assert first["response_uri"].startswith(f"https://{HOST}/wallet/{NAME}/response/")
    assert await visitor.state() == State.CUSTOMER_PENDING


async def test_each_redirect_has_a_question_and_a_key_of_its_own(wallets: Wallets) -> None:
    visitor, wallet = await wallets.visitor(), wallets.of()
    asked = [await wallet.read((await wallets.leave(visitor)).url) for _ in range(2)]
    for part in ("nonce", "state", "response_uri", "client_metadata"):
        assert asked[0][part] != asked[1][part]


async def test_a_step_up_by_wallet_must_name_the_bound_customer(wallets: Wallets) -> None:
    bank = wallets.bank
    bound = await bound_by_sms(bank)
    leave = await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(bound), provider=NAME)
    finished = await wallets.open(bound.session_id, await wallets.of().answer(leave.url))
    assert (finished.kind, finished.level) == (Kind.STEP_UP, Level.L4)
    assert finished.session_token is not None
    assert [binding.level for binding in await bank.bindings()] == [4]


async def test_a_step_up_by_somebody_elses_wallet_is_refused(wallets: Wallets) -> None:
    bank = wallets.bank
    bound = await bound_by_sms(bank)
    leave = await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(bound), provider=NAME)
    with pytest.raises(NotFinishedHere):
        await wallets.open(bound.session_id, await wallets.of(MARCOS).answer(leave.url))
    assert await bank.reasons() == ["other_customer"]
    assert [binding.level for binding in await bank.bindings()] == [2]


async def test_a_wallet_opens_a_locked_room(wallets: Wallets) -> None:
    bank = wallets.bank
    visitor = await wallets.visitor()
    await wallets.open(visitor.session_id, await wallets.of().answer((await wallets.leave(visitor)).url))
    bound = await visitor.confirm()
    bank.clock.pass_by(minutes=6)
    await sweeping.sweep(bank.services)
    leave = await unlocking.begin_unlock(bank.services, bank.ports, session_id=bound.session_id, provider=NAME)
    finished = await wallets.open(bound.session_id, await wallets.of().answer(leave.url))
    assert (finished.kind, finished.level) == (Kind.UNLOCK, Level.L4)


async def test_a_wallet_that_the_policy_does_not_list_is_worth_a_code(wallets: Wallets) -> None:
    wallets.offer(wallets.provider, {})
    visitor = await wallets.visitor()
    back = await wallets.of().answer((await wallets.leave(visitor)).url)
    assert (await wallets.open(visitor.session_id, back)).level == Level.L2


async def test_who_says_no_in_the_wallet_may_use_another_way(wallets: Wallets) -> None:
    visitor = await wallets.visitor()
    back = await wallets.of().decline((await wallets.leave(visitor)).url)
    assert await wallets.refused(visitor, back) == "wallet_said_no"
    await visitor.ask_code()
    await visitor.type_code(last_code(wallets.bank))


async def test_the_other_providers_are_no_wallets(wallets: Wallets) -> None:
    visitor = await wallets.visitor()
    leaving = await visitor.leave_for_kyc()
    state = leaving.url.partition("state=")[2].partition("&")[0]
    for name in ("kyc", "nobody"):
        assert (await wallets.web.get(f"/wallet/{name}/request/{state}")).status_code == 404
        posted = await wallets.web.post(f"/wallet/{name}/response/{state}", data={"response": "x"})
        assert posted.status_code == 404
    assert await wallets.kept() == []


async def test_an_unknown_customer_is_told_nothing(wallets: Wallets) -> None:
    visitor = await wallets.visitor()
    back = await wallets.of("TINIT-NNNNNN80A01H501U").answer((await wallets.leave(visitor)).url)
    assert await wallets.refused(visitor, back) == "unknown_customer"


async def test_finishing_under_another_providers_name_is_refused(wallets: Wallets) -> None:
    visitor = await wallets.visitor()
    back = await wallets.of().answer((await wallets.leave(visitor)).url)
    state, code = back.partition("state=")[2].split("&code=")
    with pytest.raises(NotFinishedHere):
        await identity_proof.finish_identity(
            wallets.bank.services,
            wallets.bank.ports,
            provider="kyc",
            session_id=visitor.session_id,
            state=state,
            code=code,
        )
    assert await wallets.bank.reasons() == ["other_provider"]
