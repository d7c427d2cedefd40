"""Addresses in plain text as links that give nothing away."""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup, escape

# A notice names its page without a scheme, which telephones make a link of; a host without a path stays text.
LINK: Final = re.compile(r"(?:https?://|\b[a-z]+\.localhost:\d+/)[^\s<>\"'`{}|\\^]+")
TRAILING: Final = ".,;:!?)]»”’"


def address_link(whole: str) -> Markup:
    """One address as a link; what a sentence puts after an address stays outside it."""
    address = whole.rstrip(TRAILING)
    target = address if address.startswith(("http://", "https://")) else f"http://{address}"
    link = Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>').format(target, address)
    return link + escape(whole[len(address) :])


def with_links(text: str) -> Markup:
    """The text escaped, its addresses as links."""
    parts: list[Markup] = []
    position = 0
    for match in LINK.finditer(text):
        parts += [escape(text[position : match.start()]), address_link(match.group(0))]
        position = match.end()
    return Markup("").join([*parts, escape(text[position:])])
