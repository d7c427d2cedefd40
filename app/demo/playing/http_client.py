"""A person's browser over real HTTP: cookies, Origin and Sec-Fetch headers, forms, redirects one by one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2

from app.demo.playing.cookies import CookieJar, is_loopback, is_trustworthy
from app.demo.playing.holding import DidNotHold, present, require
from app.demo.playing.pages import Page, PageForm, read_page

LOOPBACK: Final = "127.0.0.1"
TIMEOUT: Final = httpx2.Timeout(20.0)
# Shorter than the servers keep a silent connection: a request must not meet one that is being closed.
LIMITS: Final = httpx2.Limits(max_connections=20, max_keepalive_connections=5, keepalive_expiry=1.0)
BUSY: Final = 503
TRIES: Final = 8
LONGEST_PAUSE: Final = 2
REDIRECTS: Final = (301, 302, 303, 307, 308)
Streaming = AbstractAsyncContextManager[httpx2.Response]


class LoopbackTransport(httpx2.AsyncHTTPTransport):
    """Takes every *.localhost name to this machine, and refuses whatever lies beyond it (RFC 6761, section 6.3)."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request; the Host header keeps the name."""
        if not is_trustworthy(str(request.url)) or request.url.scheme != "http":
            raise httpx2.ConnectError(f"{request.url.host} is not on this machine")
        if not is_loopback(request.url.host):
            request.url = request.url.copy_with(host=LOOPBACK)
        for _ in range(TRIES):
            response = await self._answer(request)
            told = response.headers.get("retry-after", "")
            if response.status_code != BUSY or not told.isdecimal():
                break
            # Refused before anything was done with it: on a machine that is short of time people wait as they are told.
            await response.aclose()
            await asyncio.sleep(min(int(told), LONGEST_PAUSE))
        return response

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        """What browsers do where a connection breaks before the answer: a GET is asked once more (RFC 9110, 9.2.2)."""
        try:
            return await super().handle_async_request(request)
        except (httpx2.ReadError, httpx2.RemoteProtocolError):
            if request.method != "GET":
                raise
            return await super().handle_async_request(request)


def new_client() -> httpx2.AsyncClient:
    """A client of its own for one person, without a proxy, without a jar, following nothing."""
    transport = LoopbackTransport(limits=LIMITS, trust_env=False)
    return httpx2.AsyncClient(transport=transport, timeout=TIMEOUT, trust_env=False)


@asynccontextmanager
async def streaming(url: str, headers: Mapping[str, str]) -> AsyncIterator[httpx2.Response]:
    """An event stream on a connection of its own: where it is cut short, no pool loses another connection with it."""
    async with new_client() as client, client.stream("GET", url, headers=headers) as response:
        yield response


