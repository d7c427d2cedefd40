"""Authenticator codes: RFC 6238's own vectors, the window of two steps, and no code twice."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from security.errors import CodeRefused, CodeReplayed, WeakKey
from security.secret import Secret
from security.totp import DIGITS, STEP, check, code_at, new_secret, provisioning_uri, step_at

# RFC 6238 appendix B, SHA-1.
RFC_SECRET = Secret(b"12345678901234567890")
RFC_CODES = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]
NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
STEP_AT_NOON = int(NOON.timestamp()) // 30


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@pytest.mark.parametrize(("at", "code"), RFC_CODES)
def test_codes_are_those_of_the_rfc(at: int, code: str) -> None:
    moment = datetime.fromtimestamp(at, UTC)
    assert code_at(RFC_SECRET, moment) == code
    assert check(RFC_SECRET, code, moment, None) == at // 30 == step_at(moment)


def test_current_and_previous_step_pass_and_no_other() -> None:
    for late, expected in ((0, STEP_AT_NOON), (29.999, STEP_AT_NOON), (30, STEP_AT_NOON), (59.999, STEP_AT_NOON)):
        assert check(RFC_SECRET, code_at(RFC_SECRET, NOON), NOON + seconds(late), None) == expected
    for late in (60, 90, -0.001, -30):
        with pytest.raises(CodeRefused) as refused:
            check(RFC_SECRET, code_at(RFC_SECRET, NOON), NOON + seconds(late), None)
        assert not isinstance(refused.value, CodeReplayed)


def test_a_code_does_not_work_twice_within_its_step() -> None:
    code = code_at(RFC_SECRET, NOON)
    used = check(RFC_SECRET, code, NOON, None)
    with pytest.raises(CodeReplayed):
        check(RFC_SECRET, code, NOON + seconds(20), used)


def test_a_code_does_not_work_again_as_the_previous_step() -> None:
    code = code_at(RFC_SECRET, NOON)
    used = check(RFC_SECRET, code, NOON, None)
    with pytest.raises(CodeReplayed):
        check(RFC_SECRET, code, NOON + seconds(30), used)


def test_after_a_new_code_the_older_one_is_dead_although_unused() -> None:
    older, newer = code_at(RFC_SECRET, NOON - seconds(30)), code_at(RFC_SECRET, NOON)
    used = check(RFC_SECRET, newer, NOON, None)
    with pytest.raises(CodeReplayed):
        check(RFC_SECRET, older, NOON, used)


def test_the_next_steps_code_works_after_this_ones() -> None:
    used = check(RFC_SECRET, code_at(RFC_SECRET, NOON), NOON, None)
    later = NOON + seconds(30)
    assert check(RFC_SECRET, code_at(RFC_SECRET, later), later, used) == used + 1


def test_a_clock_set_back_does_not_revive_codes() -> None:
    with pytest.raises(CodeReplayed):
        check(RFC_SECRET, code_at(RFC_SECRET, NOON), NOON, STEP_AT_NOON + 100)


def test_a_wrong_code_is_not_called_a_replay() -> None:
    with pytest.raises(CodeRefused) as refused:
        check(RFC_SECRET, "00000000", NOON, STEP_AT_NOON + 100)
    assert type(refused.value) is CodeRefused


def test_a_code_that_fits_both_steps_counts_for_the_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("security.totp._code_of", lambda _secret, _step: "12345678")
    used = check(RFC_SECRET, "12345678", NOON, None)
    assert used == STEP_AT_NOON
    with pytest.raises(CodeReplayed):
        check(RFC_SECRET, "12345678", NOON, used)


@pytest.mark.parametrize(
    "typed", ["", "1234567", "123456789", "٩٤٢٨٧٠٨٢", "９４２８７０８２", "9428708x", "-4287082", "9" * 100_000]
)
def test_what_is_not_eight_ascii_digits_is_refused(typed: str) -> None:
    with pytest.raises(CodeRefused):
        check(RFC_SECRET, typed, datetime.fromtimestamp(59, UTC), None)


def test_a_right_code_passes_with_spaces() -> None:
    assert check(RFC_SECRET, " 9428 7082 ", datetime.fromtimestamp(59, UTC), None) == 1


def test_the_time_zone_of_the_time_does_not_matter() -> None:
    rome = NOON.astimezone(timezone(timedelta(hours=1)))
    assert code_at(RFC_SECRET, rome) == code_at(RFC_SECRET, NOON)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        check(RFC_SECRET, "94287082", NOON.replace(tzinfo=None), None)


def test_the_first_step_of_all_has_no_previous_one() -> None:
    first = datetime.fromtimestamp(0, UTC)
    assert check(RFC_SECRET, code_at(RFC_SECRET, first), first, None) == 0
    with pytest.raises(CodeRefused):
        check(RFC_SECRET, "00000000", first, None)


def test_new_secrets_are_random_and_long_enough() -> None:
    assert {len(new_secret().reveal()) for _ in range(20)} == {20}
    assert len({new_secret().reveal() for _ in range(20)}) == 20


def test_a_secret_of_16_bytes_is_the_shortest() -> None:
    assert len(code_at(Secret(b"1234567890123456"), NOON)) == 8
    with pytest.raises(WeakKey):
        code_at(Secret(b"123456789012345"), NOON)


def test_the_provisioning_address_tells_the_app_all_it_needs() -> None:
    uri = urlsplit(provisioning_uri(RFC_SECRET, "g.rossi & co", "Banca Esempio"))
    query = parse_qs(uri.query)
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", "/Banca Esempio:g.rossi & co")
    assert query["secret"] == ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]
    assert query["issuer"] == ["Banca Esempio"]
    assert query["digits"] == [str(DIGITS)]
    assert query.get("period", ["30"]) == [str(STEP)]
    assert query.get("algorithm", ["SHA1"]) == ["SHA1"]
