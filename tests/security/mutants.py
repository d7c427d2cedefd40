"""Runs the forgeries against modules that lack one check, and says which of those checks no forgery misses.

A program of its own, so that a mutant never meets the tests' own process: `python -m tests.security.mutants MODULE...`
prints one JSON object, from each mutant to the first forgery that noticed it. Each mutant lives in a fork: there the
functions of the real module get the mutant's code, so that whoever holds them runs it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final

from tests.security.forgery import Forgery, word
from tests.security.mutations import mutations

ROOT: Final = Path(__file__).parents[2]
LONGEST: Final = 20
"""Seconds for one mutant; one that does not end is noticed, too."""

# Which table speaks of a module first; the others follow.
CHECKED: Final = {
    "security.jwts": "jwt",
    "security.id_tokens": "id token",
    "security.dpop": "dpop",
    "security.sd_jwt": "presentation",
    "security.certificates": "presentation",
    "security.encrypted_answers": "encrypted answer",
    "security.status_lists": "status list",
    "security.logout_tokens": "logout token",
    "security.access_tokens": "access token",
    "security.client_assertions": "client assertion",
    "security.passkeys": "passkey",
    "app.oauth.metadata": "openid answer",
    "app.oauth.server": "openid answer",
    "app.oauth.client": "openid answer",
    "app.binding.openid_provider": "openid answer",
}


def source_of(name: str) -> str:
    """The module's text."""
    return (ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")


def plant(name: str, source: str) -> None:
    """Give the functions of the real module the code of this source, and its lists of what is refused their words."""
    real, made = importlib.import_module(name), ModuleType(name)
    made.__file__, made.__package__ = real.__file__, real.__package__
    exec(compile(source, str(real.__file__), "exec"), made.__dict__)
    _transplant(vars(real), vars(made), name)
    for place, value in vars(made).items():
        if isinstance(value, frozenset):
            setattr(real, place, value)


def _transplant(real: Mapping[str, Any], made: Mapping[str, Any], module: str) -> None:
    for name, value in made.items():
        if isinstance(value, type) and value.__module__ == module:
            _transplant(vars(real[name]), vars(value), module)
        old, new = _function(real.get(name)), _function(value)
        if old is not None and new is not None and new.__module__ == module:
            old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__


def _function(value: Any) -> FunctionType | None:
    inner = getattr(value, "fget", None) or getattr(value, "__func__", None) or getattr(value, "__wrapped__", value)
    return inner if isinstance(inner, FunctionType) else None


def _ordered(forgeries: Mapping[str, Forgery], first: str) -> Iterator[tuple[str, Forgery]]:
    yield from sorted(forgeries.items(), key=lambda one: not one[0].startswith(f"{first}: "))


def _noticed(forgeries: Mapping[str, Forgery], first: str, *, all_of_them: bool = False) -> list[str]:
    """The first forgery that is not refused for what is wrong with it, or all such."""
    missed: list[str] = []
    for name, forgery in _ordered(forgeries, first):
        try:
            forgery.present()
        except Exception as refused:  # noqa: BLE001 (a crash is no refusal: it has another word)
            if word(refused) == forgery.reason:
                continue
        missed.append(name)
        if not all_of_them:
            break
    return missed


def _in_a_fork(look: partial[list[str]], mutant: partial[None] | None) -> list[str]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(LONGEST)
        try:
            if mutant is not None:
                mutant()
            answer = look()
        except BaseException as fault:  # noqa: BLE001 (the parent waits for an answer, whatever happens)
            answer = [f"does not even run: {fault!r}"]
        with os.fdopen(writer, "w") as out:
            json.dump(answer, out)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        said = told.read()
    os.waitpid(child, 0)
    return list(json.loads(said)) if said else ["does not end"]


def main(names: list[str]) -> None:
    """Mutate the named modules, or all, and print what noticed."""
    warnings.simplefilter("ignore")  # of the library, about what the checks no longer keep from it
    from tests.security.rsa_pair import rsa_key
    from tests.security.test_forgeries import FORGERIES

    rsa_key()
    gc.collect()
    gc.freeze()  # what is never collected is not copied into the forks
    found = {"nothing changed": _in_a_fork(partial(_noticed, FORGERIES, "", all_of_them=True), None)}
    for name in names or CHECKED:
        look = partial(_noticed, FORGERIES, CHECKED[name])
        for mutant, source in mutations(source_of(name)):
            found[f"{name}:{mutant}"] = _in_a_fork(look, partial(plant, name, source))
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
