"""The way to a sign-in on the AT Protocol: names, documents and servers of strangers, each believed only about itself."""

from __future__ import annotations

import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response

from app.binding.errors import AccountIncomplete, SignInUnreachable
from app.channels.ports import ChannelError
from tests.app.binding.atproto_town import Sky, subject_of
from tests.support.house import ON_SQLITE


@ON_SQLITE
@pytest.mark.parametrize(
    "account", ["giulia", "giulia@social.example", "giulia.local", "did:key:z6Mk", "127.0.0.1", "a b.test"]
)
async def test_what_is_no_account_of_the_network_is_said_so(sky: Sky, account: str) -> None:
    with pytest.raises(AccountIncomplete):
        await sky.leave(await sky.bank.visit(sky.slug), account)


async def test_a_handle_that_its_account_does_not_claim_leads_nowhere(sky: Sky) -> None:
    sky.ground.says["mallory.test/.well-known/atproto-did"] = Response(sky.giulia.did)
    with pytest.raises(AccountIncomplete):
        await sky.leave(await sky.bank.visit(sky.slug), "mallory.test")


# every other way of being less, and of naming more, stands in tests/app/channels/forged_atproto.py


@ON_SQLITE
@pytest.mark.parametrize(
    "metadata",
    [
        {"token_endpoint": "https://evil.example/oauth/token"},
        {"pushed_authorization_request_endpoint": "http://169.254.169.254/par"},
        {"require_pushed_authorization_requests": False},
    ],
)
async def test_a_server_that_is_less_than_the_profile_is_left_alone(sky: Sky, metadata: dict[str, object]) -> None:
    sky.entry.says = metadata
    with pytest.raises(SignInUnreachable):
        await sky.leave(await sky.bank.visit(sky.slug))
    assert sky.entry.seen == []


@ON_SQLITE
@pytest.mark.parametrize(
    "said",
    [
        {"resource": "https://evil.example", "authorization_servers": ["https://evil.example"]},
        {"resource": "OWN", "authorization_servers": ["https://one.example", "https://two.example"]},
        {"resource": "OWN", "authorization_servers": ["http://169.254.169.254"]},
        [],
    ],
)
async def test_a_pds_that_names_no_one_authority_is_left_alone(sky: Sky, said: object) -> None:
    if isinstance(said, dict) and said.get("resource") == "OWN":
        said = said | {"resource": sky.ground.origin("pds.test")}
    sky.ground.says["pds.test/.well-known/oauth-protected-resource"] = said
    with pytest.raises(SignInUnreachable):
        await sky.leave(await sky.bank.visit(sky.slug))
    assert sky.entry.seen == []


async def test_a_redirect_is_not_followed(sky: Sky) -> None:
    elsewhere = RedirectResponse(f"{sky.ground.origin('own.test')}/.well-known/oauth-protected-resource")
    sky.ground.says["pds.test/.well-known/oauth-protected-resource"] = elsewhere
    with pytest.raises(SignInUnreachable):
        await sky.leave(await sky.bank.visit(sky.slug))


@ON_SQLITE
@pytest.mark.parametrize("change", ["id", "endpoint", "inside", "none"])
async def test_a_document_that_leads_nowhere_is_left_alone(sky: Sky, change: str) -> None:
    document = sky.ground.document(sky.giulia)
    pds = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": sky.ground.origin("pds.test")}
    match change:
        case "id":
            document["id"] = sky.mallory.did
        case "endpoint":
            document["service"] = [pds | {"serviceEndpoint": f"{sky.ground.origin('pds.test')}/path"}]
        case "inside":
            document["service"] = [pds | {"serviceEndpoint": "http://127.0.0.1:8602"}]
        case _:
            del document["service"]
    sky.ground.says[f"plc.test/{sky.giulia.did}"] = document
    with pytest.raises(SignInUnreachable):
        await sky.leave(await sky.bank.visit(sky.slug))


async def test_the_page_is_the_same_whoever_is_named_and_whether_the_link_is_ours(sky: Sky) -> None:
    for slug, account in [(sky.slug, "mallory.test"), ("no-such-link", "giulia.test")]:
        leaving = await sky.leave(await sky.bank.visit(slug), account)
        assert leaving.destination == "Bluesky"


async def test_one_network_cannot_make_the_bank_call_servers_for_ever(sky: Sky) -> None:
    visitor = await sky.bank.visit(sky.slug)
    sky.ground.says["pds.test/.well-known/oauth-protected-resource"] = []
    for _ in range(60):
        with pytest.raises(SignInUnreachable):
            await sky.leave(visitor)
    asked = len(sky.ground.asked)
    with pytest.raises(SignInUnreachable):
        await sky.leave(visitor)
    assert len(sky.ground.asked) == asked


# how an account stands


@ON_SQLITE
@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("", "there"),
        ("takendown", "suspended"),
        ("suspended", "suspended"),
        ("deactivated", "suspended"),
        ("deleted", "gone"),
    ],
)
async def test_how_an_account_stands_is_asked_at_its_server(sky: Sky, status: str, state: str) -> None:
    sky.giulia.status = status
    assert sky.connector.accounts is not None
    now = await sky.connector.accounts.look(subject_of(sky.giulia))
    assert now.state == state
    assert now.handle == ("giulia.test" if state == "there" else "")


async def test_a_did_that_was_given_up_is_gone_and_an_unknown_one_says_nothing(sky: Sky) -> None:
    accounts, subject = sky.connector.accounts, subject_of(sky.giulia)
    assert accounts is not None
    sky.ground.gone = {sky.giulia.did}
    assert (await accounts.look(subject)).state == "gone"
    sky.ground.gone = set()
    sky.ground.says["pds.test/xrpc/com.atproto.sync.getRepoStatus"] = JSONResponse({"error": "RepoNotFound"}, 400)
    with pytest.raises(ChannelError):
        await accounts.look(subject)


async def test_the_doctor_goes_the_way_of_a_customer(sky: Sky) -> None:
    assert sky.connector.look is not None
    assert [one.state for one in await sky.connector.look()] == ["right"]
    sky.entry.says = {"require_pushed_authorization_requests": False}
    assert [one.state for one in await sky.connector.look()] == ["wrong"]
    sky.ground.says["bancaesempio.test/.well-known/atproto-did"] = Response(sky.giulia.did)
    assert [one.state for one in await sky.connector.look()] == ["wrong"]
