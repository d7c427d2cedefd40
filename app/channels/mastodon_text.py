"""Texts of the fediverse: a stranger's HTML as plain text, accounts as they are written, lengths as servers count."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urlsplit

from app.channels.ports import AccountNotNamed

LONGEST_TEXT: Final = 20_000
MENTION: Final = re.compile(r"@([A-Za-z0-9_.~+-]+)@[A-Za-z0-9.-]+(?::\d+)?")
_ACCOUNT: Final = re.compile(r"([A-Za-z0-9_.~+-]{1,64})@([A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?)")
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"]+")
_BLOCKS: Final = frozenset(
    ["p", "div", "blockquote", "pre", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "table", "tr", "hr"]
)
_SILENT: Final = frozenset(["script", "style", "template", "head", "title", "noscript", "iframe", "object", "svg"])
# what turns the reading direction around, or cannot be seen at all, serves only to deceive whoever reads a text
_UNSEEN: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\ufeff\u200b\u2060")


def plain_text(html: str) -> str:
    """The text of a post: paragraphs and line breaks stay, links show where they lead, everything else is dropped.

    What comes back is text and nothing else: whoever shows it escapes it like any other. At most 20,000 characters.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return tidy("".join(reader.parts))[:LONGEST_TEXT]


def tidy(text: str) -> str:
    """NFC, without control characters and unseen ones; no more than one empty line in a row."""
    seen = (one for one in unicodedata.normalize("NFC", text) if one == "\n" or _is_shown(one))
    lines = [" ".join(line.split()) for line in "".join(seen).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def one_line(text: str, longest: int) -> str:
    """A name as it may be shown."""
    return " ".join(tidy(text).split())[:longest]


def _is_shown(character: str) -> bool:
    return character == "\t" or (unicodedata.category(character) not in ("Cc", "Cs", "Cn") and character not in _UNSEEN)


class _Reader(HTMLParser):
    """Collects text. Tags are never copied, so nothing of the markup can come out again."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0
        self._link = ""
        self._link_from = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag == "br":
            self.parts.append("\n")
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag in _BLOCKS:
            self.parts.append("\n\n")
        elif tag == "a":
            self._link, self._link_from = dict(attrs).get("href") or "", len(self.parts)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """`<script/>` is no script that ends: browsers, and so the sender, read on as if the slash were not there."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in _BLOCKS:
            self.parts.append("\n\n")
        elif tag == "a" and self._link:
            self._end_link()

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data.replace("\r", "").replace("\n", " "))

    def _end_link(self) -> None:
        """A link that says something else than where it leads shows both; mentions and tags are what they say."""
        shown = "".join(self.parts[self._link_from :]).strip()
        target, self._link = self._link, ""
        if shown.startswith(("@", "#")) or not target.startswith(("https://", "http://")):
            return
        if "".join(shown.split()).rstrip("/") not in (target.rstrip("/"), target.partition("://")[2].rstrip("/")):
            self.parts.append(f" ({target})" if shown else target)


def split_account(text: str) -> tuple[str, str]:
    """(name, server) of `name@server`, `@name@server`, or an account's web address. Raises AccountNotNamed.

    The server is `name` or `name:port` in lower case, proved by nothing.
    """
    typed = unicodedata.normalize("NFKC", text).strip()
    if typed.lower().startswith(("https://", "http://")):
        typed = _from_address(typed)
    found = _ACCOUNT.fullmatch(typed.removeprefix("acct:").lstrip("@"))
    if found is None:
        raise AccountNotNamed(text[:0])
    return found.group(1), found.group(2).lower().rstrip(".")


def _from_address(typed: str) -> str:
    try:
        parts = urlsplit(typed)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise AccountNotNamed("") from None
    steps = [step for step in parts.path.split("/") if step]
    name = steps[-1].lstrip("@") if steps else ""
    return f"{name}@{host}:{port}" if port else f"{name}@{host}"


def tidy_account(text: str) -> str:
    """`name@server`, as handles have it here. Raises AccountNotNamed."""
    return "@".join(split_account(text))


def counted(text: str, per_link: int) -> int:
    """The length of a status: an address counts `per_link`, a mention without its server, the rest by code points.

    Servers count grapheme clusters, of which there are never more than code points: what fits here fits there. An
    address without a dotted name may not be recognised as one there, so it counts in full if that is more.
    """
    rest, links = _ADDRESS.subn("", text)
    plain = [one for one in _ADDRESS.findall(text) if not _is_recognised(one)]
    surplus = sum(max(0, len(one) - per_link) for one in plain)
    return len(MENTION.sub(r"@\1", rest)) + links * per_link + surplus


def _is_recognised(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return False
    return re.search(r"\.[a-z]{2,}$", host) is not None
