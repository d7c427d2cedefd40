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
    """What a request brings: a token with the scheme of its Authorization in lower case, or (no scheme) a cookie's.

    The token is empty where the Authorization is of another scheme, or where there are two.
    """

    scheme: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class TokenPlace:
    """A door's session cookie; with `schemes` an Authorization header goes before it, of whatever kind it is."""

    cookie: str
    schemes: tuple[str, ...] = ()

    def find(self, headers: Iterable[tuple[bytes, bytes]]) -> Presented | None:
        """What the header fields, by lower-case name, bring; of several cookies of this name the last one."""
        by_header: Presented | None = None
        by_cookie: Presented | None = None
        for name, value in headers:
            if name == b"authorization" and self.schemes and value:
                # Of two headers two readers might each take another one.
                by_header = self._authorization(value) if by_header is None else Presented("", "")
            elif name == b"cookie":
                values = self._values.findall(value)
                if values and (token := values[-1].decode("latin-1").strip()):
                    by_cookie = Presented("", token)
        return by_header or by_cookie

    def _authorization(self, value: bytes) -> Presented:
        scheme, _, token = value.decode("latin-1").partition(" ")
        scheme = scheme.lower()
        return Presented(scheme, token.strip() if scheme in self.schemes else "")

    @cached_property
    def _values(self) -> re.Pattern[bytes]:
        return re.compile(rb"(?:^|;)[ \t]*%b=([^;]*)" % re.escape(self.cookie.encode()))
