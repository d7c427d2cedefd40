"""Forms have one reading: each field once, in UTF-8, without what no database stores."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import UnsupportedMediaType
from app.http.forms import MAX_FIELDS, FormRefused, read_form, strict_form
from tests.app.http.asgi import request_with


def test_fields_are_decoded_and_blank_ones_kept() -> None:
    assert read_form(b"a=1&b=%C3%A8+%2B&c=&d=x%0D%0Ay") == {"a": "1", "b": "è +", "c": "", "d": "x\r\ny"}
    assert read_form(b"") == {}


@pytest.mark.parametrize(
    "body",
    [
        b"a=1&a=2",
        b"a=1&%61=2",
        b"a=%ff",
        b"%ff=a",
        b"a=%00",
        b"%00=a",
        b"a=%ed%a0%80",
        "a=è".encode(),
        b"a=\xff",
        b"&".join(b"a%d=1" % number for number in range(MAX_FIELDS + 1)),
    ],
)
def test_form_with_two_readings_is_refused(body: bytes) -> None:
    with pytest.raises(FormRefused):
        read_form(body)


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=10))
def test_whatever_a_browser_encodes_is_read_back_or_refused(fields: dict[str, str]) -> None:
    body = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in fields.items()).encode()
    if any("\x00" in text for pair in fields.items() for text in pair):
        with pytest.raises(FormRefused):
            read_form(body)
    else:
        assert read_form(body) == fields


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        fields = read_form(body)
    except FormRefused:
        return
    assert all("\x00" not in text for pair in fields.items() for text in pair)


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "text/plain", "application/json", ""])
async def test_other_content_is_not_a_form(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        await strict_form(request_with(b"a=1", content_type))


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded; charset=UTF-8"])
async def test_form_is_read_from_the_request(content_type: str | None) -> None:
    assert await strict_form(request_with(b"a=1", content_type)) == {"a": "1"}
