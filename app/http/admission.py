"""Who may begin a request, decided before any application hears of it, so that a refusal costs microseconds.

Each client has a budget. A session that the application has proved counts by itself, so that nobody else can use its
budget up; everybody else counts by network, generously, since one network may stand for thousands of phones. A token
that is not proved yet (a claimant's) counts by network too: anybody can invent tokens.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from math import ceil
from secrets import token_bytes
from time import perf_counter
from typing import Any, Final

from app.http.budgets import Budgets
from app.http.crowding import Crowding
from app.http.intake import Intake
from app.http.proxies import ProxyRule, network_of
from app.http.session_tokens import TokenPlace

PROVED: Final = "proved"
"""Key of a request's state: whose session this is, CUSTOMER or STAFF; not set for one that proves nothing yet."""
KNOWN_AT_MOST: Final = 50_000
BELIEVED: Final = 0.5
PROMPT_FROM: Final = 0.5
LONGEST_DELAY: Final = 2.0
BUSY_SECONDS: Final = 2
IMPATIENT_PER_SECOND: Final = (1_000, 100)
"""Refusals of clients that do not wait as told, in peace and in the worst crowd."""
STREAMS: Final = b"/events"
STATICS: Final = b"/static/"
STATICS_PER_SECOND: Final = 100
"""Files of our own that begin at once, whoever asks."""
MOST_HELD: Final = 32 * 1024 * 1024
"""Bytes of all bodies of one process that are awaited before their requests take a place."""
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
    """What admission reads of a request at a door."""

    door: str
    method: bytes
    path: bytes
    headers: Sequence[tuple[bytes, bytes]]
    peer: str


class Known:
    """A proved session: how many of its prompt requests are under way, and until when none of it is prompt.

    In a crowd a customer is held to a tenth of the rate, `per_second`, and staff to few requests at a time.
    """

    __slots__ = ("_at_a_time", "_longest_rest", "not_before", "standing", "under_way")

    def __init__(self, standing: Standing, per_second: float) -> None:
        self.standing = standing
        self.under_way = 0
        self.not_before = 0.0
        self._at_a_time = max(1, per_second / 10)
        self._longest_rest = 10 / per_second if standing is Standing.CUSTOMER else 0.0

    def is_prompt(self, gap: float, now: float) -> bool:
        """Whether it keeps to what it was told, and in a crowd (`gap` > 0) to few requests at a time."""
        return now >= self.not_before and (not gap or self.under_way < self._at_a_time)

    def ended(self, gap: float, now: float) -> None:
        """One prompt request less."""
        self.under_way -= 1
        self.not_before = max(self.not_before, now + min(gap, self._longest_rest))


class Visit:
    """One request that was let in; a `prompt` one waits for nobody, another for `delay` seconds, then a place."""

    __slots__ = ("_admission", "_entered", "_state", "delay", "key", "known", "prompt", "standing", "token")

    def __init__(self, admission: Admission, who: Standing | Known, *, key: bytes, token: bytes) -> None:
        self._admission = admission
        self._state = "waiting"
        self._entered = 0.0
        self.known = who if isinstance(who, Known) else None
        self.standing = who.standing if isinstance(who, Known) else who
        self.key = key
        self.token = token
        self.prompt = False
        self.delay = 0.0

    def enter(self, begin: Callable[[bool], None]) -> bool:
        """Take a place; `begin` as in `Crowding.enter_other`. False where not even waiting is possible."""

        def entered(may: bool) -> None:
            self._state = "under way" if may else "over"
            self._entered = perf_counter()
            begin(may)

        if self.prompt:
            self._admission.crowding.enter_prompt()
            if self.known is not None:
                self.known.under_way += 1
            entered(True)
            return True
        return self._admission.crowding.enter_other(entered)

    def answering(self, status: int, streams: bool, state: MutableMapping[str, Any]) -> None:
        """The head of the answer leaves: the application has found out whose session this is."""
        if self.token:
            proved: Standing | None = state.get(PROVED)
            if self.standing is Standing.CLAIMANT:
                self._admission.note_claim(true=proved is not None)
            if proved is not None:
                self._admission.remember(self.token, proved)
                self.key = self.token
            elif status == 401:
                self._admission.forget(self.token)
        if streams and self._state == "under way":
            self._leave_place()
            self._state = "stream"
            self._admission.open_stream(self.key)

    def turned_away(self, away: TurnedAway, now: float) -> None:
        """It was told to come back later; whoever comes sooner is not prompt."""
        if self.known is not None and self.standing is Standing.CUSTOMER:
            self.known.not_before = max(self.known.not_before, now + away.seconds)

    def leave(self) -> None:
        """It is over, however it ended."""
        if self._state == "under way":
            self._leave_place()
        elif self._state == "stream":
            self._admission.close_stream(self.key)
        self._state = "over"

    def _leave_place(self) -> None:
        crowding = self._admission.crowding
        if self.prompt:
            crowding.leave_prompt()
            if self.known is not None:
                self.known.ended(crowding.gap, asyncio.get_running_loop().time())
        else:
            crowding.leave_other(perf_counter() - self._entered)


