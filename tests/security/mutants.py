"""Runs the forgeries against modules that lack one check, and says which of those checks no forgery misses.

A program of its own, so that a mutant never meets the tests' own process: `python -m tests.security.mutants MODULE...`
prints one JSON object, from each mutant to the first forgery that noticed it. The functions of the real module get the
mutant's code, so that whoever holds them runs it, and then their own again: with the check back the forgery that
noticed must be refused as before. Each module has a fork of its own for its mutants. A mutant is shown only the
forgeries that come through the changed statement at all, and first those that are refused right behind it.
"""

from __future__ import annotations

import ast
import gc
import importlib
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any, Final

from tests.security.following import Traced, follow, speaking_of
from tests.security.forgery import Forgery, word
from tests.security.mutations import REFUSED, mutations
from tests.security.no_difference import NO_DIFFERENCE

ROOT: Final = Path(__file__).parents[2]
LONGEST: Final = 20
"""Seconds for one mutant; one that does not end is noticed, too."""
UNCHANGED: Final = "nothing changed"
ENOUGH: Final = 30
"""How many forgeries are shown a mutant that is listed as making no difference; every other one is shown all."""

CHECKED: Final = (
    "security.jwts",
    "security.id_tokens",
    "security.dpop",
    "security.sd_jwt",
    "security.certificates",
    "security.encrypted_answers",
    "security.status_lists",
    "security.logout_tokens",
    "security.access_tokens",
    "security.client_assertions",
    "security.passkeys",
    "app.oauth.metadata",
    "app.oauth.server",
    "app.oauth.client",
    "app.agents.access_tokens",
    "app.agents.proofs",
    "app.binding.flows",
    "app.binding.openid_provider",
    "app.binding.posted_answers",
    "app.binding.wallet",
    "app.binding.wallet_answers",
    "app.binding.wallet_status",
    "app.channels.openid_sign_in",
    "app.channels.atproto",
    "app.channels.atproto_identity",
    "app.channels.atproto_servers",
    "app.channels.atproto_sign_in",
    "app.channels.mastodon_servers",
    "app.channels.mastodon_sign_in",
    "app.sign_on.accounts",
    "app.sign_on.dependencies",
    "app.sign_on.flows",
    "app.sign_on.redirects",
    "app.sign_on.rules",
    "app.sign_on.service",
    "app.web.sign_on_pages",
)


def source_of(name: str) -> str:
    """The module's text."""
    return (ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")


class TooLong(BaseException):
    """A mutant that does not end."""


Undo = Callable[[], None]


def plant(name: str, tree: ast.Module) -> Undo:
    """Give the functions of the real module the code of this tree, and its lists of what is refused their words."""
    real, made = importlib.import_module(name), ModuleType(name)
    made.__file__, made.__package__ = real.__file__, real.__package__
    exec(compile(ast.fix_missing_locations(tree), str(real.__file__), "exec"), made.__dict__)
    changed = list(_transplant(vars(real), vars(made), name))
    words = {place: getattr(real, place) for place in REFUSED & vars(made).keys()}
    for place in words:
        setattr(real, place, getattr(made, place))

    def undo() -> None:
        for function, *parts in changed:
            function.__code__, function.__defaults__, function.__kwdefaults__ = parts
        for place, listed in words.items():
            setattr(real, place, listed)

    return undo


def _transplant(real: Mapping[str, Any], made: Mapping[str, Any], module: str) -> Iterator[tuple[Any, ...]]:
    """Gives each function with what it had before."""
    for name, value in made.items():
        if isinstance(value, type) and value.__module__ == module:
            yield from _transplant(vars(real[name]), vars(value), module)
        old, new = _function(real.get(name)), _function(value)
        if old is not None and new is not None and new.__module__ == module:
            yield old, old.__code__, old.__defaults__, old.__kwdefaults__
            old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__


def _function(value: Any) -> FunctionType | None:
    inner = getattr(value, "fget", None) or getattr(value, "__func__", None) or getattr(value, "__wrapped__", value)
    return inner if isinstance(inner, FunctionType) else None


def _is_missed(forgery: Forgery) -> bool:
    """Whether it is not refused for what is wrong with it."""
    try:
        forgery.present()
    except Exception as refused:  # noqa: BLE001 (a crash is no refusal: it has another word)
        return word(refused) != forgery.reason
    return True


def _first_missed(forgeries: Mapping[str, Forgery], order: Sequence[str]) -> list[str]:
    signal.alarm(LONGEST)
    try:
        return next(([name] for name in order if _is_missed(forgeries[name])), [])
    except TooLong:
        return ["does not end"]
    finally:
        signal.alarm(0)


def _give_up(_signal: int, _frame: FrameType | None) -> None:
    raise TooLong


def _noticed(name: str, forgeries: Mapping[str, Forgery], traced: Mapping[str, Traced]) -> dict[str, list[str]]:
    """From each mutant of a module to who noticed it, and under `UNCHANGED` who is missed with its check back, too."""
    found: dict[str, list[str]] = {UNCHANGED: []}
    source = source_of(name)
    signal.signal(signal.SIGALRM, _give_up)
    for mutant, tree in mutations(source):
        line, _, shown = mutant.partition(": ")
        order = speaking_of(name, source, int(line), traced)
        undo = plant(name, tree)
        by = _first_missed(forgeries, order[: ENOUGH if f"{name}: {shown}" in NO_DIFFERENCE else None])
        undo()
        found[f"{name}:{mutant}"] = by
        found[UNCHANGED] += [f"{one}, after {mutant}" for one in by if one in forgeries and _is_missed(forgeries[one])]
    return found


def _in_a_fork(look: Callable[[], dict[str, list[str]]]) -> dict[str, list[str]]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            with os.fdopen(writer, "w") as out:
                json.dump(look(), out)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        said = told.read()
    os.waitpid(child, 0)
    return dict(json.loads(said))


def main(names: list[str]) -> None:
    """Mutate the named modules, or all, and print what noticed."""
    warnings.simplefilter("ignore")  # of the library, about what the checks no longer keep from it
    from tests.security.test_forgeries import FORGERIES

    files = {str(importlib.import_module(name).__file__): name for name in CHECKED}
    for name in CHECKED:
        # planting must not matter by itself
        plant(name, ast.parse(source_of(name)))
    # what the forgeries make once, as keys and certificates, they have made when the forks begin
    traced = {name: follow(forgery, files) for name, forgery in FORGERIES.items()}
    gc.collect()
    gc.freeze()  # what is never collected is not copied into the forks
    gc.disable()  # and they are over before anything is worth collecting
    found = {UNCHANGED: [name for name, one in FORGERIES.items() if traced[name].word != one.reason]}
    for name in names or CHECKED:
        of_module = _in_a_fork(partial(_noticed, name, FORGERIES, traced))
        found[UNCHANGED] += of_module.pop(UNCHANGED)
        found |= of_module
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
