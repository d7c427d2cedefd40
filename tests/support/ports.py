"""Loopback sockets: bind first and hand the socket over, so that no two tests ever meet on a port."""

from __future__ import annotations

import socket


def listening_socket(host: str = "127.0.0.1") -> socket.socket:
    """A TCP socket bound to a free port and listening; the caller closes it, or gives it to a server that does."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, 0))
    listener.listen(128)
    return listener


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def free_port(host: str = "127.0.0.1") -> int:
    """A port free a moment ago, for a program that can only be told a number; prefer `listening_socket`."""
    with listening_socket(host) as listener:
        return port_of(listener)
