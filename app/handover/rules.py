"""Pure decisions about public replies."""

from __future__ import annotations


def comparable(text: str) -> str:
    """A reply's text without what copying changes: spaces, line ends, case."""
    return " ".join(text.split()).casefold()
