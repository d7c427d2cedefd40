"""Requests straight into an application, without sockets and without a client library: quick, and timed to the point.

What an attacker could measure over a network is this and noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from time import perf_counter, process_time
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from starlette.types import ASGIApp, Message

FORM: Final = b"application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Seen:
    """An answer, header for header, the seconds that it took, and those in which this process worked on it.

    The latter are what a patient attacker's averages come down to: other programs on the machine do not count.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    seconds: float
    worked: float

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class BareBrowser:
    """A browser as far as a server sees it: cookies, its own origin, an address."""

    app: ASGIApp
    origin: str
    address: str = "203.0.113.7"
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, target: str) -> Seen:
        return await self._ask("GET", target, b"")

    async def post(self, target: str, form: Mapping[str, str] | None = None) -> Seen:
        return await self._ask("POST", target, urlencode(form or {}).encode())

    async def _ask(self, method: str, target: str, body: bytes) -> Seen:
        parts, got = urlsplit(target), _Got()
        scope = self._scope(method, parts.path, parts.query, body)
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Message:
            return next(messages, {"type": "http.disconnect"})

        began, worked = perf_counter(), process_time()
        await self.app(scope, receive, got.send)
        took, worked = perf_counter() - began, process_time() - worked
        headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in got.headers]
        seen = Seen(got.status, headers, bytes(got.body), took, worked)
        for key, value in seen.headers:
            if key == "set-cookie":
                self.cookies |= {name: one.value for name, one in SimpleCookie(value).items()}
        return seen

    def _scope(self, method: str, path: str, query: str, body: bytes) -> dict[str, Any]:
        host = urlsplit(self.origin).netloc
        sent = [("host", host), ("accept", "text/html"), ("accept-language", "en"), ("sec-fetch-site", "same-origin")]
        if self.cookies:
            sent.append(("cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
        headers = [(name.encode(), value.encode()) for name, value in sent]
        if method == "POST":
            headers += [
                (b"origin", self.origin.encode()),
                (b"content-type", FORM),
                (b"content-length", b"%d" % len(body)),
            ]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": headers,
            "client": (self.address, 40_000),
            "server": (host, 443),
            "state": {},
        }


@dataclass
class _Got:
    """What the application sends."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")
