"""The signer signs a log that it has itself seen grow, and nothing else."""

from __future__ import annotations

import json
import shutil
import stat

import pytest
from sqlalchemy import func, select

from app.audit import queries
from app.audit.models import LogHead, SignedCheckpoint
from app.audit.sequencer import beat, sequence
from app.audit.signer import Signer, SignerRefused
from app.database import reading
from security.merkle import EMPTY_ROOT, Frontier
from security.notes import Checkpoint, VerifyingKey, open_note
from tests.support.house import ORIGIN, House
from tests.support.tampering import tampered


async def grown(house: House, leaves: int = 3) -> None:
    for _ in range(leaves):
        await beat(house.services)
    await house.log_round()


async def count(house: House) -> int:
    async with reading(house.services) as db:
        return (await db.execute(select(func.count()).select_from(SignedCheckpoint))).scalar_one()


async def rewritten(house: House, cut_to: int) -> None:
    """The owner of the database keeps the first leaves, and makes a head that follows from them."""
    frontier = Frontier()
    async with reading(house.services) as db:
        for one in await queries.leaf_hashes(db, cut_to):
            frontier.append(one)
    await tampered(
        house,
        f"DELETE FROM audit_sequence WHERE leaf_index >= {cut_to}",
        "DELETE FROM audit_checkpoints",
        "UPDATE audit_log SET size = :size, frontier = :frontier, root = :root",
        size=frontier.size,
        frontier=frontier.dump(),
        root=frontier.root(),
    )


async def test_a_checkpoint_names_origin_size_and_root_under_the_logs_key(house: House) -> None:
    await grown(house)
    [signed] = await house.all(SignedCheckpoint)
    checkpoint = Checkpoint.parse(open_note(signed.note, [VerifyingKey.parse(house.signer.vkey())]))
    [head] = await house.all(LogHead)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, head.size, head.root)
    assert (signed.size, signed.root) == (head.size, head.root)


async def test_a_log_that_has_not_grown_is_not_signed_again(house: House) -> None:
    await grown(house)
    assert await house.signer.sign(house.services) is None
    assert await count(house) == 1
    await grown(house)
    assert await count(house) == 2


async def test_an_empty_log_is_not_signed(house: House) -> None:
    assert await house.signer.sign(house.services) is None
    assert await count(house) == 0


async def test_a_log_cut_back_is_refused(house: House) -> None:
    await grown(house)
    await rewritten(house, cut_to=2)
    with pytest.raises(SignerRefused, match="were signed"):
        await house.signer.sign(house.services)
    assert await count(house) == 0


async def test_a_log_cut_back_and_grown_again_is_refused(house: House) -> None:
    await grown(house, 5)
    await rewritten(house, cut_to=2)
    for _ in range(15):
        await beat(house.services)
    await tampered(house, "DELETE FROM audit_pending WHERE stage_no IN (SELECT min(stage_no) FROM audit_pending)")
    await sequence(house.services)
    with pytest.raises(SignerRefused, match="does not follow"):
        await house.signer.sign(house.services)
    assert await count(house) == 0


async def test_a_log_whose_head_was_taken_away_is_refused(house: House) -> None:
    await grown(house)
    await tampered(house, "DELETE FROM audit_log")
    with pytest.raises(SignerRefused, match="no log"):
        await house.signer.sign(house.services)


async def test_a_head_that_does_not_follow_from_its_leaves_is_refused(house: House) -> None:
    await grown(house)
    await beat(house.services)
    await sequence(house.services)
    await tampered(house, "UPDATE audit_log SET root = :root", root=EMPTY_ROOT)
    with pytest.raises(SignerRefused, match="does not follow"):
        await house.signer.sign(house.services)


async def test_a_leaf_exchanged_in_the_signed_part_is_refused_with_the_next_growth(house: House) -> None:
    await grown(house)
    await rewritten(house, cut_to=1)
    await tampered(
        house,
        "UPDATE audit_sequence SET leaf_hash = :hash WHERE leaf_index = 0",
        hash=bytes(32),
    )
    with pytest.raises(SignerRefused):
        await house.signer.sign(house.services)


async def test_the_memory_is_durable_and_goes_on_after_a_restart(house: House) -> None:
    await grown(house)
    memory = house.folder / "signer.json"
    document = json.loads(memory.read_text())
    assert document["size"] == (await house.all(LogHead))[0].size
    again = Signer(house.signer._key, memory)
    await beat(house.services)
    await sequence(house.services)
    signed = await again.sign(house.services)
    assert signed is not None
    assert json.loads(memory.read_text())["size"] == signed.size
    assert not (stat.S_IMODE(memory.stat().st_mode) & 0o022)


async def test_a_memory_from_yesterday_still_signs_only_an_extension(house: House) -> None:
    await grown(house)
    memory, old = house.folder / "signer.json", house.folder / "old.json"
    shutil.copyfile(memory, old)
    await grown(house)
    again = Signer(house.signer._key, old)
    assert await again.sign(house.services) is None
    await rewritten(house, cut_to=1)
    with pytest.raises(SignerRefused):
        await again.sign(house.services)
