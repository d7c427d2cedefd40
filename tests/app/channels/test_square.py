"""The connector against the Square's HTTP surface."""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from app.channels.ports import (
    ChannelRefused,
    ChannelUnavailable,
    Connector,
    DirectMessageRefused,
    PostGone,
    PostRef,
    RefusalReason,
    SignInAnswer,
    SignInFailed,
    SignInWish,
    Subject,
    TextTooLong,
    connector_for,
)
from app.channels.square import square_connector
from app.demo.square import Accepts, Bot, ClientApp, Person, SeedPost, SquareSeed, create_square_app
from app.outbound import OutboundFailed
from app.services import Services
from security.secret import Secret

BASE = "http://square.localhost:8104"
CALLBACK = "http://bank.localhost:8101/proofs/square/callback"
VERIFIER = "v" * 50
LINK = "http://bank.localhost:8101/c/abcdefghijklmnopqrstuvwxyz"
SERVICES = cast("Services", None)  # the Square stores nothing of a sign-in
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
GIULIA = Person("48210", "giulia", "Giulia Ferraro")
MARCO = Person("48377", "marco_b", "Marco Bianchi", accepts=Accepts.NOBODY)
TANIA = Person("49518", "curiosa_22", "Tania Conti", accepts=Accepts.CONTACTS)
BANK = Person("10007", "bancaesempio", "Banca Esempio", official=True)


@dataclass
class Reply:
    status: int
    body: bytes


@dataclass
class Wire:
    """The outbound client's protocol over the app itself; can be cut, and remembers what passed."""

    app: Any
    cut: bool = False
    answers: list[Reply] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Reply:
        self.seen.append((method, urlsplit(url).path))
        if self.cut:
            raise OutboundFailed("cut")
        if self.answers:
            return self.answers.pop(0)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app)) as client:
            sent = dict(data) if data is not None else None
            answer = await client.request(method, url, headers=dict(headers or {}), json=json, data=sent, auth=auth)
        assert len(answer.content) <= 64 * 1024
        return Reply(answer.status_code, answer.content)


@dataclass
class Network:
    app: Any
    wire: Wire
    connector: Connector

    @property
    def square(self) -> Any:
        return self.app.state.square


def came_back(code: str, verifier: str = VERIFIER) -> SignInAnswer:
    return SignInAnswer(code, BASE, verifier, CALLBACK)


def connect(wire: Wire, **changed: Any) -> Connector:
    values: dict[str, Any] = {
        "api_token": Secret(b"bank-token"),
        "client_id": "bank",
        "client_secret": Secret(b"bank-secret"),
        "bank_handle": "bancaesempio",
    }
    return square_connector(BASE + "/", **values | changed, outbound=wire)


@pytest.fixture
async def network() -> Network:
    posts = (
        SeedPost("90001", GIULIA.id, "Cara @BancaEsempio, un bollo due volte?", NOON - timedelta(hours=2)),
        SeedPost("90002", TANIA.id, "Scrivo a info@bancaesempio.example, non a @bancaesempio2", NOON),
        SeedPost("90003", TANIA.id, "Anche a me", NOON, "90001"),
    )
    clients = (ClientApp("bank", "bank-secret", "Banca Esempio", (CALLBACK,)),)
    seed = SquareSeed(BASE, (GIULIA, MARCO, TANIA, BANK), posts, (Bot("bank-token", BANK.id),), clients)
    app = create_square_app(seed, lambda: NOON)
    wire = Wire(app)
    return Network(app, wire, connect(wire))


def subject(person: Person) -> Subject:
    return Subject("square", BASE, person.id, person.handle, person.display_name)


def test_subjects_are_equal_by_immutable_id_and_never_by_handle() -> None:
    assert subject(GIULIA) == Subject("square", BASE, GIULIA.id, "renamed", "Other")
    assert subject(GIULIA) != Subject("square", BASE, TANIA.id, "giulia", "Giulia Ferraro")
    assert subject(GIULIA) != Subject("square", "http://other.localhost", GIULIA.id, "giulia", "Giulia Ferraro")
    assert len({subject(GIULIA), Subject("square", BASE, GIULIA.id, "renamed", "Other")}) == 1


async def test_complaint_arrives_once_with_the_authors_immutable_id(network: Network) -> None:
    assert network.connector.arrivals is not None
    posts, cursor = await network.connector.arrivals.poll(None)
    assert [post.external_id for post in posts] == ["90001"]
    assert posts[0].author == subject(GIULIA)
    assert posts[0].created_at == NOON - timedelta(hours=2)
    assert posts[0].url == f"{BASE}/posts/90001"
    assert (posts[0].thread_id, posts[0].in_reply_to, posts[0].is_own) == ("90001", None, False)
    again, later = await network.connector.arrivals.poll(cursor)
    assert (again, later) == ([], cursor)


