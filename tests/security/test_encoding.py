"""Encoding: one spelling for each value, in both directions."""

import json
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.encoding import b64url, canonical_json, join, unb64url
from security.errors import EncodingError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=80))
def test_base64url_returns_what_went_in(value: bytes) -> None:
    assert unb64url(b64url(value)) == value


@given(st.text(alphabet="ABab01-_+/= \n\u00e9", max_size=12))
def test_base64url_has_one_spelling_for_each_value(text: str) -> None:
    try:
        value = unb64url(text)
    except EncodingError:
        return
    assert b64url(value) == text


@pytest.mark.parametrize(
    "text",
    ["A", "AAAAA", "AB", "AAB", "AA==", "AAA=", "AA\n", " AA", "A A", "+/8", "AAé", "\uff21\uff21", "\u0661A", "AA\0"],
)
def test_base64url_refuses_a_second_spelling(text: str) -> None:
    with pytest.raises(EncodingError):
        unb64url(text)


def test_join_puts_eight_length_bytes_before_each_part() -> None:
    assert join() == b""
    assert join(b"", b"ab") == bytes(8) + b"\0\0\0\0\0\0\0\2ab"


@given(st.lists(st.binary(max_size=20), max_size=5), st.lists(st.binary(max_size=20), max_size=5))
def test_join_never_gives_two_lists_the_same_bytes(one: list[bytes], other: list[bytes]) -> None:
    assert (join(*one) == join(*other)) == (one == other)


def test_canonical_json_is_sorted_compact_and_utf8() -> None:
    value = {"b": [1, None, True, "perché \u2028"], "a": {"\uff01": "", "\U0001f600": ()}, "": -5}
    assert canonical_json(value) == (
        '{"":-5,"a":{"\uff01":"","\U0001f600":[]},"b":[1,null,true,"perché \u2028"]}'.encode()
    )


@given(PLAIN)
def test_canonical_json_reads_back_and_does_not_depend_on_order(value: object) -> None:
    encoded = canonical_json(value)
    assert json.loads(encoded) == value
    assert canonical_json(json.loads(encoded)) == encoded
    if isinstance(value, dict):
        assert canonical_json(dict(reversed(value.items()))) == encoded


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        {"a": [0.5]},
        {1: "a"},
        {None: "a"},
        {b"a": 1},
        b"bytes",
        {"a": {1, 2}},
        UUID(int=1),
        Decimal(1),
        2**53,
        -(2**53),
        2**1000,
        "\ud800",
        {"\udfff": 1},
    ],
)
def test_canonical_json_refuses_what_has_no_single_form(value: object) -> None:
    with pytest.raises(EncodingError):
        canonical_json(value)


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner,)])
def test_canonical_json_takes_31_levels_around_a_value_and_no_more(wrap: Callable[[object], object]) -> None:
    value: object = 7
    for _ in range(31):
        value = wrap(value)
    assert canonical_json(value).count(b"7") == 1
    with pytest.raises(EncodingError, match="deep"):
        canonical_json(wrap(value))


def test_canonical_json_refuses_deep_nesting_before_the_stack_ends() -> None:
    deep: object = "x"
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(EncodingError, match="deep"):
        canonical_json(deep)
