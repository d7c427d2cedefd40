"""Sign-in at the server of the account that was named: who is right comes in, and no server speaks for another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from app.binding import flows, handle_proof
from app.binding.errors import AccountIncomplete, NotFinishedHere, OutOfStep, SignInUnreachable
from app.binding.models import Flow
from app.binding.rules import State
from app.cases.arriving import handle_hash, receive_post
from app.cases.models import Case
from app.cases.rules import CaseClocks
from app.channels import clients
from app.channels.mastodon import mastodon_connector
from app.channels.models import OAuthClient
from app.database import reading, transaction
from app.outbound import OutboundClient
from security.secret import Secret
from tests.app.binding.bank import HOME, Bank, Visitor, code_in
from tests.support.mastodon import Account, Fediverse, Server, approve, fediverse

PUBLIC_URL = "https://chat.bancaesempio.example"


@dataclass
class Town:
    """A bank with a complaint of Giulia's, whose account is on another server than the bank's."""

    bank: Bank
    world: Fediverse
    home: Server
    away: Server
    other: Server
    giulia: Account
    mallory: Account
    slug: str

    def named(self, account: Account | None = None) -> str:
        one = account or self.giulia
        return f"@{one.name}@{one.host}"

    async def leave(self, visitor: Visitor, account: str | None = None) -> flows.Leaving:
        leaving = await handle_proof.request_handle(
            self.bank.services,
            self.bank.ports,
            session_id=visitor.session_id,
            slug=visitor.slug,
            connector="mastodon",
            account=account or self.named(),
            method="sign_in",
            network=HOME,
            language="it",
        )
        assert isinstance(leaving, flows.Leaving)
        return leaving

    async def come_back(self, visitor: Visitor, back: dict[str, str]) -> handle_proof.SignedIn:
        return await handle_proof.finish_sign_in(
            self.bank.services,
            self.bank.ports,
            connector="mastodon",
            session_id=visitor.session_id,
            state=back.get("state", ""),
            code=back.get("code"),
            issuer=back.get("iss"),
            path=back.get("path"),
        )

    async def sign_in(self, visitor: Visitor, server: Server | None = None, name: str = "giulia") -> None:
        leaving = await self.leave(visitor)
        await self.come_back(visitor, await approve(leaving.url, server or self.away, name))

    async def clients(self) -> list[OAuthClient]:
        async with reading(self.bank.services) as db:
            return list((await db.execute(select(OAuthClient))).scalars())


@pytest.fixture
async def town(bank: Bank) -> AsyncIterator[Town]:
    async with fediverse("banca.localhost", "social.localhost", "altra.localhost", now=bank.clock) as world:
        home, away, other = world.servers.values()
        account = home.join("bancaesempio", "Banca Esempio")
        connector = mastodon_connector(
            name="mastodon",
            base_url=home.base,
            account="bancaesempio",
            token=Secret(home.token_of(account).encode()),
            label="Mastodon",
            outbound=world.outbound(),
        )
        bank.ports = replace(bank.ports, connectors=(*bank.ports.connectors, connector))
        giulia = away.join("giulia")
        away.post(giulia, f"@bancaesempio@{home.site} un bollo due volte?")
        assert connector.arrivals is not None
        [post] = (await connector.arrivals.poll(None))[0]
        keys = {await handle_hash(bank.services, post.author): await bank.services.vault.create_key("case")}
        async with transaction(bank.services) as db:
            arrival = await receive_post(db, connector, post, keys, CaseClocks())
            assert arrival is not None
            slug = (await db.get_one(Case, arrival.case_id)).slug
        yield Town(bank, world, home, away, other, giulia, away.join("mallory"), slug)


async def test_the_account_that_complained_is_proved_at_its_own_server(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    await town.sign_in(visitor)
    assert await visitor.state() == State.HANDLE_OK
    assert ("GET", "/oauth/userinfo") in town.away.seen


async def test_another_account_of_the_same_server_is_refused(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    with pytest.raises(NotFinishedHere):
        await town.sign_in(visitor, name="mallory")
    assert await town.bank.reasons() == ["other_account"]
    assert await visitor.state() == State.REFUSED


async def test_the_token_is_given_back_at_once_whoever_signed_in(town: Town) -> None:
    for name in ("giulia", "mallory"):
        visitor = await town.bank.visit(town.slug)
        leaving = await town.leave(visitor)
        back = await approve(leaving.url, town.away, name)
        await asyncio.gather(town.come_back(visitor, back), return_exceptions=True)
        assert town.away.tokens == {}
        assert town.away.seen[-1] == ("POST", "/oauth/revoke")


async def test_a_renamed_account_is_still_the_one_that_complained(town: Town) -> None:
    town.giulia.name = "giulia_nuova"
    visitor = await town.bank.visit(town.slug)
    leaving = await town.leave(visitor, town.named())
    await town.come_back(visitor, await approve(leaving.url, town.away, "giulia_nuova"))
    assert await visitor.state() == State.HANDLE_OK


async def test_who_took_over_a_freed_name_is_somebody_else(town: Town) -> None:
    town.giulia.name = "giulia_nuova"
    town.away.join("giulia", "Chi ha preso il nome")
    visitor = await town.bank.visit(town.slug)
    with pytest.raises(NotFinishedHere):
        await town.sign_in(visitor)
    assert await town.bank.reasons() == ["other_account"]


async def test_no_server_can_claim_an_account_of_another_one(town: Town) -> None:
    impostor = town.other.join("giulia")
    town.other.claims = lambda _account: town.giulia.uri
    for quirks in (set(), {"no_userinfo"}, {"no_metadata"}):
        town.other.quirks = quirks
        visitor = await town.bank.visit(town.slug)
        leaving = await town.leave(visitor, town.named(impostor))
        with pytest.raises(NotFinishedHere):
            await town.come_back(visitor, await approve(leaving.url, town.other, "giulia"))
        assert await visitor.state() == State.HANDLE_PENDING
        town.bank.clock.pass_by(days=31)
    assert set(await town.bank.reasons()) == {"proved_nothing"}


async def test_a_server_that_names_another_issuer_in_its_answer_proves_nothing(town: Town) -> None:
    town.away.says["userinfo"] = {"iss": town.other.base}
    with pytest.raises(NotFinishedHere):
        await town.sign_in(await town.bank.visit(town.slug))
    assert await town.bank.reasons() == ["proved_nothing"]


@pytest.mark.parametrize("said", ["https://evil.example", "", None])
async def test_a_callback_with_a_wrong_or_missing_issuer_asks_nobody(town: Town, said: str | None) -> None:
    town.away.says["metadata"] = {"authorization_response_iss_parameter_supported": True}
    visitor = await town.bank.visit(town.slug)
    leaving = await town.leave(visitor)
    back = await approve(leaving.url, town.away, "giulia")
    before = list(town.away.seen)
    with pytest.raises(NotFinishedHere):
        await town.come_back(visitor, back | ({"iss": said} if said is not None else {}))
    assert town.away.seen == before
    assert await town.bank.reasons() == ["wrong_issuer"]


async def test_the_promised_issuer_is_accepted(town: Town) -> None:
    town.away.says = {
        "metadata": {"authorization_response_iss_parameter_supported": True},
        "callback": {"iss": f"{town.away.base}/"},
    }
    visitor = await town.bank.visit(town.slug)
    await town.sign_in(visitor)
    assert await visitor.state() == State.HANDLE_OK


async def test_an_issuer_nobody_promised_must_still_be_the_servers_own(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    leaving = await town.leave(visitor)
    back = await approve(leaving.url, town.away, "giulia")
    with pytest.raises(NotFinishedHere):
        await town.come_back(visitor, back | {"iss": town.other.base})


async def test_each_server_has_a_return_address_and_a_code_of_another_one_is_not_used(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    hostile = await town.leave(visitor, town.named(town.other.join("x")))
    honest = await town.leave(await town.bank.visit(town.slug))
    addresses = [parse_qs(urlsplit(one.url).query)["redirect_uri"][0] for one in (hostile, honest)]
    assert addresses[0] != addresses[1]
    assert all(one.startswith(f"{PUBLIC_URL}/signin/mastodon/callback/") for one in addresses)
    code = (await approve(honest.url, town.away, "giulia"))["code"]
    state = parse_qs(urlsplit(hostile.url).query)["state"][0]
    before = list(town.other.seen)
    with pytest.raises(NotFinishedHere):
        await town.come_back(visitor, {"code": code, "state": state, "path": urlsplit(addresses[1]).path})
    assert town.other.seen == before
    assert await town.bank.reasons() == ["other_address"]


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "https://evil.example/oauth/token"},
        {"authorization_endpoint": "https://evil.example/oauth/authorize"},
        {"revocation_endpoint": "http://169.254.169.254/latest"},
        {"userinfo_endpoint": "https://evil.example/userinfo"},
    ],
)
async def test_a_server_that_points_elsewhere_is_left_alone(town: Town, metadata: dict[str, str]) -> None:
    town.away.says["metadata"] = metadata
    with pytest.raises(SignInUnreachable):
        await town.leave(await town.bank.visit(town.slug))
    assert town.away.apps == {}


async def test_pkce_is_sent_and_a_code_works_once(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    leaving = await town.leave(visitor)
    query = parse_qs(urlsplit(leaving.url).query)
    assert (query["code_challenge_method"], len(query["code_challenge"][0])) == (["S256"], 43)
    assert query["scope"] == ["profile"]
    back = await approve(leaving.url, town.away, "giulia")
    await town.come_back(visitor, back)
    with pytest.raises(NotFinishedHere):
        await town.come_back(visitor, back)
    [exchange] = [form for form in town.away.forms if form.get("grant_type")]
    assert len(exchange["code_verifier"]) >= 43
    assert exchange["redirect_uri"] == query["redirect_uri"][0]


async def test_a_client_is_registered_once_a_server_and_anew_when_it_is_old(town: Town) -> None:
    for _ in range(3):
        await town.sign_in(await town.bank.visit(town.slug))
    assert len(town.away.apps) == 1
    [row] = await town.clients()
    assert row.proved_at is not None
    secret = next(iter(town.away.apps.values())).secret
    assert secret.encode() not in row.sealed_client
    town.bank.clock.pass_by(days=31)
    leaving = await town.leave(await town.bank.visit(town.slug))
    assert leaving.url.startswith(town.away.base)
    assert len(town.away.apps) == 2
    assert len(await town.clients()) == 1


async def test_a_rotation_breaks_no_sign_in_that_is_under_way(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    leaving = await town.leave(visitor)
    async with transaction(town.bank.services) as db:
        for row in (await db.execute(select(OAuthClient))).scalars():
            await db.delete(row)
    await town.leave(await town.bank.visit(town.slug))
    await town.come_back(visitor, await approve(leaving.url, town.away, "giulia"))
    assert await visitor.state() == State.HANDLE_OK


@pytest.mark.parametrize("quirk", ["no_metadata", "no_userinfo"])
async def test_older_servers_are_asked_in_their_own_way(town: Town, quirk: str) -> None:
    town.away.quirks.add(quirk)
    visitor = await town.bank.visit(town.slug)
    await town.sign_in(visitor)
    assert await visitor.state() == State.HANDLE_OK
    assert ("GET", "/api/v1/accounts/verify_credentials") in town.away.seen


async def test_where_nothing_binds_a_code_to_a_browser_no_client_is_shared(town: Town) -> None:
    town.away.quirks.add("no_metadata")
    for _ in range(2):
        await town.sign_in(await town.bank.visit(town.slug))
    assert len(town.away.apps) == 2
    assert await town.clients() == []


async def test_one_server_is_asked_for_few_clients_in_a_while(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "REGISTRATIONS_AT_ONE_SERVER", (4, clients.REGISTRATIONS_AT_ONE_SERVER[1]))
    town.away.quirks.add("no_metadata")
    for _ in range(4):
        await town.leave(await town.bank.visit(town.slug))
    with pytest.raises(SignInUnreachable):
        await town.leave(await town.bank.visit(town.slug))
    assert len(town.away.apps) == 4
    town.bank.clock.pass_by(minutes=11)
    await town.leave(await town.bank.visit(town.slug))


async def test_servers_of_strangers_cannot_fill_the_table_nor_push_out_a_proved_one(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "MOST_CLIENTS", 3)
    await town.sign_in(await town.bank.visit(town.slug))
    proved = (await town.clients())[0].site_hash
    for number in range(6):
        town.bank.clock.pass_by(minutes=1)
        await clients.keep(town.bank.services, "mastodon", f"n{number}.evil.example", {"client_id": "x"})
    rows = await town.clients()
    assert len(rows) == 3
    assert proved in {row.site_hash for row in rows}


async def test_the_same_happens_whoever_s_the_named_account_is_and_whether_the_link_is_ours(town: Town) -> None:
    steps = []
    for slug, account in (
        (town.slug, town.named()),
        (town.slug, town.named(town.mallory)),
        ("unknown" + "a" * 19, town.named()),
    ):
        before = len(town.away.seen)
        leaving = await town.leave(await town.bank.visit(slug), account)
        await town.leave(await town.bank.visit(slug), account)
        steps.append((town.away.seen[before:][-1:], leaving.host, set(parse_qs(urlsplit(leaving.url).query))))
    assert steps[0] == steps[1] == steps[2]


async def test_an_unknown_link_gets_its_refusal_after_the_sign_in_only(town: Town) -> None:
    visitor = await town.bank.visit("unknown" + "a" * 19)
    with pytest.raises(NotFinishedHere):
        await town.sign_in(visitor)
    assert await town.bank.reasons() == ["unknown_link"]


@pytest.mark.parametrize(
    "account",
    [
        "x@nessuno.localhost",
        "x@127.0.0.1",
        "x@169.254.169.254",
        "x@localhost",
        "x@10.0.0.1:80",
        "x@social.localhost:1",
        "x@[::1]",
    ],
)
async def test_a_server_that_is_away_or_refused_leaves_the_other_ways_open(town: Town, account: str) -> None:
    visitor = await town.bank.visit(town.slug)
    with pytest.raises((SignInUnreachable, AccountIncomplete)):
        await town.leave(visitor, account)
    assert await visitor.state() == State.STARTED
    await town.leave(visitor)


async def test_the_banks_own_services_are_not_reached_by_naming_them(town: Town) -> None:
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["10.0.0.5"]

    outbound = OutboundClient(hosts={"directory.bank.example": ("127.0.0.1", 443)}, resolver=resolve)
    connector = mastodon_connector(
        name="mastodon", base_url=town.home.base, account="b", token=Secret(b"t"), label="M", outbound=outbound
    )
    town.bank.ports = replace(town.bank.ports, connectors=(connector,))
    with pytest.raises(SignInUnreachable):
        await town.leave(await town.bank.visit(town.slug), "x@directory.bank.example")
    assert asked == ["directory.bank.example"]


@pytest.mark.parametrize("account", ["giulia", "@giulia", "giulia@"])
async def test_an_account_without_its_server_is_asked_for_whole(town: Town, account: str) -> None:
    with pytest.raises(AccountIncomplete):
        await town.leave(await town.bank.visit(town.slug), account)


async def test_an_account_may_live_on_another_server_than_its_name_says(town: Town) -> None:
    town.giulia.host = town.other.site
    visitor = await town.bank.visit(town.slug)
    leaving = await town.leave(visitor, f"giulia@{town.other.site}")
    assert leaving.url.startswith(town.away.base)
    await town.come_back(visitor, await approve(leaving.url, town.away, "giulia"))
    assert await visitor.state() == State.HANDLE_OK


async def test_one_hop_of_webfinger_is_asked_for_anew_and_not_followed(town: Town) -> None:
    town.giulia.host = town.other.site
    town.other.faults = [RedirectResponse(f"{town.away.base}/.well-known/webfinger?resource=ignored", 301)]
    leaving = await town.leave(await town.bank.visit(town.slug), f"giulia@{town.other.site}")
    assert leaving.url.startswith(town.away.base)
    town.other.faults = [RedirectResponse("http://169.254.169.254/", 301)]
    with pytest.raises(SignInUnreachable):
        await town.leave(await town.bank.visit(town.slug), f"giulia@{town.other.site}")


@pytest.mark.parametrize(
    "answer",
    [{"client_id": ""}, {"client_id": "x" * 5000}, {"client_secret": "y" * 5000}, {"client_secret": None}],
)
async def test_a_malformed_registration_is_not_stored(town: Town, answer: dict[str, Any]) -> None:
    town.away.says["apps"] = answer
    with pytest.raises(SignInUnreachable):
        await town.leave(await town.bank.visit(town.slug))
    assert await town.clients() == []


@pytest.mark.parametrize("fault", [Response(status_code=500), Response(b"x" * 70_000), Response(b"<html>")])
async def test_a_broken_exchange_proves_nothing(town: Town, fault: Response) -> None:
    visitor = await town.bank.visit(town.slug)
    leaving = await town.leave(visitor)
    back = await approve(leaving.url, town.away, "giulia")
    town.away.faults = [fault]
    with pytest.raises((NotFinishedHere, SignInUnreachable)):
        await town.come_back(visitor, back)
    assert await visitor.state() == State.HANDLE_PENDING


async def test_what_a_flow_needs_of_its_server_is_sealed(town: Town) -> None:
    await town.leave(await town.bank.visit(town.slug))
    app = next(iter(town.away.apps.values()))
    for flow in await town.bank.all(Flow):
        assert app.secret.encode() not in flow.sealed_secrets
        assert b"social.localhost" not in flow.sealed_secrets


async def test_only_an_attempt_at_this_step_makes_us_call_anybody(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    await town.sign_in(visitor)
    before = list(town.away.seen)
    with pytest.raises(OutOfStep):
        await town.leave(visitor)
    assert town.away.seen == before


async def test_a_code_by_direct_message_proves_the_account_too(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    asked = await handle_proof.request_handle(
        town.bank.services,
        town.bank.ports,
        session_id=visitor.session_id,
        slug=town.slug,
        connector="mastodon",
        account=town.named(),
        method="direct_message",
        network=HOME,
        language="it",
    )
    assert isinstance(asked, handle_proof.CodeRequested)
    await town.bank.work()
    [notification] = town.away.notifications
    assert notification.status is not None
    assert (notification.status.visibility, notification.status.mentions) == ("direct", [town.giulia])
    await visitor.type_handle_code(code_in(notification.status.text))
    assert await visitor.state() == State.HANDLE_OK
