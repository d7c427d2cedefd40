"""The policy in words, for whoever answers for it: what opens what, for how long, and what a stranger can try."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from app.permissions import Level
from app.policy import odds
from app.policy.figures import DAY, HOUR, MINUTE, MONTH, Policy, Profile, Rate

LEVELS: Final = (Level.L2, Level.L3, Level.L4)
PROOFS: Final = {
    "sms": "a code by SMS",
    "email": "a code by e-mail",
    "totp": "an authenticator app",
    "passkey": "a synced passkey",
    "passkey_device_bound": "a passkey bound to its device",
    "identity": "any sign-in at an identity provider",
    "identity_relay_resistant": "a sign-in whose acr is listed",
}
HANDLES: Final = {"sign_in": "signing in at the network", "direct_message": "a code by direct message"}
NEW_BROWSER: Final = {
    "prove": "does not open it in a browser never used for it before",
    "tell": "opens it in any browser",
}
_PERIODS: Final = {HOUR: "an hour", DAY: "a day", MONTH: "a month"}
_SPANS: Final = ((DAY, "day", "days"), (HOUR, "h", "h"), (MINUTE, "min", "min"), (timedelta(seconds=1), "s", "s"))


def spelt(value: object) -> str:
    """A figure as the file writes it."""
    if isinstance(value, Rate):
        return f"{value.limit} {_PERIODS[value.per]}"
    if not isinstance(value, timedelta):
        return str(value)
    for span, one, many in _SPANS:
        if value >= span and not value % span:
            # 24 h is a day only where days are counted
            if span == DAY and value < 4 * DAY:
                continue
            return f"{value // span} {one if value == span else many}"
    return f"{int(value.total_seconds())} s"


def explanation(policy: Policy) -> list[tuple[str, str]]:
    """(heading, sentence) in the order of reading; every figure in it is the policy's own."""
    return [
        ("profile", _profile(policy)),
        *((f"level {level:d}", _level(policy, level)) for level in LEVELS),
        ("handle", _handle(policy)),
        ("a room's way up", _step_up(policy)),
        ("a try", _try(policy)),
        ("a binding", _binding(policy)),
        ("a stranger", _stranger(policy)),
        ("a thief", _thief(policy)),
        ("the odds", _odds(policy)),
        ("codes", _codes(policy)),
        ("phones", _phone(policy)),
        *_brands(policy),
        ("staff", _staff(policy)),
    ]


def _profile(policy: Policy) -> str:
    if policy.profile == Profile.ASVS_3:
        return "ASVS 5.0 level 3: neither SMS nor e-mail proves anything; notices still go there"
    return "standard: typed codes by SMS and e-mail are accepted as far as the levels below say"


def _level(policy: Policy, level: Level) -> str:
    listed = "identity_relay_resistant"
    exact = [words for name, words in PROOFS.items() if policy.level_of(name) == level and name != listed]
    more = [name for name in PROOFS if policy.level_of(name) > level]
    if Level.L3 <= level <= policy.level_of(listed):
        exact.append(f"a sign-in whose acr the provider's settings list as {level:d}")
    term = policy.sessions.customer(level)
    opened = ", ".join(kind.value for kind in policy.classes_at(level))
    by = _listed(exact) if exact else ("nothing but what proves more" if more else "nothing: nobody reaches it")
    return (
        f"opens {opened}; given by {by}; locks after {spelt(term.idle)} without activity,"
        f" ends after {spelt(term.absolute)}"
    )


def _handle(policy: Policy) -> str:
    ways = [
        f"{words} (up to level {policy.level_behind(name):d})"
        for name, words in HANDLES.items()
        if policy.level_behind(name)
    ]
    return f"proved by {_listed(ways) if ways else 'nothing'}"


def _step_up(policy: Policy) -> str:
    ways = [one.value for one in policy.step_up]
    return f"{_listed(sorted(ways))} may raise it; a typed code never does" if ways else "nothing raises it"


