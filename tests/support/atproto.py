"""A strict AT Protocol ground for tests: a directory of DIDs, servers with accounts (PDS), authorization servers.

Written after the protocol's specifications (OAuth, handle, DID) and RFC 7636, 9126, 9207, 9449, 9728 alone: what they
tell a server to refuse is refused here, and every answer to a proof carries the nonce for the next one. It checks
tokens by joserfc itself and shares no code with what it tests. `says` overrides what somebody says of themselves.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.outbound import OutboundClient
from tests.support.atproto_checks import Refused, check_assertion, check_document, check_proof
from tests.support.serving import serving

PLC: Final = "plc.test"
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz234567"
Fetch = Callable[[str], Awaitable[tuple[int, str, bytes]]]
"""Gets the client's document: status, content type, body."""


@dataclass
class Person:
    """An account: its DID for ever, its handle and its server for now."""

    did: str
    handle: str
    pds: str
    status: str = ""


@dataclass
class Pushed:
    """A request that was pushed, then the code that it led to."""

    form: dict[str, str]
    jkt: str
    client: dict[str, Any]
    did: str = ""
    used: bool = False


@dataclass
class AuthServer:
    """One authorization server."""

    ground: Ground
    name: str
    says: dict[str, Any] = field(default_factory=dict)
    tokens_say: dict[str, Any] = field(default_factory=dict)
    quirks: set[str] = field(default_factory=set)
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    requests: dict[str, Pushed] = field(default_factory=dict)
    codes: dict[str, Pushed] = field(default_factory=dict)
    tokens: dict[str, Pushed] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    once: set[str] = field(default_factory=set)

    @property
    def issuer(self) -> str:
        return self.ground.origin(self.name)

    def metadata(self) -> dict[str, Any]:
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/oauth/authorize",
            "token_endpoint": f"{self.issuer}/oauth/token",
            "pushed_authorization_request_endpoint": f"{self.issuer}/oauth/par",
            "revocation_endpoint": f"{self.issuer}/oauth/revoke",
            "scopes_supported": ["atproto", "transition:generic"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256", "ES256K"],
            "dpop_signing_alg_values_supported": ["ES256", "ES256K"],
            "request_parameter_supported": True,
            "request_object_signing_alg_values_supported": ["ES256"],
            "authorization_response_iss_parameter_supported": True,
            "require_pushed_authorization_requests": True,
            "client_id_metadata_document_supported": True,
        }
        return {name: value for name, value in (told | self.says).items() if value is not None}

    def new_nonce(self) -> None:
        """Servers change theirs every few minutes; the old one is refused here at once."""
        self.nonce = secrets.token_urlsafe(12)

    async def push(self, request: Request) -> Response:
        form = await _form(request)
        jkt = check_proof(request, f"{self.issuer}/oauth/par", self.nonce, self.once, self.ground.now())
        client = await self._client(form)
        if form.get("redirect_uri") not in client["redirect_uris"]:
            raise Refused("invalid_request", "redirect_uri is not in the client's document")
        if form.get("response_type") != "code" or form.get("scope") != "atproto" or not form.get("state"):
            raise Refused("invalid_request", "response_type, scope or state")
        if form.get("code_challenge_method") != "S256" or len(form.get("code_challenge", "")) != 43:
            raise Refused("invalid_request", "PKCE by S256 is mandatory")
        if {form["state"], form["code_challenge"]} & self.once or "client_secret" in form or "request" in form:
            raise Refused("invalid_request", "state or code_challenge used before, or a parameter that has no place")
        self.once |= {form["state"], form["code_challenge"]}
        uri = f"urn:ietf:params:oauth:request_uri:{secrets.token_urlsafe(16)}"
        self.requests[uri] = Pushed(form, jkt, client)
        return self._answer({"request_uri": uri, "expires_in": 299}, 201)

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        pushed = self.requests.get(asked.get("request_uri", ""))
        if set(asked) != {"client_id", "request_uri"} or pushed is None:
            raise Refused("invalid_request", "pushed requests only")
        if asked["client_id"] != pushed.form["client_id"]:
            raise Refused("invalid_request", "the request of another client")
        return PlainTextResponse(f"sign in as {pushed.form.get('login_hint', 'whom?')}")

    async def redeem(self, request: Request) -> Response:
        form = await _form(request)
        jkt = check_proof(request, f"{self.issuer}/oauth/token", self.nonce, self.once, self.ground.now())
        await self._client(form)
        pushed = self.codes.get(form.get("code", ""))
        if form.get("grant_type") != "authorization_code" or pushed is None:
            raise Refused("invalid_grant", "no such code")
        if pushed.used:
            self.tokens = {token: one for token, one in self.tokens.items() if one is not pushed}
            raise Refused("invalid_grant", "used before: what it was good for is revoked")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != pushed.form["code_challenge"]:
            raise Refused("invalid_grant", "code_verifier")
        if form.get("client_id") != pushed.form["client_id"] or form.get("redirect_uri") != pushed.form["redirect_uri"]:
            raise Refused("invalid_grant", "client_id or redirect_uri")
        if jkt != pushed.jkt:
            raise Refused("invalid_dpop_proof", "another key than that of the request")
        pushed.used = True
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.tokens |= {access: pushed, refresh: pushed}
        told = {"access_token": access, "refresh_token": refresh, "token_type": "DPoP", "expires_in": 300}
        told |= {"scope": "atproto", "sub": pushed.did} | self.tokens_say
        return self._answer({name: value for name, value in told.items() if value is not None})

    async def revoke(self, request: Request) -> Response:
        form = await _form(request)
        check_proof(request, f"{self.issuer}/oauth/revoke", self.nonce, self.once, self.ground.now())
        await self._client(form)
        self.tokens.pop(form.get("token", ""), None)
        return self._answer({})

    async def _client(self, form: dict[str, str]) -> dict[str, Any]:
        """The client by its document, proved by its key."""
        if self.ground.fetch is None:
            raise Refused("invalid_client", "no way to its document")
        status, kind, body = await self.ground.fetch(form.get("client_id", ""))
        document = check_document(form.get("client_id", ""), status, kind, body)
        check_assertion(form, document, self.issuer, self.once, self.ground.now())
        return document

    def _answer(self, content: dict[str, Any], status: int = 200) -> Response:
        headers = {} if "no_nonces" in self.quirks else {"DPoP-Nonce": self.nonce}
        return JSONResponse(content, status, headers)

    def refusal(self, refused: Refused) -> Response:
        return JSONResponse(
            {"error": refused.code, "error_description": refused.why}, refused.status, {"DPoP-Nonce": self.nonce}
        )


