"""A strict Mastodon server for tests: what Mastodon refuses, it refuses; several of them federate at once.

After docs.joinmastodon.org (methods: apps, oauth, notifications, statuses, search, instance; spec: OAuth) as of 4.4:
PKCE S256, exact redirect URIs, scopes, single-use codes, Idempotency-Key for an hour, 300 calls in five minutes and five
registrations in ten, visibility, paging by `min_id`, `max_id`, `since_id` with Link, filtered notifications,
`userinfo` for the scope `profile` only. Stricter than Mastodon in one thing: a sign-in without PKCE is refused.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.outbound import OutboundClient
from tests.support.mastodon_entities import (
    MENTION,
    PUBLIC,
    Account,
    App,
    Grant,
    Notification,
    Refused,
    Status,
    Token,
    as_html,
    length_of,
)
from tests.support.mastodon_oauth import Answer, SignIn
from tests.support.serving import serving


@dataclass
class Fediverse:
    """All servers of a test; `now` is their clock."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    servers: dict[str, Server] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def outbound(self, **options: Any) -> OutboundClient:
        return OutboundClient(http_hosts={name: ("127.0.0.1", port) for name, port in self.ports.items()}, **options)

    def find(self, name: str, host: str) -> Account | None:
        wanted = (name.casefold(), host)
        return next((one for one in self.accounts.values() if (one.name.casefold(), one.host) == wanted), None)