class Admission:
    """The gate of one process, shared by its doors. `tokens` says by door where its sessions' tokens stand."""

    def __init__(
        self,
        limits: TrafficLimits,
        *,
        tokens: Mapping[str, TokenPlace],
        proxies: Sequence[str] = (),
        counts: Counter[str] | None = None,
    ) -> None:
        self._limits = limits
        self._tokens = tokens
        self._rule = ProxyRule(proxies)
        self._counts = counts
        self._salt = token_bytes(16)
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._budgets = {
            Standing.STAFF: Budgets[bytes](limits.staff_per_second, limits.staff_burst),
            Standing.CUSTOMER: Budgets[bytes](limits.customer_per_second, limits.customer_burst),
            # Apart, so that a flood of strangers does not keep out the sessions of its network after a restart.
            Standing.CLAIMANT: Budgets[bytes](limits.network_per_second, limits.network_burst),
            Standing.STRANGER: Budgets[bytes](limits.network_per_second, limits.network_burst),
        }
        self._writes = Budgets[bytes](limits.network_writes_per_minute / 60, limits.network_writes_per_minute)
        self._streams: Counter[bytes] = Counter()
        self._belief = 1.0
        self._impatient = [Budgets[None](rate, rate // 4) for rate in IMPATIENT_PER_SECOND]
        self._statics = Budgets[None](STATICS_PER_SECOND, STATICS_PER_SECOND)
        self._crowding: Crowding | None = None
        self._intake: Intake | None = None
        self.open_streams = 0
        self.held = 0

    @property
    def crowding(self) -> Crowding:
        """The places of this process, in the event loop that asks first."""
        if self._crowding is None:
            self._crowding = Crowding(asyncio.get_running_loop())
        return self._crowding

    @property
    def intake(self) -> Intake:
        """Where strangers' requests wait for a turn of the event loop that has time for them."""
        if self._intake is None:
            self._intake = Intake(asyncio.get_running_loop(), self.serves_prompt)
        return self._intake

    def serves_prompt(self) -> bool:
        """Whether a prompt request is under way: what comes from others is then read and taken little by little."""
        return self.crowding.prompt > 0

    def judge(self, head: Head, now: float) -> Visit | TurnedAway:
        """Let a request in or turn it away; `now` in the loop's time. Who is let in must `enter` and `leave`."""
        token = self._token(head)
        known = self._known.get(token) if token else None
        if known is not None:
            visit = Visit(self, known, key=token, token=token)
            self._known.move_to_end(token)
        else:
            forwarded = [value.decode("latin-1") for name, value in head.headers if name == b"x-forwarded-for"]
            network = network_of(self._rule.client_of(head.peer, forwarded) or head.peer).encode()
            visit = Visit(self, Standing.CLAIMANT if token else Standing.STRANGER, key=network, token=token)
        away = self._beyond(visit, head) or self._spend(visit, head, now)
        if away is None:
            return visit
        visit.turned_away(away, now)
        return away

    def _beyond(self, visit: Visit, head: Head) -> TurnedAway | None:
        """What this process cannot hold, whoever asks; staff keep an eighth of the places for themselves."""
        most = self._limits.under_way
        crowding = self.crowding
        if crowding.prompt + crowding.other >= (most if visit.standing is Standing.STAFF else most - most // 8):
            return BUSY
        if head.path.endswith(STREAMS) and head.method == b"GET":
            if self.open_streams >= self._limits.streams:
                return BUSY
            staff = visit.standing is Standing.STAFF
            own = self._limits.staff_streams if staff else self._limits.customer_streams
            # A token that is not proved yet has no streams; a network would stand for too many people.
            if visit.standing > Standing.CLAIMANT and self._streams[visit.key] >= own:
                return TurnedAway(429, BUSY_SECONDS)
        return None

    def _spend(self, visit: Visit, head: Head, now: float) -> TurnedAway | None:
        budgets = self._budgets[visit.standing]
        crowding = self.crowding
        if visit.known is not None:
            visit.prompt = visit.known.is_prompt(crowding.gap, now)
        else:
            visit.prompt = visit.standing is Standing.CLAIMANT and self._belief >= BELIEVED and not crowding.gap
        visit.prompt = visit.prompt and budgets.left(visit.key, now) >= PROMPT_FROM
        if visit.standing <= Standing.CLAIMANT and head.method not in _SAFE:
            visit.delay = self._writes.wait(visit.key, now, patience=LONGEST_DELAY)
            if visit.delay > LONGEST_DELAY:
                return TurnedAway(429, ceil(visit.delay))
        if head.path.startswith(STATICS) and head.method == b"GET" and self._statics.wait(None, now) <= 0:
            # Whoever was let into a page gets its stylesheet too; a file costs little, and all of them are counted.
            visit.prompt = True
        wait = budgets.wait(visit.key, now)
        return TurnedAway(429, ceil(wait)) if wait > 0 else None

    def _token(self, head: Head) -> bytes:
        place = self._tokens.get(head.door)
        found = place.find(head.headers) if place is not None else None
        return blake2b(found.token.encode(), digest_size=16, key=self._salt).digest() if found and found.token else b""

    def remember(self, token: bytes, standing: Standing) -> None:
        """The application has proved this session; only who is forgotten again counts by network."""
        known = self._known.get(token)
        if known is None or known.standing is not standing:
            own = self._limits.staff_per_second if standing is Standing.STAFF else self._limits.customer_per_second
            self._known[token] = Known(standing, own)
        self._known.move_to_end(token)
        if len(self._known) > KNOWN_AT_MOST:
            self._known.popitem(last=False)

    def forget(self, token: bytes) -> None:
        """This session is over."""
        self._known.pop(token, None)

    def note_claim(self, *, true: bool) -> None:
        """What a token that was not known turned out to be: while most are real, a crowd does not keep them waiting."""
        self._belief += ((1.0 if true else 0.0) - self._belief) / 16

    def hold(self, size: int) -> bool:
        """So many bytes more of a body that is awaited, until they are taken off `held`; False where it is too much."""
        self.held += size
        return self.held <= MOST_HELD

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

    def rest_needed(self, now: float, most: float) -> float:
        """How long, up to `most` seconds, a client that did not wait as told goes unread: all together cost little."""
        impatient = self._impatient[self.crowding.places == 1]
        return min(impatient.wait(None, now, patience=most), most)

    def count(self, door: str, status: int) -> None:
        """A request that no application saw; summarised once a minute with the others."""
        if self._counts is not None:
            self._counts[f"{door}.{status}"] += 1
