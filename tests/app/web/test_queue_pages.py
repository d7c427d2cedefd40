"""The queue over HTTP: clocks, filters, pages, and how many queries it takes."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from app.conversations.posting import post_message
from tests.app.binding.bank import bound_by_sms, customer_of
from tests.app.web.staff_desk import Desk, claimed, in_room


async def test_queue_shows_case_clocks_level_and_unread(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    queue = await window.see("/queue")
    assert f'href="/cases/{case.id}"' in queue
    assert "@giulia" in queue
    assert "un bollo addebitato due volte?" in queue
    assert "L2" in queue
    assert "1 unread" not in queue
    services = desk.bank.services
    await post_message(services, customer_of(bound), bound.conversation_id, "Ci siete?", client_key="k1")
    assert "1 unread" in await window.see("/queue")
    assert "Ci siete?" not in await window.see("/queue")
    await window.see(f"/cases/{case.id}")
    assert "1 unread" not in await window.see("/queue")


async def test_queue_filters_by_status_owner_and_network(desk: Desk) -> None:
    window, mine = await claimed(desk)
    other = await desk.case(await desk.bank.complaint("marco"))

    async def shown(query: str) -> set[str]:
        html = await window.see(f"/queue?{query}")
        return {name for name, case in (("mine", mine), ("other", other)) if f"/cases/{case.id}" in html}

    assert await shown("") == {"mine", "other"}
    assert await shown("assigned=me") == {"mine"}
    assert await shown("assigned=nobody") == {"other"}
    assert await shown("status=open") == {"other"}
    assert await shown("status=claimed") == {"mine"}
    assert await shown("status=closed") == set()
    assert await shown("network=square") == {"mine", "other"}
    assert await shown("status=nonsense&assigned=nonsense&network=nonsense") == {"mine", "other"}
    await bound_by_sms(desk.bank, slug=mine.slug)
    assert await shown("status=in_room") == {"mine"}
    assert await shown("status=claimed") == set()
    await window.send(f"/cases/{mine.id}/close", outcome="resolved")
    assert await shown("status=closed") == {"mine"}
    assert await shown("") == {"other"}
    await desk.bank.complaint()
    assert await shown("status=reopened") == {"mine"}


async def test_clocks_run_show_and_stop(desk: Desk) -> None:
    slug = await desk.bank.complaint()
    window = await desk.signed_in("anna")
    assert "clock-running" in await window.see("/queue")
    desk.bank.clock.pass_by(minutes=50)
    window = await desk.signed_in("anna")
    assert "clock-soon" in await window.see("/queue")
    desk.bank.clock.pass_by(minutes=11)
    window = await desk.signed_in("anna")
    html = await window.see("/queue")
    assert "clock-late" in html
    assert re.search(r"<dt>Late</dt><dd>1</dd>", html)
    case = await desk.case(slug)
    await window.send(f"/cases/{case.id}/claim")
    await window.send(f"/cases/{case.id}/close", outcome="explained")
    closed = await window.see("/queue?status=closed")
    assert "clock-missed" in closed
    assert "clock-met" in closed
    assert re.search(r"<dt>Late</dt><dd>0</dd>", closed)


async def test_queue_is_paged_by_urgency_and_shows_each_case_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.queue_pages.PAGE", 2)
    slugs = []
    for number in range(5):
        slugs.append(await desk.bank.complaint(f"user{number}"))
        desk.bank.clock.pass_by(minutes=1)
    window = await desk.signed_in("anna")
    path, seen = "/queue?assigned=nobody", []
    for _ in range(4):
        html = await window.see(path)
        seen.append(re.findall(r'href="/cases/([0-9a-f-]{36})"', html))
        found = re.search(r'href="(/queue\?[^"]*after=[^"]*)"', html)
        if found is None:
            break
        path = found.group(1)
    assert [len(page) for page in seen] == [2, 2, 1]
    assert [UUID(one) for page in seen for one in page] == [(await desk.case(slug)).id for slug in slugs]
    await window.see("/queue?after=rubbish", 400)


async def test_queue_needs_the_same_number_of_queries_for_two_cases_as_for_twenty(desk: Desk) -> None:
    from sqlalchemy import event

    counted: list[str] = []
    engine = desk.bank.services.read_engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: counted.append(args[2]))
    window = await desk.signed_in("anna")

    async def queries() -> int:
        counted.clear()
        await window.see("/queue")
        return len(counted)

    for number in range(2):
        await desk.bank.complaint(f"user{number}")
    few = await queries()
    for number in range(2, 20):
        await desk.bank.complaint(f"user{number}")
    assert await queries() == few
