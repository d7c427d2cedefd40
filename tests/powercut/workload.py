"""What the power fails under: rooms, messages of both sides, refusals, repetitions, the log's rounds, new data keys.

Run by the suite as a child process, under the recorder. What it was promised, it tells: one line each in a file that
the recorder sees too, so that a crash point knows what had been promised before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.pool import Pool

from app.audit.sequencer import sequence
from app.conversations.errors import NeverHere
from app.permissions import Level
from tests.support.house import House, Room, blueprint, open_house

WRITERS: Final = 6
ROOM_EVERY: Final = 40
LOG_ROUND_EVERY: Final = 12
CARD: Final = "La mia carta è 4111 1111 1111 1111"


class Work:
    """One run, and the file in which it tells what it was promised."""

    def __init__(self, house: House, messages: int, chance: random.Random, told: Path) -> None:
        self.house = house
        self.left = messages
        self.chance = chance
        self.rooms: list[Room] = []
        self._log = asyncio.Lock()
        self._told = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def tell(self, kind: str, **fact: Any) -> None:
        """One write: half a promise is none."""
        os.write(self._told, json.dumps({"kind": kind, **fact}, default=str).encode())

    async def run(self) -> None:
        await self.open_room()
        async with asyncio.TaskGroup() as group:
            for number in range(WRITERS):
                group.create_task(self.write(f"w{number}"))

    async def write(self, name: str) -> None:
        count = 0
        while self.left > 0:
            self.left -= 1
            count += 1
            if self.left % ROOM_EVERY == 0:
                await self.open_room()
            if self.left % LOG_ROUND_EVERY == 0:
                await self.log_round()
            await self.post(f"{name}-{count}")

    async def open_room(self) -> None:
        room = await self.house.room(self.chance.choice([Level.L2, Level.L3, Level.L4]))
        self.rooms.append(room)
        self.tell("room", id=str(room.id), customer=asdict(room.customer))
        loose = await self.house.services.vault.create_key("case")
        self.tell("key", id=str(loose.id))

    async def log_round(self) -> None:
        """As the worker has it: one at a time."""
        async with self._log:
            while await sequence(self.house.services):
                pass
            signed = await self.house.signer.sign(self.house.services)
        if signed is not None:
            self.tell("checkpoint", size=signed.size, root=signed.root.hex())

    async def post(self, key: str) -> None:
        room = self.chance.choice(self.rooms)
        text = f"{key}: " + "Ho un addebito doppio. " * self.chance.randrange(1, 40)
        self.house.clock.pass_by(milliseconds=self.chance.randrange(5))
        side = self.house.say if self.chance.random() < 0.5 else self.house.answer
        if self.chance.random() < 0.04:
            try:
                await self.house.say(room, CARD)
            except NeverHere:
                self.tell("refused")
        self.tell("asked", key=key, room=str(room.id), side=side.__name__, text=text)
        posted = await side(room, text, key=key)
        repeated = await side(room, text, key=key) if self.chance.random() < 0.1 else posted
        if repeated != posted:
            sys.exit("a repetition was answered otherwise")
        fact = {"key": key, "id": str(posted.message_id), "room": str(room.id), "n": posted.n, "state": posted.state}
        self.tell("message", text=text, **fact)


def weaken(synchronous: str, autocheckpoint: int) -> None:
    """Checkpoint often, so that the record has many; and sync less than the service asks, for the suite's own proof."""

    def prepare(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute(f"PRAGMA wal_autocheckpoint={autocheckpoint}")
        if synchronous != "as it is":
            connection.execute(f"PRAGMA synchronous={synchronous}")

    event.listen(Pool, "checkout", prepare)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--synchronous", default="as it is")
    parser.add_argument("--messages", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    folder: Path = wanted.folder
    weaken(wanted.synchronous, autocheckpoint=80)
    plan = await blueprint("sqlite", folder / "blueprint", None)
    disk = folder / "disk" / "bank"
    async with open_house(plan, disk, None) as house:
        # the bank is there, safely, before the first act
        for path in [*disk.iterdir(), disk, disk.parent]:
            sync(path)
        work = Work(house, wanted.messages, random.Random(wanted.seed), folder / "disk" / "outside" / "told")
        work.tell("begun", staff=asdict(house.anna))
        await work.run()
        # no goodbye: closing the databases would tidy up what the power cut should find
        sys.stdout.flush()
        os._exit(0)


def sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    os.fsync(number)
    os.close(number)


if __name__ == "__main__":
    asyncio.run(main())
