"""Admission by budgets: nobody else can use a client's up, and a refusal costs little."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from app.http.admission import Head, Standing
from tests.app.http.gated_bank import COOKIE, SMALL, answer, head, opened, statuses


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


@pytest.mark.parametrize(
    "spelled",
    [
        lambda n: f"Authorization: {'bearer' if n % 2 else 'BEARER'}{' ' * (n + 1)}customer",
        lambda n: f"Cookie: {COOKIE}={n}; {COOKIE}={' ' * n}customer",
        lambda n: f"Cookie: {COOKIE}={n}\r\nCookie: other={n}; {COOKIE}=customer",
    ],
)
async def test_a_session_has_one_budget_however_its_token_is_written(spelled: Callable[[int], str]) -> None:
    async with opened() as bank:
        answers = [(await bank.ask(more=spelled(n), address=f"198.51.{n}.1"))[0] for n in range(24)]
        assert answers == [200] * 21 + [429] * 3


async def test_a_session_that_is_over_counts_by_network_again() -> None:
    async with opened() as bank:
        token = bank.gate._token(Head("public", b"GET", b"/", [(b"authorization", b"Bearer wrong")], ""))
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
        writer.write(head("POST", body=b"x" * 100_000))
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
