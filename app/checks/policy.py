"""The policy: readable, free of contradictions, and what it means in words."""

from __future__ import annotations

from app.checks.finding import Colour, Finding, Findings
from app.main import Parts
from app.policy import Policy
from app.policy.file import POLICY_FILE, judged_policy
from app.policy.sense import Ground, ground_of
from app.policy.words import explanation
from app.settings import Settings


def judged(settings: Settings, parts: Parts | None) -> tuple[Policy, list[str]]:
    """The policy and what is wrong with it; without parts (they cannot be built) only what it says by itself."""
    ground = Ground() if parts is None else ground_of(parts.providers, parts.connectors)
    return judged_policy(settings.data, ground)


def in_words(settings: Settings, parts: Parts | None) -> Findings:
    """Red for each contradiction, else what opens what, for how long, and what a stranger can try."""
    policy, wrong = judged(settings, parts)
    yield from (Finding("policy", Colour.RED, line) for line in wrong)
    if not wrong:
        there = (settings.data / POLICY_FILE).is_file()
        default = f"the strict default; {POLICY_FILE} is not there"
        yield Finding("policy", Colour.GREEN, f"{POLICY_FILE}, free of contradictions" if there else default)
        for heading, sentence in explanation(policy):
            yield Finding(f"policy, {heading}", Colour.GREEN, sentence)
