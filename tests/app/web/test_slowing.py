"""A network that writes too fast waits, then is told for how long; reading and other networks go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from app.web.slowing import LONGEST_PAUSE, SlowDown


class Door:
    """The middleware over an application that says yes, at a clock that the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, tzinfo=UTC)
        self.app = SlowDown(self._yes, clock=lambda: self.now, per_minute=60)

    async def _yes(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, method: str = "POST", client: str = "203.0.113.9") -> tuple[int, dict[bytes, bytes]]:
        answers: list[Message] = []

        async def send(message: Message) -> None:
            answers.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": "/",
            "client": (client, 1),
            "headers": [],
            "state": {},
        }
        await self.app(scope, None, send)  # type: ignore[arg-type]
        return answers[0]["status"], dict(answers[0]["headers"])


async def test_a_burst_is_let_through_and_a_minute_later_again() -> None:
    door = Door()
    for _ in range(2):
        assert [(await door.ask())[0] for _ in range(60)] == [200] * 60
        assert door.app._limit.wait_needed("203.0.113.0/24", door.now) > 0
        door.now += timedelta(seconds=61)


async def test_beyond_the_longest_pause_the_answer_is_429_with_the_seconds() -> None:
    door = Door()
    for _ in range(60):
        await door.ask()
    waits = [door.app._limit.wait_needed("203.0.113.0/24", door.now)]
    assert waits[0] > 0
    door.app._limit._full_at["203.0.113.0/24"] = door.now.timestamp() + 60 + LONGEST_PAUSE + 5
    status, headers = await door.ask()
    assert status == 429
    assert int(headers[b"retry-after"]) >= LONGEST_PAUSE


async def test_reading_and_other_networks_are_untouched() -> None:
    door = Door()
    door.app._limit._full_at["203.0.113.0/24"] = door.now.timestamp() + 3600
    assert (await door.ask())[0] == 429
    assert (await door.ask(client="203.0.113.200"))[0] == 429
    assert (await door.ask(method="GET"))[0] == 200
    assert (await door.ask(client="198.51.100.1"))[0] == 200
