"""Doorway: a few connections a turn, one at a time beside known clients, and patience where the system has no more."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.http import doorway
from app.http.doorway import Doorway


class Made(asyncio.Protocol):
    """Counts the connections that were made."""

    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        type(self).count += 1
        transport.close()


class Listening(socket.socket):
    """A listening socket that can fail to accept."""

    fails: int | None = None

    def accept(self) -> Any:
        """As usual, or with the error that was ordered."""
        if self.fails is not None:
            raise OSError(self.fails, "ordered")
        return super().accept()


@asynccontextmanager
async def knocked(count: int, *, busy: bool = False, fails: int | None = None) -> AsyncIterator[type[Made]]:
    """So many clients that wait to be taken by a new doorway."""
    kind = type("Counted", (Made,), {})
    with Listening(socket.AF_INET, socket.SOCK_STREAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen(64)
        bound.setblocking(False)
        clients = [socket.create_connection(bound.getsockname()) for _ in range(count)]
        bound.fails = fails
        door = Doorway(bound, kind, lambda: busy)
        try:
            yield kind
        finally:
            door.close()
            for client in clients:
                client.close()


async def made(kind: type[Made], count: int) -> bool:
    """Whether so many were made within two seconds."""
    for _ in range(200):
        if kind.count >= count:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_everybody_is_taken() -> None:
    async with knocked(20) as kind:
        assert await made(kind, 20)


async def test_beside_known_clients_one_is_taken_and_then_none_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorway, "PAUSE", 0.3)
    async with knocked(3, busy=True) as kind:
        await asyncio.sleep(0.15)
        assert kind.count == 1
        assert await made(kind, 3)


async def test_where_the_system_has_no_more_files_it_waits_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorway, "EXHAUSTED", 0.1)
    tries: list[int] = []
    monkeypatch.setattr(Listening, "accept", accept_after(3, tries))
    async with knocked(1) as kind:
        assert await made(kind, 1)
    assert len(tries) >= 3


def accept_after(failures: int, tries: list[int]) -> Any:
    """`accept` that finds no file left for so many times."""
    true = socket.socket.accept

    def accept(self: socket.socket) -> Any:
        tries.append(1)
        if len(tries) <= failures:
            raise OSError(errno.EMFILE, "no file left")
        return true(self)

    return accept


async def test_a_client_that_left_again_is_nobodys_error() -> None:
    async with knocked(1, fails=errno.ECONNABORTED) as kind:
        await asyncio.sleep(0.05)
        assert kind.count == 0


async def test_a_closed_doorway_takes_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        bound.setblocking(False)
        kind: type[Made] = type("Counted", (Made,), {})
        Doorway(bound, kind, lambda: False).close()
        with socket.create_connection(bound.getsockname()):
            await asyncio.sleep(0.1)
        assert kind.count == 0
