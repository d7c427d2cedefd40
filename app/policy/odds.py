"""The odds that guessing makes somebody be taken for a given person: computed from the policy alone (docs/policy.md).

A union bound over every way to guess, each tried for a year at every chance that the counters leave. Whoever turns up
twice counts twice, so the true odds are smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from app.policy.figures import DAY, Method, Policy, Rate
from security import codes, totp

SENT: Final = (Method.SMS, Method.EMAIL)
MOST: Final = 1e-4
"""For one person and year; a policy above it is refused."""
YEAR: Final = 365 * DAY
TOKEN_BITS: Final = 256
"""Of what a link, a cookie or a redirect carries (`security.tokens.new_token`)."""
TOKENS_OF_ONE: Final = 1_000
"""More than one person ever has alive at once."""
REQUESTS_A_SECOND: Final = 10_000
"""More than any installation answers."""


@dataclass(frozen=True)
class Way:
    """One way to guess: how many guesses a year has, and how likely each is right. `keys` are the figures behind it."""

    words: str
    guesses: float
    right: float
    keys: str

    @property
    def odds(self) -> float:
        """That one of a year's guesses is right: at most their sum."""
        return self.guesses * self.right


def in_a_year(rate: Rate) -> float:
    """The most acts that fit into a year: what may come at once, and what is allowed again while it lasts."""
    return rate.limit * (1 + YEAR / rate.per)


def in_days(a_day: int) -> float:
    """The same for what is counted by calendar days, of which a year that begins at noon touches one more."""
    return a_day * (YEAR / DAY + 1)


def ways(policy: Policy) -> list[Way]:
    """Every way that this policy leaves, links included."""
    tries, code = policy.tries, 1 / 10**codes.DIGITS
    found = [Way("a link or cookie", *_links(), "tokens of 256 bits")]
    sent = [method for method in SENT if policy.level_of(method)]
    if sent:
        guesses = in_days(tries.wrong_a_day)
        found.append(Way(f"codes by {_or(sent)}, from a handle that is not bound", guesses, code, "wrong_a_day"))
    if policy.level_of(Method.TOTP):
        # Of each authenticator of the binding the codes of several steps are right at once.
        right = tries.authenticators * totp.ACCEPTED_STEPS / 10**totp.DIGITS
        words = "authenticator codes, with the bound handle stolen"
        found.append(Way(words, in_a_year(tries.bound), right, "bound, authenticators"))
    elif sent:
        found.append(Way(f"codes by {_or(sent)}, with the bound handle stolen", in_a_year(tries.bound), code, "bound"))
    if policy.handles.direct_message:
        found.append(Way("codes by direct message, at the handle", in_a_year(tries.message), code, "message"))
        guesses = in_a_year(tries.answered) * tries.per_code
        found.append(Way("codes that go back to an account that wrote", guesses, code, "answered, per_code"))
    return found


def takeover(policy: Policy) -> float:
    """The odds for one person and year, all ways together."""
    return min(1.0, sum(way.odds for way in ways(policy)))


def among_all(policy: Policy) -> float:
    """How many customers a year everybody who guesses can expect to hit, however many customers there are."""
    sent = any(policy.level_of(method) for method in SENT)
    return in_a_year(policy.tries.everybody) / 10**codes.DIGITS if sent else 0.0


def _links() -> tuple[float, float]:
    return REQUESTS_A_SECOND * (YEAR / timedelta(seconds=1)), TOKENS_OF_ONE / 2**TOKEN_BITS


def _or(methods: list[Method]) -> str:
    return " or ".join({"sms": "SMS", "email": "e-mail"}[method] for method in methods)
