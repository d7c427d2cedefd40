"""A real SMTP server on loopback that keeps what it is given, with STARTTLS when a certificate is given."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.ports import free_port


def _octets(envelope: Envelope) -> bytes:
    content = envelope.content or b""
    return content if isinstance(content, bytes) else content.encode()


@dataclass
class Mailbox:
    """Where the server listens and what has arrived; `refusal` is an SMTP answer to give instead of accepting."""

    host: str = "127.0.0.1"
    port: int = 0
    refusal: str | None = None
    envelopes: list[Envelope] = field(default_factory=list)

    @property
    def messages(self) -> list[EmailMessage]:
        """The mails so far, oldest first."""
        parsed = [message_from_bytes(_octets(one), policy=policy.default) for one in self.envelopes]
        return [message for message in parsed if isinstance(message, EmailMessage)]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep the mail, or answer with the refusal."""
        if self.refusal is not None:
            return self.refusal
        self.envelopes.append(envelope)
        return "250 OK"


@contextlib.contextmanager
def running_smtp(tls: ssl.SSLContext | None = None) -> Iterator[Mailbox]:
    """Serve in a thread of its own, so that sync and async tests can use it; with `tls`, STARTTLS is required."""
    mailbox = Mailbox(port=free_port())
    controller = Controller(
        mailbox,
        hostname=mailbox.host,
        port=mailbox.port,
        tls_context=tls,
        require_starttls=tls is not None,
        server_hostname="localhost",
    )
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
