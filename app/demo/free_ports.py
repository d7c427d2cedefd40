"""Ports of this machine that nobody uses yet."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from typing import Final

from app.demo.addresses import LOOPBACK

LOWEST: Final = 12_000
HIGHEST: Final = 32_000


def drawn(count: int) -> Iterator[int]:
    """So many numbers below the range that the system hands out by itself: nobody takes one before it is used."""
    return (LOWEST + secrets.randbelow(HIGHEST - LOWEST) for _ in range(count))


def is_free(port: int) -> bool:
    """Whether somebody could listen there now."""
    try:
        with socket.create_server((LOOPBACK, port)):
            return True
    except OSError:
        return False
