"""Malformed requests to the real process: always a 4xx or 501/505, within a second, one answer, and no memory kept."""

from __future__ import annotations

import json
import socket
import time

import pytest

from tests.app.http.test_guarded_protocol import SMUGGLING
from tests.app.http.wire import HOST, statuses
from tests.hostile.arena import Arena

MIB = 2**20
LONGEST = 1.0


def exchange(port: int, request: bytes) -> tuple[bytes, float]:
    """All that comes back, and how long the first of it took."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plug:
        begun = time.monotonic()
        received, first = b"", 0.0
        try:
            plug.sendall(request)
            while piece := plug.recv(65536):
                first = first or time.monotonic() - begun
                received += piece
        except ConnectionError:
            pass
    return received, first


def test_no_hostile_framing_is_answered_twice_or_well_and_none_of_it_stays_in_memory(arena: Arena) -> None:
    host = arena.ground.public_host.encode()
    before = arena.rss()
    for _ in range(3):
        for name, (request, status) in SMUGGLING.items():
            if name == "silent":
                continue
            answer, seconds = exchange(arena.served.public.port, request.replace(HOST.encode(), host))
            assert statuses(answer) == [status], name
            assert 400 <= status < 506
            assert seconds <= LONGEST, name
    assert arena.rss() - before < 20 * MIB


@pytest.mark.parametrize(
    "block",
    [
        b"X: " + b"a" * 64 * 1024 + b"\r\n",
        b"X: " + b"a" * 1024 * 1024 + b"\r\n",
        b"".join(b"X%d: a\r\n" % number for number in range(10_000)),
        b"a: b\r\n" * 100_000,
        b"Cookie: " + b"; ".join(b"c%d=1" % number for number in range(10_000)) + b"\r\n",
    ],
    ids=["64 KiB", "1 MiB", "10,000 fields", "100,000 fields", "10,000 cookies"],
)
def test_headers_beyond_the_limit_are_431_and_cost_no_memory(arena: Arena, block: bytes) -> None:
    before = arena.rss()
    for _ in range(20):
        request = b"GET / HTTP/1.1\r\nHost: " + arena.ground.public_host.encode() + b"\r\n" + block + b"\r\n"
        answer, seconds = exchange(arena.served.public.port, request)
        assert statuses(answer) == [431]
        assert seconds <= LONGEST
    assert arena.rss() - before < 20 * MIB


DEEP = 100_000
BOMBS = {
    "depth of lists": b"[" * DEEP + b"]" * DEEP,
    "depth of lists within the size": b"[" * 30_000 + b"]" * 30_000,
    "depth of objects": b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    "depth without an end": b"[" * 60_000,
    "huge integer": b'{"text": ' + b"9" * 60_000 + b"}",
    "integer of 10 MB": b'{"text": ' + b"9" * 10_000_000 + b"}",
    "infinite number": b'{"text": 1e400}',
    "NaN": b'{"text": NaN}',
    "repeated key": b'{"text": "a", "text": "b"}',
    "a thousand repeated keys": b"{" + b",".join(b'"a": 1' for _ in range(1_000)) + b"}",
    "lone surrogate": rb'{"text": "\ud800"}',
    "surrogates the wrong way round": rb'{"text": "\udc00\ud800"}',
    "NUL": rb'{"text": "a\u0000b"}',
    "broken UTF-8": b'{"text": "\xff\xfe"}',
    "overlong UTF-8": b'{"text": "\xc0\xaf"}',
    "byte order mark": b'\xef\xbb\xbf{"text": "a"}',
    "UTF-16": '{"text": "a"}'.encode("utf-16"),
    "combining marks": ('{"text": "a' + "\u0301" * 20_000 + '"}').encode(),
    "many keys": b"{" + b",".join(b'"k%d": 1' % number for number in range(6_000)) + b"}",
    "unknown key": b'{"text": "a", "admin": true}',
    "nothing": b" ",
    "not an object": b"[]",
    "number with a long fraction": b'{"text": 0.' + b"1" * 60_000 + b"}",
}


@pytest.mark.parametrize("name", BOMBS)
def test_every_bomb_in_json_is_a_4xx_within_a_second(arena: Arena, name: str) -> None:
    body, ground = BOMBS[name], arena.ground
    room = ground.rooms[-1].conversation_id
    head = [
        f"POST /api/v1/conversations/{room}/messages HTTP/1.1",
        f"Host: {ground.staff_host}",
        f"Authorization: Bearer {ground.staff['sara'].token}",
        "Content-Type: application/json",
        f"Idempotency-Key: bomb-{abs(hash(name))}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    answer, seconds = exchange(arena.served.staff.port, "\r\n".join([*head, "", ""]).encode() + body)
    assert len(statuses(answer)) == 1
    assert 400 <= statuses(answer)[0] < 500
    assert seconds <= LONGEST
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert problem["status"] == statuses(answer)[0]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, gzip"])
def test_compressed_bodies_are_not_unpacked(arena: Arena, coding: str) -> None:
    body = b"\x1f\x8b" + b"\0" * 1000
    head = [
        f"POST /api/v1/conversations/{arena.ground.rooms[-1].conversation_id}/messages HTTP/1.1",
        f"Host: {arena.ground.staff_host}",
        f"Authorization: Bearer {arena.ground.staff['sara'].token}",
        "Content-Type: application/json",
        f"Content-Encoding: {coding}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    answer, seconds = exchange(arena.served.staff.port, "\r\n".join([*head, "", ""]).encode() + body)
    assert 400 <= statuses(answer)[0] < 500
    assert seconds <= LONGEST
