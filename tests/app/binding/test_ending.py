"""The bank ends links when a customer phones: who may, what ends, what stays shut, and what an attacker is left with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from app.actors import SYSTEM, Role, Staff
from app.binding import ending, revoking
from app.binding.confirming import Bound
from app.binding.errors import NotFinishedHere
from app.binding.models import Binding, CustomerFreeze
from app.cases import service as cases
from app.conversations.models import Conversation
from app.database import transaction
from app.errors import RiserboError
from app.sessions import rules
from app.sessions import service as sessions
from tests.app.binding.bank import Bank, Visitor, bound_by_identity, bound_by_sms, customer_of, last_code
from tests.app.web.staff_desk import DESK, Desk, hash_once, opened_desk
from tests.support.databases import DatabaseUrls

GIULIAS = "C-1001"
MARCOS = "C-1002"


@pytest.fixture
async def desk(schema_urls: DatabaseUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr("security.passwords.hash_password", hash_once)
    async with opened_desk(schema_urls, tmp_path) as opened:
        yield opened


@pytest.fixture
def bank(desk: Desk) -> Bank:
    return desk.bank


async def asked(
    desk: Desk, login: str, path: str, body: Any, *, key: str = "", scopes: str = rules.EVERY_SCOPE
) -> httpx2.Response:
    """A POST to the API by a member of staff."""
    services = desk.bank.services
    async with transaction(services) as db:
        token = (await sessions.start_staff(db, desk.ids[login], services.clock(), kind=rules.API, scopes=scopes)).token
    headers = {"authorization": f"Bearer {token}"} | ({"idempotency-key": key} if key else {})
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=desk.app), base_url=DESK) as client:
        return await client.post(f"/api/v1{path}", json=body, headers=headers)


async def ended(
    desk: Desk, bound: Bound, because: str = "customer_asked", login: str = "anna", key: str = ""
) -> httpx2.Response:
    return await asked(desk, login, f"/bindings/{bound.binding_id}/revoke", {"because": because}, key=key)


async def all_ended(
    desk: Desk, number: str = GIULIAS, because: str = "suspicion", login: str = "sara"
) -> httpx2.Response:
    return await asked(desk, login, "/revocations", {"customer_number": number, "because": because})


async def claimed(desk: Desk, slug: str, login: str = "anna") -> UUID:
    """The case in the hands of an agent."""
    case = await desk.case(slug)
    agent = Staff(desk.ids[login], uuid4(), Role.AGENT, login, login)
    async with transaction(desk.bank.services) as db:
        await cases.claim(db, agent, case.id)
    return case.id


async def hers(desk: Desk) -> tuple[str, Bound]:
    """Giulia in her room, in Anna's case."""
    slug = await desk.bank.complaint()
    await claimed(desk, slug)
    return slug, await bound_by_identity(desk.bank, slug=slug)


async def state_of(bank: Bank, bound: Bound) -> tuple[str, bool]:
    binding: Binding = await bank.one(Binding, bound.binding_id)
    return binding.state, binding.frozen_until is not None and binding.frozen_until > bank.clock()


async def is_inside(bank: Bank, bound: Bound) -> bool:
    return await sessions.find(bank.services, bound.session_token, bank.clock()) is not None


async def half_way(bank: Bank, slug: str, name: str = "giulia", number: str = GIULIAS) -> Visitor:
    """A browser one click before the room: handle and customer are proved, by the telephone that it holds."""
    visitor = await bank.visit(slug)
    await visitor.sign_in(name)
    await visitor.ask_code(number)
    await visitor.type_code(last_code(bank))
    return visitor


async def test_who_works_the_case_ends_the_link_and_everybody_in_it_is_out(desk: Desk, bank: Bank) -> None:
    _, bound = await hers(desk)
    answer = await ended(desk, bound)
    assert answer.status_code == 200
    assert answer.json()["state"] == "revoked"
    assert await state_of(bank, bound) == ("revoked", True)
    assert not await is_inside(bank, bound)
    room: Conversation = await bank.one(Conversation, bound.conversation_id)
    assert (room.state, room.session_id, room.level) == ("closed", None, 0)


