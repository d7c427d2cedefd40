"""Short codes that a person types: made at random, stored as a peppered hash of their challenge, compared blind.

Expiry, attempts and single use are the caller's, in the database: a pure function cannot count.
"""

import hmac
import secrets
from typing import Final

from security.encoding import join
from security.errors import CodeRefused
from security.keys import keyed_hash
from security.secret import Secret

DIGITS: Final = 8
# NIST SP 800-63B asks for six digits or more; longer than twelve nobody types.
_FEWEST_DIGITS: Final = 6
_MOST_DIGITS: Final = 12
_MAX_TYPED_CHARS: Final = 64


def new_code(digits: int = DIGITS) -> str:
    """Make a random code of 6 to 12 decimal digits, leading zeros kept."""
    if not _FEWEST_DIGITS <= digits <= _MOST_DIGITS:
        raise ValueError("a code has 6 to 12 digits")
    return f"{secrets.randbelow(10**digits):0{digits}d}"


def typed_digits(code: str) -> str:
    """Return the digits a person typed without white space; raises CodeRefused for anything but ASCII digits."""
    if len(code) > _MAX_TYPED_CHARS:
        raise CodeRefused("not a code")
    digits = "".join(code.split())
    # str.isdigit alone accepts the digits of every script, and superscripts.
    if not digits.isascii() or not digits.isdigit():
        raise CodeRefused("not a code")
    return digits


def code_hash(pepper: Secret, challenge_id: str, code: str) -> bytes:
    """Return the 32 bytes stored instead of a code; another challenge or pepper gives other bytes."""
    return keyed_hash(pepper, "code", join(challenge_id.encode(), typed_digits(code).encode()))


def check_code(pepper: Secret, challenge_id: str, expected_hash: bytes, code: str) -> None:
    """Raise CodeRefused unless the typed code is the one behind the hash."""
    if not hmac.compare_digest(code_hash(pepper, challenge_id, code), expected_hash):
        raise CodeRefused("wrong code")
