"""Where the demonstration listens."""

from __future__ import annotations

import pytest

from app.demo.running import LOOPBACK, NotLoopback, free_addresses, require_loopback
from tests.support.ports import listening_socket, port_of


@pytest.mark.parametrize("listen", ["127.0.0.1", "127.8.9.1", "::1"])
def test_this_machines_own_addresses_are_fine(listen: str) -> None:
    require_loopback(listen)


@pytest.mark.parametrize("listen", ["0.0.0.0", "::", "192.0.2.1", "bank.example", "localhost", ""])
def test_nothing_that_others_can_reach_is_listened_on(listen: str) -> None:
    with pytest.raises(NotLoopback, match="loopback only"):
        require_loopback(listen)


def test_a_taken_port_moves_the_whole_demonstration() -> None:
    with listening_socket(LOOPBACK) as other:
        assert port_of(other) not in free_addresses(port_of(other)).ports.values()


def test_drawn_ports_are_none_that_the_system_hands_out_meanwhile() -> None:
    for _ in range(20):
        ports = sorted(free_addresses(None).ports.values())
        assert ports == list(range(ports[0], ports[0] + 8))
        assert 1024 <= ports[0] < ports[-1] < 32768  # where Linux begins
