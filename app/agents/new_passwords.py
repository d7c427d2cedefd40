"""What a new password must not be made of: words that are tried here first, repetitions, and runs along a keyboard.

Where fifteen characters are asked for, these are what people fill them with (ASVS 5.0, 6.1.2 and 6.2.11). The words
are written down in docs/staff-sign-on.md.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator
from typing import Final

from app.agents.errors import GuessablePassword, WeakPassword

SHORTEST: Final = 15
LONGEST: Final = 256
LEFT: Final = 8
"""Characters that must be left; half as many different ones."""

OF_THE_PRODUCT: Final = (
    "riserbo",
    "desk",
    "banca",
    "bank",
    "agent",
    "supervisor",
    "compliance",
    "administrator",
    "admin",
)
COMMON: Final = (
    "password", "passwort", "passw0rd", "parola", "benvenuto", "welcome", "letmein", "changeme", "iloveyou", "tiamo",
    "dragon", "monkey", "football", "baseball", "sunshine", "princess", "superman", "master", "shadow", "juventus",
    "milano", "napoli", "amore", "estate", "inverno", "primavera", "autunno", "summer", "winter", "spring", "autumn",
)  # fmt: skip
RUNS: Final = (
    "abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "1q2w3e4r5t6y7u8i9o0p",
)  # fmt: skip
_SHORTEST_RUN: Final = 4
_SHORTEST_WORD: Final = 3


def new_password() -> str:
    """A password of 120 bits."""
    return secrets.token_urlsafe(15)


def require_good(password: str, words: Collection[str] = ()) -> None:
    """Raise `WeakPassword` for one that is too short or too long, `GuessablePassword` for one made of what is tried.

    `words` are those of this account and bank; they may be names of several words.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise WeakPassword
    left = password.casefold()
    for word in sorted({*COMMON, *OF_THE_PRODUCT, *_parts(words)}, key=len, reverse=True):
        left = left.replace(word, "")
    left = _unit(_without_runs("".join(left.split())))
    if len(left) < LEFT or len(set(left)) < LEFT // 2:
        raise GuessablePassword


def _parts(words: Collection[str]) -> Iterator[str]:
    for word in words:
        yield from (part for part in re.findall(r"\w+", word.casefold()) if len(part) >= _SHORTEST_WORD)


def _without_runs(text: str) -> str:
    """Each run of four and more, forwards or backwards, as its first character."""
    kept, at = [], 0
    while at < len(text):
        kept.append(text[at])
        at += _run_at(text, at)
    return "".join(kept)


def _run_at(text: str, at: int) -> int:
    """How many characters from here on follow each other on a run; 1 where fewer than four do."""
    longest = 1
    for run in (*RUNS, *(run[::-1] for run in RUNS)):
        length = _SHORTEST_RUN
        while at + length <= len(text) and text[at : at + length] in run:
            longest, length = length, length + 1
    return longest


def _unit(text: str) -> str:
    """What a text repeats, once; the text itself where it repeats nothing."""
    for length in range(1, len(text) // 2 + 1):
        if all(text[place] == text[place - length] for place in range(length, len(text))):
            return text[:length]
    return text
