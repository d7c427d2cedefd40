"""Passwords: Argon2id, one answer for every refusal, and a dummy that costs the same."""

import unicodedata

import argon2
import pytest
from argon2.low_level import Type

from security.errors import PasswordRefused
from security.passwords import DUMMY_HASH, check_password, hash_password

PASSWORD = "pèrché-no? 7 cavalli"
HASH = hash_password(PASSWORD)


def test_a_password_passes_its_own_hash_and_no_other() -> None:
    check_password(HASH, PASSWORD)
    for wrong in (PASSWORD + " ", PASSWORD.upper(), "x"):
        with pytest.raises(PasswordRefused):
            check_password(HASH, wrong)


def test_hashes_are_argon2id_with_the_parameters_of_rfc_9106() -> None:
    for password_hash in (HASH, DUMMY_HASH):
        parameters = argon2.extract_parameters(password_hash)
        assert parameters.type is Type.ID
        assert (parameters.time_cost, parameters.memory_cost, parameters.parallelism) == (3, 65536, 4)
        assert (parameters.salt_len, parameters.hash_len) == (16, 32)


def test_the_same_password_has_another_hash_each_time() -> None:
    assert hash_password(PASSWORD) != HASH


def test_the_same_characters_from_another_keyboard_are_the_same_password() -> None:
    decomposed = unicodedata.normalize("NFD", PASSWORD)
    assert decomposed != PASSWORD
    check_password(HASH, decomposed)


def test_no_password_opens_the_dummy() -> None:
    with pytest.raises(PasswordRefused, match="wrong password"):
        check_password(DUMMY_HASH, PASSWORD)


@pytest.mark.parametrize("password", ["", "x" * 257, "\ud800"])
def test_what_cannot_be_a_password_is_refused_without_hashing(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("security.passwords._HASHER")
    with pytest.raises(PasswordRefused):
        hash_password(password)
    with pytest.raises(PasswordRefused):
        check_password(HASH, password)


@pytest.mark.parametrize(
    "stored", ["", "plain text", "$argon2id$v=19$m=65536,t=3,p=4$", "$2b$12$abcdefghijklmnopqrstuu"]
)
def test_a_stored_value_that_is_no_hash_refuses_every_password(stored: str) -> None:
    with pytest.raises(PasswordRefused):
        check_password(stored, PASSWORD)
