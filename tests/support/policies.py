"""A policy with some figures changed, by their keys in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.policy import Policy


def changed(figures: Mapping[str, Any], policy: Policy | None = None) -> Policy:
    """The default policy, or the one given, with `{"tries.per_code": 3}` and the like instead."""
    found = policy or Policy()
    for key, value in figures.items():
        found = _with(found, key.split("."), value)
    return found


def _with(part: Any, path: list[str], value: Any) -> Any:
    name, *rest = path
    return replace(part, **{name: _with(getattr(part, name), rest, value) if rest else value})
