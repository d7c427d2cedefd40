"""Answers that are encrypted to one question. What is refused: test_forgeries.py."""

from __future__ import annotations

import json

import pytest
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

from security.encrypted_answers import CIPHERS, AnswerKey
from tests.security.forged_answers import ANSWER, OURS, encrypted


@pytest.mark.parametrize("cipher", CIPHERS)
def test_an_answer_is_read_with_the_key_of_its_question(cipher: str) -> None:
    assert OURS.decrypt(encrypted(enc=cipher, apu="YQ", apv="Yg")) == ANSWER


def test_what_another_implementation_encrypts_is_read() -> None:
    header = {"alg": "ECDH-ES", "enc": "A128GCM", "kid": OURS.kid}
    sealed = JWE(json.dumps(ANSWER), json.dumps(header), recipient=JWK(**OURS.public_jwk()))
    assert OURS.decrypt(sealed.serialize(compact=True)) == ANSWER


def test_a_key_outlives_its_process_in_a_sealed_place_only() -> None:
    again = AnswerKey.of_jwk(json.loads(json.dumps(OURS.private_jwk())))
    assert again.decrypt(encrypted()) == ANSWER
    assert "d" not in OURS.public_jwk()
    assert OURS.private_jwk()["d"] not in repr(OURS)
