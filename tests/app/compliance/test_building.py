"""Exports of a real bank, verified by the one-file verifier in a process of its own, as an auditor does it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from app.permissions import DataClass
from tests.app.binding.bank import bound_by_identity
from tests.app.compliance.archive import POST, Archive, complained_and_bound, verify

CUSTOMER = "Buongiorno, il canarino-uno dice che il bollo è doppio."
AGENT = "Abbiamo trovato il canarino-due e lo stiamo correggendo."
HELD = "Questo canarino-tre resta in attesa di un livello più alto."
ELSEWHERE = "Il canarino-quattro appartiene a un'altra stanza."


def content(bag: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bag) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


async def test_a_room_and_the_whole_log_are_exported_and_verify_offline(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    await archive.talk(bound, CUSTOMER, AGENT, data_class=DataClass.ACCOUNT)
    await archive.answer(bound, HELD, DataClass.IDENTITY)
    await archive.log_round()
    trust = await archive.trust()
    room = await archive.exported(bound)
    whole = await archive.exported()
    assert verify(room, trust)["problems"] == []
    assert verify(whole, trust)["problems"] == []
    texts = content(room)["data/transcript.txt"].decode()
    assert all(text in texts for text in (CUSTOMER, AGENT, HELD, POST))
    everything = b"".join(content(whole).values())
    assert not any(text.encode() in everything for text in (CUSTOMER, AGENT, HELD, POST))


async def test_another_rooms_texts_are_not_in_a_rooms_bag(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    same_handle = await bound_by_identity(archive.bank, "giulia", "C-1002")
    stranger = await bound_by_identity(archive.bank, "marco", "C-1003")
    await archive.talk(bound, CUSTOMER)
    await archive.talk(same_handle, ELSEWHERE, ELSEWHERE + " A")
    await archive.talk(stranger, ELSEWHERE + " B")
    await archive.log_round()
    trust = await archive.trust()
    bag = await archive.exported(bound)
    assert verify(bag, trust)["problems"] == []
    everything = b"".join(content(bag).values()).decode()
    assert CUSTOMER in everything
    assert "canarino-quattro" not in everything
