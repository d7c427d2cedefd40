"""A member of the bank's staff at the API: signed in by password and authenticator code, with a bearer token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx2

from app.demo.bank import StaffKey
from app.demo.playing.holding import require
from app.demo.playing.http_client import Streaming, streaming
from security import totp


@dataclass(frozen=True)
class ApiAnswer:
    """An answer of the API; `document` is its JSON, or None."""

    status: int
    document: Any

    @property
    def code(self) -> str:
        """The stable name of a refusal."""
        return str(self.document.get("code", "")) if isinstance(self.document, dict) else ""

    def expect(self, status: int) -> Any:
        """The document; raises `DidNotHold` for another status."""
        require(self.status == status, f"the API answered {self.status} {self.code or 'without a code'}, not {status}")
        return self.document

    def expect_refusal(self, status: int, code: str) -> None:
        """Raise `DidNotHold` unless it is exactly this refusal."""
        got = (self.status, self.code)
        require(
            got == (status, code), f"the API answered {self.status} {self.code}, not {status} {code}: {self.document}"
        )


class StaffClient:
    """One member of staff."""

    def __init__(self, key: StaffKey, base_url: str, client: httpx2.AsyncClient) -> None:
        self.key = key
        self.id = ""
        self.token = ""
        self._api = f"{base_url}/api/v1"
        self._client = client
        self._headers: dict[str, str] = {}

    async def sign_in(self, now: datetime) -> None:
        """Exchange password and current code for a token; the code, used once, must not work again."""
        credentials = {
            "login": self.key.colleague.login,
            "password": self.key.password,
            "code": totp.code_at(self.key.totp_secret, now),
        }
        token = (await self.post("/tokens", credentials)).expect(201)
        (await self.post("/tokens", credentials)).expect_refusal(401, "sign_in_refused")
        self.token = str(token["token"])
        self._headers = {"authorization": f"{token['token_type']} {self.token}"}
        self.id = str((await self.get("/staff/me"))["id"])

    async def get(self, path: str) -> Any:
        """What stands at `path` (below /api/v1)."""
        return (await self.look(path)).expect(200)

    async def look(self, path: str) -> ApiAnswer:
        """The same, refusals included."""
        return await self._ask("GET", path, None, "")

    async def post(self, path: str, body: Any = None, *, key: str = "") -> ApiAnswer:
        """One act, under an Idempotency-Key of its own unless one is given."""
        return await self._ask("POST", path, body, key or str(uuid4()))

    async def fetch(self, path: str) -> bytes:
        """A download."""
        response = await self._client.get(self._api + path, headers=self._headers)
        require(response.status_code == 200, f"the download answered {response.status_code}")
        return response.content

    def listen(self, path: str, after: int = 0, last_event_id: str = "") -> Streaming:
        """Open an event stream; `last_event_id` as after a broken connection."""
        headers = self._headers | {"accept": "text/event-stream"}
        if last_event_id:
            headers["last-event-id"] = last_event_id
        return streaming(f"{self._api}{path}?after={after}", headers)

    async def _ask(self, method: str, path: str, body: Any, key: str) -> ApiAnswer:
        headers = self._headers | ({"idempotency-key": key} if key else {})
        response = await self._client.request(method, self._api + path, headers=headers, json=body)
        return ApiAnswer(response.status_code, response.json() if response.content else None)