async def test_long_backlog_arrives_in_order_over_several_pages(network: Network) -> None:
    assert network.connector.arrivals is not None
    for number in range(60):
        network.square.post(TANIA.id, f"@bancaesempio {number} " + "😀" * 470, None)
    found: list[str] = []
    cursor: str | None = None
    for _ in range(5):
        posts, cursor = await network.connector.arrivals.poll(cursor)
        found += [post.external_id for post in posts]
    assert found == sorted(found, key=int)
    assert len(found) == len(set(found)) == 61


async def test_answer_to_the_banks_reply_arrives_without_naming_it(network: Network) -> None:
    assert network.connector.arrivals is not None
    assert network.connector.publisher is not None
    reply = await network.connector.publisher.publish(PostRef("90001", "90001"), f"Ciao\n{LINK}", "key-1")
    network.square.post(GIULIA.id, "Non è risolto.", int(reply.external_id))
    posts, _ = await network.connector.arrivals.poll("90003")
    assert [(post.text, post.thread_id, post.in_reply_to) for post in posts] == [
        ("Non è risolto.", "90001", reply.external_id)
    ]


async def test_reply_is_published_once_and_found_again_by_its_link(network: Network) -> None:
    publisher = network.connector.publisher
    assert publisher is not None
    ref = PostRef("90001", "90001")
    assert await publisher.find_own_reply(ref, LINK) is None
    text = publisher.fit("Ciao Giulia, ti rispondiamo qui:", LINK)
    first = await publisher.publish(ref, text, "key-1")
    assert await publisher.publish(ref, text, "key-1") == first
    assert await publisher.find_own_reply(ref, LINK) == first
    thread = await publisher.read_thread(ref)
    assert [(post.external_id, post.is_own) for post in thread] == [
        ("90001", False),
        ("90003", False),
        (first.external_id, True),
    ]


async def test_somebody_elses_post_with_the_link_is_not_taken_for_the_banks(network: Network) -> None:
    publisher = network.connector.publisher
    assert publisher is not None
    network.square.rename(BANK.id, "bancavera")
    network.square.rename(TANIA.id, "bancaesempio")
    network.square.post(TANIA.id, f"Clicca qui {LINK}", 90001)
    network.square.rename(TANIA.id, "curiosa_22")
    network.square.rename(BANK.id, "bancaesempio")
    assert await publisher.find_own_reply(PostRef("90001", "90001"), LINK) is None


async def test_same_key_with_another_text_is_refused(network: Network) -> None:
    publisher = network.connector.publisher
    assert publisher is not None
    await publisher.publish(PostRef("90001", "90001"), "uno", "key-1")
    with pytest.raises(ChannelRefused, match="idempotency_mismatch"):
        await publisher.publish(PostRef("90001", "90001"), "due", "key-1")


async def test_reply_to_a_post_that_is_gone_is_refused(network: Network) -> None:
    publisher = network.connector.publisher
    assert publisher is not None
    with pytest.raises(PostGone):
        await publisher.publish(PostRef("91234", "91234"), "ciao", "key-1")
    with pytest.raises(PostGone):
        await publisher.read_thread(PostRef("91234", "91234"))


def test_text_that_fits_exactly_passes_and_one_more_character_is_refused(network: Network) -> None:
    publisher = network.connector.publisher
    assert publisher is not None
    room = 500 - len(LINK) - 1
    assert len(publisher.fit("e\u0301" * room, LINK)) == 500
    assert publisher.fit("x", LINK).endswith("\n" + LINK)
    with pytest.raises(TextTooLong) as caught:
        publisher.fit("x" * (room + 1), LINK)
    assert (caught.value.maximum, caught.value.length) == (room, room + 1)


async def test_fitting_text_is_accepted_by_the_network(network: Network) -> None:
    publisher = network.connector.publisher
    assert publisher is not None
    text = publisher.fit("x" * (500 - len(LINK) - 1), LINK)
    assert (await publisher.publish(PostRef("90001", "90001"), text, "k")).url.startswith(BASE)


