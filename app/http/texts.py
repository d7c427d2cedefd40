"""Text from outside that may be stored and shown: no NUL, no lone surrogate, no control character."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

MAX_TEXT = 4000
MAX_LINE = 200

# C0, DEL, C1 and surrogates; newline and tab are text.
_UNCLEAN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# What ends or reorders a line lets a name imitate the page around it.
_NOT_IN_A_LINE = re.compile("[\t\n\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def clean_text(text: str) -> str:
    """The text with each line end written as one newline; raises PydanticCustomError for what is no text."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _UNCLEAN.search(text):
        raise PydanticCustomError("text_unclean", "The text holds characters that are not text.")
    return text


def clean_line(text: str) -> str:
    """Like `clean_text`, on one line and without changes of writing direction; spaces around it go."""
    text = clean_text(text).strip()
    if _NOT_IN_A_LINE.search(text):
        raise PydanticCustomError("text_unclean", "The text holds characters that are not text.")
    return text


CleanText = Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(clean_text)]
CleanLine = Annotated[str, StringConstraints(max_length=MAX_LINE), AfterValidator(clean_line)]
