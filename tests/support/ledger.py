"""The ledger of acknowledgements: what clients were told, kept outside the system under test.

Each client is a single-threaded loop over real HTTP. It journals every try as `invoke`, then `ok`, `refused` or
`unknown`, with its Idempotency-Key, into a file that only the test's own process writes: what is killed cannot touch it.
An unknown outcome is no outcome: the client sends the same again, with the same key, until it is known.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlencode

from tests.support.wire_client import Answer, Line, Lost

Side = Literal["staff", "customer"]
CARD: Final = "4111 1111 1111 1111"
WORDS: Final = ["bollo", "conto", "estratto", "saldo", "rata", "carta", "fido", "bonifico", "mutuo", "agenzia"]
INTERNALS: Final = re.compile(
    rb"psycopg|sqlalchemy|sqlite|postgres|asyncpg|Traceback|File \"|SELECT |INSERT |UPDATE |\.py\b", re.IGNORECASE
)
FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 0.5


class Ledger:
    """An append-only file of JSON lines; `entries` gives those that were not given before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._read = 0

    def write(self, what: str, **about: object) -> None:
        line = json.dumps({"what": what, "at": time.monotonic(), **about}) + "\n"
        os.write(self._handle, line.encode())

    def entries(self) -> list[dict[str, Any]]:
        with self.path.open("rb") as file:
            file.seek(self._read)
            raw = file.read()
        whole = raw[: raw.rfind(b"\n") + 1]
        self._read += len(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def close(self) -> None:
        os.fsync(self._handle)
        os.close(self._handle)


@dataclass(frozen=True)
class Place:
    """Where a client may write: its side's door, the room, and what lets it in."""

    side: Side
    room: str
    line: tuple[str, int]
    host: str
    token: str = field(repr=False)
    cookie: str = ""

    def request(self, text: str, key: str, network: str, data_class: str | None) -> tuple[str, dict[str, str], bytes]:
        """Path, headers and body of one message."""
        common = {"x-forwarded-for": network}
        if self.side == "staff":
            document = {"text": text} | ({"data_class": data_class} if data_class else {})
            headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
            path = f"/api/v1/conversations/{self.room}/messages"
            return path, {**common, **headers, "idempotency-key": key}, json.dumps(document).encode()
        form = urlencode({"text": text, "idempotency_key": key}).encode()
        headers = {
            "cookie": f"{self.cookie}={self.token}",
            "content-type": "application/x-www-form-urlencoded",
            "accept": "application/json",
            "sec-fetch-site": "same-origin",
        }
        return "/room/messages", {**common, **headers}, form


@dataclass(frozen=True)
class Wish:
    """One message as its sender means it."""

    place: Place
    key: str
    text: str
    data_class: str | None = None


@dataclass
class Tally:
    """What one client met, over all its tries."""

    ok: int = 0
    repeated: int = 0
    unknown: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    last_ok: float = 0.0


class Client:
    """Writes one message after the other; each is known before the next begins.

    `oddities` is the share of wishes that must be refused, are repeated though acknowledged, or must wait for a level.
    """

    def __init__(self, name: str, ledger: Ledger, places: list[Place], chance: random.Random, **options: Any) -> None:
        self.name = name
        self.places = places
        self.tally = Tally()
        self._ledger = ledger
        self._chance = chance
        self._oddities: float = options.get("oddities", 0.1)
        seconds: float = options.get("seconds", 15.0)
        self._lines = {place.line: Line(place.line, place.host, seconds=seconds) for place in places}
        self._count = 0
        self._pause = asyncio.Event()
        self._pause.set()
        self.idle = asyncio.Event()
        self.stopping = False

    async def run(self) -> None:
        """Until told to stop; always ends with every outcome known."""
        try:
            while not self.stopping:
                if not self._pause.is_set():
                    self.idle.set()
                    await self._pause.wait()
                    self.idle.clear()
                    continue
                await self.one()
        finally:
            self.idle.set()
            self.close()

    def close(self) -> None:
        for line in self._lines.values():
            line.close()

    def pause(self) -> None:
        """Bring the wish under way to its end, begin no other."""
        self._pause.clear()

    def go_on(self) -> None:
        self.idle.clear()
        self._pause.set()

    def stop(self) -> None:
        self.stopping = True
        self._pause.set()

    async def say(self, place: Place) -> str:
        """One ordinary message over a new connection; `ok`, or `refused`."""
        self._lines[place.line].close()
        return await self.until_known(self._wish(place, "plain"))

    async def one(self) -> None:
        """One wish, ordinary or odd."""
        place = self._chance.choice(self.places)
        odd = self._chance.random() < self._oddities
        kind = self._chance.choice(["card", "again", "other text", "held"]) if odd else "plain"
        wish = self._wish(place, kind)
        outcome = await self.until_known(wish)
        if outcome != "ok":
            return
        if kind == "again":
            await self.until_known(wish, again=True)
        elif kind == "other text":
            await self.until_known(Wish(place, wish.key, f"{wish.text} anders", wish.data_class), altered=True)

    def _wish(self, place: Place, kind: str) -> Wish:
        self._count += 1
        # letters that no detector reads as digits, too few for a tax code
        key = f"{self.name}-{self._count}-{''.join(self._chance.choices('acdefhkmnprtuvwxy', k=14))}"
        words = " ".join(self._chance.choice(WORDS) for _ in range(self._chance.randrange(1, 12)))
        text = f"{key} {words}" + (f" {CARD}" if kind == "card" else "")
        data_class = "identity" if kind == "held" and place.side == "staff" else None
        return Wish(place, key, text, data_class)

    async def until_known(self, wish: Wish, **about: bool) -> str:
        """`ok` or `refused`: sends the same as often as it takes."""
        pause, about_it = FIRST_PAUSE, {"side": wish.place.side, "room": wish.place.room, "text": wish.text, **about}
        certain = not about.get("again")
        while True:
            outcome = await self._try(wish, about_it, certain=certain)
            if outcome == "nothing stored":
                return "refused"
            if outcome != "unknown":
                return outcome
            certain = False
            await asyncio.sleep(pause * self._chance.uniform(0.5, 1.5))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _try(self, wish: Wish, about: Mapping[str, object], *, certain: bool) -> str:
        network = f"10.{self._chance.randrange(256)}.{self._chance.randrange(256)}.7"
        path, headers, body = wish.place.request(wish.text, wish.key, network, wish.data_class)
        self._note("invoke", wish, **about)
        begun = time.monotonic()
        try:
            answer = await self._lines[wish.place.line].post(path, headers, body)
        except Lost as lost:
            self.tally.unknown += 1
            self.tally.answers["lost"] += 1
            self._note("unknown", wish, why=str(lost))
            return "unknown"
        if answer.status == 201:
            self.tally.answers["201"] += 1
            return self._acknowledged(wish, answer, begun, about)
        return self._turned_away(wish, answer, about, certain=certain)

    def _turned_away(self, wish: Wish, answer: Answer, about: Mapping[str, object], *, certain: bool) -> str:
        code = self._problem(answer)
        self.tally.answers[f"{answer.status} {code}"] += 1
        # "nothing was stored" is a promise: half of those who hear it never ask again, and it must be true
        if code in ("unavailable", "too_many", "storage_full") and certain and self._chance.random() < 0.5:
            self._note("refused", wish, status=answer.status, code=code, **about)
            return "nothing stored"
        if answer.status == 429 or answer.status >= 500:
            self.tally.unknown += 1
            self._note("unknown", wish, status=answer.status, code=code)
            return "unknown"
        self._note("refused", wish, status=answer.status, code=code, **about)
        expected = (422,) if about.get("altered") or CARD in wish.text else ()
        if answer.status not in expected:
            self.tally.wrong.append(f"{answer.status} {code} for {wish.key}")
        return "refused"

    def _acknowledged(self, wish: Wish, answer: Answer, begun: float, about: Mapping[str, object]) -> str:
        self.tally.latencies.append(time.monotonic() - begun)
        self.tally.last_ok = time.monotonic()
        if about.get("again"):
            self.tally.repeated += 1
        else:
            self.tally.ok += 1
        document = answer.json()
        told = {name: document.get(name) for name in ("n", "id", "state") if name in document}
        self._note("ok", wish, **about, **told)
        return "ok"

    def _problem(self, answer: Answer) -> str:
        """The refusal's code; a refusal that is none, says nothing of when to return, or too much, is wrong."""
        if answer.headers.get("content-type") != "application/problem+json" or INTERNALS.search(answer.body):
            self.tally.wrong.append(f"{answer.status}: {answer.body[:200]!r}")
            return "?"
        code = str(answer.json()["code"])
        if answer.status in (429, 503, 507) and not answer.headers.get("retry-after", "").isdigit():
            self.tally.wrong.append(f"{answer.status} {code} without Retry-After")
        if answer.status >= 500 and answer.status not in (503, 507):
            self.tally.wrong.append(f"{answer.status} {code}")
        return code

    def _note(self, what: str, wish: Wish, **about: object) -> None:
        self._ledger.write(what, client=self.name, key=wish.key, **about)


class Crowd:
    """Several clients at once, stopped and let go together."""

    def __init__(self, clients: Iterable[Client]) -> None:
        self.clients = list(clients)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(client.run(), name=client.name) for client in self.clients]

    async def quiet(self, seconds: float = 60.0) -> None:
        """Until every client knows the outcome of all that it sent; raises TimeoutError."""
        for client in self.clients:
            client.pause()
        async with asyncio.timeout(seconds):
            for client in self.clients:
                await client.idle.wait()
        self._raise()

    def go_on(self) -> None:
        for client in self.clients:
            client.go_on()

    async def all_acknowledged_since(self, moment: float, seconds: float = 30.0) -> float:
        """Until every client has had an answer that it wanted after `moment`; returns the seconds since then."""
        async with asyncio.timeout(seconds):
            while any(client.tally.last_ok < moment for client in self.clients):
                self._raise()
                await asyncio.sleep(0.01)
        return time.monotonic() - moment

    async def work(self, messages: int, seconds: float) -> None:
        """Until so many more are acknowledged, or the time is over: moments that are random however slow the machine."""
        wanted, end = self.acknowledged + messages, time.monotonic() + seconds
        while self.acknowledged < wanted and time.monotonic() < end:
            self._raise()
            await asyncio.sleep(0.003)

    async def stop(self) -> None:
        for client in self.clients:
            client.stop()
        async with asyncio.timeout(60):
            await asyncio.gather(*self._tasks)

    async def drop(self) -> None:
        """End every client where it is; after a test that failed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _raise(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    @property
    def acknowledged(self) -> int:
        return sum(client.tally.ok for client in self.clients)

    @property
    def wrong(self) -> list[str]:
        """Answers that nobody should have got."""
        return [f"{client.name}: {what}" for client in self.clients for what in client.tally.wrong]

    @property
    def answers(self) -> Counter[str]:
        """How often each status and code came; `lost` where no whole answer did."""
        return sum((client.tally.answers for client in self.clients), Counter[str]())

    def figures(self) -> dict[str, object]:
        return {
            "clients": len(self.clients),
            "acknowledged": self.acknowledged,
            "acknowledged_again": sum(client.tally.repeated for client in self.clients),
            "unknown_then_resolved": sum(client.tally.unknown for client in self.clients),
            "answers": dict(sorted(self.answers.items())),
        }