async def code_for(network: Network, person: Person) -> str:
    assert network.connector.sign_in is not None
    wish = SignInWish("@giulia", "state-of-the-browser", create_s256_code_challenge(VERIFIER), CALLBACK)
    departure = await network.connector.sign_in.begin(SERVICES, wish)
    assert departure.redirect_uri == CALLBACK
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(network.app), base_url=BASE) as browser:
        await browser.post("/sign-in", data={"person": person.id})
        form = (await browser.get(departure.url)).text.split('action="/oauth/authorize"')[1].split("</form>")[0]
        fields = {name: unescape(value) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)">', form)}
        answer = await browser.post("/oauth/authorize", data=fields | {"decision": "approve"})
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["state"] == ["state-of-the-browser"]
    assert network.connector.sign_in.is_issuer(departure.memo, query["iss"][0])
    assert not network.connector.sign_in.is_issuer(departure.memo, None)
    return query["code"][0]


async def test_sign_in_names_the_account_and_gives_the_token_back(network: Network) -> None:
    assert network.connector.sign_in is not None
    code = await code_for(network, GIULIA)
    assert await network.connector.sign_in.finish(SERVICES, came_back(code, VERIFIER)) == subject(GIULIA)
    assert network.wire.seen[-1] == ("POST", "/oauth/revoke")
    assert network.app.state.server._access == {}


async def test_sign_in_with_a_replayed_code_or_wrong_verifier_fails(network: Network) -> None:
    assert network.connector.sign_in is not None
    code = await code_for(network, GIULIA)
    await network.connector.sign_in.finish(SERVICES, came_back(code, VERIFIER))
    with pytest.raises(SignInFailed):
        await network.connector.sign_in.finish(SERVICES, came_back(code, VERIFIER))
    with pytest.raises(SignInFailed):
        await network.connector.sign_in.finish(SERVICES, came_back(await code_for(network, GIULIA), "w" * 50))


async def test_sign_in_with_a_wrong_client_secret_fails(network: Network) -> None:
    wrong = connect(network.wire, client_secret=Secret(b"wrong"))
    assert wrong.sign_in is not None
    with pytest.raises(SignInFailed, match="invalid_client"):
        await wrong.sign_in.finish(SERVICES, came_back(await code_for(network, GIULIA), VERIFIER))


async def test_sign_in_stands_when_only_the_revocation_is_lost(network: Network) -> None:
    assert network.connector.sign_in is not None
    told = {"sub": GIULIA.id, "preferred_username": "giulia", "name": "Giulia"}
    network.wire.answers = [
        Reply(200, b'{"access_token":"t","token_type":"Bearer"}'),
        Reply(200, jsonlib.dumps(told).encode()),
        Reply(503, b""),
    ]
    assert (await network.connector.sign_in.finish(SERVICES, came_back("c", VERIFIER))).immutable_id == GIULIA.id


@pytest.mark.parametrize("told", [b"{}", b'{"sub":""}', b'{"sub":null}'])
async def test_sign_in_without_a_subject_proves_nothing_and_still_revokes(network: Network, told: bytes) -> None:
    assert network.connector.sign_in is not None
    network.wire.answers = [
        Reply(200, b'{"access_token":"t","token_type":"Bearer"}'),
        Reply(200, told),
        Reply(200, b""),
    ]
    with pytest.raises(SignInFailed):
        await network.connector.sign_in.finish(SERVICES, came_back("c", VERIFIER))
    assert network.wire.seen[-1] == ("POST", "/oauth/revoke")


async def test_direct_message_reaches_the_account_once(network: Network) -> None:
    messages = network.connector.direct_messages
    assert messages is not None
    for _ in range(2):
        await messages.send(subject(GIULIA), "Il codice è 1234 5678", "key-1")
    assert [one.text for one in network.square.conversation(BANK.id, GIULIA.id)] == ["Il codice è 1234 5678"]


async def test_direct_message_follows_the_id_and_not_the_handle(network: Network) -> None:
    messages = network.connector.direct_messages
    assert messages is not None
    network.square.rename(GIULIA.id, "giulia_2")
    network.square.rename(MARCO.id, "giulia")
    await messages.send(subject(GIULIA), "codice", "key-1")
    assert len(network.square.conversation(BANK.id, GIULIA.id)) == 1


async def test_who_wrote_to_the_bank_is_told_and_what_is_not(network: Network) -> None:
    incoming = network.connector.incoming
    assert incoming is not None
    assert await incoming.poll(None) == ([], "0")
    network.square.send_message(TANIA.id, BANK.id, "segretissimo")
    network.square.send_message(TANIA.id, GIULIA.id, "altro")
    [message], cursor = await incoming.poll("0")
    assert message.author == subject(TANIA)
    assert "segretissimo" not in repr(message)
    assert await incoming.poll(cursor) == ([], cursor)


