"""Passwords: stored as Argon2id hashes with the parameters of RFC 9106 section 4 for limited memory."""

import unicodedata
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from security.errors import PasswordRefused

# Beyond this a password is an attack on our processor time, not a password.
_MAX_CHARS: Final = 256
_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4, type=Type.ID)

# The hash of a random password that nobody kept: checked when an account does not exist, so that the answer takes
# as long as for one that does.
DUMMY_HASH: Final = "$argon2id$v=19$m=65536,t=3,p=4$jufK6TVA0roi5D973QlHxA$huktpHGDliyxZfB+BsV73SBEoEEiLS/dAbUO2kSU/V0"


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password in PHC form, with its own random salt."""
    prepared = _prepared(password)
    return _HASHER.hash(prepared)


def check_password(password_hash: str, password: str) -> None:
    """Raise PasswordRefused unless the password is the one behind the hash."""
    prepared = _prepared(password)
    try:
        _HASHER.verify(password_hash, prepared)
    except (VerificationError, InvalidHashError):
        raise PasswordRefused("wrong password") from None


def _prepared(password: str) -> bytes:
    if not 0 < len(password) <= _MAX_CHARS:
        raise PasswordRefused("not a password")
    try:
        # NIST SP 800-63B: the same characters from another keyboard must give the same bytes.
        return unicodedata.normalize("NFKC", password).encode("utf-8")
    except UnicodeEncodeError:
        raise PasswordRefused("not a password") from None
