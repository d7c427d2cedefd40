"""Forged status lists, and credentials that say in no usable way where theirs stands."""

from __future__ import annotations

import json
import zlib
from datetime import timedelta
from typing import Any, Final

from security.certificates import x5c_of
from security.encoding import b64url
from security.jwts import SigningKey
from security.status_lists import (
    LARGEST_LIST,
    LARGEST_TOKEN,
    LONGEST_URI,
    StatusList,
    read_reference,
    verify_status_list,
)
from tests.security.forged_jwts import AT, NOW
from tests.security.forged_presentations import ISSUER, PID, STATIC, THIEF, right_chain, trusted
from tests.security.forgery import Forgery

URI: Final = "https://pid.example/status"


def squeezed(data: bytes) -> str:
    """The numbers, as they travel."""
    return b64url(zlib.compress(data))


# index 0 is withdrawn, 1 and 2 are not (the example of the specification)
NUMBERS: Final = bytes([0xB9, 0xA3])


def status_list(key: SigningKey = PID, typ: str = "statuslist+jwt", chain: object = None, **changes: Any) -> str:
    """A right list, with changes; None takes a claim away."""
    right = {
        "sub": URI, "iat": AT - 60, "exp": AT + 3600, "ttl": 600,
        "status_list": {"bits": 1, "lst": squeezed(NUMBERS)},
    }  # fmt: skip
    claims = {name: value for name, value in (right | changes).items() if value is not None}
    return key.sign(claims, typ=typ, header={"x5c": x5c_of(right_chain()) if chain is None else chain})


def shown(text: str, issuer: str = ISSUER) -> StatusList:
    """Present a list to the real check."""
    return verify_status_list(text, URI, trusted()[issuer], NOW)


def listed(**changes: Any) -> StatusList:
    """A list with these changes to its numbers."""
    return shown(status_list(status_list={"bits": 1, "lst": squeezed(NUMBERS), **changes}))


def referred(**changes: Any) -> object:
    """A credential's reference, with changes."""
    return read_reference({"status_list": {"idx": 0, "uri": URI, **changes}})


FORGERIES: Final[dict[str, Forgery]] = {
    "by a stranger": Forgery(lambda: shown(status_list(THIEF)), "signature"),
    "by a stranger under a key's name": Forgery(lambda: shown(status_list(THIEF), STATIC), "signature"),
    "of another type": Forgery(lambda: shown(status_list(typ="dc+sd-jwt")), "type"),
    "of another address": Forgery(lambda: shown(status_list(sub=URI + "/2")), "subject"),
    "of no address": Forgery(lambda: shown(status_list(sub=None)), "subject"),
    "of yesterday": Forgery(lambda: shown(status_list(exp=AT - int(timedelta(days=1).total_seconds()))), "expired"),
    "without an end": Forgery(lambda: shown(status_list(exp=None)), "expired"),
    "without numbers": Forgery(lambda: shown(status_list(status_list=None)), "status_list"),
    "of three bits": Forgery(lambda: listed(bits=3), "status_list"),
    "of numbers that are none": Forgery(lambda: listed(lst=7), "status_list"),
    "of numbers that are not compressed": Forgery(lambda: listed(lst=b64url(b"numbers")), "status_list"),
    "of numbers in another spelling": Forgery(lambda: listed(lst="A==="), "status_list"),
    "of numbers that are cut short": Forgery(lambda: listed(lst=b64url(zlib.compress(NUMBERS)[:-4])), "status_list"),
    "of numbers without end": Forgery(lambda: listed(lst=squeezed(b"\0" * (LARGEST_LIST + 1))), "status_list"),
    "huge": Forgery(lambda: shown(status_list(pad="x" * LARGEST_TOKEN)), "too_large"),
    "without the number that is asked for": Forgery(lambda: listed().at(16), "status_index"),
    "a status that is text": Forgery(lambda: read_reference("https://pid.example/status"), "status"),
    "a status of another kind": Forgery(lambda: read_reference({"status_assertion": json.dumps({})}), "status"),
    "a status whose list is text": Forgery(lambda: read_reference({"status_list": URI}), "status"),
    "a number before the first": Forgery(lambda: referred(idx=-1), "status"),
    "a number that is true": Forgery(lambda: referred(idx=True), "status"),
    "a number that is text": Forgery(lambda: referred(idx="0"), "status"),
    "a place that is a list": Forgery(lambda: referred(uri=[URI]), "status"),
    "a place without end": Forgery(lambda: referred(uri="https://" + "x" * LONGEST_URI), "status"),
}
