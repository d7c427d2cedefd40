"""The bank's own token is made by signing in at the bank's server, stored for its owner only, and only if it is right."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.channels.ports import ChannelRefused
from app.commands import mastodon_token as making
from app.commands.wrong_use import WrongUse
from app.network_settings import MastodonSettings
from app.settings import Settings
from tests.support.mastodon import Fediverse, Server, consent, fediverse


@dataclass
class Bank:
    settings: Settings
    entry: MastodonSettings
    server: Server


@pytest.fixture
async def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bank]:
    async with fediverse("banca.localhost") as world:
        server = world.servers["banca.localhost"]
        server.join("bancaesempio")
        server.join("marco")
        # only tests may name a server by plain HTTP, so the settings do not take it
        entry = MastodonSettings.model_construct(
            name="mastodon", label="Mastodon", url=server.base, account="bancaesempio", token_file=Path("token")
        )
        settings = Settings.model_construct(
            data=tmp_path, public_url="https://aiuto.bancaesempio.example", mastodon=[entry], internal_hosts={}
        )
        monkeypatch.setattr(making, "outbound_from", lambda _settings: _outbound(world))
        yield Bank(settings, entry, server)


def _outbound(world: Fediverse) -> object:
    return world.outbound()


async def test_the_token_is_stored_for_its_owner_only_and_does_what_is_needed(bank: Bank) -> None:
    begun = await making.begin(bank.settings, making.entry_of(bank.settings, "mastodon"))
    path = await making.finish(
        bank.settings, bank.entry, begun, f" {consent(begun.address, bank.server, 'bancaesempio')} "
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = bank.server.tokens[path.read_text().strip()]
    assert token.scopes == {"read:accounts", "read:notifications", "read:statuses", "read:search", "write:statuses"}
    assert begun.verifier not in repr(begun)


async def test_the_token_of_another_account_is_not_stored(bank: Bank) -> None:
    begun = await making.begin(bank.settings, bank.entry)
    with pytest.raises(ChannelRefused, match="token_of_another_account"):
        await making.finish(bank.settings, bank.entry, begun, consent(begun.address, bank.server, "marco"))
    assert not making.token_file(bank.settings, bank.entry).exists()


async def test_a_wrong_code_an_unknown_name_and_an_existing_file_are_said(bank: Bank) -> None:
    begun = await making.begin(bank.settings, bank.entry)
    with pytest.raises(WrongUse, match="code"):
        await making.finish(bank.settings, bank.entry, begun, "wrong")
    with pytest.raises(WrongUse, match="named x"):
        making.entry_of(bank.settings, "x")
    making.token_file(bank.settings, bank.entry).write_text("there")
    with pytest.raises(WrongUse, match="there already"):
        making.entry_of(bank.settings, "mastodon")


@pytest.mark.parametrize("url", ["http://banca.example", "https://banca.example/x", "banca.example", "https://"])
def test_the_settings_take_a_server_by_https_only(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        MastodonSettings(url=url, account="bancaesempio", token_file=Path("t"))
