"""Codes by direct message, against a strict Mastodon server: to the one account and nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from app.channels.ports import (
    ChannelRefused,
    DirectMessageRefused,
    Subject,
)
from tests.app.channels.mastodon_town import CODE, Town


async def test_a_code_reaches_the_one_account_and_nobody_else(town: Town) -> None:
    await town.messages.send(town.subject(town.giulia), CODE, "c1")
    [notification] = town.away.notifications
    assert notification.status is not None
    assert notification.status.visibility == "direct"
    assert notification.status.text == f"@giulia@{town.away.site} {CODE}"
    assert [one.uri for one in notification.status.mentions] == [town.giulia.uri]


async def test_a_code_follows_the_account_and_not_its_old_name(town: Town) -> None:
    subject = town.subject(town.giulia)
    town.giulia.name = "giulia_nuova"
    thief = town.away.join("giulia", "Chi ha preso il nome")
    await town.messages.send(subject, CODE, "c1")
    [notification] = town.away.notifications
    assert notification.status is not None
    assert [one.uri for one in notification.status.mentions] == [town.giulia.uri] != [thief.uri]


async def test_a_code_for_an_account_of_the_banks_own_server_arrives(town: Town) -> None:
    marco = town.home.join("marco")
    await town.messages.send(town.subject(marco), CODE, "c1")
    assert [one.status.mentions for one in town.home.notifications if one.status] == [[marco]]


async def test_an_account_that_is_gone_gets_no_code(town: Town) -> None:
    subject = town.subject(town.giulia)
    town.world.accounts.clear()
    with pytest.raises(DirectMessageRefused):
        await town.messages.send(subject, CODE, "c1")


async def test_a_text_that_names_somebody_is_not_sent(town: Town) -> None:
    with pytest.raises(ChannelRefused, match="text_names_an_account"):
        await town.messages.send(town.subject(town.giulia), f"{CODE} @tania", "c1")
    assert town.away.notifications == []


@pytest.mark.parametrize(
    "said", [{"visibility": "public"}, {"mentions": []}, {"mentions": [{"acct": "tania@x.example"}]}]
)
async def test_a_code_that_went_out_otherwise_than_meant_is_taken_back(town: Town, said: dict[str, Any]) -> None:
    real = town.home.status
    town.home.status = lambda status: real(status) | said  # type: ignore[method-assign]
    with pytest.raises((ChannelRefused, DirectMessageRefused)):
        await town.messages.send(town.subject(town.giulia), CODE, "c1")
    assert town.home.statuses == {}


async def test_a_subject_of_another_network_is_refused(town: Town) -> None:
    with pytest.raises(ChannelRefused, match="subject_of_another_network"):
        await town.messages.send(Subject("square", "fediverse", "1", "a", "A"), CODE, "c1")
