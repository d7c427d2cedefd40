"""The demo phones: what the bank sends arrives in order, for its recipient, and nothing of it is markup."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email.message import EmailMessage
from itertools import pairwise

import aiosmtplib
import httpx2
import pytest

from app.demo.phone import Device, MailListener, PhoneInbox, create_phone_app
from app.demo.phone.inbox import MAX_ITEMS
from app.demo.phone.smtp import MAX_MAIL
from tests.app.demo.conftest import Clock

GIULIA = Device("giulia", "Giulia Ferraro", "+393331234567", "giulia@example.org")
MARCO = Device("marco", "Marco <i>Bianchi</i>", "+393337654321", "marco@example.org")
TOKEN = "sms-token-0123456789"
BASE = "http://phone.localhost:8105"


@pytest.fixture
def inbox() -> PhoneInbox:
    return PhoneInbox((GIULIA, MARCO), Clock())


@pytest.fixture
async def phone(inbox: PhoneInbox) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(create_phone_app(inbox, TOKEN))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client


@pytest.fixture
async def listener(inbox: PhoneInbox) -> AsyncIterator[MailListener]:
    made = MailListener(inbox.mail)
    await made.start()
    yield made
    await made.stop()


async def send_sms(phone: httpx2.AsyncClient, token: str = TOKEN, **body: object) -> httpx2.Response:
    sent = {"to": GIULIA.phone, "text": "Il codice è 1234 5678"} | body
    return await phone.post("/sms", json=sent, headers={"authorization": f"Bearer {token}"})


async def test_sms_and_mail_are_shown_in_the_order_of_arrival(phone: httpx2.AsyncClient, inbox: PhoneInbox) -> None:
    assert (await send_sms(phone, text="primo")).status_code == 202
    inbox.mail(GIULIA.email.upper(), "oggetto", "secondo")
    assert (await send_sms(phone, text="terzo")).status_code == 202
    shown = (await phone.get("/giulia")).text
    places = [shown.index(word) for word in ("terzo", "secondo", "primo")]
    assert all(earlier < later for earlier, later in pairwise(places))
    listed = (await phone.get("/inbox.json")).json()["items"]
    assert [item["text"] for item in listed] == ["primo", "secondo", "terzo"]


async def test_each_phone_shows_its_own_messages_alone(phone: httpx2.AsyncClient) -> None:
    await send_sms(phone, text="per Giulia")
    await send_sms(phone, to=MARCO.phone, text="per Marco")
    await send_sms(phone, to="+390000000001", text="per nessuno")
    assert "per Marco" not in (await phone.get("/giulia")).text
    assert "per Giulia" in (await phone.get("/giulia")).text
    every = (await phone.get("/")).text
    assert all(text in every for text in ("per Giulia", "per Marco", "per nessuno"))


async def test_inbox_json_is_filtered_by_recipient_and_cursor(phone: httpx2.AsyncClient) -> None:
    await send_sms(phone, text="uno")
    await send_sms(phone, to=MARCO.phone, text="due")
    await send_sms(phone, text="tre")
    mine = (await phone.get("/inbox.json", params={"to": GIULIA.phone})).json()["items"]
    assert [item["text"] for item in mine] == ["uno", "tre"]
    later = (await phone.get("/inbox.json", params={"to": GIULIA.phone, "after": mine[0]["number"]})).json()["items"]
    assert [item["text"] for item in later] == ["tre"]
    assert (await phone.get("/inbox.json?after=x")).status_code == 422
    assert (await phone.get("/arrived.json")).json() == {"arrived": 3}


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x"])
async def test_sms_without_the_gateways_token_is_refused(
    phone: httpx2.AsyncClient, inbox: PhoneInbox, token: str
) -> None:
    assert (await send_sms(phone, token)).status_code == 401
    assert inbox.arrived == 0


@pytest.mark.parametrize(
    "body",
    [{"to": "0039333"}, {"to": "+39 333 1234567"}, {"to": 39}, {"text": ""}, {"text": "x" * 1601}, {"text": None}],
)
async def test_malformed_sms_is_refused(phone: httpx2.AsyncClient, inbox: PhoneInbox, body: dict[str, object]) -> None:
    assert (await send_sms(phone, TOKEN, **body)).status_code == 422
    assert inbox.arrived == 0


async def test_broken_json_is_refused(phone: httpx2.AsyncClient) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    for content, status in (
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 50_000, 400),
        (b"[]", 422),
        (b'{"to":"+393331234567","text":"\\ud800"}', 400),
        (b"x" * 70_000, 413),
    ):
        assert (await phone.post("/sms", content=content, headers=headers)).status_code == status


async def test_messages_are_escaped_and_links_are_links(phone: httpx2.AsyncClient, inbox: PhoneInbox) -> None:
    inbox.mail(GIULIA.email, "<img src=x>", "<script>x</script> http://bank.localhost:8101/not-me.")
    shown = (await phone.get("/")).text
    assert "<img" not in shown
    assert "<script>x" not in shown
    assert "<i>Bianchi" not in shown
    assert '<a href="http://bank.localhost:8101/not-me" rel="noopener noreferrer nofollow">' in shown


async def test_phone_answers_on_loopback_names_only_and_knows_no_other_page(phone: httpx2.AsyncClient) -> None:
    assert (await phone.get("/", headers={"host": "evil.example"})).status_code == 421
    assert (await phone.get("/nobody")).status_code == 404
    assert '<html lang="en">' in (await phone.get("/?lang=en")).text


def test_inbox_is_bounded(inbox: PhoneInbox) -> None:
    for number in range(MAX_ITEMS + 5):
        inbox.sms(GIULIA.phone, str(number))
    assert inbox.items()[0].text == "5"
    assert inbox.arrived == MAX_ITEMS + 5


def mail(text: str, to: str = GIULIA.email) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "bank@example.org", to, "Il tuo codice è qui"
    message.set_content(text)
    return message


async def test_mail_of_a_real_client_arrives_for_each_recipient(listener: MailListener, inbox: PhoneInbox) -> None:
    text = "Perché no?\n.\n..due punti\n" + "lunga " * 300
    await aiosmtplib.send(
        mail(text), hostname="127.0.0.1", port=listener.port, recipients=[GIULIA.email, MARCO.email], start_tls=False
    )
    assert [(item.to, item.subject) for item in inbox.items()] == [
        (GIULIA.email, "Il tuo codice è qui"),
        (MARCO.email, "Il tuo codice è qui"),
    ]
    assert inbox.items()[0].text == text.strip()


async def test_one_connection_carries_several_mails(listener: MailListener, inbox: PhoneInbox) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=listener.port, start_tls=False) as client:
        for number in range(3):
            await client.send_message(mail(f"numero {number}"))
    assert [item.text for item in inbox.items()] == ["numero 0", "numero 1", "numero 2"]


async def talk(listener: MailListener, sent: bytes) -> bytes:
    """Everything that the listener answers to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


