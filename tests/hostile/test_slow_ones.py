"""Requests that drip, readers that never read: cut in time, in numbers, and the good clients do not notice."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from tests.hostile.arena import Arena, Held, Watch
from tests.support.soak import in_every_run_or_soak, keep_figures

HEADS = in_every_run_or_soak(1_000, 5_000)
BODIES = in_every_run_or_soak(500, 2_000)
READERS = in_every_run_or_soak(100, 200)
MIB = 2**20


async def drip(port: int, start: bytes, drop: bytes) -> tuple[float, int]:
    """Send a drop each half second until the server has had enough: after how many seconds, and its status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    begun = time.monotonic()
    writer.write(start)
    answer = asyncio.create_task(reader.read(4096))
    try:
        while not answer.done() and time.monotonic() - begun < 20:
            await asyncio.wait([answer], timeout=0.5)
            writer.write(drop)
        seconds = time.monotonic() - begun
        return seconds, int((await answer)[9:12] or b"0")
    except ConnectionError:
        return time.monotonic() - begun, 0
    finally:
        answer.cancel()
        writer.close()


def test_drips_in_numbers_are_cut_in_time_and_good_clients_do_not_notice(arena: Arena, good: Watch) -> None:
    head = f"GET / HTTP/1.1\r\nHost: {arena.ground.public_host}\r\nX: ".encode()
    body = f"POST /csp-report HTTP/1.1\r\nHost: {arena.ground.public_host}\r\n".encode()
    body += b"Content-Type: application/csp-report\r\nX-Forwarded-For: "

    async def attack() -> list[list[tuple[float, int]]]:
        port = arena.served.public.port
        bodies = [
            drip(port, body + b"10.%d.%d.7\r\nContent-Length: 5000\r\n\r\n" % divmod(number, 256), b"x")
            for number in range(BODIES)
        ]
        heads = [drip(port, head, b"x") for _ in range(HEADS)]
        found = await asyncio.gather(asyncio.gather(*heads), asyncio.gather(*bodies))
        return [list(part) for part in found]

    quiet, before = good.seconds(4.5), arena.rss()
    begun = time.monotonic()
    heads, bodies = asyncio.run(attack())
    attack_span = (begun, time.monotonic())
    idle, attacked = good.over([quiet, good.seconds(4.5)]), good.over([attack_span])
    keep_figures(
        "hostile-drips",
        heads=HEADS,
        bodies=BODIES,
        idle_p99_ms=idle.p99,
        attacked_p99_ms=attacked.p99,
        head_seconds=round(max(seconds for seconds, _ in heads), 1),
        body_seconds=round(max(seconds for seconds, _ in bodies), 1),
        statuses=dict(Counter(status for _, status in heads + bodies)),
        grown_mib=round((arena.rss() - before) / MIB, 1),
    )
    assert not attacked.failed
    assert attacked.is_within(idle), (attacked, idle)
    assert {status for _, status in heads} == {408}
    # a body is refused at once where its network writes too much or the house is full, else when its time is over
    assert {status for _, status in bodies} <= {408, 429, 503}
    assert max(seconds for seconds, _ in heads) < 5 + 4
    assert max(seconds for seconds, _ in bodies) < 12 + 4
    assert arena.rss() - before < 60 * MIB


def test_readers_that_never_read_cost_a_bounded_backlog_are_cut_and_good_clients_do_not_notice(
    arena: Arena, good: Watch
) -> None:
    room = len(arena.ground.rooms) - 1
    head = arena.head(
        "GET",
        f"/api/v1/conversations/{arena.ground.rooms[room].conversation_id}/events",
        f"Authorization: Bearer {arena.ground.staff['sara'].token}",
        door="staff",
    )
    quiet, before, files = good.seconds(4.5), arena.rss(), arena.open_files()
    highest = 0
    with Held({"port": arena.served.staff.port, "heads": [head], "count": READERS, "deaf": True}) as held:
        opened = held.count()["open"]
        begun = time.monotonic()
        for _ in range(24):
            # each is 24 KB in the stream, more than half a mebibyte in all
            arena.post(room, "è" * 4_000, staff="sara")
            highest = max(highest, arena.rss())
        while arena.open_files() > files + 20 and time.monotonic() - begun < 25:
            time.sleep(0.2)
            highest = max(highest, arena.rss())
        seconds = time.monotonic() - begun
        left = arena.open_files() - files
    idle, attacked = good.over([quiet, good.seconds(4.5)]), good.over([(begun, begun + seconds)])
    keep_figures(
        "hostile-deaf-readers",
        readers=opened,
        idle_p99_ms=idle.p99,
        attacked_p99_ms=attacked.p99,
        grown_kib_each=round((highest - before) / 1024 / opened),
        all_cut_after_seconds=round(seconds, 1),
    )
    assert opened == READERS
    assert left <= 20
    assert not attacked.failed
    assert (highest - before) / READERS < 256 * 1024
    assert attacked.is_within(idle), (attacked, idle)


@pytest.mark.parametrize("what", ["nothing", "blank lines"])
def test_silent_connections_make_room_when_all_places_are_taken(arena: Arena, what: str) -> None:
    async def silent() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", arena.served.public.port)
        writer.write(b"\r\n" if what == "blank lines" else b"")
        answer = await asyncio.wait_for(reader.read(), 12)
        writer.close()
        return answer[9:12]

    async def many() -> list[bytes]:
        return await asyncio.gather(*(silent() for _ in range(100)))

    begun = time.monotonic()
    assert set(asyncio.run(many())) == {b"408"}
    assert time.monotonic() - begun < 9
