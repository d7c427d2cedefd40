"""Whether a credential was withdrawn, by its issuer's list: asked seldom, believed only if it is the issuer's."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from app.binding.wallet_status import MOST_LISTS, REMEMBERED, StatusLists
from app.outbound import OutboundClient, OutboundFailed, OutboundResponse
from tests.security.forged_jwts import NOW
from tests.security.forged_presentations import ISSUER, THIEF, trusted
from tests.security.forged_status_lists import URI, status_list


@dataclass
class Web:
    """Stands where the outbound client stands."""

    text: str = ""
    status: int = 200
    asked: list[str] = field(default_factory=list)

    async def request(self, method: str, url: str, **_content: Any) -> OutboundResponse:
        assert method == "GET"
        self.asked.append(url)
        text = self.text or status_list(sub=url)
        return OutboundResponse(self.status, {}, text.encode())


def lists(web: Web) -> StatusLists:
    return StatusLists(cast(OutboundClient, web))


def at(index: int, uri: str = URI) -> object:
    return {"status_list": {"idx": index, "uri": uri}}


async def test_the_list_says_whether_it_was_withdrawn() -> None:
    known = lists(web := Web())
    assert await known.is_withdrawn(trusted()[ISSUER], at(0), NOW)
    assert not await known.is_withdrawn(trusted()[ISSUER], at(1), NOW)
    assert web.asked == [URI]


async def test_a_list_is_asked_for_again_after_some_minutes_and_when_the_clock_was_set_back() -> None:
    known = lists(web := Web())
    for now in (NOW, NOW + REMEMBERED - timedelta(seconds=1), NOW + REMEMBERED, NOW - timedelta(seconds=1)):
        assert await known.is_withdrawn(trusted()[ISSUER], at(0), now)
    assert len(web.asked) == 3


async def test_few_lists_are_remembered() -> None:
    known = lists(web := Web())
    for number in range(MOST_LISTS + 1):
        when = NOW + timedelta(seconds=number)
        assert not await known.is_withdrawn(trusted()[ISSUER], at(1, f"{URI}/{number}"), when)
    later = NOW + timedelta(seconds=MOST_LISTS + 1)
    for number in (MOST_LISTS, 1, 0):
        assert not await known.is_withdrawn(trusted()[ISSUER], at(1, f"{URI}/{number}"), later)
    assert web.asked[MOST_LISTS + 1 :] == [f"{URI}/0"]


@pytest.mark.parametrize(
    ("web", "status"),
    [
        (Web(status=404), at(0)),
        (Web(text="no token"), at(0)),
        (Web(text="\u00e8"), at(0)),
        (Web(text=status_list(THIEF)), at(0)),
        (Web(text=status_list()), at(99)),
        (Web(), "somewhere"),
    ],
    ids=["not there", "no list", "no text", "a stranger's", "too short", "no reference"],
)
async def test_what_cannot_be_asked_or_believed_vouches_for_nobody(web: Web, status: object) -> None:
    with pytest.raises(OutboundFailed):
        await lists(web).is_withdrawn(trusted()[ISSUER], status, NOW)
