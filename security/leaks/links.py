"""Links: a public reply may point to the bank's own hosts, and nowhere else."""

from __future__ import annotations

import re
from typing import Final

from security.leaks.findings import BLOCK, WARN, Leak, Leaks
from security.leaks.folding import View

_TOP_LEVELS: Final = """
    it com net org eu info io me app link biz co uk de fr es ch ru cn xyz top site online shop tk ly gl dev ai ws cc tv
    us example
"""
_LINK: Final = re.compile(
    r"(?:(?P<scheme>[a-z]{2,6})://|(?<![a-z0-9.@-])www\.)(?:(?P<user>[^\s/@]{1,80})@)?(?P<host>[^\s/?#:@,;<>\"')\]]{1,253})"
    rf"|(?<![a-z0-9.@_/-])(?P<bare>(?:[a-z0-9-]{{1,63}}\.){{1,4}}(?:{'|'.join(_TOP_LEVELS.split())}))(?![a-z0-9@.-]|\.[a-z0-9])"
)
_ADDRESS: Final = re.compile(r"[\d.]+|\[.*|0x[0-9a-f]+")
_SHORTENERS: Final = frozenset(
    (
        "bit.ly",
        "t.ly",
        "tinyurl.com",
        "goo.gl",
        "is.gd",
        "cutt.ly",
        "rebrand.ly",
        "ow.ly",
        "shorturl.at",
        "t.me",
        "wa.me",
    )
)


def _is_under(host: str, allowed: frozenset[str]) -> bool:
    return any(host == own or host.endswith("." + own) for own in allowed)


def find_links(view: View, original: str, hosts: frozenset[str] | None) -> Leaks:
    """Links to hosts that are not (under) one of `hosts` block; with no list at all, only deceptive ones warn.

    A host that is the bank's own only after folding its letters is a forgery and blocks.
    """
    for match in _LINK.finditer(view.text):
        host = (match["host"] or match["bare"]).rstrip(".-!*_ ")
        if not host:
            continue
        place = view.span(*match.span())
        as_written = original[place[0] : place[1]]
        odd = bool(match["user"]) or bool(_ADDRESS.fullmatch(host)) or host.startswith("xn--") or host in _SHORTENERS
        forged = host not in as_written.lower()
        if hosts is None:
            if odd or forged or "xn--" in host:
                yield Leak(*place, "link", WARN, "unusual")
        elif match["user"] or forged or not _is_under(host, hosts):
            yield Leak(*place, "link", BLOCK, "forged" if forged else "foreign")
