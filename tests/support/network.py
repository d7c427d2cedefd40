"""Tests talk to loopback only: any other connection, send or name look-up is refused and fails the test that tried it.

An audit hook sees every socket of the interpreter, whichever library made it, also where a test has replaced parts of
`socket`. It cannot see uvloop's own or another process's; for those the run sits in a network namespace of its own.
"""

from __future__ import annotations

import ipaddress
import socket
import sys

_attempts: list[str] = []


class OutsideTrafficError(OSError):
    """A test tried to leave this machine."""


def is_local(host: object) -> bool:
    """Whether a host, as `connect` or `getaddrinfo` got it, is this machine and nothing else."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str) or host == "":
        return host in (None, "")
    name = host.lower().rstrip(".").partition("%")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_address(host: object) -> bool:
    try:
        ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return True


def _refuse(what: str) -> None:
    _attempts.append(what)
    message = f"tests talk to loopback only: {what}"
    raise OutsideTrafficError(message)


def _watch(event: str, args: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
        if isinstance(address, tuple) and not is_local(address[0]):
            _refuse(f"{event} {address[0]}:{address[1]}")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        name = args[0]
        # an address asks nobody; mail clients look their own machine up
        if not (is_local(name) or _is_address(name) or name == socket.gethostname()):
            _refuse(f"{event} {name!r}")


def watch() -> None:
    """Begin to refuse; for the rest of the process, since an audit hook cannot be taken back."""
    sys.addaudithook(_watch)


def forget() -> list[str]:
    """What was tried since the last call."""
    tried = _attempts.copy()
    _attempts.clear()
    return tried
