"""A small SMTP listener on loopback (RFC 5321, the part a mail client needs) that puts mail on the demo phones."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from ipaddress import ip_address
from typing import Final

MAX_MAIL: Final = 256 * 1024
MAX_LINE: Final = 4096
MAX_RECIPIENTS: Final = 20
MAX_COMMANDS: Final = 200
MAX_SESSIONS: Final = 20
IDLE_SECONDS: Final = 30.0
SESSION_SECONDS: Final = 120.0
PATH = re.compile(r"(?:FROM|TO):\s*<([^<>\s]*)>(?:\s.*)?", re.IGNORECASE)
Deliver = Callable[[str, str, str], object]


class Quit(Exception):
    """The session is over."""


class MailListener:
    """Listens while started; each mail is handed to `deliver(to, subject, text)` once per recipient."""

    def __init__(self, deliver: Deliver, host: str = "127.0.0.1", port: int = 0) -> None:
        if not ip_address(host).is_loopback:
            raise ValueError("the demo's mail never leaves this machine")
        self._deliver = deliver
        self._host = host
        self.port = port
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; `port` then is the real one."""
        self._server = await asyncio.start_server(self._serve, self._host, self.port, limit=MAX_LINE)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end the sessions that are open."""
        if self._server is not None:
            self._server.close()
        for task in list(self._sessions):
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        session = Session(reader, writer, self._deliver)
        try:
            async with asyncio.timeout(SESSION_SECONDS):
                await (session.run() if len(self._sessions) <= MAX_SESSIONS else session.say("421 too many sessions"))
        except (Quit, TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client left, was slow, or sent a line without end
        except asyncio.CancelledError:
            pass  # stop(): the connection closes below, and nobody waits for a result
        finally:
            self._sessions.discard(task)
            writer.close()


@dataclass
class Session:
    """One client's dialogue."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    deliver: Deliver
    sender: str | None = None
    recipients: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Answer commands until the client leaves or has sent too many. Raises Quit."""
        await self.say("220 phone.localhost demo mail")
        for _ in range(MAX_COMMANDS):
            line = (await self.line()).decode("utf-8", "replace").strip()
            verb, _, rest = line.partition(" ")
            await self.obey(verb.upper(), rest)
        await self.say("421 too many commands")

    async def obey(self, verb: str, rest: str) -> None:
        """One command."""
        match verb:
            case "EHLO":
                self.forget()
                await self.say("250-phone.localhost", f"250-SIZE {MAX_MAIL}", "250-8BITMIME", "250 SMTPUTF8")
            case "HELO":
                self.forget()
                await self.say("250 phone.localhost")
            case "MAIL" | "RCPT":
                await self.say(self.envelope(verb, rest))
            case "DATA":
                await self.data()
            case "RSET":
                self.forget()
                await self.say("250 ok")
            case "NOOP":
                await self.say("250 ok")
            case "QUIT":
                await self.say("221 bye")
                raise Quit
            case _:
                await self.say("502 not known here")

    def envelope(self, verb: str, rest: str) -> str:
        """Take a sender or a recipient; returns the answer."""
        path = PATH.fullmatch(rest)
        if path is None or rest[:1].upper() != ("F" if verb == "MAIL" else "T"):
            return "501 not a path"
        if verb == "MAIL":
            if self.sender is not None:
                return "503 one sender at a time"
            self.sender = path.group(1)
            return "250 ok"
        if self.sender is None or not path.group(1):
            return "503 no sender yet" if self.sender is None else "501 not a path"
        if len(self.recipients) >= MAX_RECIPIENTS:
            return "452 too many recipients"
        self.recipients.append(path.group(1))
        return "250 ok"

    async def data(self) -> None:
        """Take the mail itself and deliver it. Raises Quit when it is too large to go on."""
        if not self.recipients:
            await self.say("503 no recipient yet")
            return
        await self.say("354 end with a line with a dot alone")
        lines: list[bytes] = []
        size = 0
        while (line := await self.line()) != b".\r\n":  # exactly this: a bare LF never ends a mail (SMTP smuggling)
            size += len(line)
            if size > MAX_MAIL:
                await self.say("552 too large")
                raise Quit
            lines.append(line.removeprefix(b"."))
        try:
            subject, text = readable(b"".join(lines))
        except (LookupError, ValueError, TypeError, AttributeError):
            self.forget()
            await self.say("554 not readable")
            return
        for recipient in self.recipients:
            self.deliver(recipient, subject, text)
        self.forget()
        await self.say("250 taken")

    def forget(self) -> None:
        """Back to the state before MAIL."""
        self.sender = None
        self.recipients = []

    async def line(self) -> bytes:
        """The next line with its CRLF, of at most 4,096 bytes."""
        async with asyncio.timeout(IDLE_SECONDS):
            return await self.reader.readuntil(b"\r\n")

    async def say(self, *lines: str) -> None:
        """Answer."""
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        async with asyncio.timeout(IDLE_SECONDS):
            await self.writer.drain()


def readable(raw: bytes) -> tuple[str, str]:
    """Subject and plain text of a mail. Raises LookupError, ValueError, TypeError or AttributeError without one."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    if not isinstance(message, EmailMessage):
        raise TypeError("not a mail")
    body = message.get_body(("plain",))
    if body is None:
        raise ValueError("no plain text")
    return str(message["subject"] or ""), str(body.get_content()).replace("\r\n", "\n").strip()
