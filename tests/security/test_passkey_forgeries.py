"""Forged WebAuthn answers are refused, each for its own fault, and none is accepted.

The same answer without its one change is accepted, so that no forgery is refused for a mistake of the forger.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from security.errors import PasskeyRefused
from security.passkeys import check_assertion, check_registration, new_challenge
from tests.security.forged_passkeys import ANSWERS, MADE, made, question
from tests.security.test_passkeys import PARTY


@pytest.mark.parametrize("name", ANSWERS)
def test_a_forged_answer_is_refused_for_its_own_reason(name: str) -> None:
    forge, reason = ANSWERS[name]
    asked = question()
    forged = forge(asked)
    with pytest.raises(PasskeyRefused) as refused:
        asked.accepts(forged)
    assert refused.value.reason == reason
    asked.key.counter = 20
    assert asked.accepts(asked.key.get(asked.asked))


def test_a_replayed_answer_is_no_answer_to_the_next_question() -> None:
    asked = question()
    answer = asked.key.get(asked.asked)
    assert asked.accepts(answer)
    with pytest.raises(PasskeyRefused) as refused:
        replace(asked, challenge=new_challenge()).accepts(answer)
    assert refused.value.reason == "challenge"


def test_the_same_answer_twice_falls_to_the_counter_even_where_the_question_came_back() -> None:
    asked = question()
    answer = asked.key.get(asked.asked)
    counted = check_assertion(answer, party=PARTY, challenge=asked.challenge, stored=asked.known)
    asked.known = replace(asked.known, sign_count=counted.sign_count)
    with pytest.raises(PasskeyRefused) as refused:
        asked.accepts(answer)
    assert refused.value.reason == "counter"


@pytest.mark.parametrize("name", MADE)
def test_a_forged_registration_is_refused_for_its_own_reason(name: str) -> None:
    answer, challenge = made(name)
    with pytest.raises(PasskeyRefused) as refused:
        check_registration(answer, party=PARTY, challenge=challenge)
    assert refused.value.reason == MADE[name][1]
