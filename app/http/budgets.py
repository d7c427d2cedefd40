"""Budgets of plain traffic: a token bucket per key in this process's memory, bounded in number.

What bounds guessing is counted in the database instead: this memory ends with its process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Budgets(Generic[Key]):
    """`burst` acts at once for each key, refilled at `per_second`; the key unseen for longest is forgotten first.

    Times are seconds of one monotonic clock.
    """

    def __init__(self, per_second: float, burst: int, *, keys: int = 50_000) -> None:
        self._token = 1 / per_second
        self._window = burst * self._token
        self._keys = keys
        self._full_at: OrderedDict[Key, float] = OrderedDict()

    def left(self, key: Key, now: float) -> float:
        """How full the bucket is, 0 to 1."""
        return 1 - max(self._full_at.get(key, now) - now, 0) / self._window

    def wait(self, key: Key, now: float, *, patience: float = 0) -> float:
        """Seconds to wait before `key` may act, 0 if it may now; the act is counted if that is at most `patience`."""
        full_at = max(self._full_at.get(key, now), now) + self._token
        wait = full_at - now - self._window
        if wait <= patience:
            self._full_at[key] = full_at
            self._full_at.move_to_end(key)
            if len(self._full_at) > self._keys:
                self._full_at.popitem(last=False)
        return max(wait, 0)

    def __len__(self) -> int:
        return len(self._full_at)
