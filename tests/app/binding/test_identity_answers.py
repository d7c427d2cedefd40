"""What a provider answers is believed by its number and nothing else: an e-mail address names nobody."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from app.binding.identity_provider import HttpIdentityProvider, IdentityRefused, IdentityResult
from app.outbound import OutboundClient, OutboundResponse
from security.secret import Secret
from tests.app.binding.redirects import an_answer

TRUTH = {"customer_number": "C-1001", "nonce": "n", "acr": "high", "subject": "s"}


class Answering:
    """Stands where the outbound client stands, and answers one document."""

    def __init__(self, document: Any, status: int = 200) -> None:
        self._answer = OutboundResponse(status, {}, json.dumps(document).encode())

    async def request(self, *_address: str, **_content: Any) -> OutboundResponse:
        return self._answer


async def identified(document: Any, status: int = 200) -> IdentityResult:
    outbound = cast(OutboundClient, Answering(document, status))
    provider = HttpIdentityProvider("kyc", "https://kyc.example", "riserbo", Secret(b"s" * 32), outbound)
    return await provider.finish(an_answer("c", "https://chat.example/back", "n"))


async def test_the_number_identifies_whatever_address_stands_beside_it() -> None:
    """Addresses change hands, and a provider may not have checked the one it shows."""
    for more in ({}, {"email": "carlo@posta.example"}, {"email": "carlo@posta.example", "email_verified": True}):
        assert (await identified(TRUTH | more)).identifier == "C-1001"


@pytest.mark.parametrize("number", [None, "", 1001, ["C-1001"]])
async def test_an_address_without_a_number_identifies_nobody(number: object) -> None:
    with pytest.raises(IdentityRefused):
        await identified(TRUTH | {"customer_number": number, "email": "giulia@posta.example", "email_verified": True})


@pytest.mark.parametrize("document", [None, [], "C-1001", {}, {"customer_number": "C-1001"}])
async def test_an_answer_that_is_not_whole_identifies_nobody(document: Any) -> None:
    with pytest.raises(IdentityRefused):
        await identified(document)


async def test_a_refusal_identifies_nobody() -> None:
    with pytest.raises(IdentityRefused):
        await identified(TRUTH, status=403)
