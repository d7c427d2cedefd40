"""The guard as a filter: one text a line in, one JSON object a line out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from app.guard.models import PublicContext
from app.guard.service import check_public

# Nothing is known of thread, customer or hosts: patterns only, and links are left alone unless they deceive.
NO_CONTEXT: Final = PublicContext(allowed_hosts=None)


def check_lines(stream: Iterable[str], *, context: PublicContext = NO_CONTEXT) -> Iterator[str]:
    """One line of ASCII JSON for every line, without its end: `verdict`, `findings` and `text_hash`, in that order.

    Never raises for any text; an empty line is allowed.
    """
    for line in stream:
        text = line.removesuffix("\n").removesuffix("\r")
        yield json.dumps(check_public(text, context=context).as_json())
