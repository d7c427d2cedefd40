"""The story's client: a question is asked again where its connection broke, a change is not."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from app.demo.playing.http_client import new_client
from tests.app.outbound_server import Handler, listening

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def breaking(times: int) -> tuple[list[int], Handler]:
    """How often it was asked, and a server that leaves without an answer so many times."""
    asked: list[int] = []

    async def handle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)
        if len(asked) > times:
            writer.write(ANSWER)
            await writer.drain()

    return asked, handle


@pytest.mark.parametrize(("method", "times", "tries"), [("GET", 1, 2), ("GET", 2, 2), ("POST", 1, 1)])
async def test_a_question_is_asked_once_more_and_a_change_never(method: str, times: int, tries: int) -> None:
    asked, handle = breaking(times)
    async with listening(handle) as (port, _), new_client() as client:
        if times < tries:
            assert (await client.request(method, f"http://127.0.0.1:{port}/")).text == "ok"
        else:
            with pytest.raises(httpx2.RemoteProtocolError):
                await client.request(method, f"http://127.0.0.1:{port}/")
    assert len(asked) == tries
