"""Hostile and slow requests end in a problem and a closed connection, before the application hears of them."""

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from app.http.server import Listener, serving
from tests.app.http.wire import HOST, LARGE, problem, statuses, wired

GET = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n".encode()
POST = f"POST / HTTP/1.1\r\nHost: {HOST}\r\n".encode()
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"Connection: close\r\n\r\n"


def get(target: bytes) -> bytes:
    return b"GET " + target + f" HTTP/1.1\r\nHost: {HOST}\r\n".encode() + END


SMUGGLING = {
    "two hosts": (GET + f"Host: {HOST}\r\n\r\n".encode(), 400),
    "two different hosts": (GET + b"Host: evil.example\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "no host 1.0": (b"GET / HTTP/1.0\r\n\r\n", 400),
    "empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 421),
    "other host": (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
    "host with other port": (f"GET / HTTP/1.1\r\nHost: {HOST}:1\r\n\r\n".encode(), 421),
    "host list": (f"GET / HTTP/1.1\r\nHost: {HOST}, evil.example\r\n\r\n".encode(), 421),
    "host with user": (f"GET / HTTP/1.1\r\nHost: evil@{HOST}\r\n\r\n".encode(), 421),
    "host is address": (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 421),
    "length and chunked": (POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n", 400),
    "chunked and length": (POST + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "two equal lengths": (POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    "length list": (POST + b"Content-Length: 1, 1\r\n\r\na", 400),
    "negative length": (POST + b"Content-Length: -1\r\n\r\n", 400),
    "signed length": (POST + b"Content-Length: +1\r\n\r\na", 400),
    "hex length": (POST + b"Content-Length: 0x1\r\n\r\na", 400),
    "huge length": (POST + b"Content-Length: 99999999999999999999999\r\n\r\na", 400),
    "empty length": (POST + b"Content-Length:\r\n\r\n", 400),
    "two codings": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    "coding twice": (POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n", 400),
    "unknown coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "identity coding": (POST + b"Transfer-Encoding: identity\r\n\r\n", 400),
    "chunked in 1.0": (f"POST / HTTP/1.0\r\nHost: {HOST}\r\n".encode() + CHUNKED + b"\r\n0\r\n\r\n", 400),
    "bare lf": (f"GET / HTTP/1.1\nHost: {HOST}\n\n".encode(), 400),
    "bare lf in headers": (GET + b"X: y\nZ: w\r\n\r\n", 400),
    "bare cr": (GET + b"X: y\rZ: w\r\n\r\n", 400),
    "folded header": (GET + b"X: y\r\n folded\r\n\r\n", 400),
    "nul in value": (GET + b"X: a\x00b\r\n\r\n", 400),
    "nul in name": (GET + b"X\x00: a\r\n\r\n", 400),
    "control in value": (GET + b"X: a\x01b\r\n\r\n", 400),
    "space before colon": (GET + b"X : a\r\n\r\n", 400),
    "length with space": (POST + b"Content-Length : 5\r\n\r\nhello", 400),
    "space before name": (b"GET / HTTP/1.1\r\n Host: x\r\n" + f"Host: {HOST}\r\n\r\n".encode(), 400),
    "line without colon": (GET + b"nonsense\r\n\r\n", 400),
    "empty name": (GET + b": a\r\n\r\n", 400),
    "absolute target": (f"GET http://evil.example/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), 400),
    "authority target": (f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), 501),
    "star target": (f"OPTIONS * HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), 400),
    "double slash": (get(b"//evil.example/"), 400),
    "relative target": (get(b"index"), 400),
    "fragment": (get(b"/#x"), 400),
    "raw utf-8 target": (get("/è".encode()), 400),
    "encoded nul": (get(b"/a%00b"), 400),
    "encoded nul in query": (get(b"/?a=%00"), 400),
    "encoded newline": (get(b"/a%0d%0aX:%20y"), 400),
    "broken utf-8 path": (get(b"/%ff"), 400),
    "overlong utf-8 path": (get(b"/%c0%af"), 400),
    "surrogate path": (get(b"/%ed%a0%80"), 400),
    "space in target": (get(b"/a b"), 400),
    "trace": (b"TRACE" + GET[3:] + b"\r\n", 501),
    "unknown method": (b"FOO" + GET[3:] + b"\r\n", 400),
    "lower case method": (b"get" + GET[3:] + b"\r\n", 400),
    "webdav method": (b"PROPFIND" + GET[3:] + b"\r\n", 501),
    "version 0.9": (b"GET /\r\n\r\n", 505),
    "version 1.2": (f"GET / HTTP/1.2\r\nHost: {HOST}\r\n\r\n".encode(), 400),
    "version 2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "garbage": (b"\x00\xff\xfe", 400),
    "header of 17 KiB": (GET + b"X: " + b"a" * 17 * 1024 + b"\r\n\r\n", 431),
    "headers of 17 KiB": (GET + b"".join(b"X%d: " % n + b"a" * 1000 + b"\r\n" for n in range(17)) + b"\r\n", 431),
    "101 fields": (GET + b"".join(b"X%d: a\r\n" % n for n in range(100)) + b"\r\n", 431),
    "10,000 fields": (GET + b"a: b\r\n" * 10_000 + b"\r\n", 431),
    "long target": (get(b"/" + b"a" * 5000), 414),
    "endless name": (GET + b"a" * 100_000, 431),
    "endless target": (b"GET /" + b"a" * 100_000, 414),
    "endless blank lines": (b"\r\n" * 50_000, 431),
    "endless method": (b"G" * 100_000, 400),
}


@pytest.mark.parametrize("name", SMUGGLING)
async def test_hostile_request_is_refused_before_the_application(name: str) -> None:
    request, status = SMUGGLING[name]
    async with wired() as wire:
        answer = await wire.raw(request)
        assert statuses(answer) == [status], answer[:200]
        problem(answer)
        assert wire.app.seen == []
        assert wire.app.disconnects == 0


async def test_hostile_request_in_small_pieces_is_refused_alike() -> None:
    async with wired(header_seconds=3.0) as wire:

        async def attack(request: bytes) -> int:
            step = len(request) // 20 if len(request) > 400 else max(1, len(request) // 10)
            pieces = [request[at : at + step] for at in range(0, len(request), step)]
            return statuses(await wire.raw(*pieces, pause=0.005))[0]

        answers = await asyncio.gather(*(attack(request) for request, _ in SMUGGLING.values()))
        assert dict(zip(SMUGGLING, answers, strict=True)) == {name: status for name, (_, status) in SMUGGLING.items()}
        assert wire.app.seen == []


@pytest.mark.parametrize("secret", [b"X-Canary: CANARY", b"Host: CANARY", b"Content-Length: CANARY"])
async def test_refusal_quotes_nothing_and_carries_the_fixed_headers(secret: bytes) -> None:
    async with wired() as wire:
        answer = await wire.raw(b"GET /CANARY HTTP/1.1\r\n" + secret + b"\r\n\r\n")
    assert b"CANARY" not in answer
    head = answer.partition(b"\r\n\r\n")[0]
    for name in (b"x-content-type-options", b"content-security-policy", b"cache-control: no-store", b"x-request-id"):
        assert name in head
    assert b"server:" not in head
    assert b"date:" not in head


@pytest.mark.parametrize("host", [HOST, HOST.upper(), f"{HOST}:PORT"])
async def test_ordinary_requests_pass_and_keep_the_connection(host: str) -> None:
    async with wired() as wire:
        host = host.replace("PORT", str(wire.server.port))
        async with wire.connected() as (reader, writer):
            for number in range(3):
                line = f"POST /a%20b?c={number} HTTP/1.1\r\n"
                writer.write(f"{line}Host: {host}\r\nContent-Length: 5\r\n\r\nhello".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 ")
                assert await reader.readexactly(5) == b"hello"
        assert wire.app.seen == [("POST", "/a b", b"hello")] * 3


async def test_chunked_body_and_100_continue_pass() -> None:
    async with wired() as wire:
        request = POST + CHUNKED + b"Expect: 100-continue\r\n" + END + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
        answer = await wire.raw(request)
        assert statuses(answer) == [100, 200]
        assert wire.app.seen == [("POST", "/", b"abcde")]


async def test_limits_are_reached_and_not_exceeded() -> None:
    fields = b"".join(b"X%d: a\r\n" % number for number in range(98))
    large = b"X: " + b"a" * (16 * 1024 - len(HOST) - 100) + b"\r\n"
    async with wired() as wire:
        assert statuses(await wire.raw(GET + fields + END)) == [200]
        assert statuses(await wire.raw(GET + large + END)) == [200]
        assert statuses(await wire.raw(get(b"/" + b"a" * 4095))) == [200]


@pytest.mark.parametrize("trailer", [b"Host: evil.example", b"Authorization: Bearer x", b"X: y"])
async def test_trailer_never_becomes_a_header(trailer: bytes) -> None:
    async with wired() as wire:
        answer = await wire.raw(POST + CHUNKED + END + b"1\r\na\r\n0\r\n" + trailer + b"\r\n\r\n")
        assert 200 not in statuses(answer)
        assert wire.app.seen == []


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n",
        b"-1\r\n",
        b"0x1\r\na\r\n0\r\n\r\n",
        b"1\na\n0\n\n",
        b"1\r\nab\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\na",
        b" 1\r\na\r\n0\r\n\r\n",
        b"1;" + b"x" * 200_000,
    ],
)
async def test_broken_chunk_is_400_and_the_application_sees_no_whole_body(body: bytes) -> None:
    async with wired(framing_bytes=32_768) as wire:
        answer = await wire.raw(POST + CHUNKED + b"\r\n", body[:100], body[100:])
        assert statuses(answer) == [400]
        assert wire.app.seen == []


async def test_pipelined_request_is_not_read() -> None:
    async with wired() as wire:
        answer = await wire.raw(GET + b"\r\n" + get(b"/second"))
        assert statuses(answer) == [200]
        assert b"connection: close" in answer
        assert [path for _, path, _ in wire.app.seen] == ["/"]


@pytest.mark.parametrize(("method", "body"), [(b"GET", b"whole"), (b"HEAD", b"")])
async def test_request_after_the_last_byte_of_an_answer_is_served_though_its_stream_has_not_ended(
    method: bytes, body: bytes
) -> None:
    ended = asyncio.Event()

    async def streaming(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"whole", "more_body": True})
        await ended.wait()
        await send({"type": "http.response.body", "body": b""})

    request = get(b"/").replace(b"GET", method, 1).replace(END, b"\r\n")
    async with serving([Listener("public", streaming, (HOST, f"{HOST}:0"))]) as (server,):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(2):
            writer.write(request)
            async with asyncio.timeout(3):
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(len(body)) == body
            asyncio.get_running_loop().call_later(0.1, ended.set)
        writer.close()


async def test_request_behind_one_that_still_runs_does_not_disturb_its_answer() -> None:
    async with wired() as wire, wire.connected() as (reader, writer):
        writer.write(get(b"/wait").replace(END, b"\r\n"))
        await asyncio.sleep(0.1)
        writer.write(b"\x00garbage\r\n\r\n")
        await asyncio.sleep(0.1)
        wire.app.release.set()
        assert statuses(await asyncio.wait_for(reader.read(), 3)) == [200]


async def test_body_behind_a_get_is_not_a_second_request() -> None:
    async with wired() as wire:
        body = get(b"/smuggled")
        answer = await wire.raw(GET + b"Content-Length: %d\r\n" % len(body) + END + body)
        assert statuses(answer) == [200]
        assert wire.app.seen == [("GET", "/", body)]


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c", b"TLS/1.0"])
async def test_upgrade_is_answered_in_http_and_nothing_behind_it_is_read(upgrade: bytes) -> None:
    async with wired() as wire:
        answer = await wire.raw(GET + b"Connection: Upgrade\r\nUpgrade: " + upgrade + b"\r\n\r\n" + get(b"/second"))
        assert statuses(answer) == [200]
        assert [path for _, path, _ in wire.app.seen] == ["/"]


@pytest.mark.parametrize("start", [b"", b"G", GET, GET + b"X: ", b"\r\n"])
async def test_silent_head_is_408_at_the_deadline(start: bytes) -> None:
    loop = asyncio.get_running_loop()
    async with wired() as wire:
        begun = loop.time()
        answer = await wire.raw(start)
        assert 0.3 < loop.time() - begun < 2
        assert problem(answer)["code"] == "too_slow"
        assert wire.app.seen == []


@pytest.mark.parametrize("drop", [b"a", b"\r\n", b"X: y\r\n"])
async def test_dripping_head_is_408_at_the_deadline(drop: bytes) -> None:
    async with wired() as wire:
        start = b"" if drop == b"\r\n" else GET
        answer = await wire.raw(start, *[drop] * 12, pause=0.06)
        assert statuses(answer) == [408]


async def test_second_request_has_the_same_deadline() -> None:
    async with wired() as wire, wire.connected() as (reader, writer):
        for drop in (GET + b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"GE", b"T", b" ", b"/"):
            writer.write(drop)
            await asyncio.sleep(0.1)
        assert statuses(await asyncio.wait_for(reader.read(), 3)) == [200, 408]


async def test_idle_connection_is_closed_without_a_word() -> None:
    async with wired() as wire:
        answer = await wire.raw(GET + b"\r\n", seconds=2)
        assert statuses(answer) == [200]


async def test_unread_body_that_drips_after_the_answer_ends_the_connection_without_a_second_answer() -> None:
    async with wired() as wire:
        # beyond 64 KiB the application hears of the request before its body has come
        request = f"POST /unread HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        request += (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 5
        answer = await wire.raw(request, *[b"1\r\nx\r\n"] * 12, pause=0.1)
        assert statuses(answer) == [200]


async def test_reader_that_takes_nothing_is_cut() -> None:
    async with wired() as wire, wire.connected() as (reader, writer):
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        writer.write(get(b"/large").replace(END, b"\r\n"))
        await reader.readexactly(1)
        transport.pause_reading()
        await asyncio.sleep(1.2)
        transport.resume_reading()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(LARGE), 5)


async def test_slow_reader_gets_the_whole_answer_although_it_is_the_last() -> None:
    async with wired(stall_seconds=5) as wire, wire.connected() as (reader, writer):
        writer.write(get(b"/large"))
        received = 0
        while piece := await asyncio.wait_for(reader.read(60_000), 5):
            received += len(piece)
            await asyncio.sleep(0.03)
        assert received > LARGE


async def test_more_connections_than_allowed_get_503() -> None:
    async with wired(connections=1) as wire, wire.connected() as (_, writer):
        writer.write(get(b"/wait"))
        await asyncio.sleep(0.1)
        answer = await wire.raw(GET + END)
        assert problem(answer)["code"] == "unavailable"
        assert b"retry-after" in answer
        wire.app.release.set()


async def test_connection_that_asks_nothing_makes_room_for_a_new_one() -> None:
    async with (
        wired(connections=2, header_seconds=5.0) as wire,
        wire.connected() as (silent, _),
        wire.connected() as (drips, writer),
    ):
        writer.write(b"GET / HT")
        await asyncio.sleep(0.1)
        assert statuses(await wire.raw(GET + END)) == [200]
        assert await asyncio.wait_for(silent.read(), 1) == b""
        async with wire.connected():
            assert statuses(await wire.raw(GET + END)) == [200]
            assert statuses(await asyncio.wait_for(drips.read(), 1)) == [503]
