"""The public reply over HTTP: what the guard shows, who lifts a block, and that it is sent once."""

from __future__ import annotations

import asyncio
import re
from uuid import uuid4

from app.guard.models import Finding
from app.handover.models import GuardBlock, Reply
from app.web.drafts import pieces_of
from app.web.staff_views import TextPiece
from tests.app.web.staff_desk import GOOD, LEAK, PUBLIC, Desk, claimed, hidden


async def test_blocked_reply_shows_its_places_and_leaves_nothing(desk: Desk) -> None:
    window, case = await claimed(desk)
    checked = await window.refused(f"/cases/{case.id}/replies", 200, text=LEAK, intent="check")
    assert re.search(r'<mark class="block">[^<]*IT60X0542811101000000123456', checked)
    assert await desk.bank.all(GuardBlock) == []
    for _ in range(2):
        html = await window.refused(
            f"/cases/{case.id}/replies", 422, text=LEAK, intent="publish", idempotency_key=str(uuid4())
        )
        assert "This reply would reveal something in public." in html
        assert re.search(r'<mark class="block">[^<]*IT60X0542811101000000123456', html)
        assert 'value="override"' not in html
    assert await desk.bank.all(Reply) == []
    assert len(await desk.bank.all(GuardBlock)) == 1
    assert len(await desk.events("reply.checked")) == 1


async def test_published_reply_stands_in_the_thread_as_genuine(desk: Desk) -> None:
    window, case = await claimed(desk)
    form = await window.see(f"/cases/{case.id}")
    assert f"{PUBLIC}/c/{case.slug}" in form
    key = hidden(form, "idempotency_key")
    answer = await window.send(f"/cases/{case.id}/replies", text=GOOD, intent="publish", idempotency_key=key)
    html = await window.see(answer.headers["location"])
    assert GOOD in html
    assert "on its way" in html
    assert f"@giulia {GOOD} — Anna\n{PUBLIC}/c/{case.slug}" in html
    assert [reply.state for reply in await desk.bank.all(Reply)] == ["registered"]


async def test_double_click_sends_once_and_another_text_under_the_same_key_is_refused(desk: Desk) -> None:
    window, case = await claimed(desk)
    reply = {"text": GOOD, "intent": "publish", "idempotency_key": "one-form"}
    await asyncio.gather(*(window.send(f"/cases/{case.id}/replies", **reply) for _ in range(2)))
    assert len(await desk.bank.all(Reply)) == 1
    await window.refused(f"/cases/{case.id}/replies", 422, **{**reply, "text": GOOD + " A presto."})
    await window.refused(f"/cases/{case.id}/replies", 422, **{**reply, "idempotency_key": ""})
    assert len(await desk.bank.all(Reply)) == 1


async def test_warning_is_published_only_once_seen_and_only_for_that_text(desk: Desk) -> None:
    window, case = await claimed(desk)
    path, warned = f"/cases/{case.id}/replies", "Buongiorno, il signor Federico Esposito le scriverà in privato."
    html = await window.refused(path, 422, text=warned, intent="publish", idempotency_key="k1")
    assert '<mark class="warn">' in html
    seen = hidden(html, "text_hash")
    key = hidden(html, "idempotency_key")
    other = {"text": warned + " Subito.", "intent": "publish", "idempotency_key": key}
    await window.refused(path, 422, **other, text_hash=seen, acknowledge="yes")
    await window.refused(path, 422, text=warned, intent="publish", idempotency_key=key, text_hash=seen)
    assert await desk.bank.all(Reply) == []
    await window.send(path, text=warned, intent="publish", idempotency_key=key, text_hash=seen, acknowledge="yes")
    assert len(await desk.bank.all(Reply)) == 1


async def test_block_is_lifted_by_a_supervisor_with_a_reason_and_never_by_its_author(desk: Desk) -> None:
    anna, case = await claimed(desk)
    path = f"/cases/{case.id}/replies"
    await anna.refused(path, 422, text=LEAK, intent="publish", idempotency_key="k1")
    block: GuardBlock = (await desk.bank.all(GuardBlock))[0]
    sara = await desk.signed_in("sara")
    html = await sara.see(f"/cases/{case.id}")
    lifted = {"intent": "override", "block": str(block.id), "text_hash": hidden(html, "text_hash")}
    reason = "La cliente l'ha pubblicato lei stessa"
    await anna.refused(path, 403, **lifted, override_reason=reason)
    await sara.refused(path, 422, **lifted, override_reason="perché sì")
    await sara.refused(path, 409, **{**lifted, "text_hash": "0" * 64}, override_reason=reason)
    await sara.refused(path, 409, **{**lifted, "block": str(uuid4())}, override_reason=reason)
    assert await desk.bank.all(Reply) == []
    await sara.send(path, **lifted, override_reason=reason)
    assert [reply.overridden_by for reply in await desk.bank.all(Reply)] == [desk.ids["sara"]]
    await sara.refused(path, 409, **lifted, override_reason=reason)
    assert len(await desk.events("reply.overridden")) == 1


async def test_supervisor_cannot_lift_a_block_of_their_own(desk: Desk) -> None:
    sara, case = await claimed(desk, "sara")
    await sara.refused(f"/cases/{case.id}/replies", 422, text=LEAK, intent="publish", idempotency_key="k1")
    html = await sara.see(f"/cases/{case.id}")
    assert 'value="override"' not in html
    block: GuardBlock = (await desk.bank.all(GuardBlock))[0]
    from app.guard.service import text_hash

    refused = await sara.refused(
        f"/cases/{case.id}/replies",
        403,
        intent="override",
        block=str(block.id),
        text_hash=text_hash(LEAK),
        override_reason="Mi fido di me stessa",
    )
    assert "Somebody else must decide this" in refused
    assert "Mi fido di me stessa" not in refused
    assert await desk.bank.all(Reply) == []


def test_marked_pieces_always_add_up_to_the_text() -> None:
    text = "sul tuo conto IT60 e la carta"

    def found(start: int, end: int) -> Finding:
        return Finding("iban", "block", start, end, "", "")

    for findings in (
        [],
        [found(0, 3)],
        [found(4, 7), found(8, 13)],
        [found(0, 13), found(8, 20)],
        [found(8, 20), found(0, 13)],
        [found(0, len(text)), found(4, 7)],
        [found(5, 5), found(24, 29)],
    ):
        pieces = pieces_of(text, findings)
        assert "".join(piece.text for piece in pieces) == text
        assert all(piece.text for piece in pieces)
        assert {piece.finding for piece in pieces} <= set(range(len(findings) + 1))
    assert pieces_of(text, [found(4, 7)]) == (
        TextPiece(text="sul "),
        TextPiece(text="tuo", finding=1),
        TextPiece(text=" conto IT60 e la carta"),
    )
