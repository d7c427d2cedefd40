"""Serves the demonstration: every site on loopback, in one process, until it is stopped."""

from __future__ import annotations

import errno
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp

from app.demo import free_ports
from app.demo.addresses import LOOPBACK, SITES, Addresses
from app.demo.bank import DemoBank, demo_bank
from app.demo.network import Founding
from app.demo.phone.app import create_phone_app
from app.demo.square_network import square_network
from app.demo.start_page import create_start_app
from app.http.logs import configure_logging
from app.http.server import Listener, run_servers, serving
from app.main import listeners
from app.services import Clock, system_clock

FIRST_PORT: Final = 8600
DRAWS: Final = 50


class NotLoopback(Exception):
    """The demonstration would listen where others can reach it."""


def require_loopback(listen: str) -> None:
    """Raise `NotLoopback` for any address that is not this machine's own."""
    try:
        if ip_address(listen).is_loopback:
            return
    except ValueError:
        pass
    raise NotLoopback(f"the demo prints its passwords, so it listens on loopback only, not on {listen}")


def free_addresses(first: int | None = FIRST_PORT) -> Addresses:
    """Ports from `first` on if all are free, else (or without `first`) any that are free, one after the other."""
    for start in (first, *free_ports.drawn(DRAWS)):
        if start is not None:
            wanted = {site: start + place for place, site in enumerate(SITES)}
            if all(free_ports.is_free(port) for port in wanted.values()):
                return Addresses(wanted)
    raise OSError(errno.EADDRINUSE, f"no {len(SITES)} free ports in a row")


def demo_listeners(bank: DemoBank) -> list[Listener]:
    """The bank's own doors and the sites of the town."""
    house, addresses = bank.house, bank.addresses
    town: dict[str, ASGIApp] = {
        "demo": create_start_app(bank),
        "phone": create_phone_app(bank.inbox, bank.sms_token),
        **bank.identities.apps(house.services.clock),
        **bank.network.sites,
    }
    sites = [
        Listener(name=site, app=app, hosts=[addresses.netloc(site)], host=LOOPBACK, port=addresses.ports[site])
        for site, app in town.items()
    ]
    return [*listeners(house), *sites]


@asynccontextmanager
async def running_demo(
    folder: Path,
    addresses: Addresses,
    database_urls: tuple[str, str] = ("", ""),
    founding: Founding = square_network,
    clock: Clock = system_clock,
) -> AsyncIterator[DemoBank]:
    """A served demonstration with its worker, for the headless story and the journeys."""
    async with (
        demo_bank(folder, addresses, clock=clock, database_urls=database_urls, founding=founding) as bank,
        serving(demo_listeners(bank), bank.house.services.wakeups.stopping),
    ):
        bank.worker.start()
        try:
            yield bank
        finally:
            await bank.worker.stop()


async def run_demo(listen: str = LOOPBACK, *, write_first: bool = False) -> None:
    """Serve until interrupted; prints where to begin. Raises `NotLoopback`.

    With `write_first` the Square takes no unsolicited direct messages.
    """
    require_loopback(listen)
    configure_logging(sys.stderr)
    with tempfile.TemporaryDirectory(prefix="riserbo-demo-") as folder:
        founding = partial(square_network, accepts_unsolicited=not write_first)
        async with demo_bank(Path(folder), free_addresses(), founding=founding) as bank:
            bank.worker.start()
            _announce(bank.addresses)
            try:
                await run_servers(demo_listeners(bank), bank.house.services.wakeups.stopping)
            finally:
                await bank.worker.stop()


def _announce(addresses: Addresses) -> None:
    lines: Sequence[tuple[str, str]] = (
        ("Begin here", addresses.url("demo")),
        ("The Square", addresses.url("square")),
        ("The bank's public door", f"{addresses.url('bank')}/verify"),
        ("The bank's staff door", addresses.url("staff")),
        ("The customers' phones", addresses.url("phone")),
        ("The digital identity", addresses.url("eid")),
        ("The stub identity provider", addresses.url("identity")),
    )
    print("\n  *** DEMONSTRATION *** throw-away keys, invented people, loopback only; all is gone when it stops\n")
    for name, url in lines:
        print(f"  {name:<28}{url}")
    print("\n  Stop with Ctrl-C.\n", flush=True)
