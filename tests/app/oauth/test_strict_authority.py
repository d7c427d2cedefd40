"""The strict authorization server of the AT Protocol tests refuses what the protocol tells it to: else those tests
would prove nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from app.channels.atproto_sign_in import client_document
from app.oauth.requests import ASSERTION_TYPE, client_assertion
from security.dpop import make_proof
from security.jwts import SigningKey
from tests.support.atproto import AuthServer, Ground, Person, as_json, atproto_ground

CLIENT = "https://chat.bancaesempio.example/oauth/clients/bluesky.json"
BACK = "https://chat.bancaesempio.example/signin/bluesky/callback"
VERIFIER = "v" * 43


def challenge(verifier: str = VERIFIER) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Client:
    """A client that does everything right, until a test changes one thing."""

    ground: Ground
    giulia: Person
    key: SigningKey = field(default_factory=SigningKey.new)
    bound: SigningKey = field(default_factory=SigningKey.new)
    document: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    kind: str = "application/json"

    @property
    def server(self) -> AuthServer:
        return self.ground.authorities["entry.test"]

    async def fetch(self, _url: str) -> tuple[int, str, bytes]:
        right = client_document(
            client_id=CLIENT,
            bank="Banca",
            public_url="https://chat.bancaesempio.example",
            redirect_uri=BACK,
            key=self.key,
        )
        told = {name: value for name, value in (right | self.document).items() if value is not None}
        return self.status, self.kind, as_json(told)

    def assertion(self, audience: str = "", **changes: Any) -> str:
        if not changes:
            return client_assertion(self.key, CLIENT, audience or self.server.issuer, datetime.now(UTC))
        here = int(datetime.now(UTC).timestamp())
        right = {
            "iss": CLIENT,
            "sub": CLIENT,
            "aud": self.server.issuer,
            "iat": here,
            "exp": here + 60,
            "jti": str(here),
        }
        return self.key.sign(right | changes, typ="JWT")

    def proof(
        self, path: str, key: SigningKey | None = None, *, url: str = "", nonce: str | None = "", ago: int = 0
    ) -> str:
        at = datetime.now(UTC) - timedelta(seconds=ago)
        given = self.server.nonce if nonce == "" else nonce
        return make_proof(key or self.bound, "POST", url or f"{self.server.issuer}{path}", at, nonce=given)

    async def post(self, path: str, form: dict[str, str], proof: str | None) -> httpx2.Response:
        body = {
            "client_id": CLIENT,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(),
        } | form
        headers = {"host": f"entry.test:{self.ground.port}"} | ({"dpop": proof} if proof is not None else {})
        async with httpx2.AsyncClient(trust_env=False) as http:
            return await http.post(f"http://127.0.0.1:{self.ground.port}{path}", data=body, headers=headers)

    async def push(self, proof: str | None = "", **changes: str) -> httpx2.Response:
        right = {
            "response_type": "code", "scope": "atproto", "state": f"s{len(self.server.once)}", "redirect_uri": BACK,
            "code_challenge": challenge(), "code_challenge_method": "S256",
        }  # fmt: skip
        return await self.post("/oauth/par", right | changes, self.proof("/oauth/par") if proof == "" else proof)

    async def code(self) -> str:
        pushed = (await self.push()).json()["request_uri"]
        url = f"{self.server.issuer}/oauth/authorize?client_id={CLIENT}&request_uri={pushed}"
        return self.ground.approve(url, self.giulia)["code"]

    async def redeem(self, given: str, proof: str | None = "", **changes: str) -> httpx2.Response:
        right = {"grant_type": "authorization_code", "code": given, "redirect_uri": BACK, "code_verifier": VERIFIER}
        return await self.post("/oauth/token", right | changes, self.proof("/oauth/token") if proof == "" else proof)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with atproto_ground() as ground:
        made = Client(ground, ground.join("giulia.test"))
        ground.fetch = made.fetch
        yield made


def error(answer: httpx2.Response) -> str:
    assert answer.status_code in (400, 401), answer.text
    return str(answer.json()["error"])


async def test_a_client_that_does_everything_right_is_served_once(client: Client) -> None:
    code = await client.code()
    answer = await client.redeem(code)
    told = answer.json()
    assert (told["sub"], told["token_type"], told["scope"]) == (client.giulia.did, "DPoP", "atproto")
    assert answer.headers["dpop-nonce"] == client.server.nonce
    assert error(await client.redeem(code)) == "invalid_grant"
    assert client.server.tokens == {}


async def test_a_request_that_was_not_pushed_goes_nowhere(client: Client) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        for query in (
            f"client_id={CLIENT}&response_type=code&redirect_uri={BACK}",
            f"client_id={CLIENT}&request_uri=urn:x",
        ):
            url = f"http://127.0.0.1:{client.ground.port}/oauth/authorize?{query}"
            assert error(await http.get(url, headers={"host": f"entry.test:{client.ground.port}"})) == "invalid_request"


@pytest.mark.parametrize(
    "change",
    [{"redirect_uri": "https://evil.example/"}, {"redirect_uri": f"{BACK}/more"}, {"code_challenge_method": "plain"},
     {"code_challenge": "short"}, {"code_challenge_method": ""}, {"scope": "openid"}, {"state": ""}, {"client_secret": "x"}],
)  # fmt: skip
async def test_a_request_that_is_not_of_the_profile_is_refused(client: Client, change: dict[str, str]) -> None:
    assert error(await client.push(**change)) == "invalid_request"


async def test_a_state_or_challenge_used_before_is_refused(client: Client) -> None:
    assert (await client.push(state="same")).status_code == 201
    assert error(await client.push(state="same", code_challenge=challenge("w" * 43))) == "invalid_request"
    assert error(await client.push(state="other")) == "invalid_request"


async def test_a_proof_must_be_there_fresh_and_for_this_request(client: Client) -> None:
    assert error(await client.push(None)) == "invalid_dpop_proof"
    assert error(await client.push(client.proof("/oauth/par", nonce=None))) == "use_dpop_nonce"
    assert error(await client.push(client.proof("/oauth/par", nonce="of-before"))) == "use_dpop_nonce"
    assert error(await client.push(client.proof("/oauth/token"))) == "invalid_dpop_proof"
    assert error(await client.push(client.proof("", url="https://evil.example/oauth/par"))) == "invalid_dpop_proof"
    assert error(await client.push(client.proof("/oauth/par", ago=300))) == "invalid_dpop_proof"
    again = client.proof("/oauth/par")
    assert (await client.push(again)).status_code == 201
    assert error(await client.push(again, code_challenge=challenge("w" * 43))) == "invalid_dpop_proof"


async def test_a_nonce_of_before_is_refused_and_the_new_one_told(client: Client) -> None:
    old = client.proof("/oauth/par")
    client.server.new_nonce()
    answer = await client.push(old)
    assert error(answer) == "use_dpop_nonce"
    assert answer.headers["dpop-nonce"] == client.server.nonce


@pytest.mark.parametrize(
    "claims",
    [{"aud": "https://evil.example"}, {"aud": "TOKEN"}, {"aud": ["ISSUER"]}, {"sub": "https://evil.example/c.json"},
     {"iss": "x"}, {"exp": 1}, {"exp": 2**40}, {"iat": 1}, {"jti": ""}],
)  # fmt: skip
async def test_an_assertion_that_is_not_for_this_server_and_moment_is_refused(
    client: Client, claims: dict[str, Any]
) -> None:
    if claims.get("aud") == "TOKEN":
        claims = {"aud": f"{client.server.issuer}/oauth/token"}
    assert error(await client.push(client_assertion=client.assertion(**claims))) == "invalid_client"


async def test_an_assertion_of_another_key_or_twice_is_refused(client: Client) -> None:
    foreign = client_assertion(SigningKey.new(), CLIENT, client.server.issuer, datetime.now(UTC))
    assert error(await client.push(client_assertion=foreign)) == "invalid_client"
    assert error(await client.push(client_assertion_type="urn:other")) == "invalid_client"
    own = client.assertion()
    assert (await client.push(client_assertion=own)).status_code == 201
    assert error(await client.push(client_assertion=own, code_challenge=challenge("w" * 43))) == "invalid_client"


@pytest.mark.parametrize(
    "document",
    [{"client_id": "https://evil.example/c.json"}, {"token_endpoint_auth_method": "none"}, {"jwks": None},
     {"dpop_bound_access_tokens": None}, {"scope": "openid"}, {"redirect_uris": ["https://evil.example/"]},
     {"client_uri": "https://evil.example"}, {"jwks_uri": "https://chat.bancaesempio.example/jwks"}],
)  # fmt: skip
async def test_a_document_that_is_not_of_a_confidential_client_is_refused(
    client: Client, document: dict[str, Any]
) -> None:
    client.document = document
    assert error(await client.push()) == "invalid_client"


async def test_a_document_that_is_no_plain_answer_is_refused(client: Client) -> None:
    client.status = 302
    assert error(await client.push()) == "invalid_client"
    client.status, client.kind = 200, "text/html"
    assert error(await client.push()) == "invalid_client"


@pytest.mark.parametrize(
    "change", [{"code": "x"}, {"code_verifier": "w" * 43}, {"code_verifier": challenge()}, {"redirect_uri": "https://x.example/"},
               {"grant_type": "refresh_token"}],
)  # fmt: skip
async def test_a_code_is_of_use_to_its_own_request_only(client: Client, change: dict[str, str]) -> None:
    assert error(await client.redeem(await client.code(), **change)) == "invalid_grant"


async def test_a_code_is_of_use_to_its_own_key_only(client: Client) -> None:
    code = await client.code()
    assert error(await client.redeem(code, client.proof("/oauth/token", SigningKey.new()))) == "invalid_dpop_proof"
    assert error(await client.redeem(code, None)) == "invalid_dpop_proof"
    assert (await client.redeem(code)).status_code == 200
