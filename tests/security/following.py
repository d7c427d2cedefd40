"""Which lines a forgery comes through, and where it is refused: so that a mutant is shown the forgeries it may matter to."""

from __future__ import annotations

import ast
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from traceback import walk_tb
from types import FrameType
from typing import Any

from tests.security.forgery import Forgery, word

FAR = sys.maxsize


@dataclass
class Traced:
    """By module: the lines that were run, and those that the refusal came through; `cost` is in seconds."""

    lines: set[tuple[str, int]] = field(default_factory=set)
    raised: set[tuple[str, int]] = field(default_factory=set)
    cost: float = 0.0
    word: str = ""


def follow(forgery: Forgery, files: Mapping[str, str]) -> Traced:
    """Present it, and note where it goes; `files` are the modules of interest, by the path of their source."""
    traced, began = Traced(), time.perf_counter()

    def enter(frame: FrameType, _event: str, _argument: object) -> Any:
        module = files.get(frame.f_code.co_filename)
        return note if module is not None else None

    def note(frame: FrameType, event: str, _argument: object) -> Any:
        if event == "line":
            traced.lines.add((files[frame.f_code.co_filename], frame.f_lineno))
        return note

    sys.settrace(enter)
    try:
        forgery.present()
    except Exception as refused:  # noqa: BLE001 (a crash is no refusal: it has another word)
        traced.word = word(refused)
        fault: BaseException | None = refused
        while fault is not None:
            passed = ((frame.f_code.co_filename, line) for frame, line in walk_tb(fault.__traceback__))
            traced.raised |= {(files[path], line) for path, line in passed if path in files}
            fault = fault.__context__
    finally:
        sys.settrace(None)
    traced.cost = time.perf_counter() - began
    return traced


def speaking_of(module: str, source: str, line: int, traced: Mapping[str, Traced]) -> list[str]:
    """The forgeries that come through the statement at this line (outside of functions: through the module).

    First those that go the way that it guards, of these the ones refused right behind it, the quickest first.
    """
    statement = min((one for one in _statements(source) if one.first <= line <= one.last), key=_length, default=None)
    heard = [
        (one.distance(module, line, statement), one.cost, name)
        for name, one in ((name, _Seen(one)) for name, one in traced.items())
        if one.passes(module, statement)
    ]
    return [name for _, _, name in sorted(heard)]


@dataclass(frozen=True)
class _Statement:
    """The lines of a statement without those that it guards, and the first of those."""

    first: int
    last: int
    guarded: int | None


@dataclass(frozen=True)
class _Seen:
    traced: Traced

    @property
    def cost(self) -> float:
        return self.traced.cost

    def passes(self, module: str, statement: _Statement | None) -> bool:
        if statement is None:
            return any(where == module for where, _ in self.traced.lines)
        return any((module, line) in self.traced.lines for line in range(statement.first, statement.last + 1))

    def distance(self, module: str, line: int, statement: _Statement | None) -> tuple[bool, int]:
        guarded = statement.guarded if statement is not None else None
        behind = [at - line for where, at in self.traced.raised if where == module and at >= line]
        return (module, guarded) not in self.traced.lines, min(behind, default=FAR)


def _length(statement: _Statement) -> int:
    return statement.last - statement.first


@cache
def _statements(source: str) -> list[_Statement]:
    return list(_within(ast.parse(source)))


def _within(tree: ast.AST) -> Iterator[_Statement]:
    """Of the functions of a module: what stands outside is run when it is imported."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for one in ast.walk(function):
                if isinstance(one, ast.stmt) and one is not function:
                    body = getattr(one, "body", None)
                    guarded = body[0].lineno if body else None
                    last = max(one.lineno, guarded - 1) if guarded is not None else one.end_lineno or one.lineno
                    yield _Statement(one.lineno, last, guarded)
