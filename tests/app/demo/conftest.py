from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from app.demo.square import Accepts, Bot, ClientApp, Person, SeedPost, SquareSeed, create_square_app
from app.demo.square.store import Square

BASE = "http://square.localhost:8104"
CALLBACK = "http://bank.localhost:8101/proofs/square/callback"
OTHER_CALLBACK = "http://bank.localhost:8101/proofs/other/callback"
VERIFIER = "v" * 50
STATE = "state-of-the-browser"
BANK_TOKEN = "bank-token-0123456789"
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

GIULIA = Person("48210", "giulia", "Giulia Ferraro")
MARCO = Person("48377", "marco_b", "Marco <b>Bianchi</b>", accepts=Accepts.NOBODY)
TANIA = Person("49518", "curiosa_22", "Tania Conti", accepts=Accepts.CONTACTS)
BANK = Person("10007", "bancaesempio", "Banca Esempio", official=True)


@dataclass
class Clock:
    """A clock that the test moves."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@dataclass
class Site:
    """The Square under test, with a browser of its own for each person."""

    app: Any
    clock: Clock
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

    @property
    def square(self) -> Square:
        found: Square = self.app.state.square
        return found

    def browser(self) -> httpx2.AsyncClient:
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url=BASE)
        self.clients.append(client)
        return client

    async def signed_in(self, person: Person) -> httpx2.AsyncClient:
        browser = self.browser()
        answer = await browser.post("/sign-in", data={"person": person.id})
        assert answer.status_code == 303
        return browser


def authorization(**changed: str | None) -> str:
    """The address of a sign-in request, with some parameters changed or (None) left out."""
    parameters: dict[str, str | None] = {
        "response_type": "code",
        "client_id": "bank",
        "redirect_uri": CALLBACK,
        "scope": "profile",
        "state": STATE,
        "code_challenge": create_s256_code_challenge(VERIFIER),
        "code_challenge_method": "S256",
    }
    parameters |= changed
    return "/oauth/authorize?" + urlencode({name: value for name, value in parameters.items() if value is not None})


def callback_of(answer: httpx2.Response) -> tuple[str, Mapping[str, str]]:
    """Where a redirect goes, and its parameters."""
    assert answer.status_code == 303, answer.text
    location = answer.headers["location"]
    query = parse_qs(urlsplit(location).query, strict_parsing=True)
    return location.split("?")[0], {name: values[0] for name, values in query.items()}


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    clock = Clock()
    posts = (
        SeedPost("90001", GIULIA.id, "Cara @bancaesempio, un bollo due volte?", NOON - timedelta(hours=2)),
        SeedPost("90002", MARCO.id, "<script>alert(1)</script> https://example.org/a?b=1&c=2).", NOON),
    )
    clients = (
        ClientApp("bank", "bank-secret", "Banca Esempio", (CALLBACK, OTHER_CALLBACK)),
        ClientApp("rival", "rival-secret", "Rival", ("http://rival.localhost/callback",)),
    )
    seed = SquareSeed(BASE, (GIULIA, MARCO, TANIA, BANK), posts, (Bot(BANK_TOKEN, BANK.id),), clients)
    made = Site(create_square_app(seed, clock), clock)
    yield made
    for client in made.clients:
        await client.aclose()
