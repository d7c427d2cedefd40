"""What an issuer's list says of a credential. What is refused: test_forgeries.py."""

from __future__ import annotations

import pytest

from security.status_lists import Reference, StatusList, read_reference
from tests.security.forged_jwts import AT
from tests.security.forged_presentations import PID, STATIC
from tests.security.forged_status_lists import NUMBERS, URI, listed, referred, shown, squeezed, status_list


def test_numbers_of_one_bit_stand_lowest_first() -> None:
    """The example of the specification: 0xB9 0xA3."""
    found = listed()
    assert [found.at(index) for index in range(16)] == [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("bits", "data", "numbers"),
    [(2, [0b11_01_00_10], [2, 0, 1, 3]), (4, [0x21, 0x43], [1, 2, 3, 4]), (8, [0, 255], [0, 255])],
)
def test_numbers_may_be_wider(bits: int, data: list[int], numbers: list[int]) -> None:
    found = StatusList(bits, bytes(data))
    assert [found.at(index) for index in range(len(numbers))] == numbers


def test_a_reference_is_read() -> None:
    assert referred(idx=7) == Reference(URI, 7)
    assert read_reference({"status_list": {"idx": 0, "uri": URI}, "other": 1}) == Reference(URI, 0)


def test_an_issuer_that_is_known_by_keys_signs_with_them() -> None:
    numbers = {"bits": 1, "lst": squeezed(NUMBERS)}
    signed = PID.sign({"sub": URI, "exp": AT + 9, "status_list": numbers}, typ="statuslist+jwt")
    assert shown(signed, STATIC).at(0) == 1


def test_a_list_prints_no_numbers() -> None:
    assert repr(NUMBERS) not in repr(shown(status_list()))
