"""New passwords: long ones of any characters, unless they are made of what is tried first."""

from __future__ import annotations

import pytest

from app.agents.errors import GuessablePassword, WeakPassword
from app.agents.new_passwords import LONGEST, SHORTEST, require_good

WORDS = ("Banca Esempio", "giulia.rossi", "Giulia Rossi")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "pèrché-no? 7 cavalli",
        "tqv vkr xmd hzw pbn",
        "94716028355190274",
        "Zw!9_kQ7 Zw!9_kQ8",
        "バンコ・デッラ・フィドゥーチャの合言葉",
        "la banca non lo sa mai",
        "x7 " * 5 + "altro ancora",
        "tqvkrxmdhzwpbnyfg" + "q" * (LONGEST - 17),
    ],
)
def test_a_password_of_any_characters_is_taken(password: str) -> None:
    require_good(password, WORDS)


@pytest.mark.parametrize("length", [0, SHORTEST - 1, LONGEST + 1])
def test_a_password_has_15_to_256_characters(length: int) -> None:
    with pytest.raises(WeakPassword) as refused:
        require_good(("tqvkrxmdhzwpbnyfg" * 20)[:length], WORDS)
    assert refused.value.code == "weak_password"


@pytest.mark.parametrize(
    "password",
    [
        "password password",
        "Password2026!Password",
        "RiserboAdministrator1!",
        "BancaEsempio2026!",
        "banca esempio 2026",
        "Giulia.Rossi.1984",
        "rossi rossi 1984 x",
        "benvenutobenvenuto",
        "aaaaaaaaaaaaaaaaaaaa",
        "abababababababababab",
        "tqvktqvktqvktqvk",
        "123456789012345",
        "098765432109876",
        "qwertyuiopasdfgh",
        "abcdefghijklmnopq",
        "1qaz2wsx3edc4rfv",
        "qwertyuiop123456789",
        "Summer2026Summer2026",
    ],
)
def test_a_password_made_of_what_is_tried_first_is_refused(password: str) -> None:
    assert len(password) >= SHORTEST
    with pytest.raises(GuessablePassword) as refused:
        require_good(password, WORDS)
    assert refused.value.code == "guessable_password"


def test_the_words_of_one_bank_are_not_another_ones() -> None:
    require_good("Banca Esempio tqv", ("Cassa Rurale",))
    with pytest.raises(GuessablePassword):
        require_good("Banca Esempio tqv", ("Banca Esempio",))
