"""The policy's figures with their defaults. Pure data: nothing here reads a file, a clock or a database.

Each default is the strict reading of its source, named in docs/policy.md: RTS 2018/389, NIST SP 800-63B-4, ASVS 5.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, ClassVar, Final

from pydantic import BeforeValidator

from app.permissions import DataClass, Level

MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
MONTH: Final = 30 * DAY
_UNITS: Final = {"s": timedelta(seconds=1), "min": MINUTE, "h": HOUR, "day": DAY, "days": DAY}
_DURATION: Final = re.compile(r"([0-9]{1,6}) (s|min|h|days?)")
_PERIODS: Final = {"hour": HOUR, "day": DAY, "month": MONTH}
_RATE: Final = re.compile(r"([0-9]{1,6}) (?:a|an) (hour|day|month)")


def duration_from(text: object) -> object:
    """A length of time as the file writes it: `30 min`, `8 h`, `180 days`; raises ValueError for a bare number."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is not None:
        return int(found[1]) * _UNITS[found[2]]
    if isinstance(text, timedelta):
        return text
    raise ValueError('a length of time like "30 s", "5 min", "8 h" or "180 days"')


def rate_from(text: object) -> object:
    """A rate as the file writes it: `3 an hour`, `6 a day`, `30 a month` (of 30 days); raises ValueError."""
    found = _RATE.fullmatch(text) if isinstance(text, str) else None
    if found is not None:
        return Rate(int(found[1]), _PERIODS[found[2]])
    if isinstance(text, Rate):
        return text
    raise ValueError('a rate like "3 an hour", "6 a day" or "30 a month"')


Duration = Annotated[timedelta, BeforeValidator(duration_from)]


class Profile(StrEnum):
    """`asvs-3`: ASVS 5.0 level 3, which knows neither SMS (6.6.1) nor e-mail (6.3.6) as a proof."""

    STANDARD = "standard"
    ASVS_3 = "asvs-3"


class Method(StrEnum):
    """The ways to prove to be a customer, as they are offered."""

    SMS = "sms"
    EMAIL = "email"
    TOTP = "totp"
    PASSKEY = "passkey"
    IDENTITY = "identity"


CODES: Final = (Method.SMS, Method.EMAIL, Method.TOTP)
"""What a person types, and so can be asked to type for somebody else."""
NOT_AT_ASVS_3: Final = (Method.SMS, Method.EMAIL)


class Unknown(StrEnum):
    """What to do with a phone of which the source cannot say when it changed."""

    REFUSE = "refuse"
    SEND = "send"


class NewBrowser(StrEnum):
    """What a passkey alone does in a browser that its binding was never used from."""

    PROVE = "prove"
    TELL = "tell"


@dataclass(frozen=True)
class Rate:
    """`limit` acts in each `per`."""

    limit: int
    per: timedelta


Pace = Annotated[Rate, BeforeValidator(rate_from)]


class Strict:
    """A table of the policy's file; a key that it does not know is refused (read by pydantic, in `file`)."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True)
class Methods(Strict):
    """The most that each proof of a customer gives; level 0 switches a method off.

    `passkey` is one that is synced between devices, `identity` a provider's answer (acr) that nobody lists as
    relay-resistant.
    """

    sms: Level = Level.L2
    email: Level = Level.L2
    totp: Level = Level.L2
    passkey: Level = Level.L3
    passkey_device_bound: Level = Level.L4
    identity: Level = Level.L2
    identity_relay_resistant: Level = Level.L4


@dataclass(frozen=True)
class Handles(Strict):
    """The most that any customer proof gives behind each way to prove the handle; level 0 switches a way off."""

    sign_in: Level = Level.L4
    direct_message: Level = Level.L3


@dataclass(frozen=True)
class Needs(Strict):
    """The level from which on each data class may be said and read; `never` has none."""

    general: Level = Level.L1
    case: Level = Level.L2
    account: Level = Level.L3
    identity: Level = Level.L4


@dataclass(frozen=True)
class Lifetimes(Strict):
    """How long a try, a proof, a code, a redirect and a binding hold.

    `handle_again` and `customer_again` are after how long one factor is no longer enough to come back, `freeze` how
    long a pair stays shut after "this was not me", and a pair or customer after the bank's own word.
    """

    attempt: Duration = 30 * MINUTE
    handle_proof: Duration = 15 * MINUTE
    customer_proof: Duration = 10 * MINUTE
    handle_code: Duration = 10 * MINUTE
    customer_code: Duration = 5 * MINUTE
    redirect: Duration = 10 * MINUTE
    binding: Duration = 180 * DAY
    handle_again: Duration = 90 * DAY
    customer_again: Duration = 180 * DAY
    freeze: Duration = DAY


@dataclass(frozen=True)
class Term(Strict):
    """How long a session may do nothing, and how long it lives at most."""

    idle: Duration
    absolute: Duration


@dataclass(frozen=True)
class Sessions(Strict):
    """`visitor` is a browser that has proved nothing yet, `api` a token of a member of staff."""

    visitor: Duration = HOUR
    level_2: Term = Term(idle=15 * MINUTE, absolute=8 * HOUR)
    level_3: Term = Term(idle=5 * MINUTE, absolute=HOUR)
    level_4: Term = Term(idle=5 * MINUTE, absolute=HOUR)
    staff: Term = Term(idle=15 * MINUTE, absolute=8 * HOUR)
    api: Duration = 8 * HOUR

    def customer(self, level: int) -> Term:
        """The term of a bound customer's session; raises ValueError below L2, where there is no room."""
        if level < Level.L2:
            raise ValueError(level)
        if level == Level.L2:
            return self.level_2
        return self.level_3 if level == Level.L3 else self.level_4


