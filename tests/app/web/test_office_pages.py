"""What the compliance officer and the administrator see and do in the console."""

from __future__ import annotations

import re
from uuid import uuid4

from app.web.export_pages import shown_size
from tests.app.web.staff_desk import Desk, in_room


async def test_officer_asks_for_an_export_and_everything_has_its_leaf(desk: Desk) -> None:
    _, _, bound = await in_room(desk)
    paolo = await desk.signed_in("paolo")
    answer = await paolo.send("/exports", scope="room", room=str(bound.conversation_id), reason="Reclamo 2026/118")
    assert answer.headers["location"] == "/exports"
    html = await paolo.see(answer.headers["location"])
    assert "Reclamo 2026/118" in html
    assert "The export is being built." in html
    assert "bank.example/log" in html
    requested = await desk.events("export.requested")
    assert requested[-1]["data"] == {"scope": "room", "of": str(bound.conversation_id)}
    export_id = requested[-1]["stream"].removeprefix("export:")
    await paolo.see(f"/exports/{export_id}/download", 409)


async def test_unclear_export_is_refused_and_what_was_typed_stays(desk: Desk) -> None:
    paolo = await desk.signed_in("paolo")
    for scope, room, reason, status in (
        ("log", "", "x", 422),
        ("nonsense", "", "Ispezione", 422),
        ("room", "", "Ispezione", 422),
        ("room", "rubbish", "Ispezione", 422),
        ("log", str(uuid4()), "Ispezione", 422),
        ("room", str(uuid4()), "Ispezione", 404),
    ):
        html = await paolo.refused("/exports", status, scope=scope, room=room, reason=reason)
        assert f'value="{reason}"' in html
        assert "rubbish" not in html
    assert await desk.events("export.requested") == []


async def test_rooms_to_export_are_named_by_reference_only(desk: Desk) -> None:
    _, _, bound = await in_room(desk)
    paolo = await desk.signed_in("paolo")
    html = await paolo.see("/exports")
    assert f'<option value="{bound.conversation_id}"' in html
    assert "Giulia" not in html
    assert "@giulia" not in html


async def test_officer_downloads_the_bag_and_its_leaf_is_there_first(desk: Desk) -> None:
    paolo = await desk.signed_in("paolo")
    await paolo.send("/exports", scope="log", room="", reason="Ispezione annuale")
    export_id = (await desk.events("export.requested"))[-1]["stream"].removeprefix("export:")
    await desk.build_export()
    html = await paolo.see("/exports")
    assert f'href="/exports/{export_id}/download"' in html
    assert re.search(r"\d+ kB", html)
    assert "in order" in html
    answer = await paolo.client.get(f"/exports/{export_id}/download")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.content[:2] == b"PK"
    assert [leaf["actor"]["id"] for leaf in await desk.events("export.downloaded")] == [str(desk.ids["paolo"])]


async def test_nobody_else_asks_for_or_fetches_an_export(desk: Desk) -> None:
    paolo = await desk.signed_in("paolo")
    await paolo.send("/exports", scope="log", room="", reason="Ispezione annuale")
    export_id = (await desk.events("export.requested"))[-1]["stream"].removeprefix("export:")
    for login in ("anna", "sara", "ada"):
        window = await desk.signed_in(login)
        await window.refused("/exports", 403, scope="log", room="", reason="Curiosità")
        await window.see(f"/exports/{export_id}/download", 404)
    assert len(await desk.events("export.refused")) == 6


async def test_administrator_sees_who_may_work_here(desk: Desk) -> None:
    await desk.signed_in("anna")
    ada = await desk.signed_in("ada")
    html = await ada.see("/agents")
    for login in ("anna", "luca", "sara", "paolo", "ada"):
        assert login in html
    assert html.count("never") >= 3


def test_size_is_shown_in_the_unit_that_fits() -> None:
    shown = {one: shown_size(one) for one in (0, 900, 48_200, 999_400, 1_200_000, 12_000_000, 3_400_000_000)}
    assert list(shown.values()) == ["0.0 kB", "0.9 kB", "48 kB", "999 kB", "1.2 MB", "12 MB", "3.4 GB"]
