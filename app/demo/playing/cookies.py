"""A browser's cookies: by host and path, Secure also over plain HTTP on this machine, SameSite as browsers apply it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http.cookies import Morsel, SimpleCookie
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

HOST_PREFIX: Final = "__Host-"


@dataclass(frozen=True)
class Cookie:
    """One cookie of one host; it never goes to another one, since no demo site sets a Domain."""

    value: str
    path: str
    secure: bool
    same_site: str


def is_trustworthy(url: str) -> bool:
    """Whether a Secure cookie may travel to this address (W3C Secure Contexts: HTTPS, or this very machine)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" or host == "localhost" or host.endswith(".localhost") or is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether this is a loopback address, written as one."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class CookieJar:
    """The cookies of one browser."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Cookie] = {}

    def take(self, url: str, lines: Sequence[str]) -> None:
        """Keep, replace or forget what the Set-Cookie `lines` of an answer from `url` say; bad ones are ignored."""
        host = urlsplit(url).hostname or ""
        for line in lines:
            for name, morsel in SimpleCookie(line).items():
                if not _acceptable(url, host, name, morsel):
                    continue
                if morsel["max-age"] == "0":
                    self._kept.pop((host, name), None)
                    continue
                same_site = str(morsel["samesite"] or "lax").lower()
                self._kept[host, name] = Cookie(morsel.value, morsel["path"] or "/", bool(morsel["secure"]), same_site)

    def line(self, url: str, *, cross_site: bool, top_level_get: bool) -> str | None:
        """The Cookie header of a request to `url`, if there is anything to send."""
        parts = urlsplit(url)
        sent = [
            f"{name}={cookie.value}"
            for (host, name), cookie in self._kept.items()
            if host == parts.hostname
            and _covers(cookie.path, parts.path or "/")
            and (not cookie.secure or is_trustworthy(url))
            and (not cross_site or cookie.same_site == "none" or (cookie.same_site == "lax" and top_level_get))
        ]
        return "; ".join(sent) or None

    def value(self, host: str, name: str) -> str | None:
        """A cookie's value, to try it again after it should have died."""
        cookie = self._kept.get((host, name))
        return cookie.value if cookie else None

    def values(self) -> set[str]:
        """Every value, to look for where none must be."""
        return {cookie.value for cookie in self._kept.values()}

    def put(self, host: str, name: str, value: str) -> None:
        """Plant a cookie, as a thief would."""
        self._kept[host, name] = Cookie(value, "/", secure=True, same_site="lax")


def _acceptable(url: str, host: str, name: str, morsel: Morsel[str]) -> bool:
    """What RFC 6265bis makes a browser refuse."""
    if morsel["domain"] and morsel["domain"].lstrip(".") != host:
        return False
    if morsel["secure"] and not is_trustworthy(url):
        return False
    if name.startswith(HOST_PREFIX):
        return bool(morsel["secure"]) and not morsel["domain"] and morsel["path"] == "/"
    return True


def _covers(cookie_path: str, path: str) -> bool:
    return path == cookie_path or path.startswith(cookie_path.rstrip("/") + "/")
