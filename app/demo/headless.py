"""`riserbo demo --headless`: the story played over HTTP without a window; 0 only if every step held."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.demo.bank import DemoBank
from app.demo.mastodon_network import mastodon_network, mastodon_town
from app.demo.network import Founding
from app.demo.playing import script
from app.demo.playing.holding import DidNotHold
from app.demo.playing.offline import Evidence
from app.demo.playing.on_mastodon import OnMastodon
from app.demo.playing.on_square import OnSquare
from app.demo.playing.people import Company, company
from app.demo.playing.scene import Scene
from app.demo.playing.script import Stage, Step
from app.demo.running import free_addresses, running_demo
from app.demo.square_network import square_network
from app.http.logs import configure_logging

LONGEST_STEP: Final = 60.0
KEPT: Final = ("room.zip", "log.zip", "trust.json")


@dataclass(frozen=True)
class Setting:
    """The network of a story: what the bank is founded on, and the scene that its people then play on."""

    founding: Founding
    scene: Callable[[DemoBank], Scene]


Opening = Callable[[Path], AbstractAsyncContextManager[Setting]]
"""Opens a setting with its files in a new folder, and takes it down at the end."""


@asynccontextmanager
async def on_square(_folder: Path) -> AsyncIterator[Setting]:
    """The Square is served with the bank."""
    yield Setting(square_network, lambda bank: OnSquare(bank.network.address))


def on_mastodon(program: Path) -> Opening:
    """Two snac2 servers. Opening them raises `NoSnac`."""

    @asynccontextmanager
    async def opening(folder: Path) -> AsyncIterator[Setting]:
        async with mastodon_town(folder, program) as town:
            yield Setting(mastodon_network(town), lambda _bank: OnMastodon(town))

    return opening


class Telling:
    """Prints one line a step, and counts what did not hold."""

    def __init__(self) -> None:
        self.number = 0
        self.failed = 0

    async def tell(self, steps: Sequence[Step[Stage]], stage: Stage) -> None:
        """Play the steps in order; after one that did not hold the rest is not reached, and counts as failed."""
        for step in steps:
            self.number += 1
            if self.failed:
                self._line(step.title, "not reached")
                continue
            try:
                async with asyncio.timeout(LONGEST_STEP):
                    await step.act(stage)
            except DidNotHold as fault:
                self._line(step.title, str(fault))
            except Exception as fault:  # noqa: BLE001 (whatever breaks, the step has not held)
                self._line(step.title, f"{type(fault).__name__}: {fault}")
            else:
                self._line(step.title)

    def unreached(self, steps: Sequence[Step[Stage]]) -> None:
        """Steps whose stage never came to be."""
        for step in steps:
            self.number += 1
            self._line(step.title, "not reached")

    def _line(self, title: str, fault: str | None = None) -> None:
        self.failed += fault is not None
        why = "" if fault is None else f" ({' '.join(fault.split())})"
        print(f"{'ok' if fault is None else 'FAIL':<4} {self.number:>2}  {title}{why}", flush=True)


async def perform(keep: Path | None, opening: Opening = on_square) -> int:
    """Play everything; `keep` is the folder that room.zip, log.zip and trust.json stay in. Returns the exit status."""
    telling = Telling()
    with tempfile.TemporaryDirectory(prefix="riserbo-story-") as temporary, contextlib.ExitStack() as stack:
        place = Path(temporary)
        (place / "bank").mkdir()
        configure_logging(stack.enter_context((place / "bank/riserbo.log").open("w", encoding="utf-8")))
        async with opening(place / "network") as setting:
            evidence = await _at_the_bank(telling, place, setting)
        if evidence is None:
            telling.unreached(script.AFTERWARDS)
        else:
            await telling.tell(script.AFTERWARDS, evidence)
            if keep is not None:
                _keep(evidence, keep)
    print(f"\nevery one of {telling.number} steps held" if not telling.failed else "\nTHE STORY DID NOT HOLD")
    return 1 if telling.failed else 0


async def _at_the_bank(telling: Telling, place: Path, setting: Setting) -> Evidence | None:
    """The story while the bank is served; gone with its folder afterwards, but for what Paolo downloaded."""
    folder = place / "bank"
    async with (
        running_demo(folder, free_addresses(None), founding=setting.founding) as bank,
        company(bank, folder, setting.scene(bank)) as people,
    ):
        await telling.tell(script.STORY, people)
        evidence = _carried(people, place) if not telling.failed else None
    shutil.rmtree(folder)
    return evidence


def _carried(people: Company, place: Path) -> Evidence:
    folder = place / "elsewhere"
    folder.mkdir()
    room, log, trust = (folder / name for name in KEPT)
    carried = Evidence(room, log, trust, folder)
    carried.room.write_bytes(people.story.bags["room"])
    carried.log.write_bytes(people.story.bags["log"])
    carried.trust.write_bytes(people.story.trust)
    return carried


def _keep(evidence: Evidence, keep: Path) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    for path in (evidence.room, evidence.log, evidence.trust):
        shutil.copy(path, keep / path.name)
    print(f"\nkept in {keep}: {', '.join(KEPT)}; check with: riserbo verify {keep}/room.zip --trust {keep}/trust.json")


def play(keep: Path | None = None, opening: Opening = on_square) -> int:
    """Run `perform` to its end; for the command line. Raises what opening the setting raises."""
    return asyncio.run(perform(keep, opening))