OPENING = b"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<giulia@example.org>\r\n"


async def test_bare_line_feeds_do_not_end_a_mail(listener: MailListener, inbox: PhoneInbox) -> None:
    smuggled = b"one\n.\nMAIL FROM:<x@example.org>\n.\r\n two\r\n"
    answer = await talk(listener, OPENING + b"DATA\r\nSubject: s\r\n\r\n" + smuggled + b".\r\nQUIT\r\n")
    assert answer.count(b"250 taken") == 1
    assert inbox.arrived == 1


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"DATA\r\nQUIT\r\n", b"503"),
        (b"RCPT TO:<a@example.org>\r\nQUIT\r\n", b"503"),
        (b"MAIL FROM:a@example.org\r\nQUIT\r\n", b"501"),
        (b"MAIL TO:<a@example.org>\r\nQUIT\r\n", b"501"),
        (b"MAIL FROM:<a@example.org>\r\nMAIL FROM:<a@example.org>\r\nQUIT\r\n", b"503"),
        (b"MAIL FROM:<a@example.org>\r\nRCPT TO:<>\r\nQUIT\r\n", b"501"),
        (b"VRFY x\r\nQUIT\r\n", b"502"),
        (b"\xff\xfe\r\nQUIT\r\n", b"502"),
        (b"NOOP\r\n" * 201, b"421"),
        (OPENING + b"RCPT TO:<b@example.org>\r\n" * 20 + b"QUIT\r\n", b"452"),
        (OPENING + b"DATA\r\nContent-Type: text/plain; charset=nothing\r\n\r\nx\r\n.\r\nQUIT\r\n", b"554"),
        (OPENING + b"DATA\r\nContent-Type: image/png\r\n\r\nx\r\n.\r\nQUIT\r\n", b"554"),
    ],
)
async def test_wrong_mail_dialogue_is_refused(
    listener: MailListener, inbox: PhoneInbox, sent: bytes, code: bytes
) -> None:
    answer = await talk(listener, sent)
    assert b"\r\n" + code in answer
    assert inbox.arrived == 0


async def test_mail_that_is_too_large_or_a_line_without_end_closes_the_connection(
    listener: MailListener, inbox: PhoneInbox
) -> None:
    lines = b"x" * 998 + b"\r\n"
    await talk(listener, OPENING + b"DATA\r\n" + lines * (MAX_MAIL // 1000 + 2) + b".\r\n")
    await talk(listener, b"x" * 100_000)
    assert inbox.arrived == 0
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=listener.port, start_tls=False) as client:
        await client.send_message(mail("ancora vivo"))
    assert inbox.arrived == 1


async def test_stop_ends_open_sessions(inbox: PhoneInbox) -> None:
    listener = MailListener(inbox.mail)
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    assert (await reader.readline()).startswith(b"220")
    async with asyncio.timeout(5):
        await listener.stop()
        assert await reader.read() == b""
    writer.close()


def test_listener_takes_loopback_addresses_only(inbox: PhoneInbox) -> None:
    with pytest.raises(ValueError, match="never leaves"):
        MailListener(inbox.mail, "0.0.0.0")
