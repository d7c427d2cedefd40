"""Several signers of one log: those of one host take turns, those of several agree, and each refuses a fork."""

from __future__ import annotations

import asyncio
import fcntl
import os

import pytest
from sqlalchemy import func, select

from app.audit import queries
from app.audit.models import LogHead, SequencedLeaf, SignedCheckpoint
from app.audit.sequencer import beat, sequence
from app.audit.signer import Signer, SignerRefused
from app.database import reading
from security.merkle import Frontier
from tests.support.house import House
from tests.support.tampering import tampered


async def grown(house: House, leaves: int = 3) -> None:
    for _ in range(leaves):
        await beat(house.services)
    while await sequence(house.services):
        pass


def host(house: House, name: str) -> Signer:
    """A signer with a memory of its own."""
    return Signer(house.signer._key, house.folder / f"{name}.json")


async def count(house: House) -> int:
    async with reading(house.services) as db:
        return (await db.execute(select(func.count()).select_from(SignedCheckpoint))).scalar_one()


async def test_two_workers_of_one_host_sign_each_head_once_and_neither_fails(house: House) -> None:
    other = Signer(house.signer._key, house.signer._memory)
    for turn in range(1, 6):
        await grown(house)
        signed = await asyncio.gather(*(one.sign(house.services) for one in (house.signer, other) * 3))
        assert len([one for one in signed if one is not None]) == 1
        assert await count(house) == turn


async def test_a_signer_leaves_the_memory_alone_while_another_process_is_at_it(house: House) -> None:
    await grown(house)
    lock = os.open(house.signer._memory.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert await house.signer.sign(house.services) is None
        assert not house.signer._memory.exists()
    finally:
        os.close(lock)
    assert await house.signer.sign(house.services) is not None


async def test_two_hosts_make_the_same_checkpoint_and_the_first_is_kept(house: House) -> None:
    north, south = host(house, "north"), host(house, "south")
    for turn in range(1, 4):
        await grown(house)
        signed = await asyncio.gather(north.sign(house.services), south.sign(house.services))
        assert len([one for one in signed if one is not None]) == 1
        assert await count(house) == turn
        assert north._remembered().size == south._remembered().size


async def test_a_host_that_never_signed_remembers_and_refuses_a_log_that_was_cut_back(house: House) -> None:
    north, south = host(house, "north"), host(house, "south")
    await grown(house, 6)
    assert await north.sign(house.services) is not None
    assert await south.sign(house.services) is None
    await _cut_back(house, 3)
    for one in (north, south):
        with pytest.raises(SignerRefused):
            await one.sign(house.services)


async def test_a_host_without_memory_refuses_a_head_that_a_checkpoint_contradicts(house: House) -> None:
    await grown(house, 6)
    await house.signer.sign(house.services)
    async with reading(house.services) as db:
        size = (await db.get_one(LogHead, 1)).size
    await tampered(house, "UPDATE audit_checkpoints SET root = :root WHERE size = :size", root=bytes(32), size=size)
    with pytest.raises(SignerRefused, match="another log"):
        await host(house, "new").sign(house.services)


async def test_workers_that_sequence_at_once_place_every_leaf_once(house: House) -> None:
    for _ in range(4):
        await asyncio.gather(*(beat(house.services) for _ in range(10)), *(sequence(house.services) for _ in range(4)))
    while await sequence(house.services):
        pass
    async with reading(house.services) as db:
        places = list((await db.execute(select(SequencedLeaf.leaf_index).order_by(SequencedLeaf.leaf_index))).scalars())
        hashes = await queries.leaf_hashes(db, len(places))
        head = await db.get_one(LogHead, 1)
    assert places == list(range(head.size))
    frontier = Frontier()
    for one in hashes:
        frontier.append(one)
    assert frontier.root() == head.root


async def _cut_back(house: House, size: int) -> None:
    frontier = Frontier()
    async with reading(house.services) as db:
        for one in await queries.leaf_hashes(db, size):
            frontier.append(one)
    await tampered(
        house,
        f"DELETE FROM audit_sequence WHERE leaf_index >= {size}",
        f"DELETE FROM audit_checkpoints WHERE size > {size}",
        "UPDATE audit_log SET size = :size, frontier = :frontier, root = :root",
        size=frontier.size,
        frontier=frontier.dump(),
        root=frontier.root(),
    )
