"""The power may fail at any moment, on SQLite: what was acknowledged is there, and the evidence holds."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from app.actors import Customer, Role, Staff
from app.conversations.committing import lane_of
from app.conversations.posting import post_message
from app.database import create_engines
from app.outbound import OutboundClient
from app.services import Services
from app.vault import KeyFile, Vault
from tests.powercut import recording
from tests.powercut.conftest import in_memory
from tests.powercut.disk import MODES, Entry, PowerCut, power_cuts
from tests.powercut.judging import CORRUPT, FINE, Judge, Promise
from tests.support.house import Clock
from tests.support.soak import chance, in_every_run_or_soak, keep_figures

POINTS: Final = in_every_run_or_soak(500, 10_000)
RECORDS: Final = in_every_run_or_soak(1, 10)
WEAK_POINTS: Final = in_every_run_or_soak(40, 300)
RETRIED: Final = in_every_run_or_soak(8, 100)
MESSAGES: Final = 350
FILES: Final = ("main.db", "keys.db")
WEAK_MESSAGES: Final = 100


def recorded(folder: Path, messages: int, seeds: Sequence[int], synchronous: str = "as it is") -> list[list[Entry]]:
    """The records of several runs, one after the other."""
    records = []
    for number, seed in enumerate(seeds):
        place = folder / f"run-{synchronous}-{number}"
        running = recording.start(place, messages=messages, seed=seed, synchronous=synchronous)
        records.append(recording.record_of(place, running))
        shutil.rmtree(place)
    return records


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[list[Entry]]:
    """The service as it is, at work."""
    _, source = chance("the recorded work")
    with in_memory(tmp_path_factory.mktemp("records")) as folder:
        return recorded(folder, MESSAGES, [source.randrange(2**32) for _ in range(RECORDS)])


async def judged(scratch: Path, record: list[Entry], points: int, source: random.Random) -> Counter[str]:
    """How many points had which verdict; `sentences` says why."""
    rebuilt = scratch / "rebuilt"
    rebuilt.mkdir(exist_ok=True)
    judge, counts = Judge(rebuilt), Counter[str]()
    for cut in power_cuts(record, points, source):
        verdict = await judge.judge(cut.files, cut.told)
        counts[verdict.word] += 1
        counts[f"{cut.mode}: {verdict.word}"] += 1
        if verdict.lost:
            counts["points that lost something promised"] += 1
        for sentence in {*verdict.corrupt[:3], *verdict.lost[:3]}:
            counts[f"why: after entry {cut.after}, {cut.mode}: {sentence[:100]}"] += 1
    return counts


async def test_no_power_cut_loses_what_was_acknowledged_or_breaks_the_evidence(
    scratch: Path, records: list[list[Entry]]
) -> None:
    seed, source = chance("power cuts")
    counts, promises = Counter[str](), Counter[str]()
    for record in records:
        promises += kept_promises(record)
        counts += await judged(scratch, record, POINTS // RECORDS, source)
    why = [sentence for sentence in counts if sentence.startswith("why")]
    assert counts[FINE] == POINTS, why[:20]
    assert all(counts[f"{mode}: {FINE}"] >= POINTS // len(MODES) for mode in MODES)
    # what was cut into was worth it: rooms opened, keys made, checkpoints signed in between
    assert promises["message"] == RECORDS * MESSAGES
    assert min(promises[kind] for kind in ("room", "key", "checkpoint")) > RECORDS * 3, promises
    entries = sum(map(len, records))
    keep_figures("powercut", seed=seed, points=POINTS, fine=counts[FINE], entries=entries, promises=dict(promises))


@pytest.mark.parametrize(("synchronous", "expected"), [("NORMAL", "lost"), ("OFF", "corrupt")])
async def test_the_suite_sees_when_sqlite_syncs_less_than_it_should(
    scratch: Path, synchronous: str, expected: str
) -> None:
    """Else the first test proves nothing. One pragma is changed in the child; everything else is as it is."""
    seed, source = chance(f"power cuts with synchronous={synchronous}")
    [record] = await asyncio.to_thread(recorded, scratch, WEAK_MESSAGES, [source.randrange(2**32)], synchronous)
    counts = await judged(scratch, record, WEAK_POINTS, source)
    seen = {"fine": counts[FINE], "corrupt": counts[CORRUPT], "lost": counts["points that lost something promised"]}
    keep_figures(f"powercut-{synchronous}", seed=seed, points=WEAK_POINTS, **seen)
    assert seen[expected] > WEAK_POINTS / 2
    assert seen["fine"] < WEAK_POINTS / 4


async def test_after_a_power_cut_the_same_key_settles_what_was_under_way(
    scratch: Path, records: list[list[Entry]]
) -> None:
    """Whoever was never answered asks again: the message is there once, whether it had been stored or not."""
    _, source = chance("retries after a power cut")
    settled = 0
    for cut in power_cuts(records[0], RETRIED, source):
        settled += await retried(scratch, cut)
    assert settled > 0


async def retried(scratch: Path, cut: PowerCut) -> int:
    """Repeat everything that was asked and not answered, post something new; returns how much was settled."""
    folder = scratch / "retried"
    folder.mkdir(exist_ok=True)
    judge = Judge(folder)
    assert (await judge.judge(cut.files, cut.told)).word == FINE
    answered = {fact["key"] for fact in cut.told if fact["kind"] == "message"}
    open_questions = [fact for fact in cut.told if fact["kind"] == "asked" and fact["key"] not in answered]
    more: list[Promise] = []
    async with services_of(folder) as services:
        for fact in [
            *open_questions,
            *[{**one, "key": "new", "text": "Siete ancora lì?"} for one in open_questions[:1]],
        ]:
            actor = actor_of(cut.told, fact)
            posted, again = [
                await post_message(services, actor, UUID(fact["room"]), fact["text"], client_key=fact["key"])
                for _ in range(2)
            ]
            assert posted == again
            about = {"id": str(again.message_id), "room": fact["room"], "n": again.n, "text": fact["text"]}
            more.append({"kind": "message", "key": fact["key"], **about})
    files = {path.name: bytearray(path.read_bytes()) for path in folder.iterdir()}
    verdict = await judge.judge(files, [*cut.told, *more])
    assert verdict.word == FINE, verdict
    return len(open_questions)


def kept_promises(record: list[Entry]) -> Counter[str]:
    """What the whole record promises, by kind."""
    *_, last = power_cuts(record, 1, LastPoint())
    return Counter(fact["kind"] for fact in last.told)


class LastPoint(random.Random):
    """Chooses the end of the record."""

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        return (start if stop is None else stop) - 1


@contextlib.asynccontextmanager
async def services_of(folder: Path) -> AsyncIterator[Services]:
    """The service, started again on what is left."""
    (write, read), (keys, unused) = (create_engines(f"sqlite+aiosqlite:///{folder / name}") for name in FILES)
    clock = Clock()
    services = Services(write, read, Vault(KeyFile(folder / "kek.json"), keys, clock), OutboundClient(), clock)
    services.lane = lane_of(services)
    services.lane.start()
    try:
        yield services
    finally:
        await services.lane.stop()
        for engine in (write, read, keys, unused):
            await engine.dispose()


def actor_of(told: list[Promise], asked: Promise) -> Customer | Staff:
    """Who had asked, from what the workload told."""
    if asked["side"] == "answer":
        one = next(fact["staff"] for fact in told if fact["kind"] == "begun")
        return Staff(UUID(one["id"]), UUID(one["session_id"]), Role(one["role"]), one["display_name"], one["signature"])
    one = next(fact["customer"] for fact in told if fact["kind"] == "room" and fact["id"] == asked["room"])
    binding_id, room_id, session_id = (UUID(one[name]) for name in ("binding_id", "conversation_id", "session_id"))
    return Customer(binding_id, room_id, session_id, one["level"], Clock()())
