"""Hostile answers to the outbound client: too large, endless, compressed, slow, broken; and nothing of them in a log."""

import asyncio
import gzip
import logging

import pytest

from app.outbound import (
    MAX_BODY,
    OutboundClient,
    OutboundFailed,
    OutboundTimeout,
    OutboundTooLarge,
)
from tests.app.outbound_server import Handler, listening, ok, plain


async def test_largest_body_passes_and_one_byte_more_does_not() -> None:
    async with listening(ok(b"x" * MAX_BODY)) as (port, _):
        response = await plain(port).request("GET", f"http://square.localhost:{port}/")
        assert len(response.body) == MAX_BODY
    async with listening(ok(b"x" * (MAX_BODY + 1))) as (port, _):
        with pytest.raises(OutboundTooLarge):
            await plain(port).request("GET", f"http://square.localhost:{port}/")


async def test_a_larger_body_is_read_only_where_the_caller_says_so_and_the_way_past_it_is_told() -> None:
    link = b'link: </page?max_id=7>; rel="next"'
    async with listening(ok(b"x" * (MAX_BODY + 1), link)) as (port, _):
        url = f"http://square.localhost:{port}/"
        assert len((await plain(port).request("GET", url, max_body=2 * MAX_BODY)).body) == MAX_BODY + 1
        with pytest.raises(OutboundTooLarge) as refused:
            await plain(port).request("GET", url)
    assert refused.value.link == '</page?max_id=7>; rel="next"'


async def test_endless_body_is_cut() -> None:
    sent = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        for _unused in range(2000):
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with listening(flood) as (port, _):
        with pytest.raises(OutboundTooLarge):
            await plain(port).request("GET", f"http://square.localhost:{port}/")
    assert sent < 32 * 2**20


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"zstd", b"identity, gzip"])
async def test_compressed_answer_is_refused_unopened(encoding: bytes) -> None:
    bomb = gzip.compress(b"\0" * 2**20)
    async with listening(ok(bomb, b"content-encoding: " + encoding)) as (port, _):
        with pytest.raises(OutboundFailed) as refused:
            await plain(port).request("GET", f"http://square.localhost:{port}/")
    assert refused.value.reason == "answer_compressed"


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _unused in range(100):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(1)


@pytest.mark.parametrize("behaviour", [drip, silence])
async def test_slow_answer_meets_the_total_deadline(behaviour: Handler) -> None:
    loop = asyncio.get_running_loop()
    async with listening(behaviour) as (port, _):
        begun = loop.time()
        with pytest.raises(OutboundTimeout):
            await plain(port).request("GET", f"http://square.localhost:{port}/", timeout=0.3)
        assert loop.time() - begun < 2


async def test_slow_name_server_meets_the_total_deadline() -> None:
    async def never(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    with pytest.raises(OutboundTimeout):
        await OutboundClient(resolver=never).request("GET", "https://example.com/", timeout=0.1)


@pytest.mark.parametrize(
    "answer",
    [b"", b"\x00\xff garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", b"HTTP/1.1 2\r\n"],
)
async def test_broken_answer_is_a_failure_of_ours(answer: bytes) -> None:
    async with listening(answer) as (port, _):
        with pytest.raises(OutboundFailed):
            await plain(port).request("GET", f"http://square.localhost:{port}/")


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 60000])
async def test_answer_that_is_no_json_is_said_so(body: bytes) -> None:
    async with listening(ok(body)) as (port, _):
        response = await plain(port).request("GET", f"http://square.localhost:{port}/")
    with pytest.raises(OutboundFailed):
        response.json()


async def test_nothing_listening_is_a_failure() -> None:
    async with listening(ok()) as (port, _):
        pass
    with pytest.raises(OutboundFailed):
        await plain(port).request("GET", f"http://square.localhost:{port}/")


async def test_url_is_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening(ok()) as (port, _):
        await plain(port).request("GET", f"http://square.localhost:{port}/?code=CANARY")
    with pytest.raises(OutboundFailed) as refused:
        await plain(port).request("GET", f"http://square.localhost:{port}/?code=CANARY")
    assert "CANARY" not in caplog.text
    assert "CANARY" not in f"{refused.value!r} {refused.value} {refused.value.message}"
