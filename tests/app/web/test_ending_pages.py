"""Ending links at the console: at the case by who works it, at the queue by a supervisor whom a customer phones."""

from __future__ import annotations

import pytest

from app.binding.models import Binding, CustomerFreeze
from tests.app.binding.bank import bound_by_identity
from tests.app.web.staff_desk import Desk, in_room

END = "End this link"
PHONES = "A customer phones"


async def test_who_works_the_case_ends_its_link_from_the_page_without_javascript(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    form = await window.see(f"/cases/{case.id}")
    path = f"/conversations/{bound.conversation_id}/revoke"
    assert f'<form method="post" action="{path}">' in form
    answer = await window.send(path, because="suspicion")
    assert answer.headers["location"] == f"/cases/{case.id}"
    html = await window.see(answer.headers["location"])
    assert "The link is ended." in html
    assert "or the bank ended it" in html
    assert END not in html
    binding: Binding = await desk.bank.one(Binding, bound.binding_id)
    assert binding.state == "revoked"
    [leaf] = await desk.events("binding.revoked")
    assert (leaf["data"]["because"], leaf["actor"]["id"]) == ("suspicion", str(desk.ids["anna"]))
    await window.send(path, because="suspicion")
    assert len(await desk.events("binding.revoked")) == 1


@pytest.mark.parametrize("because", ["", "by_bank", "expired"])
async def test_without_a_reason_the_page_comes_again_and_the_link_holds(desk: Desk, because: str) -> None:
    window, _, bound = await in_room(desk)
    html = await window.refused(f"/conversations/{bound.conversation_id}/revoke", 422, because=because)
    assert "Some of the values are not valid." in html
    assert END in html
    assert await desk.events("binding.revoked") == []


async def test_a_colleague_without_the_case_is_offered_nothing_and_refused_with_a_leaf(desk: Desk) -> None:
    _, case, bound = await in_room(desk)
    luca = await desk.signed_in("luca")
    assert END not in await luca.see(f"/cases/{case.id}")
    await luca.refused(f"/conversations/{bound.conversation_id}/revoke", 403, because="suspicion")
    [leaf] = await desk.events("room.refused")
    assert leaf["data"] == {"reason": "not_assigned", "act": "revoke"}
    assert await desk.events("binding.revoked") == []


async def test_a_supervisor_ends_all_links_of_a_customer_who_phones(desk: Desk) -> None:
    _, _, bound = await in_room(desk)
    other = await bound_by_identity_of_marco(desk)
    sara = await desk.signed_in("sara")
    assert PHONES in await sara.see("/queue")
    answer = await sara.send("/revocations", customer_number="C-1001", because="suspicion")
    assert answer.headers["location"] == "/queue"
    assert "All links of this customer are ended" in await sara.see(answer.headers["location"])
    states = {one.id: one.state for one in await desk.bank.bindings()}
    assert states == {bound.binding_id: "revoked", other: "active"}
    again = await sara.send("/revocations", customer_number="C-1001", because="customer_asked")
    assert "had no open link" in await sara.see(again.headers["location"])


async def bound_by_identity_of_marco(desk: Desk) -> object:
    return (await bound_by_identity(desk.bank, "marco", "C-1002")).binding_id


async def test_what_was_typed_wrongly_comes_again_with_the_number(desk: Desk) -> None:
    sara = await desk.signed_in("sara")
    html = await sara.refused("/revocations", 422, customer_number="C-1001", because="")
    assert 'value="C-1001"' in html
    assert '<details class="panel phones" open>' in html
    assert 'value="suspicion" selected' in await sara.refused(
        "/revocations", 422, customer_number=" ", because="suspicion"
    )
    await sara.refused("/revocations", 413, customer_number="C" * 101, because="suspicion")
    assert await desk.bank.all(CustomerFreeze) == []


async def test_nobody_but_a_supervisor_meets_the_form_for_callers(desk: Desk) -> None:
    for login in ("anna", "luca", "paolo", "ada"):
        window = await desk.signed_in(login)
        if login in ("anna", "luca"):
            assert PHONES not in await window.see("/queue")
        await window.refused("/revocations", 403, customer_number="C-1001", because="suspicion")
    assert await desk.bank.all(CustomerFreeze) == []
