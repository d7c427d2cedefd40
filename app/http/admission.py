"""Who may begin a request, decided before any application hears of it, so that a refusal costs microseconds.

Each client has a budget. A session that the application has proved counts by itself, so that nobody else can use its
budget up; everybody else counts by network, generously, since one network may stand for thousands of phones. A token
that is not proved yet (a claimant's) counts by network too: anybody can invent tokens.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from math import ceil
from secrets import token_bytes
from typing import Any, Final

from app.http.budgets import Budgets
from app.http.crowding import Crowding
from app.http.proxies import ProxyRule, network_of

PROVED: Final = "proved"
"""Key of a request's state that says whose session it has proved to be: a value of `Standing`."""
KNOWN_AT_MOST: Final = 50_000
PROMPT_FROM: Final = 0.5
LONGEST_DELAY: Final = 2.0
BUSY_SECONDS: Final = 2
REFUSED_FREELY: Final = 300
STREAMS: Final = b"/events"
_SAFE: Final = (b"GET", b"HEAD", b"OPTIONS")


class Standing(IntEnum):
    """What is known of a client before its request is read."""

    STRANGER = 0
    CLAIMANT = 1
    CUSTOMER = 2
    STAFF = 3


@dataclass(frozen=True)
class TrafficLimits:
    """What one process takes: budgets a second and at once, requests under way, open streams."""

    staff_per_second: float = 50
    staff_burst: int = 400
    staff_streams: int = 200
    customer_per_second: float = 5
    customer_burst: int = 100
    customer_streams: int = 10
    network_per_second: float = 100
    network_burst: int = 1_000
    network_writes_per_minute: int = 240
    under_way: int = 256
    streams: int = 10_000


@dataclass(frozen=True)
class TurnedAway:
    """The request is answered with `status`; the client may come back after `seconds`."""

    status: int
    seconds: int


BUSY: Final = TurnedAway(503, BUSY_SECONDS)


@dataclass(frozen=True, slots=True)
class Head:
    """What admission reads of a request."""

    method: bytes
    path: bytes
    headers: Sequence[tuple[bytes, bytes]]
    peer: str


class Visit:
    """One request that was let in; a `prompt` one waits for nobody, another for `delay` seconds, then a place."""

    __slots__ = ("_admission", "_state", "delay", "key", "prompt", "standing", "token", "wants_stream")

    def __init__(self, admission: Admission, standing: Standing, key: bytes, token: bytes, wants_stream: bool) -> None:
        self._admission = admission
        self._state = "waiting"
        self.standing = standing
        self.key = key
        self.token = token
        self.wants_stream = wants_stream
        self.prompt = False
        self.delay = 0.0

    def enter(self, begin: Callable[[bool], None]) -> bool:
        """Take a place; `begin` as in `Crowding.enter_other`. False where not even waiting is possible."""

        def entered(may: bool) -> None:
            self._state = "under way" if may else "over"
            begin(may)

        if self.prompt:
            self._admission.crowding.enter_prompt()
            entered(True)
            return True
        return self._admission.crowding.enter_other(entered)

    def answering(self, status: int, streams: bool, state: MutableMapping[str, Any]) -> None:
        """The head of the answer leaves: the application has found out whose session this is."""
        if self.token:
            if PROVED in state:
                self._admission.remember(self.token, Standing(state[PROVED]))
                self.key = self.token
            elif status == 401:
                self._admission.forget(self.token)
        if streams and self._state == "under way":
            self._leave_place()
            self._state = "stream"
            self._admission.open_stream(self.key)

    def leave(self) -> None:
        """It is over, however it ended."""
        if self._state == "under way":
            self._leave_place()
        elif self._state == "stream":
            self._admission.close_stream(self.key)
        self._state = "over"

    def _leave_place(self) -> None:
        if self.prompt:
            self._admission.crowding.leave_prompt()
        else:
            self._admission.crowding.leave_other()