async def test_the_leaf_says_who_and_why_and_no_leaf_says_of_whom(desk: Desk, bank: Bank) -> None:
    _, bound = await hers(desk)
    await ended(desk, bound, "suspicion")
    await all_ended(desk)
    [leaf] = await bank.leaves("binding.revoked")
    assert leaf["data"] == {"reason": "by_bank", "because": "suspicion"}
    assert (leaf["actor"]["id"], leaf["stream"]) == (str(desk.ids["anna"]), f"binding:{bound.binding_id}")
    first, second = await bank.leaves("customer.frozen")
    assert [one["data"]["ended"] for one in (first, second)] == [1, 0]
    assert first["stream"] == second["stream"]
    assert second["actor"]["id"] == str(desk.ids["sara"])
    [row] = await bank.all(CustomerFreeze)
    said = str([one["data"] for one in (first, second, leaf)]).casefold()
    for text in (GIULIAS.casefold(), "giulia", row.customer_hash.hex()):
        assert text not in said, text


async def test_a_foreign_agent_is_refused_with_a_leaf_and_nothing_ends(desk: Desk, bank: Bank) -> None:
    _, bound = await hers(desk)
    refused = await ended(desk, bound, "suspicion", login="luca")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_your_case")
    [leaf] = await bank.leaves("case.refused")
    assert leaf["data"] == {"reason": "not_assigned", "act": "revoke"}
    assert leaf["actor"]["id"] == str(desk.ids["luca"])
    assert await is_inside(bank, bound)
    assert await bank.all(CustomerFreeze) == []
    assert (await ended(desk, bound, login="sara")).status_code == 200


async def test_what_is_not_there_is_not_found_and_other_roles_cannot_tell_it_from_what_is(desk: Desk) -> None:
    _, bound = await hers(desk)
    nothing = f"/bindings/{uuid4()}/revoke"
    assert (await asked(desk, "anna", nothing, {"because": "suspicion"})).status_code == 404
    for login in ("paolo", "ada"):
        there, not_there = (
            await ended(desk, bound, login=login),
            await asked(desk, login, nothing, {"because": "suspicion"}),
        )
        assert (there.status_code, there.json()["code"]) == (not_there.status_code, not_there.json()["code"])
        assert there.status_code == 403
    narrow = await asked(
        desk, "anna", f"/bindings/{bound.binding_id}/revoke", {"because": "suspicion"}, scopes="cases:work"
    )
    assert narrow.status_code == 404, "who may not see cases ends none"


async def test_said_twice_it_changes_nothing_more(desk: Desk, bank: Bank) -> None:
    _, bound = await hers(desk)
    first = await ended(desk, bound)
    again = await ended(desk, bound)
    assert first.json() == again.json()
    assert len(await bank.leaves("binding.revoked")) == 1
    assert await bank.leaves("binding.frozen") == []


async def test_a_repeated_key_gets_the_first_answer_and_not_for_who_has_lost_the_case(desk: Desk, bank: Bank) -> None:
    slug, bound = await hers(desk)
    first = await ended(desk, bound, key="k")
    bank.clock.pass_by(minutes=5)
    again = await ended(desk, bound, key="k")
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert (await ended(desk, bound, "suspicion", key="k")).json()["code"] == "idempotency_key_reused"
    sara = Staff(desk.ids["sara"], uuid4(), Role.SUPERVISOR, "Sara", "Sara")
    case = await desk.case(slug)
    async with transaction(bank.services) as db:
        await cases.transfer(db, sara, case.id, desk.ids["luca"])
    assert (await ended(desk, bound, key="k")).status_code == 403


async def test_an_intruder_who_undoes_the_link_first_is_shut_out_by_the_bank_too(desk: Desk, bank: Bank) -> None:
    _, bound = await hers(desk)
    await revoking.revoke_own(bank.services, customer_of(bound))
    assert await state_of(bank, bound) == ("revoked", False)
    assert (await ended(desk, bound, "suspicion")).json()["state"] == "revoked"
    assert await state_of(bank, bound) == ("revoked", True)
    [leaf] = await bank.leaves("binding.frozen")
    assert leaf["data"]["because"] == "suspicion"


async def test_a_days_old_freeze_that_is_over_starts_anew_at_the_banks_word(desk: Desk, bank: Bank) -> None:
    _, bound = await hers(desk)
    await ended(desk, bound)
    bank.clock.pass_by(hours=25)
    assert await state_of(bank, bound) == ("revoked", False)
    await ended(desk, bound)
    assert await state_of(bank, bound) == ("revoked", True)


