"""One reading of a request's token: what admission counts is what the application looks up."""

from __future__ import annotations

import pytest

from app.http.session_tokens import Presented, TokenPlace

COOKIE = TokenPlace("__Host-a")
EITHER = TokenPlace("__Host-a", bearer=True)
Fields = list[tuple[bytes, bytes]]


@pytest.mark.parametrize(
    ("fields", "token"),
    [
        ([(b"cookie", b"__Host-a=one")], "one"),
        ([(b"cookie", b"language=it; __Host-a=one ;x=y")], "one"),
        ([(b"cookie", b"__Host-a=one; __Host-a=two")], "two"),
        ([(b"cookie", b"__Host-a=one"), (b"cookie", b"__Host-a=two")], "two"),
        ([(b"cookie", b"__Host-a-staff=one; x__Host-a=two; a=__Host-a=three")], None),
        ([(b"cookie", b"__Host-a=; b=c")], None),
        ([(b"authorization", b"Bearer two"), (b"cookie", b"__Host-a=one")], "one"),
        ([], None),
    ],
)
def test_of_a_cookie_the_last_one_counts_and_no_other_name(fields: Fields, token: str | None) -> None:
    assert COOKIE.find(fields) == (None if token is None else Presented(False, token))


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"Bearer one", Presented(True, "one")),
        (b"bEARER   one ", Presented(True, "one")),
        (b"Bearer", Presented(True, "")),
        (b"Basic YTpi", Presented(True, "")),
        (b"", Presented(False, "two")),
    ],
)
def test_an_authorization_goes_before_the_cookie_also_if_it_is_none_of_ours(header: bytes, found: Presented) -> None:
    assert EITHER.find([(b"cookie", b"__Host-a=two"), (b"authorization", header)]) == found


def test_no_token_prints() -> None:
    assert "two" not in repr(COOKIE.find([(b"cookie", b"__Host-a=two")]))
