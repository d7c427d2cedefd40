"""What is posted to every route so that one thing is wrong with it, and who posts it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar
from uuid import uuid4

import httpx2

from app.demo import cast
from tests.attacks.test_authorisation_matrix import program
from tests.attacks.town import NOBODY, Town, Who

T = TypeVar("T")
BIG: Final = 70_000
SCIM: Final = "/scim/v2/Users"
AS_SCIM: Final = {"content-type": "application/scim+json"}
TOKEN: Final = "/oauth/token"
JWT: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# What a refusal itself may write: its leaf, and the count of a wrong guess.
OF_REFUSALS: Final = ("guess_counters", "outbox", "idempotent_answers", "sessions")
UNREADABLE: Final[dict[str, bytes]] = {
    "broken UTF-8": b'{"text": "\xff\xfe"}',
    "overlong UTF-8": b'{"text": "\xc0\xaf"}',
    "byte order mark": b'\xef\xbb\xbf{"text": "x"}',
    "cut off": b'{"text": "x"',
    "two documents": b'{"text": "x"}{"text": "y"}',
    "the same key twice": b'{"text": "x", "text": "y"}',
    "not a number": b'{"text": NaN}',
    "infinity": b'{"text": -Infinity}',
    "a number without end": b'{"text": ' + b"9" * 5000 + b"}",
    "an exponent without end": b'{"text": 1e999999}',
    "NUL": b'{"text": "a\\u0000b"}',
    "lone surrogate": b'{"text": "\\ud800"}',
    "deep lists": b'{"text": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "deep objects": b'{"a":' * 4000 + b"1" + b"}" * 4000,
    "oversized": b'{"text": "' + b"x" * BIG + b'"}',
    "a list": b"[]",
    "a text": b'"text"',
    "a number": b"7",
    "null": b"null",
    "nothing": b"",
    "blank": b"   ",
}
OTHER_KINDS: Final = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "application/jsonx",
    "",
)
WRONG: Final[tuple[Any, ...]] = ([], {"text": "x"}, 0.5, -1, 10**18, True)
HOSTILE: Final = (
    "\x07\x1b[31m\x85",
    "\U0001f9e8" * 3_000,
    "a\u202eb {{7*7}}${7*7}<script>alert(1)</script>' OR 1=1 --\r\nSet-Cookie: b=c",
    "\u0663" * 8,
)
MALFORMED_FORMS: Final[dict[str, tuple[str, bytes]]] = {
    "broken UTF-8": ("application/x-www-form-urlencoded", b"text=%ff%fe"),
    "raw bytes": ("application/x-www-form-urlencoded", b"text=\xff\xfe"),
    "NUL": ("application/x-www-form-urlencoded", b"text=a%00b"),
    "lone surrogate": ("application/x-www-form-urlencoded", b"text=%ed%a0%80"),
    "the same field twice": ("application/x-www-form-urlencoded", b"text=a&text=b"),
    "many fields": ("application/x-www-form-urlencoded", b"&".join(b"f%d=1" % n for n in range(200))),
    "oversized": ("application/x-www-form-urlencoded", b"text=" + b"x" * BIG),
    "JSON": ("application/json", b'{"text": "x"}'),
    "multipart": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\na\r\n--x--\r\n',
    ),
    "plain": ("text/plain", b"text=x"),
}
ODD_IDS: Final = ("x", "-1", "1" * 500, "..%2f..", "é", "00000000-0000-0000-0000")
# 2 to the 63rd is one more than a column holds.
ODD_NUMBERS: Final = ("-1", "abc", "1.5", "", "٣", "9" * 30, str(2**63), str(2**63 - 1), str(2**53), "1,2")
NAMES: Final = ("after", "limit", "cursor", "room", "lang", "said", "status", "assigned", "network", "v", "export")
# These read no body; what they do is the matter of other tests.
WITHOUT_BODY: Final = frozenset(
    {
        "/c/{slug}/start",
        "/room/leave",
        "/room/receipt",
        "/signout",
        "/cases/{case_id}/claim",
        "/csp-report",
        "/signin/provider",
        "/signin/again",
    }
)
# Neither do these, but what they name can be odd: `test_odd_ids_numbers_and_cursors_are_refused`.
ONLY_NAMED: Final = frozenset(
    {
        "/api/v1/cases/{case_id}/claim",
        "/c/{slug}/passkey/question",
        "/c/{slug}/customer/passkey/question",
        "/room/passkeys/question",
        "/room/passkeys/{passkey_id}/remove",
        "/room/step-up/passkey/question",
        "/room/unlock/passkey/question",
    }
)
# By `test_provisioning_that_cannot_be_read_or_makes_no_sense_is_refused`.
BY_OTHERS: Final = frozenset({SCIM})
# Forged as well as wrong: whatever a client says of level, binding or author is no field of ours.
FORGED: Final = (
    "level",
    "binding_id",
    "session_id",
    "actor",
    "role",
    "author_id",
    "state",
    "n",
    "assigned_to",
    "scopes",
)


def api_bodies(town: Town) -> dict[str, dict[str, Any]]:
    """A body that each route of the API would read, so that one thing at a time can be wrong with it."""
    case, room = f"/api/v1/cases/{town.giulia.case_id}", f"/api/v1/conversations/{town.giulia.room_id}"
    return {
        "/api/v1/tokens": {"login": "anna", "password": "wrong", "code": "12345678", "lifetime_minutes": 5},
        "/api/v1/password": {
            "login": "anna",
            "password": "wrong",
            "code": "12345678",
            "new_password": "tqv xmd hzw pbn",
        },
        f"{case}/transfer": {"to": str(uuid4())},
        f"{case}/notes": {"text": "Nota."},
        f"{case}/replies/check": {"text": "Ciao."},
        f"{case}/replies": {"text": "Ciao.", "purpose": "answer"},
        f"{case}/close": {"outcome": "resolved"},
        f"/api/v1/blocks/{uuid4()}/override": {"reason": "Deve uscire adesso."},
        f"{room}/messages": {"text": "Ecco.", "data_class": "case"},
        f"{room}/step-up": {"level": 3},
        f"/api/v1/bindings/{uuid4()}/revoke": {"because": "suspicion"},
        "/api/v1/revocations": {"customer_number": "9999", "because": "suspicion"},
        "/api/v1/exports": {"scope": "room", "conversation_id": str(town.giulia.room_id), "reason": "Prova, dieci."},
    }


def forms(town: Town) -> dict[str, tuple[str, dict[str, str]]]:
    """(site, fields) of every form of both doors."""
    slug, case, room = town.giulia.path, f"/cases/{town.giulia.case_id}", f"/conversations/{town.giulia.room_id}"
    key = str(uuid4())
    return {
        f"{slug}/handle": ("bank", {"connector": "square", "account": "@x", "method": "sign_in", "resend": ""}),
        f"{slug}/handle/code": ("bank", {"code": "1"}),
        f"{slug}/customer": ("bank", {"identifier": "x", "method": "sms", "resend": ""}),
        f"{slug}/customer/code": ("bank", {"code": "1"}),
        f"{slug}/confirm": ("bank", {"accept": "no"}),
        f"{slug}/passkey": ("bank", {"answer": "x"}),
        f"{slug}/customer/passkey": ("bank", {"answer": "x"}),
        "/room/passkeys": ("bank", {"answer": "x"}),
        "/room/unlock/passkey": ("bank", {"answer": "x"}),
        "/room/step-up/passkey": ("bank", {"answer": "x"}),
        "/room/messages": ("bank", {"text": "", "idempotency_key": key}),
        "/room/step-up": ("bank", {"method": "identity:x"}),
        "/room/unlock": ("bank", {"method": "x", "code": "1"}),
        "/room/authenticator": ("bank", {"code": "1"}),
        "/room/binding/revoke": ("bank", {"confirm": "no"}),
        "/room/rating": ("bank", {"stars": "5", "comment": ""}),
        "/verify": ("bank", {"text": ""}),
        "/not-me": ("bank", {"reference": "x"}),
        f"/wallet/demo-id/response/{'s' * 43}": ("bank", {"response": "x", "error": "x"}),
        "/signin/backchannel-logout": ("staff", {"logout_token": "x"}),
        TOKEN: (
            "staff",
            {"grant_type": "client_credentials", "client_assertion_type": JWT, "client_assertion": "x", "scope": "x"},
        ),
        "/signin": ("staff", {"name": "nobody", "password": "x", "code": "1"}),
        "/password": ("staff", {"password": "x", "code": "1", "new_password": "x", "again": "x"}),
        f"{case}/transfer": ("staff", {"agent": "x", "reason": "x"}),
        f"{case}/notes": ("staff", {"text": ""}),
        f"{case}/close": ("staff", {"outcome": "x", "note": ""}),
        f"{case}/replies": (
            "staff",
            {"text": "", "intent": "check", "idempotency_key": key, "block": "x", "text_hash": "x"},
        ),
        f"{room}/messages": ("staff", {"text": "", "data_class": "case", "idempotency_key": key}),
        f"{room}/step-up": ("staff", {"level": "x"}),
        f"{room}/revoke": ("staff", {"because": "x"}),
        "/revocations": ("staff", {"customer_number": "x", "because": "x"}),
        "/exports": ("staff", {"scope": "x", "room": "x", "reason": "x"}),
    }


class Known:
    """Who may send to a path: the rubbish must come as far as it can."""

    def __init__(self, town: Town, tokens: dict[str, str]) -> None:
        self._visitor = town.token_of(town.people.giulia)
        self._tokens = tokens

    @classmethod
    async def of(cls, town: Town) -> Known:
        tokens = {f"{one.login}-{kind}": await town.mint(one, kind) for one in cast.STAFF for kind in ("api", "staff")}
        return cls(town, tokens | {"program": await program(town)})

    def for_path(self, site: str, path: str) -> Who:
        if site == "bank":
            return Who(visitor=self._visitor)
        if path.startswith("/scim/"):
            return Who(bearer=self._tokens["program"])
        if path in ("/signin", "/api/v1/tokens", "/api/v1/password", TOKEN):
            return NOBODY
        login = "paolo" if re.search("/exports|/audit", path) else "ada" if path == "/agents" else "anna"
        login = "sara" if path.endswith(("/override", "/revocations")) else login
        return (
            Who(bearer=self._tokens[f"{login}-api"]) if "/api/" in path else Who(staff=self._tokens[f"{login}-staff"])
        )


def is_problem(answer: httpx2.Response) -> bool:
    """A refusal of ours: a problem for programs, a page for people; of what came in nothing but the own form's fields."""
    kind = answer.headers.get("content-type", "")
    return 400 <= answer.status_code < 500 and kind.startswith(("application/problem+json", "text/html"))


def is_oauth_error(answer: httpx2.Response) -> bool:
    """A refusal in the words of RFC 6749, and nothing beside them."""
    kind = answer.headers.get("content-type", "")
    return answer.status_code in (400, 401) and kind == "application/json" and [*answer.json()] == ["error"]


def share(attacks: Iterable[T], number: int) -> list[T]:
    """Every second attack, the others at the next route: all routes read alike, and time is short."""
    return list(attacks)[number % 2 :: 2]
