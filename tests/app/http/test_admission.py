"""Admission: budgets that nobody else can use up, places that follow the loop, streams counted apart."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from statistics import median

import pytest
from starlette.types import Receive, Scope, Send

from app.http.admission import PROVED, Admission, Standing, TrafficLimits
from app.http.framing import FramingLimits
from app.http.server import Listener, Running, serving
from tests.app.http.wire import HOST

COOKIE = "__Host-session"
SMALL = TrafficLimits(
    staff_per_second=1,
    staff_burst=40,
    staff_streams=3,
    customer_per_second=1,
    customer_burst=20,
    customer_streams=2,
    network_per_second=1,
    network_burst=10,
    network_writes_per_minute=60,
    under_way=16,
    streams=4,
)


@dataclass
class Bank:
    """An application that proves `staff…` and `customer…` tokens, streams at /events and works at /work."""

    gate: Admission
    counts: Counter[str]
    server: Running
    seen: list[str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        token = headers.get(b"authorization", b"") + headers.get(b"cookie", b"")
        self.seen.append(scope["path"])
        if b"staff" in token:
            scope["state"][PROVED] = Standing.STAFF
        elif b"customer" in token:
            scope["state"][PROVED] = Standing.CUSTOMER
        if scope["path"].startswith("/spin"):
            time.sleep(0.004)  # noqa: ASYNC251 (it stands for work that holds the loop)
            await asyncio.sleep(0)
        if scope["path"] == "/work":
            await self.release.wait()
        status = 401 if b"wrong" in token else 200
        kind = b"text/event-stream; charset=utf-8" if scope["path"].endswith("/events") else b"text/plain"
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
        if status == 200 and scope["path"].endswith("/events"):
            await send({"type": "http.response.body", "body": b": on\n\n", "more_body": True})
            await self.release.wait()
        await send({"type": "http.response.body", "body": b"done"})

    async def ask(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        token: str = "",
        cookie: str = "",
        address: str = "",
        body: bytes = b"",
        more: str = "",
    ) -> tuple[int, dict[str, str]]:
        """One request on a connection of its own: status and headers."""
        async with self.connection() as (reader, writer):
            writer.write(head(method, path, token=token, cookie=cookie, address=address, body=body, more=more) + body)
            return await answer(reader)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Closed at the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            yield reader, writer
        finally:
            writer.close()


def head(
    method: str = "GET",
    path: str = "/",
    *,
    token: str = "",
    cookie: str = "",
    address: str = "",
    body: bytes = b"",
    more: str = "",
) -> bytes:
    """The head of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", more]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"Cookie: language=it; {COOKIE}={cookie}"] if cookie else []
    lines += [f"X-Forwarded-For: {address}"] if address else []
    lines += [f"Content-Length: {len(body)}"] if body else []
    return ("\r\n".join(line for line in lines if line) + "\r\n\r\n").encode()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of the next answer; a body of known length is read."""
    async with asyncio.timeout(5):
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
        headers["body"] = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
    return int(lines[0].split()[1]), headers


@asynccontextmanager
async def opened(limits: TrafficLimits = SMALL) -> AsyncIterator[Bank]:
    """A bank behind a gate, with loopback as its proxy."""
    counts: Counter[str] = Counter()
    gate = Admission(limits, cookies=[COOKIE], proxies=["127.0.0.0/8"], counts=counts)
    bank = Bank(gate, counts, server=None)  # type: ignore[arg-type]
    short = FramingLimits(header_seconds=1.0, idle_seconds=2.0, body_seconds=2.0)
    listener = Listener("public", bank, (HOST,), limits=short, gate=gate)
    async with serving([listener]) as (server,):
        bank.server = server
        yield bank
        bank.release.set()


async def statuses(bank: Bank, count: int, **request: str) -> list[int]:
    """So many requests one after the other."""
    return [(await bank.ask(**request))[0] for _ in range(count)]  # type: ignore[arg-type]


async def test_beyond_its_budget_a_network_gets_429_with_the_seconds_and_the_application_hears_nothing() -> None:
    async with opened() as bank:
        assert await statuses(bank, 10, address="203.0.113.7") == [200] * 10
        status, headers = await bank.ask(address="203.0.113.200")
        assert status == 429
        assert int(headers["retry-after"]) == 1
        assert headers["content-type"] == "application/problem+json"
        problem = json.loads(headers["body"])
        assert (problem["code"], problem["request_id"]) == ("too_many", headers["x-request-id"])
        assert "permissions-policy" in headers
        assert len(bank.seen) == 10
        assert bank.counts == {"public.429": 1}
        assert (await bank.ask(address="198.51.100.1"))[0] == 200


async def test_who_waits_as_told_is_served() -> None:
    async with opened() as bank:
        await statuses(bank, 10)
        status, headers = await bank.ask()
        assert status == 429
        await asyncio.sleep(int(headers["retry-after"]))
        assert (await bank.ask())[0] == 200


@pytest.mark.parametrize("proof", ["token", "cookie"])
async def test_a_flood_of_its_network_does_not_touch_a_proved_session(proof: str) -> None:
    async with opened() as bank:
        assert (await bank.ask(**{proof: "customer-1"}))[0] == 200  # type: ignore[arg-type]
        await statuses(bank, 15)
        await statuses(bank, 15, token="invented")
        assert (await bank.ask())[0] == 429
        assert await statuses(bank, 15, **{proof: "customer-1"}) == [200] * 15


async def test_invented_tokens_share_the_budget_of_their_network() -> None:
    async with opened() as bank:
        answers = [(await bank.ask(token=f"wrong-{number}"))[0] for number in range(15)]
        assert answers == [401] * 10 + [429] * 5


async def test_strangers_of_its_network_do_not_keep_a_session_out_that_is_not_known_yet() -> None:
    async with opened() as bank:
        await statuses(bank, 15)
        assert (await bank.ask(cookie="customer-2"))[0] == 200


async def test_a_session_has_one_budget_at_all_addresses_and_staff_another() -> None:
    async with opened() as bank:
        answers = [(await bank.ask(token="customer", address=f"198.51.{n}.1"))[0] for n in range(24)]
        assert answers == [200] * 21 + [429] * 3
        assert await statuses(bank, 41, token="staff") == [200] * 41


async def test_a_session_that_is_over_counts_by_network_again() -> None:
    async with opened() as bank:
        token = bank.gate._read([(b"authorization", b"Bearer wrong")])[0]
        bank.gate.remember(token, Standing.CUSTOMER)
        assert (await bank.ask(token="wrong"))[0] == 401
        assert token not in bank.gate._known


async def test_no_token_stays_in_memory_and_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.admission.KNOWN_AT_MOST", 5)
    async with opened(replace(SMALL, network_burst=100)) as bank:
        for number in range(20):
            await bank.ask(token=f"customer-{number}")
        assert len(bank.gate._known) == 5
        assert not any(b"customer" in key for key in bank.gate._known)


async def test_writes_beyond_the_rate_wait_and_then_get_429_while_reading_goes_on() -> None:
    loop = asyncio.get_running_loop()
    async with opened(replace(SMALL, network_burst=1000, under_way=256)) as bank:
        assert {one[0] for one in await asyncio.gather(*(bank.ask(method="POST", body=b"x") for _ in range(60)))} == {
            200
        }
        bank.gate._writes._full_at[b"127.0.0.0/24"] = loop.time() + 60.5
        begun = loop.time()
        assert (await bank.ask(method="POST", body=b"x"))[0] == 200
        assert 0.5 < loop.time() - begun < 3
        bank.gate._writes._full_at[b"127.0.0.0/24"] = loop.time() + 70
        begun = loop.time()
        status, headers = await bank.ask(method="POST", body=b"x")
        assert (status, loop.time() - begun < 1) == (429, True)
        assert int(headers["retry-after"]) > 2
        assert (await bank.ask())[0] == 200


async def test_a_refusal_keeps_the_connection_and_the_next_request_on_it() -> None:
    async with opened() as bank, bank.connection() as (reader, writer):
        for _ in range(10):
            writer.write(head())
            assert (await answer(reader))[0] == 200
            await reader.readuntil(b"0\r\n\r\n")
        writer.write(head("POST", body=b"x" * 5000) + b"x" * 5000)
        status, headers = await answer(reader)
        assert (status, headers.get("connection")) == (429, None)
        writer.write(head("HEAD"))
        status, headers = await answer_to_head(reader)
        assert (status, headers["retry-after"]) == (429, "1")
        await asyncio.sleep(1.1)
        writer.write(head())
        assert (await answer(reader))[0] == 200


async def test_a_refusal_of_a_full_house_keeps_the_connection_where_no_body_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened(replace(SMALL, network_burst=1000)) as bank, bank.connection() as (reader, writer):
        with monkeypatch.context() as patch:
            patch.setattr(bank.gate.crowding, "enter_other", lambda _: False)
            writer.write(head())
            status, headers = await answer(reader)
            assert (status, headers.get("connection")) == (503, None)
        writer.write(head())
        assert (await answer(reader))[0] == 200
        monkeypatch.setattr(bank.gate.crowding, "enter_other", lambda _: False)
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(head("POST", body=b"x" * 5))
        status, headers = await answer(reader)
        assert (status, headers["connection"]) == (503, "close")


async def answer_to_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode().split("\r\n")
    return int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:] if line)


@pytest.mark.parametrize("more", ["Connection: close", "Transfer-Encoding: chunked", "Expect: 100-continue"])
async def test_a_refusal_ends_the_connection_where_the_rest_is_not_worth_reading(more: str) -> None:
    async with opened() as bank:
        await statuses(bank, 10)
        async with bank.connection() as (reader, writer):
            writer.write(head("POST", more=more))
            status, headers = await answer(reader)
            assert (status, headers["connection"]) == (429, "close")
            assert await asyncio.wait_for(reader.read(), 3) == b""


async def test_a_body_that_drips_behind_a_refusal_ends_with_the_connection() -> None:
    async with opened() as bank:
        await statuses(bank, 10)
        async with bank.connection() as (reader, writer):
            writer.write(head("POST", body=b"x" * 100))
            assert (await answer(reader))[0] == 429
            assert await asyncio.wait_for(reader.read(), 4) == b""


async def test_whoever_does_not_wait_as_told_is_not_read_for_a_while_so_that_all_together_cost_little() -> None:
    loop = asyncio.get_running_loop()
    async with opened() as bank:
        await statuses(bank, 10)
        async with bank.connection() as (reader, writer), bank.connection() as (patient, asks):
            writer.write(head())
            assert (await answer(reader))[0] == 429
            for budget in bank.gate._impatient:
                budget._full_at[None] = loop.time() + 60
            writer.write(head())
            assert (await answer(reader))[0] == 429
            begun = loop.time()
            writer.write(head())
            asks.write(head())
            assert (await answer(patient))[0] in (200, 429)
            assert loop.time() - begun < 0.5
            await answer(reader)
            assert 0.7 < loop.time() - begun < 2


async def test_staff_find_a_place_when_all_others_are_taken() -> None:
    async with opened(replace(SMALL, network_burst=1000)) as bank:
        for number in (1, 2):
            await bank.ask(token=f"customer-{number}")
        await bank.ask(token="staff-1")
        busy = [asyncio.create_task(bank.ask("/work", token=f"customer-{1 + n % 2}")) for n in range(14)]
        await asyncio.sleep(0.2)
        status, headers = await bank.ask(token="customer-1")
        assert (status, headers["retry-after"]) == (503, "2")
        assert (await bank.ask())[0] == 503
        assert (await bank.ask(token="staff-1"))[0] == 200
        bank.release.set()
        assert {status for status, _ in await asyncio.gather(*busy)} == {200}
        assert (bank.gate.crowding.prompt, bank.gate.crowding.other) == (0, 0)


async def test_streams_are_counted_apart_and_by_client() -> None:
    async with opened(replace(SMALL, network_burst=1000)) as bank:
        async with bank.connection() as (first, one), bank.connection() as (second, two):
            for reader, writer in ((first, one), (second, two)):
                writer.write(head(path="/events", token="customer-1"))
                assert (await answer(reader))[0] == 200
            assert bank.gate.open_streams == 2
            assert (bank.gate.crowding.prompt, bank.gate.crowding.other) == (0, 0)
            assert (await bank.ask("/room/events", token="customer-1"))[0] == 429
            assert (await bank.ask(token="customer-1"))[0] == 200
            async with bank.connection() as (third, three), bank.connection() as (fourth, four):
                for reader, writer in ((third, three), (fourth, four)):
                    writer.write(head(path="/events", token="staff-1"))
                    assert (await answer(reader))[0] == 200
                assert (await bank.ask("/events", token="staff-1"))[0] == 503
        bank.release.set()
        await asyncio.sleep(0.2)
        assert bank.gate.open_streams == 0
        assert not bank.gate._streams


async def test_a_client_that_leaves_gives_its_place_back() -> None:
    async with opened(replace(SMALL, network_burst=1000)) as bank:
        for _ in range(3):
            async with bank.connection() as (_, writer):
                writer.write(head(path="/work"))
                await asyncio.sleep(0.05)
        bank.release.set()
        await asyncio.sleep(0.1)
        assert (bank.gate.crowding.prompt, bank.gate.crowding.other) == (0, 0)


async def test_in_a_crowd_prompt_clients_go_before_strangers_and_strangers_still_get_on() -> None:
    """Three rounds: a machine that has other work for one of them can make everything in it look slow."""
    # the budget of staff is large enough for it to stay more than half full
    limits = replace(SMALL, network_burst=100_000, network_per_second=100_000, under_way=256, staff_burst=400)
    times_as_long = []
    for _ in range(3):
        async with opened(limits) as bank:
            before = await spins(bank, 9)
            during, answers = await flooded(bank)
            after = await spins(bank, 9)
        assert answers[200] > 20
        assert answers[503] > 20
        assert set(answers) == {200, 503}
        times_as_long.append(median(during) / max(median(before), median(after)))
        # sixty of them at once would take sixty times as long
        if times_as_long[-1] < 30:
            return
    raise AssertionError(times_as_long)


async def spins(bank: Bank, count: int) -> list[float]:
    """Seconds of each request of a prompt client, one after the other."""
    loop, spent = asyncio.get_running_loop(), []
    for _ in range(count):
        begun = loop.time()
        status, _ = await bank.ask("/spin", token="staff-1")
        assert status == 200
        spent.append(loop.time() - begun)
    return spent


async def flooded(bank: Bank) -> tuple[list[float], Counter[int]]:
    """The same while sixty strangers ask, and what those are answered."""
    loop = asyncio.get_running_loop()
    stop, answers = loop.time() + 2.5, Counter[int]()

    async def stranger(number: int) -> None:
        while loop.time() < stop:
            status, _ = await bank.ask("/spin", address=f"198.51.{number}.1")
            answers[status] += 1
            if status == 503:
                await asyncio.sleep(0.3)

    flood = asyncio.gather(*(stranger(number) for number in range(60)))
    spent = []
    while loop.time() < stop:
        spent += await spins(bank, 1)
        await asyncio.sleep(0.1)
    await flood
    return spent, answers