class Admission:
    """The gate of one process, shared by its doors. `cookies` are the names of the session cookies."""

    def __init__(
        self,
        limits: TrafficLimits,
        *,
        cookies: Iterable[str] = (),
        proxies: Sequence[str] = (),
        counts: Counter[str] | None = None,
    ) -> None:
        self._limits = limits
        self._cookies = tuple(f"{name}=".encode() for name in cookies)
        self._rule = ProxyRule(proxies)
        self._counts = counts
        self._salt = token_bytes(16)
        self._known: OrderedDict[bytes, Standing] = OrderedDict()
        self._budgets = {
            Standing.STAFF: Budgets[bytes](limits.staff_per_second, limits.staff_burst),
            Standing.CUSTOMER: Budgets[bytes](limits.customer_per_second, limits.customer_burst),
            # Apart, so that a flood of strangers does not keep out the sessions of its network after a restart.
            Standing.CLAIMANT: Budgets[bytes](limits.network_per_second, limits.network_burst),
            Standing.STRANGER: Budgets[bytes](limits.network_per_second, limits.network_burst),
        }
        self._writes = Budgets[bytes](limits.network_writes_per_minute / 60, limits.network_writes_per_minute)
        self._streams: Counter[bytes] = Counter()
        self._freely = Budgets[None](REFUSED_FREELY, REFUSED_FREELY)
        self._crowding: Crowding | None = None
        self.open_streams = 0

    @property
    def crowding(self) -> Crowding:
        """The places of this process, in the event loop that asks first."""
        if self._crowding is None:
            self._crowding = Crowding(asyncio.get_running_loop())
        return self._crowding

    def judge(self, head: Head, now: float) -> Visit | TurnedAway:
        """Let a request in or turn it away; `now` in the loop's time. Who is let in must `enter` and `leave`."""
        token, forwarded = self._read(head.headers)
        standing = self._known.get(token, Standing.CLAIMANT) if token else Standing.STRANGER
        key = token
        if standing <= Standing.CLAIMANT:
            key = network_of(self._rule.client_of(head.peer, forwarded) or head.peer).encode()
        else:
            self._known.move_to_end(token)
        visit = Visit(self, standing, key, token, head.path.endswith(STREAMS) and head.method == b"GET")
        return self._beyond(visit) or self._spend(visit, head.method, now)

    def _beyond(self, visit: Visit) -> TurnedAway | None:
        """What this process cannot hold, whoever asks; staff keep an eighth of the places for themselves."""
        most = self._limits.under_way
        crowding = self.crowding
        if crowding.prompt + crowding.other >= (most if visit.standing is Standing.STAFF else most - most // 8):
            return BUSY
        if visit.wants_stream:
            if self.open_streams >= self._limits.streams:
                return BUSY
            staff = visit.standing is Standing.STAFF
            own = self._limits.staff_streams if staff else self._limits.customer_streams
            # A token that is not proved yet has no streams; a network would stand for too many people.
            if visit.standing > Standing.CLAIMANT and self._streams[visit.key] >= own:
                return TurnedAway(429, BUSY_SECONDS)
        return None

    def _spend(self, visit: Visit, method: bytes, now: float) -> Visit | TurnedAway:
        budgets = self._budgets[visit.standing]
        if visit.standing > Standing.CLAIMANT:
            visit.prompt = budgets.left(visit.key, now) >= PROMPT_FROM
        elif method not in _SAFE:
            visit.delay = self._writes.wait(visit.key, now, patience=LONGEST_DELAY)
            if visit.delay > LONGEST_DELAY:
                return TurnedAway(429, ceil(visit.delay))
        wait = budgets.wait(visit.key, now)
        return TurnedAway(429, ceil(wait)) if wait > 0 else visit

    def _read(self, headers: Sequence[tuple[bytes, bytes]]) -> tuple[bytes, list[str]]:
        token, forwarded = b"", []
        for name, value in headers:
            if name == b"authorization":
                token = value
            elif name == b"cookie" and not token:
                token = self._cookie(value)
            elif name == b"x-forwarded-for":
                forwarded.append(value.decode("latin-1"))
        return (blake2b(token, digest_size=16, key=self._salt).digest() if token else b""), forwarded

    def _cookie(self, value: bytes) -> bytes:
        for part in value.split(b";"):
            part = part.strip()  # noqa: PLW2901 (the same piece, bare)
            if part.startswith(self._cookies):
                return part
        return b""

    def remember(self, token: bytes, standing: Standing) -> None:
        """The application has proved this session; only who is forgotten again counts by network."""
        self._known[token] = standing
        self._known.move_to_end(token)
        if len(self._known) > KNOWN_AT_MOST:
            self._known.popitem(last=False)

    def forget(self, token: bytes) -> None:
        """This session is over."""
        self._known.pop(token, None)

    def open_stream(self, key: bytes) -> None:
        """One stream more."""
        self.open_streams += 1
        self._streams[key] += 1

    def close_stream(self, key: bytes) -> None:
        """One stream less."""
        self.open_streams -= 1
        self._streams[key] -= 1
        if not self._streams[key]:
            del self._streams[key]

    def refuses_freely(self, now: float) -> bool:
        """Whether refusals still cost little, so that even whoever ignores them gets the next one at once."""
        return self._freely.wait(None, now) == 0

    def count(self, door: str, status: int) -> None:
        """A request that no application saw; summarised once a minute with the others."""
        if self._counts is not None:
            self._counts[f"{door}.{status}"] += 1
