"""The receipt as the service makes it: this session's conversation, proved, and nothing of anybody else."""

from __future__ import annotations

import asyncio
import base64
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from app.binding import revoking, step_up
from app.binding.confirming import Bound
from app.compliance import receipts
from app.compliance.errors import EnoughReceipts, ReceiptPending
from app.compliance.receipts import RECEIPTS, make_receipt
from app.compliance.trust import public_trust
from app.conversations.errors import RoomLocked
from app.permissions import DataClass
from tests.app.binding.bank import bound_by_identity, bound_by_sms, customer_of, finish_kyc
from tests.app.binding.outside import STRONG
from tests.app.compliance.archive import Archive, verify

HERS, OURS = "Perché due volte il bollo?", "Il secondo è un errore: lo storniamo."
SECRET = "Questo aspetta un livello più alto."


async def taken(archive: Archive, bound: Bound, **changes: Any) -> Path:
    """The zip as it reaches the customer, while the log goes on as in the worker."""
    customer = customer_of(bound)
    making = asyncio.create_task(make_receipt(archive.services, archive.ports, customer))
    try:
        for _ in range(200):
            if making.done():
                break
            await archive.log_round()
            await asyncio.sleep(0.01)
        made = await making
    finally:
        making.cancel()
    target = archive.outside / made.filename
    target.write_bytes(made.content)
    return target


def trust_of(archive: Archive) -> Path:
    target = archive.outside / "public-trust.json"
    target.write_text(json.dumps(public_trust(archive.ports)))
    return target


def rows(bag: Path, name: str = "data/messages.jsonl") -> list[dict[str, Any]]:
    with zipfile.ZipFile(bag) as archive:
        top = archive.namelist()[0].split("/")[0]
        return [json.loads(line) for line in archive.read(f"{top}/{name}").splitlines()]


def everything(bag: Path) -> str:
    """All bytes of the bag with its leaves opened, but the checking program."""
    with zipfile.ZipFile(bag) as archive:
        whole = [archive.read(name) for name in archive.namelist() if not name.endswith("verify.py")]
    leaves = [base64.b64decode(row["leaf"]) for row in rows(bag, "data/leaves.jsonl")]
    return b"\n".join([*whole, *leaves]).decode()


async def test_a_customer_takes_a_receipt_that_anybody_can_check(archive: Archive) -> None:
    bound = await bound_by_identity(archive.bank)
    await archive.talk(bound, HERS, OURS)
    await archive.answer(bound, SECRET, DataClass.IDENTITY)
    bag = await taken(archive, bound)
    assert [row["text"] for row in rows(bag)] == [HERS, OURS]
    assert SECRET not in everything(bag)
    report = verify(bag, trust_of(archive))
    assert report["problems"] == []
    assert archive.folder() == []
    [leaf] = await archive.bank.leaves("receipt.created")
    assert (leaf["actor"]["k"], leaf["data"]["messages"], leaf["data"]["level"]) == ("customer", 2, 3)
    noted = [one for one in await archive.bank.leaves("room.read") if one["data"]["purpose"] == "receipt"]
    assert len(noted) == 1


async def test_nothing_of_another_room_of_staffs_reading_or_of_the_attempts_is_inside(archive: Archive) -> None:
    bound, other = await bound_by_identity(archive.bank), await bound_by_identity(archive.bank, "marco", "C-1002")
    await archive.talk(other, "Sono Marco.", "Buongiorno Marco.")
    await archive.talk(bound, HERS, OURS)
    bag = await taken(archive, bound)
    text = everything(bag)
    for foreign in ("Marco", str(other.conversation_id), str(other.binding_id), ":access", "attempt:", "case:"):
        assert foreign not in text, foreign
    assert archive.supervisor.display_name not in text
    kinds = {json.loads(base64.b64decode(row["leaf"]))["t"] for row in rows(bag, "data/leaves.jsonl")}
    assert kinds == {"message.sent", "receipt.created"}


async def test_at_level_two_a_receipt_holds_what_was_written_in_that_session(archive: Archive) -> None:
    slug = await archive.bank.complaint()
    first = await bound_by_sms(archive.bank, slug=slug)
    await archive.talk(first, HERS, OURS, data_class=DataClass.CASE)
    archive.bank.clock.pass_by(minutes=1)
    second = await bound_by_sms(archive.bank, slug=slug)
    await archive.talk(second, "Sono di nuovo io.")
    bag = await taken(archive, second)
    assert [row["text"] for row in rows(bag)] == ["Sono di nuovo io."]
    assert HERS not in everything(bag)
    assert verify(bag, trust_of(archive))["problems"] == []


async def test_an_answer_that_was_held_is_in_the_receipt_once_it_was_released(archive: Archive) -> None:
    bound = await bound_by_sms(archive.bank)
    await archive.answer(bound, SECRET, DataClass.ACCOUNT)
    assert rows(await taken(archive, bound)) == []
    leave = await step_up.begin_step_up(
        archive.services, archive.bank.ports, customer=customer_of(bound), provider="kyc"
    )
    done = await finish_kyc(archive.bank, bound.session_id, leave, f"C-1001 {STRONG}")
    assert done.session_token is not None
    raised = await archive.raised(bound, done.session_token)
    bag = await taken(archive, raised)
    assert [row["text"] for row in rows(bag)] == [SECRET]
    assert verify(bag, trust_of(archive))["problems"] == []


async def test_a_room_that_is_not_this_sessions_any_more_gives_no_receipt(archive: Archive) -> None:
    bound = await bound_by_identity(archive.bank)
    await revoking.revoke_own(archive.services, customer_of(bound))
    with pytest.raises(RoomLocked):
        await make_receipt(archive.services, archive.ports, customer_of(bound))
    assert await archive.bank.leaves("receipt.created") == []


async def test_receipts_are_few_an_hour(archive: Archive) -> None:
    bound = await bound_by_identity(archive.bank)
    for _ in range(RECEIPTS[0]):
        await taken(archive, bound)
    with pytest.raises(EnoughReceipts):
        await make_receipt(archive.services, archive.ports, customer_of(bound))


async def test_without_a_signed_head_the_customer_is_asked_to_wait(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "LOOKS", 2)
    bound = await bound_by_identity(archive.bank)
    with pytest.raises(ReceiptPending):
        await make_receipt(archive.services, archive.ports, customer_of(bound))
    assert archive.folder() == []
