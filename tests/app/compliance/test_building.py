"""Exports of a real bank, verified by the one-file verifier in a process of its own, as an auditor does it."""

from __future__ import annotations

import asyncio
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from app.binding.confirming import Bound
from app.cases import service as cases
from app.cases.rules import Outcome
from app.compliance import building, rules
from app.conversations import service as rooms
from app.conversations import sweeping as room_sweeps
from app.conversations.models import Conversation
from app.conversations.queries import Window
from app.conversations.reading import read_as_staff
from app.conversations.rules import HELD_FOR
from app.database import transaction
from app.permissions import DataClass
from tests.app.binding.bank import bound_by_identity, bound_by_sms
from tests.app.compliance.archive import POST, Archive, complained_and_bound, verify

CUSTOMER = "Buongiorno, il canarino-uno dice che il bollo è doppio."
AGENT = "Abbiamo trovato il canarino-due e lo stiamo correggendo."
HELD = "Questo canarino-tre resta in attesa di un livello più alto."
ELSEWHERE = "Il canarino-quattro appartiene a un'altra stanza."
NOTE = "Il canarino-cinque è una nota interna."


def content(bag: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bag) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def rows(bag: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content(bag)[name].splitlines()]


async def begin(archive: Archive) -> None:
    """Build as far as the export's own leaf: nobody signs the log meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "LOOKS", 1)
        with pytest.raises(building.CheckpointPending):
            await building.build_export(archive.services, archive.ports, await archive.work())


async def test_a_room_and_the_whole_log_are_exported_and_verify_offline(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    await archive.talk(bound, CUSTOMER, AGENT, data_class=DataClass.ACCOUNT)
    await archive.answer(bound, HELD, DataClass.IDENTITY)
    await archive.log_round()
    trust = await archive.trust()
    room, whole = await archive.exported(bound), await archive.exported()
    assert verify(room, trust)["problems"] == []
    assert verify(whole, trust)["problems"] == []
    read = content(room)["data/transcript.txt"].decode()
    assert all(text in read for text in (CUSTOMER, AGENT, HELD, POST))
    assert [row["n"] is None for row in rows(room, "data/messages.jsonl")] == [False, False, True]
    assert {row["t"] for row in rows(room, "data/thread.jsonl")} == {"post.received", "reply.registered"}
    everything = b"".join(content(whole).values())
    assert not any(text.encode() in everything for text in (CUSTOMER, AGENT, HELD, POST))


async def test_a_rooms_bag_names_every_stream_of_the_room_and_no_other(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    other = await bound_by_sms(archive.bank, "marco", "C-1002")
    for read in (bound, other):
        await read_as_staff(archive.services, archive.supervisor, read.conversation_id, Window(limit=10))
    async with transaction(archive.services) as db:
        case_id = (await db.get_one(Conversation, bound.conversation_id)).case_id
    (attempt,) = [leaf["data"]["attempt"] for leaf in await archive.bank.leaves("binding.created")][:1]
    bag = await archive.exported(bound)
    room = f"room:{bound.conversation_id}"
    own = [f"attempt:{attempt}", f"binding:{bound.binding_id}", f"case:{case_id}", room, f"{room}:access"]
    assert [stream for stream, _, _ in json.loads(content(bag)["data/scope.json"])["streams"]] == own


async def test_a_room_that_was_closed_and_entered_again_is_whole(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    async with transaction(archive.services) as db:
        first = (await db.get_one(Conversation, bound.conversation_id)).case_id
        await cases.close(db, archive.agent, first, Outcome.RESOLVED)
        await rooms.close_rooms_of_case(db, archive.agent, first)
    await bound_by_identity(archive.bank)
    await archive.log_round()
    trust = await archive.trust()
    bag = await archive.exported(bound)
    assert verify(bag, trust)["problems"] == []
    assert len(rows(bag, "data/thread.jsonl")) == 3


async def test_another_rooms_texts_and_internal_notes_are_not_in_a_rooms_bag(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    same_handle = await bound_by_identity(archive.bank, "giulia", "C-1002")
    stranger = await bound_by_identity(archive.bank, "marco", "C-1003")
    await archive.talk(bound, CUSTOMER)
    await archive.talk(same_handle, ELSEWHERE, ELSEWHERE)
    await archive.talk(stranger, ELSEWHERE)
    async with transaction(archive.services) as db:
        case_id = (await db.get_one(Conversation, bound.conversation_id)).case_id
        await cases.add_note(db, archive.agent, case_id, NOTE)
    await archive.log_round()
    trust = await archive.trust()
    bag = await archive.exported(bound)
    assert verify(bag, trust)["problems"] == []
    everything = b"".join(content(bag).values()).decode()
    assert CUSTOMER in everything
    assert "canarino-quattro" not in everything
    assert "canarino-cinque" not in everything


async def test_what_is_written_after_the_heads_were_named_is_left_out(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    await archive.talk(bound, CUSTOMER)
    await archive.log_round()
    trust, export = await archive.trust(), await archive.ask(bound)
    await begin(archive)
    await archive.answer(bound, AGENT, DataClass.ACCOUNT)
    archive.bank.clock.pass_by(seconds=61)
    await archive.log_round()
    await archive.build(await archive.work())
    bag = await archive.fetch(export.id)
    assert verify(bag, trust)["problems"] == []
    assert [row["text"] for row in rows(bag, "data/messages.jsonl")] == [CUSTOMER]
    assert verify(await archive.exported(), trust)["problems"] == []


async def test_an_expired_answer_is_withheld_and_one_that_expires_too_late_is_shown(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    await archive.answer(bound, HELD, DataClass.IDENTITY)
    trust, early = await archive.trust(), await archive.ask(bound)
    await begin(archive)
    archive.bank.clock.now += HELD_FOR
    assert await room_sweeps.expire(archive.services) == 1
    await archive.log_round()
    await archive.build(await archive.work())
    shown = await archive.fetch(early.id)
    withheld = await archive.exported(bound)
    assert [row["text"] for row in rows(shown, "data/messages.jsonl")] == [HELD]
    assert [row["text"] for row in rows(withheld, "data/messages.jsonl")] == [None]
    assert verify(shown, trust)["problems"] == []
    assert verify(withheld, trust)["problems"] == []


async def test_a_later_export_continues_what_an_earlier_one_proved_and_a_cut_tail_fails(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    await archive.talk(bound, CUSTOMER)
    first = await archive.exported(bound)
    seen = await archive.trust("seen.json")
    await archive.talk(bound, CUSTOMER, AGENT, data_class=DataClass.ACCOUNT)
    second, whole = await archive.exported(bound), await archive.exported()
    assert verify(second, seen)["problems"] == []
    assert verify(whole, seen)["problems"] == []
    report = verify(first, await archive.trust("newest.json"))
    assert report["ok"] is False
    assert next(check["name"] for check in report["checks"] if not check["ok"]) == "checkpoint"


async def test_a_log_with_more_streams_than_a_leaf_can_name_is_exported_all_the_same(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MOST_STREAMS", 3)
    monkeypatch.setattr("app.compliance.queries.PAGE", 4)
    await complained_and_bound(archive)
    await archive.log_round()
    trust = await archive.trust()
    bag = await archive.exported()
    assert verify(bag, trust)["problems"] == []
    assert [stream for stream, _, _ in json.loads(content(bag)["data/scope.json"])["streams"]] == ["log"]


async def test_exports_hold_while_rooms_go_on_talking(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    other = await bound_by_identity(archive.bank, "marco", "C-1002")
    await archive.log_round()
    trust = await archive.trust()

    async def chatter(room: Bound, words: str) -> None:
        for number in range(12):
            await archive.talk(room, f"{words} {number}", f"{words} {number}")

    async def exports() -> list[Path]:
        return [await archive.exported(bound), await archive.exported(), await archive.exported(bound)]

    _, _, bags = await asyncio.gather(chatter(bound, CUSTOMER), chatter(other, ELSEWHERE), exports())
    assert [verify(bag, trust)["problems"] for bag in bags] == [[], [], []]