@dataclass
class Server:
    """One server. `quirks` make it another software: `newest` cuts pages at the newest, `no_min_id`, `no_types`,
    `no_metadata`, `no_userinfo`, `no_lookup` leave that out; `says` overrides what it says of itself."""

    fediverse: Fediverse
    name: str
    quirks: set[str] = field(default_factory=set)
    says: dict[str, Any] = field(default_factory=dict)
    longest: int = 500
    policy: dict[str, str] = field(default_factory=dict)
    claims: Callable[[Account], str] = lambda account: account.uri
    seen: list[tuple[str, str]] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    apps: dict[str, App] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    statuses: dict[str, Status] = field(default_factory=dict)
    notifications: list[Notification] = field(default_factory=list)
    answered: dict[tuple[str, str], tuple[datetime, dict[str, Any]]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    limits: dict[str, int] = field(default_factory=lambda: {"api": 300, "apps": 5})
    faults: list[Response | None] = field(default_factory=list)
    ids: Any = field(default_factory=lambda: count(109_000))
    _local: dict[str, str] = field(default_factory=dict)

    @property
    def site(self) -> str:
        return f"{self.name}:{self.fediverse.ports[self.name]}"

    @property
    def base(self) -> str:
        return f"http://{self.site}"

    # what people do

    def join(self, name: str, display: str = "", *, host: str = "") -> Account:
        uri = f"{self.base}/users/{name}"
        if uri in self.fediverse.accounts:
            uri += "-again"
        account = Account(uri, name, self.site, display or name.capitalize(), host or self.site)
        self.fediverse.accounts[account.uri] = account
        return account

    def token_of(self, account: Account, scopes: str = "read write") -> str:
        app = App("console", "console", [], set(scopes.split()))
        token = Token(secrets.token_urlsafe(24), account, set(scopes.split()), app)
        self.tokens[token.text] = token
        return token.text

    def post(
        self,
        author: Account,
        text: str,
        visibility: str = "public",
        *,
        reply_to: Status | None = None,
        content: str | None = None,
        filtered: bool = False,
    ) -> Status:
        """A status, delivered at once to everybody concerned."""
        named = [self.fediverse.find(name, host or self.site) for name, host in MENTION.findall(text)]
        mentions = list({one.uri: one for one in named if one is not None}.values())
        uri = f"{author.uri}/statuses/{next(self.ids)}"
        parent = reply_to.uri if reply_to else None
        shown = content if content is not None else as_html(text)
        status = Status(uri, author, text, visibility, parent, mentions, self.fediverse.now(), shown)
        for server in self.fediverse.servers.values():
            if visibility in PUBLIC or server is self or any(one.site == server.site for one in mentions):
                server.statuses[server.local(uri)] = status
            server.notify_of(status, filtered=filtered)
        return status

    def notify_of(self, status: Status, *, filtered: bool = False, kind: str = "mention") -> None:
        for account in status.mentions:
            if account.site == self.site and account.uri != status.author.uri:
                self.notifications.append(Notification(next(self.ids), kind, status.author, status, filtered))

    def delete(self, status: Status) -> None:
        for server in self.fediverse.servers.values():
            server.statuses.pop(server.local(status.uri), None)

    def local(self, uri: str) -> str:
        """The id that this server gives to whatever has this URI."""
        return self._local.setdefault(uri, str(next(self.ids)))

    # what it answers

    def app(self) -> Starlette:
        table: list[Answer] = [
            *SignIn(self).routes(),
            ("GET", "/api/v1/accounts/verify_credentials", self.verify_credentials),
            ("GET", "/api/v1/accounts/{id}/statuses", self.statuses_of),
            ("GET", "/api/v1/notifications", self.notified),
            ("GET", "/api/v2/notifications/policy", self.told_policy),
            ("GET", "/api/v2/search", self.search),
            ("GET", "/api/v2/instance", self.instance),
            ("POST", "/api/v1/statuses", self.publish),
            ("GET", "/api/v1/statuses/{id}", self.show),
            ("DELETE", "/api/v1/statuses/{id}", self.take_back),
            ("GET", "/api/v1/statuses/{id}/context", self.context),
        ]
        return Starlette(routes=[Route(path, self._guarded(answer), methods=[verb]) for verb, path, answer in table])

    def _guarded(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def guarded(request: Request) -> Response:
            self.seen.append((request.method, request.url.path))
            if self.faults and (fault := self.faults.pop(0)) is not None:
                return fault
            request.state.form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
            self.forms.append(request.state.form)
            try:
                made = answer(request)
            except Refused as refused:
                return JSONResponse(refused.body, refused.status)
            return made if isinstance(made, Response) else JSONResponse(made)

        return guarded

    def count_call(self, kind: str, who: str) -> None:
        self.calls[f"{kind} {who}"] += 1
        if self.calls[f"{kind} {who}"] > self.limits[kind]:
            raise Refused(429, "Too many requests")

    def token_in(self, request: Request, *scopes: str) -> Token:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        token = self.tokens.get(text) if scheme == "Bearer" else None
        if token is None:
            raise Refused(401, "The access token is invalid")
        self.count_call("api", token.account.uri)
        if scopes and not token.scopes & {*scopes, *(one.partition(":")[0] for one in scopes if one != "profile")}:
            raise Refused(403, "This action is outside the authorized scopes")
        return token

    def verify_credentials(self, request: Request) -> dict[str, Any]:
        account = self.token_in(request, "profile", "read:accounts").account
        return self.account(account) | {"uri": self.claims(account)}

    def statuses_of(self, request: Request) -> list[dict[str, Any]]:
        viewer = self.token_in(request, "read:statuses").account
        mine = [one for one in self.statuses.values() if self.local(one.author.uri) == request.path_params["id"]]
        return [self.status(one) for one in reversed(mine) if self._sees(viewer, one)]

    def notified(self, request: Request) -> Response:
        self.token_in(request, "read:notifications")
        query = parse_qs(request.url.query)
        numbers = {name: int(query[name][0]) for name in ("min_id", "max_id", "since_id") if name in query}
        limit = min(int(query.get("limit", ["40"])[0]), 80)
        known = {"update", "mention", "status", "favourite", "follow"}
        types = known if "no_types" in self.quirks else set(query.get("types[]", known))
        low = 0 if "no_min_id" in self.quirks else max(numbers.get("min_id", 0), numbers.get("since_id", 0))
        fitting = [
            one
            for one in self.notifications
            if one.kind in types
            and (not one.filtered or query.get("include_filtered") == ["true"])
            and low < one.id < numbers.get("max_id", 1 << 62)
            and (one.status is None or self.local(one.status.uri) in self.statuses)
        ]
        fitting.sort(key=lambda one: one.id)
        upwards = "min_id" in numbers and not self.quirks & {"newest", "no_min_id"}
        page = (fitting[:limit] if upwards else fitting[-limit:])[::-1]
        headers = {}
        if page and "newest" not in self.quirks:
            ends = (("max_id", page[-1].id, "next"), ("min_id", page[0].id, "prev"))
            links = [f'<{self.base}/api/v1/notifications?{name}={value}>; rel="{rel}"' for name, value, rel in ends]
            headers["link"] = ", ".join(links)
        return JSONResponse([self.notification(one) for one in page], headers=headers)

    def told_policy(self, request: Request) -> dict[str, Any]:
        self.token_in(request, "read:notifications")
        return {
            "for_not_following": "accept",
            "for_new_accounts": "filter",
            "for_private_mentions": "accept",
        } | self.policy

    def search(self, request: Request) -> dict[str, Any]:
        self.token_in(request, "read:search")
        asked = request.query_params.get("q", "")
        name, _, host = asked.lstrip("@").partition("@")
        found = self.fediverse.accounts.get(asked) or self.fediverse.find(name, host or self.site)
        return {"accounts": [self.account(found)] if found else [], "statuses": [], "hashtags": []}

    def instance(self, _request: Request) -> dict[str, Any]:
        if "no_metadata" in self.quirks:
            raise Refused(404, "Not found")
        told = {"max_characters": self.longest, "characters_reserved_per_url": 23}
        return {"domain": self.name, "version": "4.4.0", "configuration": {"statuses": told}}

    def publish(self, request: Request) -> dict[str, Any]:
        token = self.token_in(request, "write:statuses")
        form, now = request.state.form, self.fediverse.now()
        key = (token.account.uri, request.headers.get("idempotency-key", ""))
        if key[1] and key in self.answered and now - self.answered[key][0] < timedelta(hours=1):
            return self.answered[key][1]
        if not form.get("status", "").strip():
            raise Refused(422, "Validation failed: Text can't be blank")
        if form.get("visibility", "public") not in (*PUBLIC, "private", "direct"):
            raise Refused(422, "Validation failed: Visibility is not included in the list")
        if length_of(form["status"]) > self.longest:
            raise Refused(422, f"Validation failed: Text character limit of {self.longest} exceeded")
        parent = None
        if form.get("in_reply_to_id"):
            parent = self.statuses.get(form["in_reply_to_id"])
            if parent is None or not self._sees(token.account, parent):
                raise Refused(404, "The post you are trying to reply to does not appear to exist.")
        status = self.post(token.account, form["status"], form.get("visibility", "public"), reply_to=parent)
        answer = self.status(status)
        self.answered[key] = (now, answer)
        return answer

    def _seen(self, request: Request, *scopes: str) -> Status:
        viewer = self.token_in(request, *scopes).account
        status = self.statuses.get(request.path_params["id"])
        if status is None or not self._sees(viewer, status):
            raise Refused(404, "Record not found")
        return status

    def _sees(self, viewer: Account, status: Status) -> bool:
        return status.visibility in PUBLIC or viewer.uri == status.author.uri or viewer in status.mentions

    def show(self, request: Request) -> dict[str, Any]:
        return self.status(self._seen(request, "read:statuses"))

    def take_back(self, request: Request) -> dict[str, Any]:
        status = self._seen(request, "write:statuses")
        if status.author.uri != self.token_in(request).account.uri:
            raise Refused(404, "Record not found")
        self.delete(status)
        return self.status(status)

    def context(self, request: Request) -> dict[str, Any]:
        status = self._seen(request, "read:statuses")
        viewer = self.token_in(request).account
        by_uri = {one.uri: one for one in self.statuses.values() if self._sees(viewer, one)}
        ancestors: list[Status] = []
        while (top := by_uri.get((ancestors[0] if ancestors else status).reply_to or "")) is not None:
            ancestors.insert(0, top)
        family, below = {status.uri}, []
        for one in by_uri.values():
            if one.reply_to in family:
                family.add(one.uri)
                below.append(one)
        return {
            "ancestors": [self.status(one) for one in ancestors],
            "descendants": [self.status(one) for one in below],
        }

    # entities

    def account(self, account: Account) -> dict[str, Any]:
        return {
            "id": self.local(account.uri),
            "username": account.name,
            "acct": account.name if account.site == self.site else f"{account.name}@{account.host}",
            "display_name": account.display,
            "url": f"http://{account.site}/@{account.name}",
            "uri": account.uri,
            "note": "<p>" + "n" * 300 + "</p>",
        }

    def status(self, status: Status) -> dict[str, Any]:
        return {
            "id": self.local(status.uri),
            "uri": status.uri,
            "url": f"http://{status.author.site}/@{status.author.name}/{status.uri.rpartition('/')[2]}",
            "created_at": status.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "visibility": status.visibility,
            "in_reply_to_id": self.local(status.reply_to) if status.reply_to else None,
            "content": status.content,
            "account": self.account(status.author),
            "mentions": [{"acct": self.account(one)["acct"], "id": self.local(one.uri)} for one in status.mentions],
        }

    def notification(self, one: Notification) -> dict[str, Any]:
        entity = {"id": str(one.id), "type": one.kind, "created_at": "2026-11-21T19:00:00.000Z"}
        status = self.status(one.status) if one.status else None
        return entity | {"account": self.account(one.account), "status": status}


@asynccontextmanager
async def fediverse(*names: str, now: Callable[[], datetime] | None = None) -> AsyncIterator[Fediverse]:
    """Servers of these names on loopback, each at a port of its own."""
    world = Fediverse(now) if now else Fediverse()
    async with _serve(world, list(names)):
        yield world


@asynccontextmanager
async def _serve(world: Fediverse, names: list[str]) -> AsyncIterator[None]:
    if not names:
        yield
        return
    server = world.servers[names[0]] = Server(world, names[0])
    async with serving(server.app()) as port:
        world.ports[names[0]] = port
        async with _serve(world, names[1:]):
            yield


async def approve(url: str, server: Server, name: str) -> dict[str, str]:
    """What a person does at their server: sign in as `name` and consent. Gives what the browser brings back."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(server.app())) as browser:
        page = await browser.get(url)
        assert page.status_code == 200, (page.status_code, page.text, page.headers.get("location"))
        answer = await browser.post(url, data={"username": name})
    assert answer.status_code == 302
    parts = urlsplit(answer.headers["location"])
    return dict(parse_qsl(parts.query)) | {"path": parts.path}


def consent(url: str, server: Server, name: str) -> str:
    """The code of an application that has no address to return to, as the server's page shows it."""
    asked = dict(parse_qsl(urlsplit(url).query))
    app, account = server.apps[asked["client_id"]], server.fediverse.find(name, server.site)
    assert account is not None
    assert asked["redirect_uri"] in app.redirect_uris
    assert set(asked["scope"].split()) <= app.scopes
    until, code = server.fediverse.now() + timedelta(minutes=10), secrets.token_urlsafe(24)
    scopes = set(asked["scope"].split())
    server.grants[code] = Grant(app, account, asked["redirect_uri"], scopes, asked["code_challenge"], until)
    return code


def as_json(value: object, status: int = 200) -> Response:
    """An answer that a test puts in the way of the next call."""
    return Response(json.dumps(value), status, media_type="application/json")
