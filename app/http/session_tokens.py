"""Where a session's token stands in a request: one reading, for admission and for the application behind it.

With two readings one session could count as many: a cookie that only one of them sees, or another spelling of the same
token, would be a new client with a budget of its own each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request brings; `token` is empty where its Authorization is no bearer token."""

    by_bearer: bool
    token: str = field(repr=False)


@dataclass(frozen=True)
class TokenPlace:
    """A door's session cookie; with `bearer` an Authorization header goes before it, of whatever kind it is."""

    cookie: str
    bearer: bool = False

    def find(self, headers: Iterable[tuple[bytes, bytes]]) -> Presented | None:
        """What the header fields, by lower-case name, bring; of several cookies of this name the last one."""
        found: Presented | None = None
        for name, value in headers:
            if name == b"authorization" and self.bearer:
                scheme, _, token = value.decode("latin-1").partition(" ")
                if scheme:
                    return Presented(True, token.strip() if scheme.lower() == "bearer" else "")
            elif name == b"cookie":
                values = self._values.findall(value)
                if values and (token := values[-1].decode("latin-1").strip()):
                    found = Presented(False, token)
        return found

    @cached_property
    def _values(self) -> re.Pattern[bytes]:
        return re.compile(rb"(?:^|;)[ \t]*%b=([^;]*)" % re.escape(self.cookie.encode()))
