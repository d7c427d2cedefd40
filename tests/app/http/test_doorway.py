"""Doorway: a few connections a turn, one at a time beside known clients, and patience where the system has no more."""

from __future__ import annotations

import asyncio
import errno
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.http import doorway
from app.http.doorway import Doorway


class Made(asyncio.Protocol):
    """Counts the connections that were made."""

    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        type(self).count += 1
        transport.close()


class Listening(socket.socket):
    """A listening socket whose first tries to accept can fail."""

    fails: int = errno.EMFILE
    failures: float = 0
    tries: int = 0

    def accept(self) -> Any:
        """As usual, or with the error that was ordered."""
        self.tries += 1
        if self.tries <= self.failures:
            raise OSError(self.fails, "ordered")
        return super().accept()


@dataclass
class Door:
    """The socket that is knocked at, and the kind of protocol that counts who was taken."""

    bound: Listening
    kind: type[Made]

    async def made(self, count: int) -> bool:
        """Whether so many were made within two seconds."""
        for _ in range(200):
            if self.kind.count >= count:
                return True
            await asyncio.sleep(0.01)
        return False


@asynccontextmanager
async def knocked(
    count: int, *, kind: type[Made] = Made, busy: bool = False, fails: int = errno.EMFILE, failures: float = 0
) -> AsyncIterator[Door]:
    """So many clients that wait to be taken by a new doorway."""
    own = type("Counted", (kind,), {})
    with Listening(socket.AF_INET, socket.SOCK_STREAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen(64)
        bound.setblocking(False)
        clients = [socket.create_connection(bound.getsockname()) for _ in range(count)]
        bound.fails, bound.failures = fails, failures
        doorway = Doorway(bound, own, lambda: busy)
        try:
            yield Door(bound, own)
        finally:
            await doorway.close()
            for client in clients:
                client.close()


async def test_everybody_is_taken() -> None:
    async with knocked(20) as door:
        assert await door.made(20)


async def test_beside_known_clients_one_is_taken_and_then_none_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorway, "PAUSE", 0.3)
    async with knocked(3, busy=True) as door:
        await asyncio.sleep(0.15)
        assert door.kind.count == 1
        assert await door.made(3)


async def test_where_the_system_has_no_more_files_it_waits_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorway, "EXHAUSTED", 0.1)
    async with knocked(1, failures=3) as door:
        assert await door.made(1)
        assert door.bound.tries >= 3


async def test_a_client_that_left_again_is_nobodys_error() -> None:
    async with knocked(1, fails=errno.ECONNABORTED, failures=math.inf) as door:
        await asyncio.sleep(0.05)
        assert door.kind.count == 0


@pytest.mark.parametrize(("fault", "told"), [(ConnectionResetError, 0), (ZeroDivisionError, 1)])
async def test_a_fault_of_ours_is_told_and_a_client_that_is_gone_is_not(fault: type[Exception], told: int) -> None:
    class Faulty(Made):
        def __init__(self) -> None:
            type(self).count += 1
            raise fault

    with capture_logs() as logs:
        async with knocked(1, kind=Faulty) as door:
            assert await door.made(1)
            await asyncio.sleep(0.05)
    assert [one["error"] for one in logs if one["event"] == "connection_lost"] == ["ZeroDivisionError"] * told


async def test_a_closed_doorway_takes_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        bound.setblocking(False)
        kind: type[Made] = type("Counted", (Made,), {})
        await Doorway(bound, kind, lambda: False).close()
        with socket.create_connection(bound.getsockname()):
            await asyncio.sleep(0.1)
        assert kind.count == 0


async def test_a_doorway_is_closed_when_everybody_whom_it_took_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is made after that would not hear that the server ends, which then waits for nothing."""
    loop, take = asyncio.get_running_loop(), asyncio.get_running_loop().connect_accepted_socket

    async def slowly(*arguments: Any) -> Any:
        await asyncio.sleep(0.2)
        return await take(*arguments)

    kind: type[Made] = type("Counted", (Made,), {})
    with socket.create_server(("127.0.0.1", 0)) as bound, monkeypatch.context() as patch:
        bound.setblocking(False)
        door = Doorway(bound, kind, lambda: False)
        patch.setattr(loop, "connect_accepted_socket", slowly)
        with socket.create_connection(bound.getsockname()):
            for _ in range(200):
                if not door._made:
                    await asyncio.sleep(0.01)
            await door.close()
            assert kind.count == 1