def _try(policy: Policy) -> str:
    lives = policy.lifetimes
    return (
        f"lasts {spelt(lives.attempt)}, in a session of {spelt(policy.sessions.visitor)};"
        f" the proved handle holds {spelt(lives.handle_proof)}, the proved customer"
        f" {spelt(lives.customer_proof)}; a code by direct message {spelt(lives.handle_code)}, by SMS or e-mail"
        f" {spelt(lives.customer_code)}; a redirect {spelt(lives.redirect)}"
    )


def _binding(policy: Policy) -> str:
    lives = policy.lifetimes
    return (
        f"holds {spelt(lives.binding)}, with {policy.tries.authenticators} authenticator apps at most;"
        f" whoever comes back proves the handle anew after {spelt(lives.handle_again)},"
        f" the customer after {spelt(lives.customer_again)}; a passkey alone {NEW_BROWSER[policy.new_browser]};"
        " after 'this was not me', or the bank's own word, it stays shut for"
        f" {spelt(lives.freeze)}"
    )


def _stranger(policy: Policy) -> str:
    tries = policy.tries
    return (
        f"has {tries.per_code} tries a code, {tries.codes_per_attempt} codes a try,"
        f" {tries.pair.in_a_row} wrong ones in a row, then waits {spelt(tries.pair.first_lock)}, doubling up to"
        f" {spelt(tries.pair.longest_lock)}; all of them together {tries.wrong_a_day} wrong ones a day at one customer"
        f" and {spelt(tries.message)} at one account, beside {spelt(tries.answered)} codes that go back to an account"
        f" that wrote; {spelt(tries.by_handle)} by one handle, {spelt(tries.by_network)}"
        f" from one network, {spelt(tries.everybody)} by everybody, at all customers that they are not bound to"
    )


def _thief(policy: Policy) -> str:
    tries = policy.tries
    return (
        f"of a bound handle has {spelt(tries.bound)} wrong codes at its customer; after {tries.wrong_in_all} since the"
        " last right one, typed codes are over for that pair"
    )


def _odds(policy: Policy) -> str:
    parts = "; ".join(f"{way.odds:.2e} by {way.words} ({way.guesses:.0f} guesses)" for way in odds.ways(policy))
    return (
        f"that somebody is taken for a given person by guessing, in a year of trying at every chance:"
        f" {odds.takeover(policy):.2e}, at most {odds.MOST:.0e} ({parts}); of all customers together"
        f" {odds.among_all(policy):.2g} a year to be expected, at level 2, in an empty room"
    )


def _codes(policy: Policy) -> str:
    sending = policy.sending
    return (
        f"by direct message {spelt(sending.handle_account)} for an account, {spelt(sending.handle_network)} for a"
        f" visitor's network, {spelt(sending.handle_connector)} in all; to a customer {spelt(sending.customer_pair)}"
        f" for a pair, {spelt(sending.customer_new_pairs)} for all new pairs together; a second code to one place waits"
        f" {spelt(sending.gap)}, and each further one twice as long"
    )


def _phone(policy: Policy) -> str:
    if not policy.phone.quiet:
        return "a changed SIM or number is not looked at"
    unknown = "gets none either" if policy.phone.unknown == "refuse" else "gets one all the same"
    return (
        f"no code by SMS for {spelt(policy.phone.quiet)} after a change of SIM or number, where a source says when;"
        f" a phone that the source does not know {unknown}"
    )


def _brands(policy: Policy) -> Iterator[tuple[str, str]]:
    for name, brand in sorted(policy.brands.items()):
        handles = _listed(sorted(brand.handles)) if brand.handles is not None else "every way"
        methods = _listed(sorted(brand.methods)) if brand.methods is not None else "every method"
        yield f"brand {name}", f"{handles} for the handle, {methods} for the customer"


def _staff(policy: Policy) -> str:
    terms = policy.sessions
    return (
        f"the console ends after {spelt(terms.staff.idle)} without activity or {spelt(terms.staff.absolute)},"
        f" a token after {spelt(terms.api)}"
    )


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}" if words else "nothing"
