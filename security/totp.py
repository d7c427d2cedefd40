"""Codes of an authenticator app (RFC 6238): 8 digits, steps of 30 seconds, each step at most once."""

import base64
import hmac
import secrets
from datetime import datetime
from typing import Final

import pyotp

from security.codes import typed_digits
from security.errors import CodeRefused, CodeReplayed, WeakKey
from security.secret import Secret

DIGITS: Final = 8
STEP: Final = 30
ACCEPTED_STEPS: Final = 2
"""The current step and the one before (docs/decisions/0004)."""
_SECRET_BYTES: Final = 20
# RFC 4226 section 4, R6: at least 128 bits.
_FEWEST_BYTES: Final = 16


def new_secret() -> Secret:
    """Make a random secret of 20 bytes, the length RFC 4226 recommends."""
    return Secret(secrets.token_bytes(_SECRET_BYTES))


def provisioning_uri(secret: Secret, account: str, issuer: str) -> str:
    """Return the otpauth: address for the QR code; it contains the secret, so it is shown once and never stored."""
    totp = pyotp.TOTP(_base32(secret), digits=DIGITS, interval=STEP)
    return totp.provisioning_uri(name=account, issuer_name=issuer)


def code_at(secret: Secret, at: datetime) -> str:
    """Return the code that an authenticator shows at a time."""
    return _code_of(secret, step_at(at))


def step_at(at: datetime) -> int:
    """Return the number of the 30-second step since 1970 that contains a time."""
    if at.tzinfo is None:
        # A naive time would be read in the machine's own zone and shift every code.
        raise ValueError("the time needs its time zone")
    return int(at.timestamp() // STEP)


def check(secret: Secret, code: str, at: datetime, last_step: int | None) -> int:
    """Return the step of a right code of the current or previous step, to be stored as the new `last_step`.

    Raises CodeRefused for a wrong code, CodeReplayed for one whose step is not after `last_step` (RFC 6238 5.2).
    """
    typed = typed_digits(code)
    current = step_at(at)
    matched = None
    # Oldest first, so that a code which fits both steps (one in 10^8) counts for the newer and cannot serve twice.
    for step in range(max(current - ACCEPTED_STEPS + 1, 0), current + 1):
        if hmac.compare_digest(_code_of(secret, step), typed):
            matched = step
    if matched is None:
        raise CodeRefused("wrong code")
    if last_step is not None and matched <= last_step:
        raise CodeReplayed("this code was used before")
    return matched


def _code_of(secret: Secret, step: int) -> str:
    return pyotp.HOTP(_base32(secret), digits=DIGITS).at(step)


def _base32(secret: Secret) -> str:
    if len(secret.reveal()) < _FEWEST_BYTES:
        raise WeakKey("an authenticator secret needs at least 16 bytes")
    return base64.b32encode(secret.reveal()).decode("ascii")
