"""A person's account at a server with Mastodon's client API, used as an app on their phone would use it."""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2

APP: Final = "http://phone.localhost/app"
SCOPES: Final = "read write"
TRIES: Final = 5
PAGE: Final = 80
FORM: Final = re.compile(r'<form[^>]*action="([^"]+)"')
HIDDEN: Final = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


class NoSignIn(Exception):
    """The server's form did not let this login and password in."""


def new_client() -> httpx2.AsyncClient:
    """A client for one person: no proxy, no redirects, a connection for each request.

    snac closes connections after answers without a body, which a kept connection learns too late.
    """
    return httpx2.AsyncClient(trust_env=False, timeout=20.0, headers={"connection": "close"})


async def submit_sign_in(client: httpx2.AsyncClient, address: str, login: str, password: str) -> str:
    """Open the authorization page at `address` and fill its form in; gives where it leads. Raises `NoSignIn`."""
    page = (await client.get(address)).raise_for_status()
    form = FORM.search(page.text)
    if form is None:
        raise NoSignIn("the page has no form")
    fields = {name: html.unescape(value) for name, value in HIDDEN.findall(page.text)}
    answer = await client.post(html.unescape(form.group(1)), data={**fields, "login": login, "passwd": password})
    location = answer.headers.get("location")
    if answer.status_code != 303 or location is None:
        raise NoSignIn(login)
    return str(location)


@dataclass
class Account:
    """One account; `token` is there after `sign_in`."""

    server: str
    name: str
    password: str = field(repr=False)
    client: httpx2.AsyncClient = field(repr=False)
    token: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """The server's host."""
        return urlsplit(self.server).netloc

    @property
    def handle(self) -> str:
        """`giulia@127.0.0.3`, as others write it after an @."""
        return f"{self.name}@{self.host}"

    @property
    def uri(self) -> str:
        """The actor URI: what this account is, whatever it is called."""
        return f"{self.server}/{self.name}"

    async def sign_in(self) -> None:
        """Register an app and get a token through the server's own form."""
        wanted = {"client_name": "phone", "redirect_uris": APP, "scopes": SCOPES}
        app = (await self.client.post(f"{self.server}/api/v1/apps", data=wanted)).raise_for_status().json()
        state = secrets.token_urlsafe(12)
        asked = {
            "response_type": "code",
            "client_id": app["client_id"],
            "redirect_uri": APP,
            "scope": SCOPES,
            "state": state,
        }
        address = f"{self.server}/oauth/authorize?{urlencode(asked)}"
        back = parse_qs(urlsplit(await submit_sign_in(self.client, address, self.name, self.password)).query)
        if back.get("state") != [state]:
            raise NoSignIn("another state came back")
        form = {
            "grant_type": "authorization_code",
            "code": back["code"][0],
            "client_id": app["client_id"],
            "client_secret": app["client_secret"],
            "redirect_uri": APP,
        }
        answer = (await self.client.post(f"{self.server}/oauth/token", data=form)).raise_for_status()
        self.token = str(answer.json()["access_token"])

    async def post(self, text: str, *, visibility: str = "public", in_reply_to: str | None = None) -> dict[str, Any]:
        """Publish; gives the status as the API shows it."""
        data = {"status": text, "visibility": visibility}
        if in_reply_to is not None:
            data["in_reply_to_id"] = in_reply_to
        made: dict[str, Any] = (await self._call("POST", "/api/v1/statuses", data=data)).json()
        return made

    async def notifications(self) -> list[dict[str, Any]]:
        """The newest, newest first."""
        found: list[dict[str, Any]] = (await self._call("GET", f"/api/v1/notifications?limit={PAGE}")).json()
        return found

    async def statuses_with(self, words: str) -> list[dict[str, Any]]:
        """The statuses among the notifications whose content has these words, oldest first."""
        found = [one["status"] for one in await self.notifications() if one.get("status")]
        return [one for one in reversed(found) if words in one["content"]]

    async def context(self, status_id: str) -> list[dict[str, Any]]:
        """What stands around a status in its thread, as this account's server knows it."""
        found: dict[str, list[dict[str, Any]]] = (
            await self._call("GET", f"/api/v1/statuses/{status_id}/context")
        ).json()
        return found["ancestors"] + found["descendants"]

    async def rename(self, display_name: str) -> None:
        """Change the name that others see."""
        await self._call("PATCH", "/api/v1/accounts/update_credentials", data={"display_name": display_name})

    async def _call(self, method: str, path: str, data: Mapping[str, str] | None = None) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        for _ in range(TRIES if method == "GET" else 1):
            try:
                answer = await self.client.request(method, self.server + path, headers=headers, data=data)
                return answer.raise_for_status()
            except httpx2.TransportError as fault:
                failed = fault
        raise failed
