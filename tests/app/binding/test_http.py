"""Over HTTP: the demonstration's identity provider through the guarded client, and the desk's API."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from uuid import uuid4

import httpx2
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from fastapi import FastAPI

from app.actors import Role, Staff
from app.agents.dependencies import current_staff
from app.binding.identity_provider import HttpIdentityProvider, IdentityAnswer, IdentityRefused, OfferedProvider
from app.binding.routes import router
from app.cases.models import Case
from app.demo.identity import ACR, IdentityPerson, create_identity_app
from app.http.problems import install_problem_handlers
from app.outbound import OutboundClient, OutboundError
from app.permissions import Level
from security.secret import Secret
from tests.app.binding.bank import Bank, bound_by_sms
from tests.app.binding.redirects import a_wish, an_answer
from tests.support.serving import serving

RETURN = "https://chat.bancaesempio.example/identity/kyc/callback"
VERIFIER = "v" * 43


@pytest.fixture
async def provider() -> AsyncIterator[HttpIdentityProvider]:
    app = create_identity_app(
        (IdentityPerson("C-1001", "Giulia Ferraro"),),
        client_id="bank",
        client_secret="kyc-secret",
        redirect_uris=(RETURN,),
        issuer="http://identity.localhost",
        clock=lambda: datetime(2026, 11, 21, 19, tzinfo=UTC),
    )
    async with serving(app) as port:
        outbound = OutboundClient(http_hosts={"identity.localhost": ("127.0.0.1", port)})
        yield HttpIdentityProvider("kyc", f"http://identity.localhost:{port}", "bank", Secret(b"kyc-secret"), outbound)


async def code_for(address: str, person: str = "C-1001") -> str:
    """Choose a person on the provider's page, as a browser would."""
    url = httpx2.URL(address)
    base = f"http://127.0.0.1:{url.port}"
    async with httpx2.AsyncClient(base_url=base, headers={"host": f"identity.localhost:{url.port}"}) as browser:
        shown = await browser.get(f"{url.path}?{url.query.decode()}")
        pairs = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', shown.text)
        form = {name: unescape(value) for name, value in pairs} | {"person": person}
        back = await browser.post("/authorize", data=form)
    return httpx2.URL(back.headers["location"]).params["code"]


async def begun(provider: HttpIdentityProvider) -> str:
    return await provider.begin(a_wish(RETURN, "s" * 43, "n" * 43, create_s256_code_challenge(VERIFIER)))


def answered(code: str, verifier: str = VERIFIER) -> IdentityAnswer:
    return an_answer(code, RETURN, "n" * 43, verifier)


async def test_the_demos_provider_names_the_customer_under_our_nonce(provider: HttpIdentityProvider) -> None:
    code = await code_for(await begun(provider))
    result = await provider.finish(answered(code))
    assert (result.identifier, result.nonce, result.acr, result.provider) == ("C-1001", "n" * 43, ACR, "kyc")
    assert "C-1001" not in repr(result)
    with pytest.raises(IdentityRefused):
        await provider.finish(answered(code))


async def test_a_code_without_its_verifier_or_a_wrong_client_proves_nothing(provider: HttpIdentityProvider) -> None:
    code = await code_for(await begun(provider))
    with pytest.raises(IdentityRefused):
        await provider.finish(answered(code, "w" * 43))
    foreign = replace(provider, client_secret=Secret(b"another"))
    with pytest.raises(IdentityRefused):
        await foreign.finish(answered(code))


async def test_a_provider_that_is_not_there_is_no_refusal(provider: HttpIdentityProvider) -> None:
    gone = replace(provider, outbound=OutboundClient())
    with pytest.raises(OutboundError):
        await gone.finish(answered("x"))


async def test_a_whole_way_in_through_the_demos_provider(bank: Bank, provider: HttpIdentityProvider) -> None:
    bank.ports = replace(
        bank.ports, providers=(OfferedProvider("kyc", "KYC (demo)", provider, {ACR: Level.L3}, is_stub=True),)
    )
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    leaving = await visitor.leave_for_kyc()
    assert leaving.stub
    assert leaving.host.startswith("identity.localhost:")
    await visitor.come_back_from_kyc(leaving, await code_for(leaving.url))
    assert (await visitor.confirm()).level == Level.L3


def staff_door(bank: Bank, role: Role) -> FastAPI:
    door = FastAPI()
    door.state.services = bank.services
    door.include_router(router)
    install_problem_handlers(door)
    door.dependency_overrides[current_staff] = lambda: Staff(uuid4(), uuid4(), role, "Anna", "AB")
    return door


async def test_the_desk_reads_bindings_and_the_reading_has_its_leaf(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    case = (await bank.all(Case))[0]
    transport = httpx2.ASGITransport(staff_door(bank, Role.AGENT))
    async with httpx2.AsyncClient(transport=transport, base_url="https://staff.test") as client:
        answer = await client.get("/api/v1/bindings", params={"case": str(case.id)})
    assert answer.status_code == 200
    item = answer.json()["items"][0]
    assert (item["id"], item["level"], item["state"]) == (str(bound.binding_id), 2, "active")
    assert [proof["method"] for proof in item["proofs"]] == ["sign_in", "sms"]
    assert "Giulia" not in answer.text
    assert [leaf["data"] for leaf in await bank.leaves("case.read")] == [{"part": "bindings"}]


@pytest.mark.parametrize("role", [Role.COMPLIANCE, Role.ADMINISTRATOR])
async def test_who_has_no_business_with_cases_gets_the_answer_of_a_case_that_is_not_there(
    bank: Bank, role: Role
) -> None:
    await bound_by_sms(bank)
    case = (await bank.all(Case))[0]
    transport = httpx2.ASGITransport(staff_door(bank, role))
    async with httpx2.AsyncClient(transport=transport, base_url="https://staff.test") as client:
        seen = [await client.get("/api/v1/bindings", params={"case": str(one)}) for one in (case.id, uuid4())]
    assert [answer.status_code for answer in seen] == [404, 404]
    assert await bank.leaves("case.read") == []
