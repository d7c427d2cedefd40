"""What a person finds on a page: its words, its links, its forms with what is filled in already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

SILENT: Final = frozenset({"script", "style", "template", "head"})


@dataclass
class PageForm:
    """One form: `filled` goes along unless changed, `offered` are the values one may choose from (None: any text)."""

    action: str
    method: str
    filled: dict[str, str] = field(default_factory=dict)
    offered: dict[str, set[str] | None] = field(default_factory=dict)

    def takes(self, fields: Mapping[str, str]) -> bool:
        """Whether a person could fill the form in like this."""
        return all(
            name in self.offered and (self.offered[name] is None or value in (self.offered[name] or ()))
            for name, value in fields.items()
        )

    def offer(self, name: str, value: str | None) -> None:
        """Note a field: with one more value to choose, or open to any text."""
        known = self.offered.setdefault(name, set())
        if value is None:
            self.offered[name] = None
        elif known is not None:
            known.add(value)


@dataclass
class Page:
    """A page as it is read: `words` in one line, without what is hidden from people."""

    words: str
    links: list[str]
    forms: list[PageForm]


def read_page(html: str) -> Page:
    """Parse a page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return Page(" ".join(" ".join(reader.words).split()), reader.links, reader.forms)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.links: list[str] = []
        self.forms: list[PageForm] = []
        self._silent = 0
        self._open: PageForm | None = None
        self._writing: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in SILENT:
            self._silent += 1
        elif tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "form":
            self._open = PageForm(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is not None and "name" in given:
            self._field(self._open, tag, given, "checked" in given)

    def _field(self, form: PageForm, tag: str, given: dict[str, str], checked: bool) -> None:
        name, value, kind = given["name"], given.get("value", ""), given.get("type", "text")
        if tag == "button":
            form.offer(name, value)
        elif tag == "input" and kind in ("radio", "checkbox"):
            form.offer(name, value)
            if checked:
                form.filled[name] = value
        elif tag == "input":
            form.offer(name, value if kind == "hidden" else None)
            form.filled[name] = value
        elif tag in ("textarea", "select"):
            form.offer(name, None)
            form.filled[name] = ""
            self._writing = name if tag == "textarea" else None

    def handle_endtag(self, tag: str) -> None:
        if tag in SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag == "form":
            self._open = None
        elif tag == "textarea":
            self._writing = None

    def handle_data(self, data: str) -> None:
        if self._writing is not None and self._open is not None:
            self._open.filled[self._writing] += data
        if not self._silent:
            self.words.append(data)
