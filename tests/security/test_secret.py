"""Secrets: what must not happen to them by accident."""

import copy
import dataclasses
import pickle

import pytest

from security.secret import Secret

VALUE = b"\x07Banca-Esempio-key\xff" * 2


def test_secret_prints_nothing_of_itself_in_any_form() -> None:
    secret = Secret(VALUE)
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>20}", "%s" % secret, repr([secret])):  # noqa: UP031
        assert "Banca" not in shown
        assert "<secret>" in shown


def test_secret_gives_its_bytes_only_by_reveal() -> None:
    secret = Secret(VALUE)
    assert secret.reveal() == VALUE
    with pytest.raises(TypeError):
        bytes(secret)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        vars(secret)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_secret_cannot_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(VALUE), protocol)


def test_secret_cannot_be_copied_or_exported() -> None:
    @dataclasses.dataclass
    class Holder:
        key: Secret

    with pytest.raises(TypeError):
        copy.copy(Secret(VALUE))
    with pytest.raises(TypeError):
        copy.deepcopy(Secret(VALUE))
    with pytest.raises(TypeError):
        dataclasses.asdict(Holder(Secret(VALUE)))
    with pytest.raises(TypeError):
        Secret(VALUE).__getstate__()


def test_secret_compares_by_value_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return a == b

    monkeypatch.setattr("security.secret.hmac.compare_digest", compare)
    assert Secret(b"same") == Secret(b"same")
    assert Secret(b"same") != Secret(b"othr")
    assert len(compared) == 2


def test_secret_equals_nothing_but_a_secret() -> None:
    assert Secret(b"same") != b"same"
    assert Secret(b"same") != "same"


def test_secret_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Secret(VALUE))


@pytest.mark.parametrize("value", ["text", bytearray(b"bytes"), memoryview(b"bytes"), None, 7])
def test_secret_refuses_what_is_not_bytes_without_quoting_it(value: object) -> None:
    with pytest.raises(TypeError) as refused:
        Secret(value)  # type: ignore[arg-type]
    assert str(value) not in str(refused.value)
