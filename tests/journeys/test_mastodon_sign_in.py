"""Signing in at the customer's own server, through its real form: who it was is the actor URI and nothing else."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.channels.ports import ChannelError, Connector, Departure, SignInAnswer, SignInFailed, SignInWish, Subject
from app.demo.snac.account import Account, NoSignIn, submit_sign_in
from app.demo.snac.servers import SnacServer
from tests.support.house import ON_SQLITE, PUBLIC_URL, House
from tests.support.snac import Fediverse

RETURN = f"{PUBLIC_URL}/signin/mastodon/callback"


@dataclass
class Walk:
    """One sign-in: what the bank keeps of it, and the browser's part."""

    house: House
    connector: Connector
    fediverse: Fediverse
    state: str = ""
    verifier: str = ""

    async def leave(self, account: str) -> Departure:
        self.state, self.verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        wish = SignInWish(account, self.state, challenge, RETURN, "192.0.2.0/24")
        assert self.connector.sign_in is not None
        return await self.connector.sign_in.begin(self.house.services, wish)

    async def come_back(self, departure: Departure, who: Account) -> Subject:
        """Through the form as `who`; gives whom the connector then takes it to be."""
        back = await submit_sign_in(self.fediverse.client, departure.url, who.name, who.password)
        assert back.startswith(f"{departure.redirect_uri}?")
        query = parse_qs(urlsplit(back).query)
        assert query["state"] == [self.state]
        assert self.connector.sign_in is not None
        answer = SignInAnswer(query["code"][0], None, self.verifier, departure.redirect_uri, departure.memo)
        return await self.connector.sign_in.finish(self.house.services, answer)


@pytest.fixture
async def walk(house: House, fediverse: Fediverse) -> Walk:
    return Walk(house, fediverse.connector(await fediverse.bank()), fediverse)


def apps_of(server: SnacServer) -> list[Any]:
    return sorted((server.folder / "app").glob("*.json"))


@ON_SQLITE
async def test_the_right_account_is_its_actor_uri_whatever_it_is_called_today(walk: Walk) -> None:
    giulia = await walk.fediverse.person()
    first = await walk.come_back(await walk.leave(f"@{giulia.handle}"), giulia)
    await giulia.rename("Banca Esempio <b>ufficiale</b>")
    second = await walk.come_back(await walk.leave(giulia.uri), giulia)
    assert first == second
    assert (second.immutable_id, second.handle) == (giulia.uri, giulia.handle)
    assert (first.display_name, second.display_name) != (second.display_name, first.display_name)


@ON_SQLITE
async def test_another_account_at_the_same_server_is_somebody_else(walk: Walk) -> None:
    """Whatever was named before: the server lets anybody sign in, and the connector says who it was."""
    giulia, mallory = await walk.fediverse.person(), await walk.fediverse.person("mallory")
    departure = await walk.leave(f"@{giulia.handle}")
    with pytest.raises(NoSignIn):
        await submit_sign_in(walk.fediverse.client, departure.url, giulia.name, mallory.password)
    signed_in = await walk.come_back(departure, mallory)
    genuine = await walk.come_back(await walk.leave(f"@{giulia.handle}"), giulia)
    assert signed_in.immutable_id == mallory.uri
    assert signed_in != genuine


@ON_SQLITE
async def test_each_server_knows_the_bank_by_a_client_and_an_address_of_its_own(walk: Walk) -> None:
    """So that no server can have a code redeemed that another one gave."""
    pair = walk.fediverse.pair
    giulia, colleague = await walk.fediverse.person(), await walk.fediverse.bank()
    before = [len(apps_of(server)) for server in (pair.customers, pair.bank)]
    here = await walk.leave(f"@{giulia.handle}")
    there = await walk.leave(f"@{colleague.handle}")
    assert [len(apps_of(server)) for server in (pair.customers, pair.bank)] == [before[0] + 1, before[1] + 1]
    assert here.redirect_uri.startswith(f"{RETURN}/")
    assert here.redirect_uri != there.redirect_uri
    assert [urlsplit(one.url).netloc for one in (here, there)] == [pair.customers.address, pair.bank.address]
    assert here.memo["client_id"] != there.memo["client_id"]


@ON_SQLITE
async def test_a_code_that_was_never_given_out_proves_nothing(walk: Walk) -> None:
    giulia = await walk.fediverse.person()
    departure = await walk.leave(f"@{giulia.handle}")
    invented = SignInAnswer("0" * 32, None, walk.verifier, departure.redirect_uri, departure.memo)
    assert walk.connector.sign_in is not None
    with pytest.raises(SignInFailed):
        await walk.connector.sign_in.finish(walk.house.services, invented)


@ON_SQLITE
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.4", "localhost", "[::1]", "169.254.169.254", "2130706434"])
async def test_a_server_that_the_operator_has_not_mapped_is_never_called(walk: Walk, host: str) -> None:
    """The two addresses of this ground are the exception that it takes to test here at all; their neighbours are not."""
    with pytest.raises(ChannelError):
        await walk.leave(f"@giulia@{host}")
