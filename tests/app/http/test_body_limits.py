"""A body is neither larger nor slower than allowed, whoever reads it."""

import asyncio

import pytest

from app.http.framing import FramingLimits
from tests.app.http.wire import HOST, problem, statuses, wired


def post(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", f"Host: {HOST}", *headers, "", ""]).encode()


@pytest.mark.parametrize(("path", "limit"), [("/", 10_000), ("/big", 100_000), ("/big/file", 100_000)])
async def test_largest_body_passes_and_one_byte_more_is_413(path: str, limit: int) -> None:
    async with wired() as wire:
        fits = post(path, f"Content-Length: {limit}", "Connection: close") + b"x" * limit
        assert statuses(await wire.raw(fits)) == [200]
        over = post(path, f"Content-Length: {limit + 1}") + b"x" * (limit + 1)
        answer = await wire.raw(over)
        assert statuses(answer) == [413]
        assert problem(answer)["code"] == "too_large"
        assert [len(body) for _, _, body in wire.app.seen] == [limit]


async def test_declared_size_is_refused_without_waiting_for_it() -> None:
    async with wired() as wire:
        answer = await wire.raw(post("/", "Content-Length: 10000000000"), seconds=1.8)
        assert statuses(answer) == [413]


async def test_undeclared_size_is_counted() -> None:
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    async with wired() as wire:
        answer = await wire.raw(post("/", "Transfer-Encoding: chunked"), *[chunk] * 20)
        assert statuses(answer) == [413]
        assert wire.app.seen == []


async def test_flood_behind_a_refusal_still_lets_the_refusal_be_read() -> None:
    async with wired() as wire:
        answer = await wire.raw(post("/", "Content-Length: 1000000") + b"x" * 1_000_000)
        assert statuses(answer) == [413]


@pytest.mark.parametrize("drop", [b"", b"x"])
async def test_silent_or_dripping_body_is_408_at_the_total_deadline(drop: bytes) -> None:
    loop = asyncio.get_running_loop()
    async with wired() as wire:
        begun = loop.time()
        answer = await wire.raw(post("/", "Content-Length: 1000"), *[drop] * 12, pause=0.06)
        assert loop.time() - begun < 3
        assert statuses(answer) == [408]
        assert problem(answer)["code"] == "too_slow"
        assert wire.app.seen == []


async def test_connection_is_the_second_wall_when_nobody_reads_the_body() -> None:
    async with wired(body_seconds=60) as wire:
        answer = await wire.raw(post("/wait", "Content-Length: 1000"))
        assert statuses(answer) == [408]
        wire.app.release.set()


async def test_body_may_take_longer_than_a_head() -> None:
    async with wired(FramingLimits(header_seconds=0.2), body_seconds=2) as wire:
        answer = await wire.raw(post("/", "Content-Length: 5", "Connection: close"), *[b"x"] * 5, pause=0.1)
        assert statuses(answer) == [200]