def origin_of(url: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class Answer:
    """An answer to a browser; `begun_at` is the origin of the page that led here, empty for the address bar."""

    url: str
    status: int
    headers: httpx2.Headers
    body: bytes = field(repr=False)
    begun_at: str = ""

    @property
    def text(self) -> str:
        """The body."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @cached_property
    def page(self) -> Page:
        """The body as a page."""
        return read_page(self.text)

    @property
    def path(self) -> str:
        """Where this is, without the host."""
        return urlsplit(self.url).path

    @property
    def location(self) -> str:
        """Where a redirect leads; raises `DidNotHold` for anything else."""
        target = self.headers.get("location")
        if self.status not in REDIRECTS or target is None:
            raise DidNotHold(f"{self.path} answered {self.status} instead of leading on")
        return urljoin(self.url, target)

    def says(self, words: str) -> bool:
        """Whether a reader finds these words."""
        return " ".join(words.split()) in self.page.words

    def expect(self, status: int) -> Answer:
        """Itself; raises `DidNotHold` for another status."""
        require(self.status == status, f"{self.path} answered {self.status}, not {status}")
        return self

    def form(self, action: str, fields: Mapping[str, str]) -> PageForm:
        """The form of the page that goes to `action` and can be filled in with `fields`; raises `DidNotHold`."""
        for form in self.page.forms:
            if form.action == action and form.takes(fields):
                return form
        raise DidNotHold(f"{self.path} has no form for {action} with {', '.join(fields) or 'no field'}")

    def link_to(self, site: str) -> str:
        """The first link of the page that leads to another site, beginning with `site`; raises `DidNotHold`."""
        found = next((link for link in self.page.links if link.startswith(site)), None)
        return present(found, f"{self.path} has no link to {site}")


class Browser:
    """One person's browser: its own jar, its own connections, and a language."""

    def __init__(self, client: httpx2.AsyncClient, language: str = "en") -> None:
        self.jar = CookieJar()
        self._client = client
        self._language = language

    async def open(self, url: str) -> Answer:
        """Type an address."""
        return await self._send("GET", url, begun_at="")

    async def follow(self, answer: Answer, link: str) -> Answer:
        """Click a link that the page has."""
        require(link in answer.page.links, f"{answer.path} has no link {link}")
        return await self._send("GET", urljoin(answer.url, link), begun_at=origin_of(answer.url))

    async def submit(self, answer: Answer, action: str, **fields: str) -> Answer:
        """Fill in a form that the page has and send it; the answer may be a redirect, which `go_on` follows."""
        form = answer.form(action, fields)
        require(form.method == "post", f"the form for {action} is not a POST")
        body = urlencode({**form.filled, **fields}).encode()
        url, begun_at = urljoin(answer.url, form.action), origin_of(answer.url)
        # A page with `Referrer-Policy: no-referrer` makes browsers write `Origin: null` even for its own forms.
        hidden = answer.headers.get("referrer-policy") == "no-referrer"
        return await self._send("POST", url, begun_at=begun_at, body=body, origin="null" if hidden else begun_at)

    async def go_on(self, answer: Answer, to: str = "/") -> Answer:
        """Follow one redirect, which must begin with `to` (a path of the same site, or an address)."""
        target = answer.location
        require(target.startswith(urljoin(answer.url, to)), f"{answer.path} leads to {target}, not to {to}")
        return await self._send("GET", target, begun_at=answer.begun_at)

    async def write(self, answer: Answer, action: str, **fields: str) -> Answer:
        """What the page's own module does with a form: the same fields by fetch, hidden ones too, asking for JSON."""
        form = answer.form(action, {})
        require(fields.keys() <= form.offered.keys(), f"the form for {action} lacks one of {', '.join(fields)}")
        url = urljoin(answer.url, form.action)
        headers = self._headers("POST", url, origin_of(answer.url), module=True)
        headers |= {"content-type": "application/x-www-form-urlencoded", "origin": origin_of(answer.url)}
        body = urlencode({**form.filled, **fields}).encode()
        return await self._fetch("POST", url, headers, body, origin_of(answer.url))

    async def tap(self, answer: Answer, action: str, key: Callable[[Mapping[str, Any]], str]) -> Answer:
        """What the page's module does with a passkey's form: its question by fetch, the key's answer by the form."""
        return await self.tapped(answer, action, key(await self.question(answer, action)))

    async def question(self, answer: Answer, action: str) -> Any:
        """What a passkey's form asks."""
        url, begun_at = urljoin(answer.url, answer.form(action, {}).action), origin_of(answer.url)
        headers = self._headers("POST", url, begun_at, module=True)
        headers |= {"content-type": "application/x-www-form-urlencoded", "origin": begun_at}
        return (await self._fetch("POST", f"{url}/question", headers, b"", begun_at)).expect(200).json()

    async def tapped(self, answer: Answer, action: str, given: str) -> Answer:
        """Send a passkey's form with what a key has answered."""
        form, begun_at = answer.form(action, {}), origin_of(answer.url)
        body = urlencode({**form.filled, "answer": given}).encode()
        return await self._send("POST", urljoin(answer.url, form.action), begun_at=begun_at, body=body, origin="null")

    def listen(self, answer: Answer, path: str, after: int, last_event_id: str = "") -> Streaming:
        """Open an event stream as the page's module does; `last_event_id` as after a broken connection."""
        url = urljoin(answer.url, f"{path}?after={after}")
        headers = self._headers("GET", url, origin_of(answer.url), module=True) | {"accept": "text/event-stream"}
        if last_event_id:
            headers["last-event-id"] = last_event_id
        return streaming(url, headers)

    async def _send(
        self, method: str, url: str, *, begun_at: str, body: bytes | None = None, origin: str = ""
    ) -> Answer:
        headers = self._headers(method, url, begun_at, module=False)
        if body is not None:
            headers |= {"content-type": "application/x-www-form-urlencoded", "origin": origin}
        return await self._fetch(method, url, headers, body, begun_at)

    def _headers(self, method: str, url: str, begun_at: str, *, module: bool) -> dict[str, str]:
        """What a browser says of itself. Hosts under `localhost` are sites of their own, as under any top level."""
        same = begun_at == origin_of(url)
        cross_site = bool(begun_at) and urlsplit(begun_at).hostname != urlsplit(url).hostname
        headers = {
            "accept": "application/json" if module else "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
            "accept-language": self._language,
            "sec-fetch-site": "same-origin" if same else "cross-site" if begun_at else "none",
            "sec-fetch-mode": "cors" if module else "navigate",
            "sec-fetch-dest": "empty" if module else "document",
        }
        cookies = self.jar.line(url, cross_site=cross_site, top_level_get=method == "GET" and not module)
        if cookies is not None:
            headers["cookie"] = cookies
        return headers

    async def _fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, begun_at: str
    ) -> Answer:
        response = await self._client.request(method, url, headers=dict(headers), content=body)
        self.jar.take(url, response.headers.get_list("set-cookie"))
        return Answer(url, response.status_code, response.headers, response.content, begun_at)