@dataclass(frozen=True)
class GuessPolicy(Strict):
    """`in_a_row` wrong guesses lock for `first_lock`, doubling with each further lock up to `longest_lock`."""

    in_a_row: int = 5
    first_lock: Duration = 15 * MINUTE
    longest_lock: Duration = DAY


@dataclass(frozen=True)
class Tries(Strict):
    """How often one may guess.

    `wrong_a_day` is counted for a customer over all new pairs, `wrong_in_all` for a pair since its last right answer:
    then typed codes are over for it until another method has proved the customer. The rates count wrong codes too:
    `bound` at one customer by whoever holds a handle bound to them, `message` those by direct message at one account;
    `answered` counts codes that go back to an account that has written, each with tries of its own beside `message`;
    `by_handle`, `by_network` and `everybody` those of new pairs, by who tries. What they allow in a year is what
    `app.policy.odds` computes with.
    """

    per_code: int = 5
    codes_per_attempt: int = 3
    pair: GuessPolicy = GuessPolicy()
    wrong_a_day: int = 10
    wrong_in_all: int = 100
    bound: Pace = Rate(30, MONTH)
    message: Pace = Rate(8, DAY)
    answered: Pace = Rate(15, MONTH)
    by_handle: Pace = Rate(20, DAY)
    by_network: Pace = Rate(60, HOUR)
    everybody: Pace = Rate(300, HOUR)
    authenticators: int = 3


@dataclass(frozen=True)
class Sending(Strict):
    """How many codes leave: to the account that complained, and to a customer by SMS or e-mail.

    `gap` lies between the first code of an attempt and the second to the same place, and doubles with each further one.
    """

    handle_account: Pace = Rate(3, HOUR)
    handle_network: Pace = Rate(30, HOUR)
    handle_connector: Pace = Rate(600, HOUR)
    customer_pair: Pace = Rate(6, HOUR)
    customer_new_pairs: Pace = Rate(6, DAY)
    gap: Duration = MINUTE


@dataclass(frozen=True)
class Phone(Strict):
    """No code goes by SMS to a phone whose SIM or number changed within `quiet`; zero switches that off."""

    quiet: Duration = 72 * HOUR
    unknown: Unknown = Unknown.REFUSE


@dataclass(frozen=True)
class Brand(Strict):
    """What one account of the bank at a network offers of the policy; None is all of it."""

    handles: frozenset[str] | None = None
    methods: frozenset[Method] | None = None


@dataclass(frozen=True)
class Policy(Strict):
    """All of it. `brands` is by connector; one that is not named there offers everything."""

    profile: Profile = Profile.STANDARD
    methods: Methods = Methods()
    handles: Handles = Handles()
    step_up: frozenset[Method] = frozenset({Method.PASSKEY, Method.IDENTITY})
    new_browser: NewBrowser = NewBrowser.PROVE
    needs: Needs = Needs()
    lifetimes: Lifetimes = Lifetimes()
    sessions: Sessions = Sessions()
    tries: Tries = Tries()
    sending: Sending = Sending()
    phone: Phone = Phone()
    brands: Mapping[str, Brand] = field(default_factory=lambda: MappingProxyType({}))

    def level_of(self, method: str) -> Level:
        """The most that a proof by this key of `[methods]` gives; L0 when it is switched off, also by the profile."""
        if self.profile == Profile.ASVS_3 and method in NOT_AT_ASVS_3:
            return Level.L0
        level: Level = getattr(self.methods, method)
        return level

    def level_behind(self, handle_method: str) -> Level:
        """The most that any customer proof gives behind a handle proved this way; L0 when it is switched off."""
        return self.handles.sign_in if handle_method == "sign_in" else self.handles.direct_message

    def needed(self, data_class: DataClass) -> Level:
        """The level from which on this class may be said and read; raises `AttributeError` for `never`."""
        level: Level = getattr(self.needs, data_class.value)
        return level

    def classes_at(self, level: int) -> list[DataClass]:
        """The data classes that may be read at this level, lowest first."""
        return [kind for kind in READABLE if level >= self.needed(kind)]

    def offers_method(self, method: str, connector: str | None) -> bool:
        """Whether this way to prove a customer is on, in all and for the brand behind this connector."""
        brand = self.brands.get(connector or "", EVERYTHING)
        levels = PARTS.get(method, (method,))
        return any(map(self.level_of, levels)) and (brand.methods is None or method in brand.methods)

    def offers_handle(self, handle_method: str, connector: str) -> bool:
        """Whether this way to prove a handle is on, in all and for the brand behind this connector."""
        brand = self.brands.get(connector, EVERYTHING)
        return self.level_behind(handle_method) > Level.L0 and (brand.handles is None or handle_method in brand.handles)


READABLE: Final = (DataClass.GENERAL, DataClass.CASE, DataClass.ACCOUNT, DataClass.IDENTITY)
EVERYTHING: Final = Brand()
PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    Method.PASSKEY: ("passkey", "passkey_device_bound"),
    Method.IDENTITY: ("identity", "identity_relay_resistant"),
}
"""The keys of `[methods]` behind a way that gives more than one level."""
