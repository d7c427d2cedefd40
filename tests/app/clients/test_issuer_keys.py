"""The keys of the bank's issuer: kept, asked for anew sparingly, and good for a day while the issuer is away."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.agents.issuer_keys import AT_MOST_EVERY, KEPT_FOR, STALE_AFTER, PublishedKeys
from app.outbound import OutboundFailed, OutboundResponse
from security.errors import UnknownSigner
from security.jwts import SigningKey


@dataclass
class Issuer:
    """Stands for the outbound client and what is behind it."""

    keys: list[SigningKey] = field(default_factory=lambda: [SigningKey.new()])
    status: int = 200
    body: bytes | None = None
    asked: int = 0

    async def request(self, method: str, url: str, **_options: Any) -> OutboundResponse:
        assert (method, url) == ("GET", "https://login.bank.example/keys")
        self.asked += 1
        await asyncio.sleep(0)
        if self.status == 0:
            raise OutboundFailed("ConnectError")
        body = self.body or json.dumps({"keys": [key.public_jwk() for key in self.keys]}).encode()
        return OutboundResponse(self.status, {}, body)


class Time:
    """The event loop's time, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("app.agents.issuer_keys.asyncio.get_running_loop", lambda: self)

    def time(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def keys(issuer: Issuer) -> PublishedKeys:
    return PublishedKeys(issuer, "https://login.bank.example/keys")  # type: ignore[arg-type]


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


async def knows(keys: PublishedKeys, key: SigningKey, *, fresh: bool = False) -> bool:
    try:
        (await keys.verification_keys(fresh=fresh)).find(key.kid, "ES256")
    except UnknownSigner:
        return False
    return True


async def test_keys_are_asked_for_once_and_kept(issuer: Issuer, keys: PublishedKeys, time: Time) -> None:
    await asyncio.gather(*(keys.verification_keys() for _ in range(5)))
    time.now += KEPT_FOR - 1
    assert await knows(keys, issuer.keys[0])
    assert issuer.asked == 1
    time.now += 1
    await keys.verification_keys()
    assert issuer.asked == 2


async def test_unknown_keys_make_us_ask_at_most_twice_a_minute(issuer: Issuer, keys: PublishedKeys, time: Time) -> None:
    await keys.verification_keys()
    added = SigningKey.new()
    issuer.keys.append(added)
    for _ in range(20):
        assert not await knows(keys, added, fresh=True)
    assert issuer.asked == 1
    time.now += AT_MOST_EVERY
    assert await knows(keys, added, fresh=True)
    for _ in range(20):
        await keys.verification_keys(fresh=True)
    assert issuer.asked == 2


async def test_the_last_keys_serve_on_while_the_issuer_is_away(issuer: Issuer, keys: PublishedKeys, time: Time) -> None:
    await keys.verification_keys()
    issuer.status = 0
    time.now += STALE_AFTER
    assert await knows(keys, issuer.keys[0])
    assert issuer.asked == 2
    time.now += AT_MOST_EVERY
    with pytest.raises(OutboundFailed):
        await keys.verification_keys()


@pytest.mark.parametrize(
    ("status", "body"), [(0, None), (404, None), (503, None), (200, b"<html>"), (200, b'{"keys": []}'), (200, b"[]")]
)
async def test_an_issuer_without_keys_is_asked_again_after_half_a_minute(
    issuer: Issuer, keys: PublishedKeys, time: Time, status: int, body: bytes | None
) -> None:
    issuer.status, issuer.body = status, body
    for _ in range(5):
        with pytest.raises(OutboundFailed):
            await keys.verification_keys()
    assert issuer.asked == 1
    issuer.status, issuer.body = 200, None
    time.now += AT_MOST_EVERY
    assert await knows(keys, issuer.keys[0])
