"""A disk rebuilt from a record (recorder.c): what it may hold if the power fails after a given entry.

A file's bytes are durable once it was synced, a name once its folder was. Of what was not synced yet, each crash point
keeps what its mode says: nothing, the earlier part, any part, or writes torn between sectors.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

MODES: Final = ("none", "prefix", "subset", "torn")
SECTOR: Final = 512
OUTSIDE: Final = "outside/"
"""What the process wrote here was told to the world: it survives, and obliges."""
_HEAD: Final = struct.Struct("<cHqI")


class Entry(NamedTuple):
    """One thing that a process did to a file or a folder."""

    kind: str
    path: str
    offset: int
    data: bytes


class NotRecorded(Exception):
    """The process changed files in a way that the recorder cannot follow."""


def read_record(path: Path) -> list[Entry]:
    """The whole record; raises `NotRecorded`."""
    raw, at, entries = path.read_bytes(), 0, []
    while at < len(raw):
        kind, path_length, offset, length = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        name = raw[at : at + path_length].decode()
        at += path_length
        entries.append(Entry(kind.decode(), name, offset, raw[at : at + length]))
        at += length
        if kind == b"X":
            raise NotRecorded(name)
    if at != len(raw):
        raise NotRecorded("the record is cut off")
    return entries


@dataclass
class _File:
    """The bytes that are safe, and the changes since."""

    safe: bytearray = field(default_factory=bytearray)
    waiting: list[Entry] = field(default_factory=list)

    def sync(self) -> None:
        for entry in self.waiting:
            _change(self.safe, entry)
        self.waiting.clear()

    def after(self, mode: str, chance: random.Random) -> bytearray:
        content = bytearray(self.safe)
        for entry in _kept(self.waiting, mode, chance):
            if mode == "torn" and entry.kind == "W" and chance.random() < 0.5:
                _tear(content, entry, chance)
            else:
                _change(content, entry)
        return content


def _change(content: bytearray, entry: Entry) -> None:
    end = entry.offset + len(entry.data)
    if entry.kind == "T":
        del content[entry.offset :]
        end = entry.offset
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[entry.offset : entry.offset + len(entry.data)] = entry.data


def _tear(content: bytearray, entry: Entry, chance: random.Random) -> None:
    """Some of the sectors of one write; a sector itself is whole (SQLite's own assumption, and every disk's)."""
    at = entry.offset
    while at < entry.offset + len(entry.data):
        end = min(at - at % SECTOR + SECTOR, entry.offset + len(entry.data))
        if chance.random() < 0.5:
            _change(content, Entry("W", entry.path, at, entry.data[at - entry.offset : end - entry.offset]))
        at = end


def _kept(waiting: list[Entry], mode: str, chance: random.Random) -> list[Entry]:
    if mode == "none":
        return []
    if mode == "prefix":
        return waiting[: chance.randrange(len(waiting) + 1)]
    return [entry for entry in waiting if chance.random() < (0.5 if mode == "subset" else 0.8)]


_Renaming = Callable[[dict[str, _File]], object]


class Disk:
    """All files and names, as far as they are safe; moves forward through a record only."""

    def __init__(self) -> None:
        self._live: dict[str, _File] = {}
        self._safe: dict[str, _File] = {}
        self._names: list[tuple[str, _Renaming]] = []
        self.told: list[dict[str, Any]] = []

    def play(self, entry: Entry) -> None:
        """One entry more."""
        kind, path = entry.kind, entry.path
        if path.startswith(OUTSIDE):
            if kind == "W":
                self.told.append(json.loads(entry.data))
        elif kind == "C":
            self._live[path] = made = _File()
            self._rename(path, lambda names: names.update({path: made}))
        elif kind == "U":
            self._live.pop(path, None)
            self._rename(path, lambda names: names.pop(path, None))
        elif kind == "R":
            self._move(path, entry.data.decode())
        elif kind == "N":
            self._sync_names(path)
        elif kind == "S":
            self._live[path].sync()
        else:
            self._live[path].waiting.append(entry)

    def _move(self, old: str, new: str) -> None:
        moved = self._live[new] = self._live.pop(old)

        def renamed(names: dict[str, _File]) -> None:
            names.pop(old, None)
            names[new] = moved

        self._rename(new, renamed)

    def _rename(self, path: str, change: _Renaming) -> None:
        self._names.append((_folder_of(path), change))

    def _sync_names(self, folder: str) -> None:
        for place, change in self._names:
            if place == folder:
                change(self._safe)
        self._names = [one for one in self._names if one[0] != folder]

    def after_power_cut(self, mode: str, chance: random.Random) -> dict[str, bytearray]:
        """The files that are found when the power is back, by path. Names follow each other; a mode may cut them off."""
        names = dict(self._safe)
        kept = 0 if mode == "none" else chance.randrange(len(self._names) + 1)
        for _, change in self._names[:kept]:
            change(names)
        return {path: file.after(mode, chance) for path, file in names.items() if not path.endswith("-shm")}


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0] or "."


class PowerCut(NamedTuple):
    """One crash point: what survived, and what had been told to the world before."""

    after: int
    mode: str
    files: dict[str, bytearray]
    told: list[dict[str, Any]]


def power_cuts(record: list[Entry], points: int, chance: random.Random) -> Iterator[PowerCut]:
    """`points` crash points in the order of the record, all modes; never before the first thing was told."""
    first = next(number for number, entry in enumerate(record) if entry.path.startswith(OUTSIDE) and entry.kind == "W")
    places = sorted(chance.randrange(first + 1, len(record) + 1) for _ in range(points))
    disk, played = Disk(), 0
    for number, place in enumerate(places):
        for entry in record[played:place]:
            disk.play(entry)
        played = place
        mode = MODES[number % len(MODES)]
        yield PowerCut(place, mode, disk.after_power_cut(mode, chance), disk.told)
