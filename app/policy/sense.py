"""What contradicts itself, or the norms: each sentence names the keys, what is wrong and what would be right.

An installation whose policy has one of these does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

from app.permissions import Level
from app.policy import odds
from app.policy.figures import CODES, DAY, HOUR, MINUTE, PARTS, READABLE, Method, Policy, Rate
from app.policy.words import spelt

HANDLE_METHODS: Final = ("sign_in", "direct_message")

RTS_IDLE: Final = "RTS 2018/389 article 4(3)(d)"
RTS_TRIES: Final = "RTS 2018/389 article 4(3)(b)"
NIST_SESSION: Final = "NIST SP 800-63B-4"
MOST: Final[Mapping[str, tuple[timedelta | int, str]]] = {
    "lifetimes.handle_code": (10 * MINUTE, "NIST SP 800-63B-4, ASVS 6.5.5"),
    "lifetimes.customer_code": (10 * MINUTE, "NIST SP 800-63B-4, ASVS 6.5.5"),
    "lifetimes.redirect": (10 * MINUTE, "ASVS 6.5.5"),
    "phone.quiet": (2400 * HOUR, "CAMARA SIM Swap"),
    "lifetimes.binding": (180 * DAY, "RTS 2018/389 article 10"),
    "lifetimes.customer_again": (180 * DAY, "RTS 2018/389 article 10"),
    "sessions.visitor": (12 * HOUR, NIST_SESSION),
    "sessions.level_2.idle": (HOUR, NIST_SESSION),
    "sessions.level_2.absolute": (12 * HOUR, NIST_SESSION),
    "sessions.level_3.idle": (5 * MINUTE, RTS_IDLE),
    "sessions.level_3.absolute": (12 * HOUR, NIST_SESSION),
    "sessions.level_4.idle": (5 * MINUTE, RTS_IDLE),
    "sessions.level_4.absolute": (12 * HOUR, NIST_SESSION),
    "sessions.staff.idle": (HOUR, NIST_SESSION),
    "sessions.staff.absolute": (12 * HOUR, NIST_SESSION),
    "sessions.api": (12 * HOUR, NIST_SESSION),
    "tries.per_code": (5, RTS_TRIES),
    "tries.pair.in_a_row": (5, RTS_TRIES),
    "tries.wrong_a_day": (100, NIST_SESSION),
    "tries.wrong_in_all": (100, NIST_SESSION),
}
"""The norms' largest figures. An installation may be stricter, never looser."""

NOT_LONGER: Final = (
    ("lifetimes.handle_code", "lifetimes.attempt"),
    ("lifetimes.customer_code", "lifetimes.attempt"),
    ("lifetimes.redirect", "lifetimes.attempt"),
    ("lifetimes.handle_proof", "lifetimes.attempt"),
    ("lifetimes.customer_proof", "lifetimes.attempt"),
    ("lifetimes.attempt", "sessions.visitor"),
    # or what was proved before "this was not me", or the bank's word, would still count after it
    ("lifetimes.attempt", "lifetimes.freeze"),
    ("lifetimes.handle_again", "lifetimes.binding"),
    ("sessions.level_2.idle", "sessions.level_2.absolute"),
    ("sessions.level_3.idle", "sessions.level_3.absolute"),
    ("sessions.level_4.idle", "sessions.level_4.absolute"),
    ("sessions.staff.idle", "sessions.staff.absolute"),
    ("tries.pair.first_lock", "tries.pair.longest_lock"),
)
MAY_BE_ZERO: Final = ("phone.quiet", "sending.gap")


class Named(Protocol):
    """A connector, as far as a policy looks at it."""

    @property
    def name(self) -> str: ...  # noqa: D102


class ProviderFacts(Named, Protocol):
    """An identity provider: where its people approve, and which acr are said to be relay-resistant."""

    @property
    def approval(self) -> str: ...  # noqa: D102
    @property
    def relay_resistant(self) -> Mapping[str, Level]: ...  # noqa: D102


@dataclass(frozen=True)
class Ground:
    """What a policy is laid over. `connectors` None: not known yet, so that brands are taken at their word."""

    providers: Sequence[ProviderFacts] = ()
    connectors: Sequence[str] | None = None


def ground_of(providers: Sequence[ProviderFacts], connectors: Sequence[Named]) -> Ground:
    """The installation that the policy is laid over."""
    return Ground(providers, [one.name for one in connectors])


def contradictions(policy: Policy, ground: Ground = Ground()) -> list[str]:
    """Everything that keeps this policy from being used; empty for the default one."""
    looks: Sequence[Callable[[Policy, Ground], Iterator[str]]] = (
        _methods,
        _step_up,
        _needs,
        _reach,
        _brands,
        _relay,
        _odds,
    )
    return [*_figures(policy), *(line for look in looks for line in look(policy, ground))]


def figures(policy: Policy) -> dict[str, Any]:
    """Every figure by its key in the file, such as `tries.pair.in_a_row`."""
    return dict(_walk(policy, ""))


def _walk(part: Any, place: str) -> Iterator[tuple[str, Any]]:
    for one in fields(part):
        value, name = getattr(part, one.name), f"{place}.{one.name}".lstrip(".")
        if is_dataclass(value) and not isinstance(value, Rate):
            yield from _walk(value, name)
        else:
            yield name, value


