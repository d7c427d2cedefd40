"""Good clients as a process of their own, so that an attacker's work in the test is not counted as theirs.

Agents and customers post and read at a modest rate; two strangers ask once in a while, one from the network that the
attackers use. Standard input holds the plan as one JSON line; the process ends when it is closed. One line a request:
time (monotonic), who, status, milliseconds, Retry-After or `-`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping
from itertools import count
from typing import Any, Final

from tests.support.wire_client import Answer, Line, Lost

ATTACKED: Final = "198.51.100.77"
CUSTOMERS: Final = 6
AGENTS: Final = 3
EVERY: Final = 0.3
PROBE_EVERY: Final = 0.2


class Crew:
    """All good clients of one plan."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._plan = plan
        self._keys = count()
        self._run = f"{time.monotonic_ns():x}"
        self._ended = asyncio.Event()

    async def work(self) -> None:
        """Until standard input ends."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._wait_for_end, args=(loop,), daemon=True).start()
        async with asyncio.TaskGroup() as group:
            for number in range(CUSTOMERS):
                group.create_task(self._customer(number))
            for number in range(AGENTS):
                group.create_task(self._agent(number))
            group.create_task(self._stranger("attacked", lambda: ATTACKED))
            group.create_task(self._stranger("elsewhere", lambda: f"203.{random.randrange(256)}.113.9"))

    def _wait_for_end(self, loop: asyncio.AbstractEventLoop) -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(self._ended.set)

    async def _turns(self, every: float) -> AsyncIterator[int]:
        for number in count():
            if self._ended.is_set():
                return
            yield number
            await asyncio.sleep(every * random.uniform(0.7, 1.3))

    def _line(self, door: str) -> Line:
        return Line(("127.0.0.1", self._plan[door]["port"]), self._plan[door]["host"])

    def _key(self) -> str:
        return f"{self._run}-{next(self._keys)}"

    async def _customer(self, number: int) -> None:
        line = self._line("public")
        rooms = self._plan["rooms"][number::CUSTOMERS]
        async for turn in self._turns(EVERY):
            headers = {
                "cookie": rooms[turn % len(rooms)]["cookie"],
                "origin": self._plan["origin"],
                "x-forwarded-for": ATTACKED,
                "content-type": "application/x-www-form-urlencoded",
                "accept": "application/json",
            }
            body = f"text=Buongiorno+{turn}&idempotency_key={self._key()}".encode()
            await self._timed("customer", line.post("/room/messages", headers, body))

    async def _agent(self, number: int) -> None:
        line = self._line("staff")
        rooms = self._plan["rooms"][number::AGENTS]
        async for turn in self._turns(EVERY):
            path = f"/api/v1/conversations/{rooms[turn % len(rooms)]['id']}/messages"
            headers = {"authorization": f"Bearer {self._plan['token']}", "x-forwarded-for": ATTACKED}
            if turn % 2:
                await self._timed("agent", line.get(path, headers))
            else:
                headers |= {"content-type": "application/json", "idempotency-key": self._key()}
                await self._timed("agent", line.post(path, headers, b'{"text": "Buongiorno"}'))

    async def _stranger(self, name: str, address: Any) -> None:
        async for _ in self._turns(PROBE_EVERY):
            line = self._line("public")
            answer = await self._timed(name, line.get("/verify", {"x-forwarded-for": address()}))
            line.close()
            if answer is not None and answer.status != 200:
                # this one waits as told
                await asyncio.sleep(float(answer.headers.get("retry-after", 0)))

    async def _timed(self, who: str, request: Any) -> Answer | None:
        begun = time.monotonic()
        answer: Answer | None = None
        with contextlib.suppress(Lost):
            answer = await request
        spent = (time.monotonic() - begun) * 1000
        status = answer.status if answer else 0
        again = answer.headers.get("retry-after", "-") if answer else "-"
        print(f"{begun:.4f} {who} {status} {spent:.2f} {again}", flush=True)
        return answer


if __name__ == "__main__":
    asyncio.run(Crew(json.loads(sys.stdin.readline())).work())
