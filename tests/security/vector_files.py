"""Reads the JSON vectors beside this file."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from security.keys import DataKey
from security.secret import Secret


def load(name: str) -> dict[str, Any]:
    """Return one vector file."""
    document: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / f"{name}.json").read_text("utf-8"))
    return document


def data_key(key: dict[str, str]) -> DataKey:
    """Return the data key that a vector file uses."""
    return DataKey(UUID(key["id"]), Secret(bytes.fromhex(key["encryption"])), Secret(bytes.fromhex(key["commitment"])))


def names(cases: list[dict[str, Any]]) -> list[str]:
    """Return the cases' names, as test ids."""
    return [case["case"] for case in cases]
