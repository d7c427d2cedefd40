"""policy.toml: read strictly, next to the settings; a missing file is the strict default."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import TypeAdapter

from app.policy.figures import Policy
from app.policy.sense import Ground, contradictions

POLICY_FILE: Final = "policy.toml"
_READER: Final = TypeAdapter(Policy)


class PolicyUnreadable(Exception):
    """The file does not say what it could say; each line names one place."""

    def __init__(self, findings: list[str]) -> None:
        super().__init__("; ".join(findings))
        self.findings = findings


def load_policy(folder: Path) -> Policy:
    """The policy of the installation in `folder`; raises `PolicyUnreadable` naming each wrong value."""
    path = folder / POLICY_FILE
    try:
        return policy_from(path.read_text("utf-8"))
    except FileNotFoundError:
        return Policy()
    except UnicodeDecodeError:
        raise PolicyUnreadable([f"{POLICY_FILE} is not UTF-8"]) from None


def judged_policy(folder: Path, ground: Ground) -> tuple[Policy, list[str]]:
    """The policy of an installation, or the default, and everything that keeps it from being used."""
    try:
        policy = load_policy(folder)
    except PolicyUnreadable as unreadable:
        return Policy(), [f"{POLICY_FILE}: {line}" for line in unreadable.findings]
    return policy, [f"{POLICY_FILE}: {line}" for line in contradictions(policy, ground)]


def policy_from(text: str) -> Policy:
    """The policy that this text of the file says; what it leaves out keeps its default."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise PolicyUnreadable([f"{POLICY_FILE} is not TOML: {fault}"]) from None
    odd = [f"{place}: {why}" for place, why in _odd(document, "")]
    if odd:
        raise PolicyUnreadable(odd)
    try:
        policy = _READER.validate_python(document)
    except ValueError as fault:
        raise PolicyUnreadable(_lines(fault)) from None
    return replace(policy, brands=MappingProxyType(dict(policy.brands)))


def _odd(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """What the reader would take for a number, kindly and wrongly."""
    if isinstance(value, dict):
        for name, inside in value.items():
            yield from _odd(inside, f"{place}.{name}".lstrip("."))
    elif isinstance(value, bool | float):
        yield place, "a whole number, or words in quotes"
    elif isinstance(value, str) and value.strip().isdigit():
        yield place, "a number stands without quotes, and a length of time has its unit"


def _lines(fault: ValueError) -> list[str]:
    errors = getattr(fault, "errors", None)
    if errors is None:
        return [str(fault)]
    return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in errors(include_url=False, include_input=False)]