def _figures(policy: Policy) -> Iterator[str]:
    found = figures(policy)
    for name, value in found.items():
        if name not in MAY_BE_ZERO and _is_nothing(value):
            yield f"{name} is nothing: it must be more than zero"
    for name, (most, source) in MOST.items():
        if found[name] > most:
            yield f"{name} is {spelt(found[name])}; at most {spelt(most)} ({source})"
    for shorter, longer in NOT_LONGER:
        if found[shorter] > found[longer]:
            yield f"{shorter} is {spelt(found[shorter])}, longer than {longer} with {spelt(found[longer])}"


def _is_nothing(value: object) -> bool:
    if isinstance(value, Rate):
        return value.limit < 1
    if isinstance(value, timedelta):
        return value <= timedelta()
    return isinstance(value, int) and not isinstance(value, Level) and value < 1


def _methods(policy: Policy, _ground: Ground) -> Iterator[str]:
    for name, level in vars(policy.methods).items():
        if level == Level.L1:
            yield f"methods.{name} is 1: level 1 opens no room; 0 switches a method off"
    for name, level in vars(policy.handles).items():
        if level == Level.L1:
            yield f"handles.{name} is 1: level 1 opens no room; 0 switches this way off"
    for code in CODES:
        if getattr(policy.methods, code) > Level.L2:
            yield f"methods.{code} is {getattr(policy.methods, code):d}: what is typed can be relayed, so 2 at most"
    if policy.methods.identity > Level.L2:
        yield (
            f"methods.identity is {policy.methods.identity:d}: an answer that nobody lists as relay-resistant counts"
            " as 2 at most; list its acr at the provider instead"
        )
    if policy.methods.passkey > Level.L3:
        yield "methods.passkey is 4: a passkey that is synced can be copied, so 3 at most (NIST SP 800-63B-4, AAL3)"
    if policy.handles.direct_message > Level.L3:
        yield "handles.direct_message is 4: a code sent by direct message can be relayed, so 3 at most"


def _step_up(policy: Policy, _ground: Ground) -> Iterator[str]:
    for method in sorted(policy.step_up):
        if method in CODES:
            yield f"step_up names {method}: two typed codes never give more than level 2, whichever they are"
        elif not policy.offers_method(method, None):
            yield f"step_up names {method}, which is switched off"


def _needs(policy: Policy, _ground: Ground) -> Iterator[str]:
    needs = policy.needs
    levels = [policy.needed(kind) for kind in READABLE]
    if levels != sorted(levels) or needs.general < Level.L1:
        yield "needs: general, case, account and identity must not fall, and begin at 1 or more"
    if needs.case != Level.L2:
        yield f"needs.case is {needs.case:d}: it is 2, the class of what a customer writes at level 2"
    if needs.account < Level.L3:
        yield f"needs.account is {needs.account:d}: a typed code opens nothing that the bank holds, so 3 at least"


def _reach(policy: Policy, _ground: Ground) -> Iterator[str]:
    reached = best_level(policy)
    for kind in READABLE:
        if policy.needed(kind) > reached:
            yield (
                f"needs.{kind.value} is {policy.needed(kind):d}, and no method reaches it: the best one gives"
                f" {reached:d}, behind the strongest way to prove a handle"
            )


def best_level(policy: Policy, connector: str | None = None) -> Level:
    """The highest level that this policy can give, in all or for the brand behind a connector."""
    handles = [one for one in HANDLE_METHODS if policy.offers_handle(one, connector or "")]
    proofs = [
        policy.level_of(part)
        for method in Method
        if policy.offers_method(method, connector)
        for part in PARTS.get(method, (method.value,))
    ]
    behind = max((policy.level_behind(one) for one in handles), default=Level.L0)
    return min(behind, max(proofs, default=Level.L0))


def _brands(policy: Policy, ground: Ground) -> Iterator[str]:
    for name, brand in policy.brands.items():
        if ground.connectors is not None and name not in ground.connectors:
            yield f"brands.{name}: there is no such connector, so nothing is narrowed by it"
        for method in sorted(brand.methods or ()):
            if not any(policy.level_of(part) for part in PARTS.get(method, (method.value,))):
                yield f"brands.{name} offers {method}, which is switched off"
        for handle in sorted(brand.handles or ()):
            if handle not in HANDLE_METHODS:
                yield f"brands.{name}: {handle} is no way to prove a handle; sign_in and direct_message are"
            elif not policy.level_behind(handle):
                yield f"brands.{name} offers {handle}, which is switched off"
        if best_level(policy, name) < Level.L2:
            yield f"brands.{name} leaves no way in: nobody there reaches level 2"


def _relay(_policy: Policy, ground: Ground) -> Iterator[str]:
    for one in ground.providers:
        if one.approval != "browser" and one.relay_resistant:
            yield (
                f"the identity provider {one.name} is approved by {one.approval} on another device, and lists"
                f" {', '.join(sorted(one.relay_resistant))} as relay-resistant: whoever copies our page gets that"
                " approval too"
            )


def _odds(policy: Policy, _ground: Ground) -> Iterator[str]:
    found = odds.takeover(policy)
    if found > odds.MOST:
        worst = max(odds.ways(policy), key=lambda way: way.odds)
        yield (
            f"tries: the odds that somebody is taken for a given person by guessing are {found:.2e} a year, more than"
            f" {odds.MOST:.0e}; most of it by {worst.words} ({worst.keys}): {worst.guesses:.0f} guesses, each right"
            f" with {worst.right:.0e}"
        )