@pytest.mark.parametrize("by_number", [False, True])
async def test_who_is_half_way_in_with_the_stolen_telephone_does_not_get_in_after_the_call(
    desk: Desk, bank: Bank, by_number: bool
) -> None:
    """Neither by the same account, nor by one of his own, nor by what he begins a second later."""
    slug, bound = await hers(desk)
    own = await bank.complaint("mallory")
    bank.clock.pass_by(minutes=2)
    same, other = await half_way(bank, slug), await half_way(bank, own, "mallory")
    bank.clock.pass_by(minutes=2)
    late = await bank.visit(own)
    await late.sign_in("mallory")
    await late.ask_code(GIULIAS)
    code = last_code(bank)
    assert (await (all_ended(desk) if by_number else ended(desk, bound, "suspicion"))).status_code == 200
    await late.type_code(code)
    bank.clock.pass_by(seconds=1)
    for visitor in (same, other, late):
        with pytest.raises(NotFinishedHere):
            await visitor.confirm()
    assert await bank.reasons() == ["frozen", "customer_frozen", "customer_frozen"]
    assert [one.state for one in await bank.bindings()] == ["revoked"]
    await bank.work()
    for method in ("sms", "email"):
        new = await bank.visit(own)
        await new.sign_in("mallory")
        sent = len(bank.phone.sms) + len(bank.phone.mails)
        bank.clock.pass_by(minutes=10)
        await new.ask_code(GIULIAS, method)
        assert (await bank.withheld())[-1] == "customer_frozen"
        assert len(bank.phone.sms) + len(bank.phone.mails) == sent
    with pytest.raises(NotFinishedHere):
        await bound_by_identity(bank, "mallory", slug=own)


async def test_after_the_freeze_the_customer_comes_back(desk: Desk, bank: Bank) -> None:
    slug, bound = await hers(desk)
    await ended(desk, bound, "suspicion")
    bank.clock.pass_by(hours=23, minutes=59)
    with pytest.raises(NotFinishedHere):
        await bound_by_identity(bank, slug=slug)
    bank.clock.pass_by(minutes=2)
    again = await bound_by_identity(bank, slug=slug)
    assert again.binding_id == bound.binding_id
    assert await state_of(bank, again) == ("active", False)


async def test_a_wish_shuts_this_pair_only(desk: Desk, bank: Bank) -> None:
    slug, bound = await hers(desk)
    other = await bound_by_identity(bank, "giulia.due")
    await ended(desk, bound, "customer_asked")
    assert await bank.all(CustomerFreeze) == []
    assert await is_inside(bank, other)
    with pytest.raises(NotFinishedHere):
        await bound_by_identity(bank, slug=slug)
    await bound_by_identity(bank, "giulia.tre")


async def test_suspicion_of_one_link_leaves_the_customers_other_rooms_as_they_are(desk: Desk, bank: Bank) -> None:
    """They are other cases, of other agents; a supervisor ends them by the customer number."""
    _, bound = await hers(desk)
    other = await bound_by_identity(bank, "giulia.due")
    await ended(desk, bound, "suspicion")
    assert await is_inside(bank, other)
    assert (await all_ended(desk)).json() == {"revoked": 1}
    assert not await is_inside(bank, other)


@pytest.mark.parametrize("because", ["customer_asked", "suspicion"])
async def test_by_customer_number_every_link_of_the_customer_ends_and_nobody_elses(
    desk: Desk, bank: Bank, because: str
) -> None:
    _, bound = await hers(desk)
    second = await bound_by_sms(bank, "giulia.due")
    foreign = await bound_by_sms(bank, "marco", MARCOS)
    answer = await all_ended(desk, because=because)
    assert (answer.status_code, answer.json()) == (200, {"revoked": 2})
    assert [await is_inside(bank, one) for one in (bound, second, foreign)] == [False, False, True]
    [leaf] = await bank.leaves("customer.frozen")
    assert (leaf["data"]["ended"], leaf["data"]["because"]) == (2, because)
    assert (await all_ended(desk)).json() == {"revoked": 0}
    with pytest.raises(NotFinishedHere):
        await bound_by_identity(bank, "giulia.tre")
    await bound_by_identity(bank, "marco.due", MARCOS)


async def test_a_number_is_understood_as_the_directory_spells_it_and_while_it_is_silent_as_typed(
    desk: Desk, bank: Bank
) -> None:
    bound = await bound_by_identity(bank)
    assert (await all_ended(desk, " c 1001")).json() == {"revoked": 1}
    assert not await is_inside(bank, bound)
    marco = await bound_by_identity(bank, "marco", MARCOS)
    bank.directory.down = True
    assert (await all_ended(desk, "c-1002 ")).json() == {"revoked": 1}
    assert not await is_inside(bank, marco)


