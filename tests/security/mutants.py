"""Takes the checks of a module out, one at a time, and says which of them no forgery misses.

A program of its own, so that a mutant never meets the real module: `python -m tests.security.mutants MODULE...` prints
one JSON object, from each mutant to the first forgery that noticed it. Each mutant runs in a fork.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

from tests.security.rsa_pair import rsa_key

ROOT: Final = Path(__file__).parents[2]


def _raises(body: list[ast.stmt]) -> bool:
    return isinstance(body[-1], ast.Raise)


def mutations(source: str) -> Iterator[tuple[str, str]]:
    """(name, source) of each mutant: a check gone, or one of the conditions that a check joins by `or`."""
    checks = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.If) and _raises(node.body)]
    for number, check in enumerate(checks):
        alternatives = len(check.test.values) if isinstance(check.test, ast.BoolOp) else 0
        parts = range(alternatives) if isinstance(check.test, ast.BoolOp) and isinstance(check.test.op, ast.Or) else ()
        for without in (None, *parts):
            tree = ast.parse(source)
            found = [node for node in ast.walk(tree) if isinstance(node, ast.If) and _raises(node.body)][number]
            shown = ast.unparse(found.test)
            if without is None:
                found.test = ast.Constant(value=False)
                yield f"{check.lineno}: if {shown}", ast.unparse(tree)
            else:
                assert isinstance(found.test, ast.BoolOp)
                gone = ast.unparse(found.test.values.pop(without))
                yield f"{check.lineno}: if {shown}, without {gone}", ast.unparse(tree)


def _plant(name: str, source: str) -> None:
    package, _, last = name.rpartition(".")
    module = ModuleType(name)
    module.__file__ = str(ROOT / f"{name.replace('.', '/')}.py")
    module.__package__ = package
    sys.modules[name] = module
    setattr(importlib.import_module(package), last, module)
    exec(compile(source, module.__file__, "exec"), module.__dict__)


def _noticed(*, all_of_them: bool = False) -> list[str]:
    """The first forgery of any table that is not refused for what is wrong with it, or all such."""
    from security.errors import SecurityError
    from tests.security.forgery import word
    from tests.security.test_forgeries import FORGERIES

    missed: list[str] = []
    for name, forgery in FORGERIES.items():
        try:
            forgery.present()
        except SecurityError as refused:
            if word(refused) == forgery.reason:
                continue
        except Exception as broken:  # noqa: BLE001 (a crash is no refusal)
            del broken
        missed.append(name)
        if not all_of_them:
            break
    return missed


def _in_a_fork(name: str, source: str, *, all_of_them: bool = False) -> list[str]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _plant(name, source)
            answer = _noticed(all_of_them=all_of_them)
        except BaseException as fault:  # noqa: BLE001 (the parent waits for an answer, whatever happens)
            answer = [f"does not even run: {fault!r}"]
        with os.fdopen(writer, "w") as out:
            json.dump(answer, out)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        answer = json.load(told)
    os.waitpid(child, 0)
    return list(answer)


def main(names: list[str]) -> None:
    """Mutate the named modules and print what noticed."""
    warnings.simplefilter("ignore")  # of the library, about what the checks no longer keep from it
    for costly in (
        "joserfc.jwt",
        "joserfc.jwk",
        "cryptography.hazmat.primitives.asymmetric.rsa",
        "hypothesis",
        "pytest",
    ):
        importlib.import_module(costly)
    rsa_key()
    sources = {name: (ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8") for name in names}
    found = {"nothing changed": _in_a_fork(names[0], sources[names[0]], all_of_them=True)}
    for name, source in sources.items():
        found |= {f"{name}:{mutant}": _in_a_fork(name, changed) for mutant, changed in mutations(source)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
