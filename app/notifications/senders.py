"""Ports to people: SMS by a provider-neutral HTTP gateway, mail by SMTP. Texts are never logged."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from typing import Protocol

import aiosmtplib

from app.outbound import OutboundClient, OutboundError
from security.secret import Secret


class SendFailed(Exception):
    """The gateway did not take the message; it may be tried again."""


class SmsSender(Protocol):
    """Sends one short text to a number in E.164."""

    async def send_sms(self, to: str, text: str) -> None:
        """Raises `SendFailed`."""
        ...


class MailSender(Protocol):
    """Sends one plain-text mail."""

    async def send_mail(self, to: str, subject: str, text: str) -> None:
        """Raises `SendFailed`."""
        ...


@dataclass(frozen=True)
class Senders:
    """What the bank has switched on; a missing sender means that channel is not offered."""

    sms: SmsSender | None
    mail: MailSender | None


class HttpSmsGateway:
    """POST {"to", "text"} with a bearer token; any 2xx means taken."""

    def __init__(self, url: str, token: Secret, outbound: OutboundClient) -> None:
        self._url, self._token, self._outbound = url, token, outbound

    async def send_sms(self, to: str, text: str) -> None:
        """See `SmsSender`."""
        headers = {"Authorization": f"Bearer {self._token.reveal().decode()}"}
        try:
            answer = await self._outbound.request("POST", self._url, headers=headers, json={"to": to, "text": text})
        except OutboundError as fault:
            raise SendFailed(type(fault).__name__) from None
        if not 200 <= answer.status < 300:
            raise SendFailed(f"gateway answered {answer.status}")


@dataclass(frozen=True)
class SmtpServer:
    """Where mail is handed in. `start_tls` None lets the server's offer decide; a bank sets it to True."""

    host: str
    port: int
    sender: str
    username: str | None = None
    password: Secret | None = None
    start_tls: bool | None = None


class SmtpMail:
    """Mail by SMTP (RFC 5321), one connection a message."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    async def send_mail(self, to: str, subject: str, text: str) -> None:
        """See `MailSender`."""
        server = self._server
        message = EmailMessage()
        try:
            message["From"], message["To"], message["Subject"] = server.sender, to, subject
            message["Auto-Submitted"] = "auto-generated"
            message.set_content(text)
            await aiosmtplib.send(
                message,
                hostname=server.host,
                port=server.port,
                username=server.username,
                password=server.password.reveal().decode() if server.password else None,
                start_tls=server.start_tls,
                timeout=10,
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as fault:
            raise SendFailed(type(fault).__name__) from None
