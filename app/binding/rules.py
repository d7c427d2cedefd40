"""Pure decisions of proofs and bindings: states and their transitions, lifetimes, levels by method.

Figures: design decisions 8 and 9; code lifetimes after NIST SP 800-63B-4 and ASVS 6.5.5, tries after RTS 2018/389
article 4.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from app.binding.errors import AttemptOver, OutOfStep
from app.limits.guesses import GuessPolicy
from app.permissions import Level

NOTICE_VERSION: Final = 1
"""Version of the privacy and recording notice that a confirmation accepts."""

ATTEMPT_LIFETIME: Final = timedelta(minutes=30)
HANDLE_HOLDS: Final = timedelta(minutes=15)
CUSTOMER_HOLDS: Final = timedelta(minutes=10)
HANDLE_CODE_LIFETIME: Final = timedelta(minutes=10)
CUSTOMER_CODE_LIFETIME: Final = timedelta(minutes=5)
FLOW_LIFETIME: Final = timedelta(minutes=10)
BINDING_LIFETIME: Final = timedelta(days=180)
FREEZE: Final = timedelta(hours=24)

TRIES_PER_CODE: Final = 5
CODES_PER_ATTEMPT: Final = 3
WRONG_A_DAY: Final = 10
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
HANDLE_CODES_PER_ACCOUNT: Final = (3, HOUR)
HANDLE_CODES_PER_NETWORK: Final = (30, HOUR)
HANDLE_CODES_PER_CONNECTOR: Final = (600, HOUR)
CUSTOMER_CODES_PER_PAIR: Final = (6, HOUR)
CUSTOMER_CODES_FOR_NEW_PAIRS: Final = (6, DAY)
MOST_AUTHENTICATORS: Final = 3
MOST_PASSKEYS: Final = 5
PASSKEY_QUESTION_LIFETIME: Final = timedelta(minutes=5)

PAIR_POLICY: Final = GuessPolicy(in_a_row=5, first_lock=timedelta(minutes=15), longest_lock=timedelta(hours=24))
CUSTOMER_POLICY: Final = GuessPolicy(in_a_row=1_000_000_000)
"""A customer's counter counts the day and never locks: a stranger's guesses must not lock out who is bound."""


class State(StrEnum):
    """Where an attempt stands."""

    STARTED = "started"
    HANDLE_PENDING = "handle_pending"
    HANDLE_OK = "handle_ok"
    CUSTOMER_PENDING = "customer_pending"
    CUSTOMER_OK = "customer_ok"
    BOUND = "bound"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Kind(StrEnum):
    """What an attempt is for: a way in, the way back by a passkey alone, a higher level, or into a locked room."""

    ENTRY = "entry"
    RETURN = "return"
    STEP_UP = "step_up"
    UNLOCK = "unlock"


class BindingState(StrEnum):
    """Whether a binding holds."""

    ACTIVE = "active"
    REVOKED = "revoked"
    EXPIRED = "expired"


class HandleMethod(StrEnum):
    """How a handle is proved."""

    SIGN_IN = "sign_in"
    DIRECT_MESSAGE = "direct_message"


class CodeMethod(StrEnum):
    """The typed codes by which a customer is proved."""

    SMS = "sms"
    EMAIL = "email"
    TOTP = "totp"


IDENTITY: Final = "identity"
PASSKEY: Final = "passkey"
PASSKEY_LEAST: Final = Level.L3
"""Only a session of this level registers a passkey, looks at its list, or removes one."""
ATTESTED_MODELS: Final[Mapping[str, Level]] = {}
"""Authenticator models (AAGUID) that the bank trusts above L3 where their attestation is proved: none so far."""

_ENDINGS: Final = frozenset({State.REFUSED, State.CANCELLED, State.EXPIRED})
MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.STARTED: frozenset({State.HANDLE_PENDING}) | _ENDINGS,
    State.HANDLE_PENDING: frozenset({State.HANDLE_PENDING, State.HANDLE_OK}) | _ENDINGS,
    State.HANDLE_OK: frozenset({State.CUSTOMER_PENDING}) | _ENDINGS,
    State.CUSTOMER_PENDING: frozenset({State.CUSTOMER_PENDING, State.CUSTOMER_OK}) | _ENDINGS,
    State.CUSTOMER_OK: frozenset({State.BOUND}) | _ENDINGS,
    State.BOUND: frozenset(),
    State.REFUSED: frozenset(),
    State.CANCELLED: frozenset(),
    State.EXPIRED: frozenset(),
}
OPEN_STATES: Final = tuple(state.value for state, after in MOVES.items() if after)


def require_move(before: str, after: State) -> None:
    """Raise `OutOfStep` for a transition that the table does not have: no step is skipped, no ending is left."""
    if after not in MOVES[State(before)]:
        raise OutOfStep


def require_fresh(
    *, expires_at: datetime, handle_proved_at: datetime | None, customer_proved_at: datetime | None, now: datetime
) -> None:
    """Raise `AttemptOver` once the attempt, or a proof that it rests on, is too old."""
    if expires_at <= now:
        raise AttemptOver
    if customer_proved_at is not None:
        if customer_proved_at + CUSTOMER_HOLDS <= now:
            raise AttemptOver
    elif handle_proved_at is not None and handle_proved_at + HANDLE_HOLDS <= now:
        raise AttemptOver


def level_of_code(max_level: int = Level.L2) -> Level:
    """A typed code is L2 and never more, whatever else was typed before; an authenticator may be worth less."""
    return Level(min(max_level, Level.L2))


def level_of_identity(acr: str, relay_resistant: Mapping[str, Level], handle_method: str) -> Level:
    """What a redirect to a provider is worth: its acr's level if the policy lists it as relay-resistant, else L2.

    L4 needs a handle proved by sign-in: a code sent by direct message can be relayed.
    """
    level = relay_resistant.get(acr, Level.L2)
    if handle_method != HandleMethod.SIGN_IN:
        level = min(level, Level.L3)
    return Level(level)


def level_of_passkey(session_level: int, *, backup_eligible: bool, model: str | None) -> Level:
    """What a passkey is worth: never more than the session that registered it, nor L4 where it may be copied."""
    highest = Level.L3
    if not backup_eligible and model is not None:
        highest = ATTESTED_MODELS.get(model, Level.L3)
    return Level(min(session_level, highest))


def method_of_identity(provider: str) -> str:
    """How a proof by this identity provider is stored."""
    return f"{IDENTITY}:{provider}"


def plain_account(text: str) -> str:
    """An account as it is compared: NFKC, no case, no leading @."""
    return unicodedata.normalize("NFKC", text).strip().lstrip("@").strip().casefold()


def unlinkable(handle: str) -> str:
    """The handle as a code's text may show it: letters and digits, at most 20, no host part.

    A handle is chosen by its owner; "bank.example/verify" must not turn up in a message of the bank as an address.
    """
    bare = plain_account(handle).split("@", 1)[0]
    return "".join(character for character in bare if character.isalnum())[:20] or "?"
