"""Pure decisions of proofs and bindings: states and their transitions, freshness, levels by method.

Design decisions 8 and 9; the figures are the bank's policy (`app.policy`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from app.binding.errors import AttemptOver, OutOfStep
from app.permissions import Level
from app.policy import Lifetimes, Policy

NOTICE_VERSION: Final = 1
"""Version of the privacy and recording notice that a confirmation accepts."""

ACCOUNT_LOOK_EVERY: Final = timedelta(hours=6)
MOST_PASSKEYS: Final = 5
PASSKEY_QUESTION_LIFETIME: Final = timedelta(minutes=5)


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


class Reproof(StrEnum):
    """Why a binding must be proved anew, handle and customer, before it lets anybody in again."""

    HANDLE_AGE = "handle_age"
    CUSTOMER_AGE = "customer_age"
    RENAMED = "renamed"
    GONE = "gone"
    SUSPENDED = "suspended"


ENDING_REPROOFS: Final = frozenset({Reproof.GONE, Reproof.SUSPENDED})
"""Nobody holds the account any more, or not for certain: what is open closes. A rename can wait for the next entry."""


class HandleMethod(StrEnum):
    """How a handle is proved."""

    SIGN_IN = "sign_in"
    DIRECT_MESSAGE = "direct_message"


ANSWERED: Final = "answered_message"
"""The channel of a code that went back to an account that had written: guesses at it count by themselves."""


class CodeMethod(StrEnum):
    """The typed codes by which a customer is proved."""

    SMS = "sms"
    EMAIL = "email"
    TOTP = "totp"


IDENTITY: Final = "identity"
PASSKEY: Final = "passkey"
ENROLLED: Final = frozenset({PASSKEY, CodeMethod.TOTP.value})
"""What is made inside a binding and belongs to it: it neither outlives nor prolongs it."""
PASSKEY_LEAST: Final = Level.L3
"""Only a session of this level registers a passkey, looks at its list, or removes one."""

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
    lifetimes: Lifetimes,
    *,
    expires_at: datetime,
    handle_proved_at: datetime | None,
    customer_proved_at: datetime | None,
    now: datetime,
) -> None:
    """Raise `AttemptOver` once the attempt, or a proof that it rests on, is too old."""
    if expires_at <= now:
        raise AttemptOver
    if customer_proved_at is not None:
        if customer_proved_at + lifetimes.customer_proof <= now:
            raise AttemptOver
    elif handle_proved_at is not None and handle_proved_at + lifetimes.handle_proof <= now:
        raise AttemptOver


def reproof_due(
    lifetimes: Lifetimes, needs: str | None, *, handle_proved_at: datetime, customer_proved_at: datetime, now: datetime
) -> Reproof | None:
    """What asks for new proofs now: what was noted, else the age of the older proof; None when they are fresh."""
    if needs is not None:
        return Reproof(needs)
    if handle_proved_at + lifetimes.handle_again <= now:
        return Reproof.HANDLE_AGE
    if customer_proved_at + lifetimes.customer_again <= now:
        return Reproof.CUSTOMER_AGE
    return None


def level_of_code(policy: Policy, method: str, max_level: int = Level.L2) -> Level:
    """A typed code is never more than L2, whatever else was typed before; an authenticator may be worth less."""
    return Level(min(max_level, policy.level_of(method), Level.L2))


def level_of_identity(policy: Policy, acr: str, relay_resistant: Mapping[str, Level], handle_method: str) -> Level:
    """What a redirect to a provider is worth: its acr's level if that is listed as relay-resistant, else little.

    What stands behind a code sent by direct message is worth less: such a code can be relayed.
    """
    if acr in relay_resistant:
        level = min(relay_resistant[acr], policy.level_of("identity_relay_resistant"))
    else:
        level = policy.level_of("identity")
    return Level(min(level, policy.level_behind(handle_method)))


def level_of_passkey(policy: Policy, session_level: int, *, backup_eligible: bool, model: str | None) -> Level:
    """What a new passkey is worth: never more than the session that registers it.

    Only a `model` that its attestation proves (so far nobody asks for one) counts as bound to its device.
    """
    bound = not backup_eligible and model is not None
    return Level(min(session_level, policy.level_of("passkey_device_bound" if bound else "passkey")))


def level_of_tap(policy: Policy, max_level: int, handle_method: str) -> Level:
    """What a registered passkey is worth now, behind a handle that was proved this way."""
    known = policy.level_of("passkey" if max_level <= Level.L3 else "passkey_device_bound")
    return Level(min(max_level, known, policy.level_behind(handle_method)))


def best_level(policy: Policy, relay_resistant: Mapping[str, Level]) -> Level:
    """The highest level that a provider with these acr values can give."""
    listed = max(relay_resistant.values(), default=Level.L0)
    return Level(max(min(listed, policy.level_of("identity_relay_resistant")), policy.level_of("identity")))


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
