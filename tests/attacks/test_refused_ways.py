"""Every proof that must not count, in one table: on each way, whose answer, from where, of when.

Each row is refused, in the words that everybody gets, with a leaf that alone says why. Elsewhere stand: what a real
provider's tokens can be made to say (tests/app/binding/test_openid_answers.py, test_openid_ways.py), what a wallet can
send (test_wallet_attacks.py there), typed codes (test_attack_list.py here; test_customer_codes.py, test_authenticators.py
there), and what Chromium itself refuses (tests/journeys/test_passkeys_in_chromium.py).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import pytest
import pytest_asyncio

from app.demo.playing.http_client import Answer
from app.demo.playing.steps_passkey import new_device
from tests.attacks import redirect_attacks as by_redirect
from tests.attacks import tap_attacks as by_tap
from tests.attacks.redirect_attacks import Ground
from tests.attacks.tap_attacks import Device
from tests.attacks.town import Town
from tests.attacks.ways import Way, all_ways
from tests.support.wallet_site import open_wallet

pytestmark = pytest.mark.asyncio(loop_scope="module")
CHANGING: Final = frozenset({"x-request-id", "date"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(town: Town) -> AsyncIterator[Ground]:
    async with open_wallet(town.bank) as wallet:
        yield Ground(town, all_ways(wallet))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def device(town: Town) -> Device:
    """Giulia's, with a passkey that she made in her room at level 3."""
    return await by_tap.enrolled(town)


Attack = Callable[[Ground, Way], Awaitable[Answer]]
OVER: Final = ["foreign_browser", "replayed"]
"""After a foreign browser the redirect is over for the attacker's own as well."""
TABLE: Final[dict[Attack, dict[str, str | list[str]]]] = {
    by_redirect.wrong_account: {"network": "other_account", "openid": "unknown_customer", "wallet": "unknown_customer"},
    by_redirect.foreign_browser: dict.fromkeys(("network", "openid", "kyc", "wallet"), "foreign_browser"),
    by_redirect.browser_without_session: dict.fromkeys(("network", "openid", "kyc", "wallet"), "foreign_browser"),
    by_redirect.replayed_callback: dict.fromkeys(("network", "openid", "kyc", "wallet"), "replayed"),
    by_redirect.wrong_issuer: {"network": "wrong_issuer", "openid": "wrong_issuer"},
    by_redirect.missing_issuer: {"network": "wrong_issuer", "openid": "issuer_missing"},
    by_redirect.other_providers_address: dict.fromkeys(("network", "openid", "kyc", "wallet"), "other_provider"),
    by_redirect.other_providers_code: {"network": "wrong_issuer", "openid": "wrong_issuer", "kyc": "proved_nothing"},
    by_redirect.stolen_code: {"network": "proved_nothing", "openid": "code_refused", "kyc": "proved_nothing"},
    by_redirect.stale_proof: dict.fromkeys(("network", "openid", "kyc", "wallet"), "too_late"),
    by_redirect.parallel_attempts: dict.fromkeys(("network", "openid", "kyc", "wallet"), "moved_on"),
    by_redirect.victim_finishes: dict.fromkeys(("network", "openid", "kyc", "wallet"), OVER),
    by_redirect.other_customer: dict.fromkeys(("openid", "kyc", "wallet"), "other_customer"),
}
ROWS: Final = [(attack, way, why) for attack, ways in TABLE.items() for way, why in ways.items()]


TAPS: Final[dict[Callable[[Town, Device], Awaitable[Answer]], list[str]]] = {
    by_tap.wrong_account: ["other_account"],
    by_tap.foreign_browser: ["challenge"],
    by_tap.browser_without_question: [],
    by_tap.replayed_answer: ["challenge"],
    by_tap.browser_never_used: ["new_browser"],
    by_tap.relay_page: ["origin"],
    by_tap.other_sites_passkey: ["rp_id"],
    by_tap.nobody_verified: ["not_verified"],
    by_tap.unknown_passkey: ["unknown_passkey"],
    by_tap.stale_question: ["no_question"],
    by_tap.parallel_attempts: ["challenge"],
}


def seen_by(answer: Answer) -> tuple[int, list[tuple[str, str]], str]:
    """What an outsider can tell answers apart by, without what differs each time and the link itself."""

    def plain(text: str) -> str:
        text = re.sub(r"(nonce[=-]['\"]?)[A-Za-z0-9_-]{24}", r"\1NONCE", text)
        return re.sub(r"/c/[\w-]+", "/c/LINK", text.replace(answer.headers["x-request-id"], "ID"))

    headers = [(name, plain(value)) for name, value in answer.headers.multi_items() if name not in CHANGING]
    return answer.status, headers, plain(answer.text)


async def require_refused(town: Town, refused: Answer, usual: Answer) -> None:
    """In the words that everybody gets, and nobody came anywhere by it."""
    assert seen_by(refused) == seen_by(usual)
    assert refused.status == 403
    assert re.search(r"giulia|mallory|marco|bollo|[A-Z]{6}\d", refused.page.words, re.IGNORECASE) is None


@pytest.mark.parametrize(("attack", "name", "why"), ROWS, ids=[f"{one.__name__}-{way}" for one, way, _ in ROWS])
async def test_a_redirect_is_refused_with_a_leaf_that_says_why_and_words_that_do_not(
    ground: Ground, attack: Attack, name: str, why: str | list[str]
) -> None:
    town, way = ground.town, ground.ways[name]
    usual = await (await town.bystander()).open(f"{town.site('bank')}{way.callback}?state=invented&code=invented")
    before, rooms = len(await town.reasons()), await town.levels()
    refused = await attack(ground, way)
    assert (await town.reasons())[before:] == ([why] if isinstance(why, str) else why)
    await require_refused(town, refused, usual)
    assert await town.levels() == rooms


@pytest.mark.parametrize(("attack", "why"), list(TAPS.items()), ids=[one.__name__ for one in TAPS])
async def test_a_tap_is_refused_with_a_leaf_that_says_why_and_words_that_do_not(
    town: Town, device: Device, attack: Callable[[Town, Device], Awaitable[Answer]], why: list[str]
) -> None:
    usual = await by_tap.unknown_passkey(town, device)
    before = len(await town.reasons())
    refused = await attack(town, device)
    assert (await town.reasons())[before:] == why
    await require_refused(town, refused, usual)


async def test_beside_another_account_a_passkey_is_refused_like_one_that_nobody_knows(
    town: Town, device: Device
) -> None:
    """Giulia's device in the hands of Mallory, whose own account is proved."""
    usual = await by_tap.beside_another_account(town, new_device(town.people))
    refused = await by_tap.beside_another_account(town, device.key)
    assert (await town.reasons())[-2:] == ["unknown_passkey", "other_handle"]
    assert (refused.status, seen_by(refused)) == (403, seen_by(usual))