async def test_many_messages_come_page_by_page(network: Network) -> None:
    incoming, cursor, told = network.connector.incoming, "0", 0
    assert incoming is not None
    for _ in range(30):
        network.square.send_message(TANIA.id, BANK.id, "\U0001f600" * 1000)
    for _ in range(4):
        messages, following = await incoming.poll(cursor)
        told, cursor = told + len(messages), following or cursor
    assert told == 30


@pytest.mark.parametrize(
    "nonsense", [b'{"messages": [{}]}', b'{"messages": [{"from": 1}]}', b'{"messages": 7}', b"[]", b"<html>"]
)
async def test_nonsense_about_messages_is_unavailable(network: Network, nonsense: bytes) -> None:
    assert network.connector.incoming is not None
    network.wire.answers = [Reply(200, nonsense)]
    with pytest.raises(ChannelUnavailable):
        await network.connector.incoming.poll(None)


async def test_direct_message_refusals_say_why(network: Network) -> None:
    messages = network.connector.direct_messages
    assert messages is not None
    with pytest.raises(DirectMessageRefused) as closed:
        await messages.send(subject(MARCO), "codice", "key-1")
    assert closed.value.reason is RefusalReason.CLOSED
    with pytest.raises(DirectMessageRefused) as unknown:
        await messages.send(subject(TANIA), "codice", "key-2")
    assert unknown.value.reason is RefusalReason.NOT_FOLLOWING
    network.square.send_message(TANIA.id, BANK.id, "ciao")
    await messages.send(subject(TANIA), "codice", "key-3")


async def test_direct_message_for_another_network_never_leaves(network: Network) -> None:
    messages = network.connector.direct_messages
    assert messages is not None
    with pytest.raises(ChannelRefused):
        await messages.send(Subject("square", "http://other.localhost", GIULIA.id, "giulia", "G"), "codice", "k")
    assert network.wire.seen == []


async def test_token_of_another_account_is_noticed(network: Network) -> None:
    other = connect(network.wire, bank_handle="altrabanca")
    assert other.arrivals is not None
    with pytest.raises(ChannelRefused, match="token_of_another_account"):
        await other.arrivals.poll(None)


async def test_wrong_token_is_refused(network: Network) -> None:
    wrong = connect(network.wire, api_token=Secret(b"wrong"))
    assert wrong.arrivals is not None
    with pytest.raises(ChannelRefused, match="unauthorized"):
        await wrong.arrivals.poll(None)


async def test_cut_line_is_unavailable_everywhere(network: Network) -> None:
    network.wire.cut = True
    connector = network.connector
    assert connector.arrivals is not None
    assert connector.publisher is not None
    assert connector.sign_in is not None
    assert connector.direct_messages is not None
    for call in (
        connector.arrivals.poll(None),
        connector.publisher.publish(PostRef("90001", "90001"), "x", "k"),
        connector.sign_in.finish(SERVICES, came_back("c", VERIFIER)),
        connector.direct_messages.send(subject(GIULIA), "x", "k"),
    ):
        with pytest.raises(ChannelUnavailable):
            await call


@pytest.mark.parametrize(
    "answer",
    [
        Reply(302, b""),
        Reply(429, b"{}"),
        Reply(503, b"{}"),
        Reply(200, b"<html>"),
        Reply(200, b"[]"),
        Reply(200, b"\xff"),
        Reply(200, b"[" * 60_000),
        Reply(200, b'{"posts":[{"id":"1"}]}'),
        Reply(200, b'{"posts":[{"author":"x"}]}'),
    ],
)
async def test_nonsense_from_the_network_is_unavailable_and_not_a_crash(network: Network, answer: Reply) -> None:
    assert network.connector.arrivals is not None
    await network.connector.arrivals.poll(None)
    network.wire.answers = [answer]
    with pytest.raises(ChannelUnavailable):
        await network.connector.arrivals.poll(None)


def test_connector_shows_no_secret_and_is_found_by_network_and_scope(network: Network) -> None:
    shown = repr(network.connector) + repr(vars(network.connector.arrivals)) + repr(vars(network.connector.sign_in))
    assert "bank-secret" not in shown
    assert "bank-token" not in shown
    assert connector_for([network.connector], "square", BASE) is network.connector
    assert connector_for([network.connector], "square", "http://other.localhost") is None
    assert network.connector.official_url == f"{BASE}/@bancaesempio"
