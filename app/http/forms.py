"""Page forms read strictly: urlencoded, UTF-8, each field once. Files come with attachments, not here."""

from __future__ import annotations

import re
from email.message import Message
from urllib.parse import parse_qsl

from starlette.requests import Request

from app.errors import BadRequest, UnsupportedMediaType

MAX_FIELDS = 50
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class FormRefused(BadRequest):
    """The form cannot be read."""

    code = "form_refused"
    message = "This form could not be read. Please go back, reload the page and try again."


def read_form(body: bytes) -> dict[str, str]:
    """The fields of an application/x-www-form-urlencoded body, blank ones included; raises FormRefused."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS, separator="&"
        )
    except ValueError:
        raise FormRefused from None
    fields = dict(pairs)
    if len(fields) != len(pairs) or any(_UNSTORABLE.search(text) for pair in pairs for text in pair):
        raise FormRefused
    return fields


async def strict_form(request: Request) -> dict[str, str]:
    """Dependency of page routes: the posted fields. Raises UnsupportedMediaType for other content, FormRefused."""
    message = Message()
    message["content-type"] = request.headers.get("content-type", "application/x-www-form-urlencoded")
    if message.get_content_type() != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType
    return read_form(await request.body())