@dataclass
class Ground:
    """Everybody and every server of a test. Names are hosts; all of them are one process on loopback."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    fetch: Fetch | None = None
    port: int = 0
    people: dict[str, Person] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    authorities: dict[str, AuthServer] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    """The authorization server of each PDS."""
    spare: set[str] = field(default_factory=set)
    """Names that nobody has yet."""
    says: dict[str, Any] = field(default_factory=dict)
    """By address (host and path): what is said there instead."""
    asked: list[str] = field(default_factory=list)

    def origin(self, name: str) -> str:
        return f"http://{name}:{self.port}"

    def join(self, handle: str, pds: str = "pds.test", *, web: bool = False) -> Person:
        """A new account on a server."""
        made = f"did:web:{handle}" if web else "did:plc:" + "".join(secrets.choice(LETTERS) for _ in range(24))
        self.people[made] = Person(made, handle, pds)
        return self.people[made]

    def outbound(self) -> OutboundClient:
        """The hardened client, told of this ground's hosts and of nothing else."""
        names = {PLC, *self.homes, *self.authorities, *self.spare, *(one.handle for one in self.people.values())}
        return OutboundClient(http_hosts=dict.fromkeys(names, ("127.0.0.1", self.port)))

    def approve(self, url: str, person: Person) -> dict[str, str]:
        """Somebody signs in at the page that the browser was sent to, and agrees: what the browser comes back with."""
        server = self.authorities[urlsplit(url).hostname or ""]
        asked = dict(parse_qsl(urlsplit(url).query))
        pushed = server.requests.pop(asked["request_uri"])
        assert asked == {"client_id": pushed.form["client_id"], "request_uri": asked["request_uri"]}
        pushed.did, code = person.did, secrets.token_urlsafe(24)
        server.codes[code] = pushed
        return {"code": code, "state": pushed.form["state"], "iss": server.issuer}

    def document(self, person: Person) -> dict[str, Any]:
        return {
            "@context": ["https://www.w3.org/ns/did/v1"],
            "id": person.did,
            "alsoKnownAs": [f"at://{person.handle}"],
            "verificationMethod": [],
            "service": [
                {"id": "#other", "type": "Other", "serviceEndpoint": "https://elsewhere.test"},
                {
                    "id": "#atproto_pds",
                    "type": "AtprotoPersonalDataServer",
                    "serviceEndpoint": self.origin(person.pds),
                },
            ],
        }

    async def answer(self, request: Request) -> Response:
        """By host and path, as the servers of the world do."""
        host, path = (request.url.hostname or ""), request.url.path
        self.asked.append(f"{host}{path}")
        if f"{host}{path}" in self.says:
            said = self.says[f"{host}{path}"]
            return said if isinstance(said, Response) else JSONResponse(said)
        server = self.authorities.get(host)
        if server is not None and (response := await self._at_authority(server, request)) is not None:
            return response
        return self._elsewhere(host, path, request)

    async def _at_authority(self, server: AuthServer, request: Request) -> Response | None:
        acts = {
            ("POST", "/oauth/par"): server.push,
            ("GET", "/oauth/authorize"): server.authorize,
            ("POST", "/oauth/token"): server.redeem,
            ("POST", "/oauth/revoke"): server.revoke,
        }
        if request.url.path == "/.well-known/oauth-authorization-server":
            return JSONResponse(server.metadata())
        act = acts.get((request.method, request.url.path))
        if act is None:
            return None
        try:
            response = await act(request)
        except Refused as refused:
            server.seen.append(f"{request.url.path} {refused.code}")
            return server.refusal(refused)
        server.seen.append(f"{request.url.path} {response.status_code}")
        return response

    def _elsewhere(self, host: str, path: str, request: Request) -> Response:
        by_handle = {one.handle: one for one in self.people.values()}
        if host == PLC and path.removeprefix("/") in self.gone:
            return JSONResponse({"message": "DID not available"}, 410)
        if host == PLC and path.removeprefix("/") in self.people:
            return JSONResponse(self.document(self.people[path.removeprefix("/")]))
        if host == PLC and path == "/xrpc/com.atproto.identity.resolveHandle":
            found = by_handle.get(request.query_params.get("handle", ""))
            return JSONResponse({"did": found.did}) if found else JSONResponse({"error": "HandleNotFound"}, 400)
        if path == "/.well-known/atproto-did" and host in by_handle:
            return PlainTextResponse(f"{by_handle[host].did}\n")
        if path == "/.well-known/did.json" and f"did:web:{host}" in self.people:
            return JSONResponse(self.document(self.people[f"did:web:{host}"]))
        if path == "/.well-known/oauth-protected-resource" and host in self.homes:
            named = [self.origin(self.homes[host])]
            return JSONResponse({"resource": self.origin(host), "authorization_servers": named})
        if path == "/xrpc/com.atproto.sync.getRepoStatus" and host in self.homes:
            return self._status(request.query_params.get("did", ""))
        return JSONResponse({"error": "NotFound"}, 404)

    def _status(self, did: str) -> Response:
        person = self.people.get(did)
        if person is None:
            return JSONResponse({"error": "RepoNotFound"}, 400)
        standing = {"status": person.status} if person.status else {}
        return JSONResponse({"did": did, "active": not person.status, "rev": "3l"} | standing)


async def _form(request: Request) -> dict[str, str]:
    pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True)
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise Refused("invalid_request", "a form")
    if len(dict(pairs)) != len(pairs):
        raise Refused("invalid_request", "a parameter comes twice")
    return dict(pairs)


def callback(back: dict[str, str]) -> str:
    """The query of a return."""
    return urlencode(back)


@asynccontextmanager
async def atproto_ground(now: Callable[[], datetime] | None = None) -> AsyncIterator[Ground]:
    """Two servers with accounts at one authority, and a third that is its own, until the block ends."""
    ground = Ground(now=now or (lambda: datetime.now(UTC)))
    app = Starlette(routes=[Route("/{path:path}", ground.answer, methods=["GET", "POST"])])
    async with serving(app) as port:
        ground.port = port
        ground.homes = {"pds.test": "entry.test", "second-pds.test": "entry.test", "own.test": "own.test"}
        ground.authorities = {name: AuthServer(ground, name) for name in ("entry.test", "own.test")}
        yield ground


def as_json(document: object) -> bytes:
    """A body."""
    return json.dumps(document).encode()
