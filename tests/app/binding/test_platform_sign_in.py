"""A handle proved at real platforms: by plain code and PKCE, and by pushed requests with tokens bound to a key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from app.binding import flows, handle_proof
from app.binding.errors import NotFinishedHere, SignInUnreachable
from app.binding.rules import State
from app.cases.arriving import handle_hash, receive_post
from app.cases.models import Case
from app.cases.rules import CaseClocks
from app.channels.openid_sign_in import OpenIdSignIn
from app.channels.ports import ArrivedPost, Connector, Subject
from app.database import transaction
from app.oauth.client import OAuthClient
from app.oauth.server import AuthorizationServer
from app.outbound import OutboundClient
from security.jwts import SigningKey
from tests.app.binding.bank import Bank, Visitor
from tests.app.binding.outside import HOME
from tests.support.house import ON_SQLITE
from tests.support.openid import OpenIdTown, Person

pytestmark = ON_SQLITE
BACK: Final = "https://chat.bancaesempio.example/signin/{}/callback"
WAYS: Final = {"plain": ("social", True), "bound": ("platform", True), "oauth2": ("platform", False)}


@dataclass
class Place:
    """A platform where Giulia complained; `way` is how its connector signs people in."""

    bank: Bank
    way: str
    sign_in: OpenIdSignIn
    slug: str

    async def leave(self, visitor: Visitor) -> flows.Leaving:
        leaving = await handle_proof.request_handle(
            self.bank.services,
            self.bank.ports,
            session_id=visitor.session_id,
            slug=visitor.slug,
            connector=self.way,
            account="@giulia",
            method="sign_in",
            network=HOME,
            language="it",
        )
        assert isinstance(leaving, flows.Leaving)
        return leaving

    async def come_back(self, visitor: Visitor, back: dict[str, str]) -> None:
        await handle_proof.finish_sign_in(
            self.bank.services,
            self.bank.ports,
            connector=self.way,
            session_id=visitor.session_id,
            state=back.get("state", ""),
            code=back.get("code"),
            issuer=back.get("iss"),
        )

    async def prove(self, visitor: Visitor, who: str) -> None:
        await self.come_back(visitor, await Person(who).sign_in((await self.leave(visitor)).url))


@pytest.fixture(params=list(WAYS))
async def place(bank: Bank, openid: OpenIdTown, request: pytest.FixtureRequest) -> Place:
    way: str = request.param
    name, says_who = WAYS[way]
    bank.clock.now = datetime.now(UTC)  # the platforms have the machine's time
    strong = {"dpop_bound_access_tokens": True} if name == "platform" else {}
    client = await openid.client(name, BACK.format(way), by_key=name == "platform", **strong)
    sign_in = OpenIdSignIn(client, "platform", client.server.issuer, openid=says_who)
    connector = Connector(
        name=way,
        network="platform",
        scope=client.server.issuer,
        label="Platform",
        official_handle="bancaesempio",
        official_url="https://platform.example/@bancaesempio",
        sign_in=sign_in,
    )
    bank.ports = replace(bank.ports, connectors=(*bank.ports.connectors, connector))
    author = Subject("platform", client.server.issuer, "giulia", "giulia", "Giulia")
    post = ArrivedPost(str(uuid4()), author, "Un bollo?", "https://platform.example/1", bank.clock(), "t", None, False)
    keys = {await handle_hash(bank.services, author): await bank.services.vault.create_key("case")}
    async with transaction(bank.services) as db:
        arrival = await receive_post(db, connector, post, keys, CaseClocks())
        assert arrival is not None
        slug = (await db.get_one(Case, arrival.case_id)).slug
    return Place(bank, way, sign_in, slug)


async def test_the_account_that_complained_comes_in(place: Place) -> None:
    visitor = await place.bank.visit(place.slug)
    await place.prove(visitor, "giulia")
    assert await visitor.state() == State.HANDLE_OK


async def test_the_request_is_as_strong_as_the_platform_takes_it(place: Place) -> None:
    query = parse_qs(urlsplit((await place.leave(await place.bank.visit(place.slug))).url).query)
    if place.way == "plain":
        assert query["code_challenge_method"] == ["S256"]
        assert query["redirect_uri"] == [BACK.format("plain")]
    else:
        assert set(query) == {"client_id", "request_uri"}


async def test_another_account_is_refused_for_good(place: Place) -> None:
    visitor = await place.bank.visit(place.slug)
    with pytest.raises(NotFinishedHere):
        await place.prove(visitor, "mallory")
    assert await place.bank.reasons() == ["other_account"]
    assert await visitor.state() == State.REFUSED


async def test_a_foreign_browser_proves_nothing_and_nobody_after_it(place: Place) -> None:
    attacker, victim = await place.bank.visit(place.slug), await place.bank.visit(place.slug)
    back = await Person("giulia").sign_in((await place.leave(attacker)).url)
    for browser in (victim, attacker):
        with pytest.raises(NotFinishedHere):
            await place.come_back(browser, back)
    assert await place.bank.reasons() == ["foreign_browser", "replayed"]


@pytest.mark.parametrize("said", ["https://evil.example", "", None])
async def test_a_callback_in_no_or_another_name_is_not_exchanged(place: Place, said: str | None) -> None:
    visitor = await place.bank.visit(place.slug)
    back = await Person("giulia").sign_in((await place.leave(visitor)).url)
    back = {name: value for name, value in back.items() if name != "iss"} | ({"iss": said} if said is not None else {})
    with pytest.raises(NotFinishedHere):
        await place.come_back(visitor, back)
    assert await place.bank.reasons() == ["wrong_issuer"]


async def test_a_code_of_one_sign_in_is_of_no_use_in_another(place: Place) -> None:
    attacker, victim = await place.bank.visit(place.slug), await place.bank.visit(place.slug)
    own = await Person("mallory").sign_in((await place.leave(attacker)).url)
    stolen = await Person("giulia").sign_in((await place.leave(victim)).url)
    with pytest.raises(NotFinishedHere):
        await place.come_back(attacker, own | {"code": stolen["code"]})
    assert await place.bank.reasons() == ["code_refused"]


async def test_who_says_no_has_proved_nothing(place: Place) -> None:
    visitor = await place.bank.visit(place.slug)
    back = await Person("giulia", denies=True).sign_in((await place.leave(visitor)).url)
    assert back["error"] == "access_denied"
    with pytest.raises(NotFinishedHere):
        await place.come_back(visitor, back)
    assert await place.bank.reasons() == ["denied_there"]


async def test_a_platform_out_of_reach_is_said_so(place: Place) -> None:
    gone = replace(place.sign_in, client=_unreachable(place))
    place.bank.ports = replace(
        place.bank.ports,
        connectors=tuple(
            replace(one, sign_in=gone) if one.name == place.way else one for one in place.bank.ports.connectors
        ),
    )
    with pytest.raises(SignInUnreachable):
        await place.leave(await place.bank.visit(place.slug))


def _unreachable(place: Place) -> OAuthClient:
    known = place.sign_in.client
    nobody = OutboundClient(http_hosts={urlsplit(known.server.issuer).hostname or "": ("127.0.0.1", 9)})
    return OAuthClient(AuthorizationServer(known.server.issuer, nobody), known.client_id, key=SigningKey.new())
