from __future__ import annotations

import pytest

from tests.security.leaks.corpora import Row, read, rows, verdict_of


def test_the_corpora_are_large_enough_to_mean_something() -> None:
    assert len(rows("block")) >= 150
    assert len(rows("allow")) >= 150


@pytest.mark.parametrize("row", rows("block"), ids=lambda row: ascii(row["text"])[:60])
def test_what_must_not_leave_is_blocked_and_named(row: Row) -> None:
    blocking = {leak.kind for leak in read(row) if leak.severity == "block"}
    assert blocking & set(row["kinds"])


@pytest.mark.parametrize("row", rows("allow"), ids=lambda row: ascii(row["text"])[:60])
def test_an_ordinary_reply_passes_without_a_word(row: Row) -> None:
    assert read(row) == ()


@pytest.mark.parametrize("row", rows("warn"), ids=lambda row: ascii(row["text"])[:60])
def test_a_weak_sign_warns_and_no_more(row: Row) -> None:
    leaks = read(row)
    assert verdict_of(leaks) == "warn"
    assert {leak.kind for leak in leaks} & set(row["kinds"])


@pytest.mark.parametrize("row", rows("block"), ids=lambda row: ascii(row["text"])[:60])
def test_every_place_lies_in_the_original_and_none_overlap(row: Row) -> None:
    end = 0
    for leak in read(row):
        assert end <= leak.start < leak.end <= len(row["text"])
        end = leak.end
