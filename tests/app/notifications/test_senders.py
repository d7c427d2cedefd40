"""Senders: a real SMTP server, an SMS gateway on loopback; whatever fails may be tried again and prints nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from app.notifications.senders import HttpSmsGateway, SendFailed, SmtpMail, SmtpServer
from app.outbound import OutboundClient
from security.secret import Secret
from tests.support.ports import free_port
from tests.support.serving import serving
from tests.support.smtp import Mailbox, running_smtp
from tests.support.tls import contexts

TO = "giulia@posta.example"


def mail(box: Mailbox, **options: Any) -> SmtpMail:
    return SmtpMail(SmtpServer(box.host, box.port, "Banca Esempio <avvisi@bancaesempio.example>", **options))


async def test_a_mail_arrives_as_it_was_written(mailbox: Mailbox) -> None:
    await mail(mailbox).send_mail(TO, "Il codice è pronto", "Codice: 1234 5678\nÈ valido per cinque minuti.")
    [message] = mailbox.messages
    assert (message["To"], message["Subject"]) == (TO, "Il codice è pronto")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().splitlines() == ["Codice: 1234 5678", "È valido per cinque minuti."]
    assert mailbox.envelopes[0].rcpt_tos == [TO]


async def test_a_refusal_is_a_failure_that_says_nothing_of_the_text(mailbox: Mailbox) -> None:
    mailbox.refusal = "550 no 1234 5678 here"
    with pytest.raises(SendFailed) as failed:
        await mail(mailbox).send_mail(TO, "Codice", "1234 5678")
    assert "1234" not in str(failed.value)
    assert failed.value.__cause__ is None


async def test_a_server_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(SendFailed):
        await SmtpMail(SmtpServer("127.0.0.1", free_port(), "a@b.example")).send_mail(TO, "s", "t")


async def test_with_starttls_the_mail_travels_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, _client = contexts(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with running_smtp(server) as box:
        await mail(box, start_tls=True).send_mail(TO, "Codice", "1234 5678")
        assert len(box.messages) == 1


async def test_starttls_that_is_asked_for_is_never_done_without(mailbox: Mailbox) -> None:
    with pytest.raises(SendFailed):
        await mail(mailbox, start_tls=True).send_mail(TO, "Codice", "1234 5678")
    assert mailbox.messages == []


async def test_a_certificate_that_nobody_trusts_is_refused(tmp_path: Path) -> None:
    server, _client = contexts(tmp_path)
    with running_smtp(server) as box:
        with pytest.raises(SendFailed):
            await mail(box, start_tls=True).send_mail(TO, "Codice", "1234 5678")
        assert box.messages == []


@pytest.mark.parametrize("to", ["giulia@posta.example\nBcc: eva@posta.example", "giulia@posta.example\r\nX: y"])
async def test_an_address_cannot_add_a_recipient(mailbox: Mailbox, to: str) -> None:
    with pytest.raises(SendFailed):
        await mail(mailbox).send_mail(to, "Codice", "1234 5678")
    assert mailbox.messages == []


def gateway(answer: Callable[[], Any]) -> tuple[FastAPI, list[dict[str, Any]]]:
    app, got = FastAPI(), []

    @app.post("/sms")
    async def take(request: Request) -> Any:
        got.append({"body": await request.json(), "auth": request.headers["authorization"]})
        made = answer()
        return await made if asyncio.iscoroutine(made) else made

    return app, got


async def sent(answer: Callable[[], Any], **client: Any) -> list[dict[str, Any]]:
    app, got = gateway(answer)
    async with serving(app) as port:
        outbound = OutboundClient(http_hosts={"sms.example": ("127.0.0.1", port)}, **client)
        sender = HttpSmsGateway(f"http://sms.example:{port}/sms", Secret(b"gateway-token"), outbound)
        await sender.send_sms("+393331234567", "Codice: 1234 5678")
    return got


@pytest.mark.parametrize("status", [200, 202])
async def test_an_sms_is_handed_to_the_gateway_with_its_token(status: int) -> None:
    assert await sent(lambda: JSONResponse({}, status)) == [
        {"body": {"to": "+393331234567", "text": "Codice: 1234 5678"}, "auth": "Bearer gateway-token"}
    ]


@pytest.mark.parametrize("status", [301, 400, 401, 429, 500, 503])
async def test_any_other_answer_of_the_gateway_is_a_failure_without_the_text(status: int) -> None:
    with pytest.raises(SendFailed) as failed:
        await sent(lambda: JSONResponse({"text": "1234 5678"}, status, {"Location": "/elsewhere"}))
    assert "1234" not in str(failed.value)


async def test_a_gateway_that_does_not_answer_is_a_failure_soon() -> None:
    with pytest.raises(SendFailed):
        await asyncio.wait_for(sent(lambda: asyncio.sleep(2), timeout=0.2), 5)


def test_a_gateway_prints_no_token() -> None:
    sender = HttpSmsGateway("https://sms.example/sms", Secret(b"gateway-token"), OutboundClient())
    assert "gateway-token" not in f"{sender!r} {sender.__dict__!r}"
    server = SmtpServer("h", 1, "s", "user", Secret(b"mail-password"))
    assert "mail-password" not in f"{server!r}"