async def test_only_a_supervisor_ends_links_by_number(desk: Desk, bank: Bank) -> None:
    bound = await bound_by_identity(bank)
    for login in ("anna", "luca", "paolo", "ada"):
        before = len(bank.directory.asked)
        assert (await all_ended(desk, login=login)).status_code == 403
        assert len(bank.directory.asked) == before, "nobody else learns how long the directory takes"
    body = {"customer_number": GIULIAS, "because": "suspicion"}
    narrow = await asked(desk, "sara", "/revocations", body, scopes="cases:read cases:work rooms:read_any")
    assert (narrow.status_code, narrow.json()["code"]) == (403, "insufficient_scope")
    assert await is_inside(bank, bound)


NUMBER, WHY = {"customer_number": GIULIAS}, {"because": "suspicion"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        NUMBER,
        WHY,
        NUMBER | {"because": ""},
        NUMBER | {"because": "by_bank"},
        NUMBER | {"because": None},
        WHY | {"customer_number": ""},
        WHY | {"customer_number": "   "},
        WHY | {"customer_number": 1001},
        WHY | {"customer_number": "C" * 101},
        WHY | {"customer_number": "C-1001\u202e"},
        WHY | NUMBER | {"binding": str(uuid4())},
    ],
)
async def test_a_body_that_makes_no_sense_ends_nothing(desk: Desk, bank: Bank, body: dict[str, Any]) -> None:
    _, bound = await hers(desk)
    assert (await asked(desk, "sara", "/revocations", body)).status_code == 422
    reason = {name: value for name, value in body.items() if name == "because"}
    if reason != WHY:
        assert (await asked(desk, "sara", f"/bindings/{bound.binding_id}/revoke", reason)).status_code == 422
    assert await state_of(bank, bound) == ("active", False)
    assert await bank.all(CustomerFreeze) == []


async def test_of_the_banks_word_and_a_confirmation_at_the_same_moment_the_word_stands(desk: Desk, bank: Bank) -> None:
    """Whichever comes first: afterwards nothing holds and nobody is inside."""
    slug, bound = await hers(desk)
    own = await bank.complaint("mallory")
    sara = Staff(desk.ids["sara"], uuid4(), Role.SUPERVISOR, "Sara", "Sara")
    acts: list[Callable[[Any], Any]] = [
        lambda db: ending.end_link(db, sara, bound.binding_id, "suspicion"),
        lambda db: ending.end_links_of(db, sara, GIULIAS, "suspicion"),
    ]
    for turn in range(6):
        bank.clock.pass_by(hours=25)
        visitors = [await half_way(bank, slug), await half_way(bank, own, "mallory")]
        inside: list[Bound] = []

        async def enter(visitor: Visitor, inside: list[Bound] = inside) -> None:
            with suppress(RiserboError):
                inside.append(await visitor.confirm())

        async def say(act: Callable[[Any], Any], pause: float) -> None:
            await asyncio.sleep(pause)
            async with transaction(bank.services) as db:
                await act(db)

        by_number = turn % 2
        late = [say(acts[by_number], 0.004 * turn)]
        await asyncio.gather(*(enter(one) for one in visitors[: 1 + by_number]), *late)
        assert not [one for one in inside if await is_inside(bank, one)], turn
        assert {one.state for one in await bank.bindings()} == {"revoked"}, turn


async def test_the_customer_is_told_by_mail_before_the_telephone_and_finds_no_address_in_it(
    desk: Desk, bank: Bank
) -> None:
    _, bound = await hers(desk)
    texted = len(bank.phone.sms)
    await ended(desk, bound, "suspicion")
    await bank.work()
    to, subject, text = bank.phone.mails[-1]
    assert (to, len(bank.phone.sms)) == ("giulia@posta.example", texted)
    assert subject == "Banca Esempio: Un collegamento è stato chiuso"
    assert "giulia di Square" in text
    assert "telefona alla banca" in text
    assert bank.ports.host not in text + subject
    assert "/" not in text.replace("21/11/2026", "")
    assert GIULIAS not in text + subject
    told = len(bank.phone.mails)
    await ended(desk, bound, "suspicion")
    await bank.work()
    assert len(bank.phone.mails) == told, "what has ended already is told once"


async def test_everything_enrolled_in_an_ended_link_is_dead(desk: Desk, bank: Bank) -> None:
    _, bound = await hers(desk)
    async with transaction(bank.services) as db:
        assert await revoking.end_by_bank(db, bound.binding_id, because="customer_asked", actor=SYSTEM)
        assert not await revoking.end_by_bank(db, bound.binding_id, because="customer_asked", actor=SYSTEM)
    assert not await is_inside(bank, bound)
