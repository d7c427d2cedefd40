"""Doors start together, stay apart, and end within a second even with streams open."""

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.http.server import COLLECT_AFTER, Listener, run_servers, serving, settled_memory
from tests.app.http.wire import problem, statuses

REPOSITORY = Path(__file__).parents[3]


def naming(name: str) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/")
    async def who() -> PlainTextResponse:
        return PlainTextResponse(name)

    return app


def streaming(stopping: asyncio.Event) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"begin\n"
            await stopping.wait()
            yield b"end\n"

        return StreamingResponse(parts())

    return app


async def ask(port: int, host: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_each_door_answers_on_its_own_address_and_to_its_own_name() -> None:
    doors = [
        Listener("public", naming("public"), ["bank.localhost:0"]),
        Listener("staff", naming("staff"), ["staff.localhost:0"]),
    ]
    async with serving(doors) as (public, staff):
        assert public.origin == f"http://bank.localhost:{public.port}"
        assert (await ask(public.port, f"bank.localhost:{public.port}")).endswith(b"public")
        assert (await ask(staff.port, f"staff.localhost:{staff.port}")).endswith(b"staff")
        assert problem(await ask(public.port, f"staff.localhost:{staff.port}"))["code"] == "wrong_host"
        assert statuses(await ask(staff.port, f"bank.localhost:{public.port}")) == [421]
    for port in (public.port, staff.port):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_answer_names_neither_server_nor_date() -> None:
    async with serving([Listener("public", naming("x"), ["bank.localhost"])]) as (door,):
        head = (await ask(door.port, "bank.localhost")).partition(b"\r\n\r\n")[0].lower()
    assert b"server:" not in head
    assert b"date:" not in head


async def test_taken_port_stops_everything_before_a_request_is_served() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        doors = [Listener("public", naming("a"), ["a"]), Listener("staff", naming("b"), ["b"], port=port)]
        with pytest.raises(OSError, match="in use"):
            async with serving(doors):
                pytest.fail("served")


async def test_open_stream_gets_its_last_word_and_stops_within_a_second() -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with serving([Listener("public", streaming(stopping), ["bank.localhost"])], stopping) as (door,):
        asked = asyncio.create_task(ask(door.port, "bank.localhost"))
        idle = await asyncio.open_connection("127.0.0.1", door.port)
        await asyncio.sleep(0.2)
        begun = loop.time()
    assert loop.time() - begun < 1.0
    assert (await asked).endswith(b"begin\n\r\n4\r\nend\n\r\n0\r\n\r\n")
    idle[1].close()


async def test_stream_that_does_not_listen_is_cut_after_the_grace() -> None:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    deaf = streaming(asyncio.Event())
    async with serving([Listener("public", deaf, ["bank.localhost"])], stopping, grace=0.3) as (door,):
        asked = asyncio.create_task(ask(door.port, "bank.localhost"))
        await asyncio.sleep(0.2)
        begun = loop.time()
    assert loop.time() - begun < 1.5
    assert not (await asked).endswith(b"0\r\n\r\n")


async def test_answer_that_was_under_way_is_completed() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        await release.wait()
        await PlainTextResponse("done")(scope, receive, send)

    async with serving([Listener("public", slow, ["bank.localhost"])], grace=3) as (door,):
        asked = asyncio.create_task(ask(door.port, "bank.localhost"))
        await entered.wait()
        asyncio.get_running_loop().call_later(0.3, release.set)
    assert (await asked).endswith(b"done")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_one_signal_ends_all_doors(number: signal.Signals) -> None:
    stopping = asyncio.Event()
    doors = [Listener(name, streaming(stopping), [name]) for name in ("a", "b", "c")]
    served = asyncio.create_task(run_servers(doors, stopping))
    await asyncio.sleep(0.3)
    os.kill(os.getpid(), number)
    await asyncio.wait_for(served, 3)
    assert stopping.is_set()


async def test_somebody_else_may_end_the_doors() -> None:
    stopping = asyncio.Event()
    served = asyncio.create_task(run_servers([Listener("a", naming("a"), ["a"])], stopping))
    await asyncio.sleep(0.1)
    stopping.set()
    await asyncio.wait_for(served, 3)


PROGRAM = """
import asyncio, sys, uvloop
from app.http.logs import configure_logging
from app.http.server import Listener, run_servers
from tests.app.http.test_server import streaming

async def main():
    stopping = asyncio.Event()
    await run_servers([Listener("public", streaming(stopping), ["bank.localhost"])], stopping)

configure_logging(sys.stdout)
uvloop.run(main())
"""


def test_process_with_an_open_stream_ends_within_two_seconds_of_sigterm() -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-c", PROGRAM], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert '"event": "listening"' in line, line
        port = int(line.partition('"port": ')[2].split(",")[0].rstrip("}\n"))
        with socket.create_connection(("127.0.0.1", port), timeout=5) as stream:
            stream.sendall(b"GET / HTTP/1.1\r\nHost: bank.localhost\r\n\r\n")
            received = stream.recv(4096)
            process.send_signal(signal.SIGTERM)
            while piece := stream.recv(4096):
                received += piece
        assert received.endswith(b"end\n\r\n0\r\n\r\n")
        assert process.wait(timeout=2) == 0


def test_what_was_there_before_the_doors_opened_is_not_collected_while_they_are_open() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    with settled_memory():
        assert gc.get_freeze_count() > before[1] + 1000
        assert gc.get_threshold() == COLLECT_AFTER
        assert gc.isenabled()
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before[0], 0)
