"""Files as a planted fault has them: for Python's imports and for whoever reads their text. No file is changed.

Bytecode is neither taken from the cache nor put there, so that a fault never outlives its process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, Final

Change = Callable[[str], str]
ROOT: Final = Path(__file__).resolve().parent.parent.parent


class NoSuchPlace(Exception):
    """The code has changed, and the fault no longer has a place in it: `faults.py` must follow."""


def swap(old: str, new: str, *, times: int = 1) -> Change:
    """A change that puts `new` in the place of `old`, which must stand there exactly `times` times."""

    def change(source: str) -> str:
        if source.count(old) != times:
            raise NoSuchPlace(f"{source.count(old)} times instead of {times}: {old}")
        return source.replace(old, new)

    return change


def add(more: str) -> Change:
    """A change that puts more code at the end of the file."""
    return lambda source: f"{source}\n\n{more}\n"


def both(*changes: Change) -> Change:
    """One change after the other."""

    def change(source: str) -> str:
        for one in changes:
            source = one(source)
        return source

    return change


class Overlay(MetaPathFinder):
    """The planted texts by path; `met` are those that somebody has imported or read."""

    def __init__(self, changes: Mapping[str, Change]) -> None:
        self._texts = {ROOT / name: change((ROOT / name).read_text("utf-8")) for name, change in changes.items()}
        self.met: set[str] = set()

    def install(self) -> None:
        """From here on. What is imported already would stay as it is, so that is an error."""
        for module in list(sys.modules.values()):
            if (place := getattr(module, "__file__", None)) and Path(place) in self._texts:
                raise RuntimeError(f"{place} was imported before the fault could be planted")
        sys.meta_path.insert(0, self)
        read_text = Path.read_text
        overlay = self

        def planted_text(self: Path, *arguments: Any, **options: Any) -> str:
            planted = overlay.text_of(self)
            return read_text(self, *arguments, **options) if planted is None else planted

        Path.read_text = planted_text  # type: ignore[method-assign]

    def text_of(self, path: Path) -> str | None:
        """The planted text of a file; None for every other one."""
        if path not in self._texts:
            return None
        self.met.add(path.relative_to(ROOT).as_posix())
        return self._texts[path]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The ordinary answer of the import system, with a loader of our own for a planted file."""
        if fullname.split(".", 1)[0] not in ("app", "security", "migrations"):
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is None or found.origin is None:
            return None
        planted = self.text_of(Path(found.origin))
        if planted is not None:
            found.loader = _Loader(fullname, found.origin, planted)
            found.cached = None
        return found


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, text: str) -> None:
        super().__init__(fullname, path)
        self._text = text

    def get_data(self, path: str) -> bytes:
        return self._text.encode("utf-8")

    def path_stats(self, path: str) -> Mapping[str, Any]:
        """Without a time there is no bytecode, neither read nor written."""
        raise OSError
