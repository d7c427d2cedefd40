"""Mentions of the bank, by polling: nothing is lost and nothing comes twice, on servers that page in either direction.

Mastodon gives the oldest page after `min_id`; others give the newest one, or know no `min_id` at all. So a full page is
followed downwards until it meets what is known, and only then is the cursor moved. The cursor is the list of the last
few ids rather than one: a notification that is committed late, under an older id, is still found behind them.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import structlog

from app.channels.mastodon_api import MastodonApi, Own, TooLarge, TooSlow
from app.channels.ports import ArrivedPost, ChannelUnavailable

PAGE: Final = 20
OVERLAP: Final = 8
MOST_PAGES: Final = 50
MOST_ONE_BY_ONE: Final = 400
_log = structlog.get_logger("riserbo.mastodon")
_ID_IN_LINK: Final = re.compile(r"[?&]min_id=([A-Za-z0-9.-]{1,64})[^>]*>; *rel=\"prev\"")
Item = dict[str, Any]


class MastodonArrivals:
    """Polls the notifications of the bank's account."""

    def __init__(self, api: MastodonApi) -> None:
        self._api = api

    async def poll(self, cursor: str | None) -> tuple[list[ArrivedPost], str | None]:
        """See `ports.Arrivals`. The first poll of all begins with the newest page of mentions."""
        known = read_cursor(cursor)
        try:
            items = await self._new(known)
        except (TooLarge, TooSlow) as fault:
            upwards = isinstance(fault, TooLarge) and fault.link
            items = await (self._one_by_one(known) if upwards else self._one_by_one_down(known))
        if not items:
            return [], cursor
        own, fresh = await self._api.own(), list(reversed(items))
        posts = [post for item in fresh if (post := self._post(item, own)) is not None]
        return posts, json.dumps([*known, *(item["id"] for item in fresh)][-OVERLAP:])

    async def _new(self, known: list[str]) -> list[Item]:
        """All that is new, newest first, as far as one round goes."""
        items, full = await self._after(known[0] if known else None, frozenset(known))
        for _ in range(MOST_PAGES):
            if not (known and items and full):
                break
            above, full = await self._after(items[0]["id"], frozenset(known).union(item["id"] for item in items))
            items[:0] = above
            full = full and bool(above)
        return items

    async def _one_by_one(self, known: list[str]) -> list[Item]:
        """A page too large to be read: its notifications one after the other; one that is too large alone is left out.

        Only where a Link header names it, or nobody knows what to go on from; such servers page upwards.
        """
        items: list[Item] = []
        last = max(known, key=lambda one: (len(one), one), default=None)
        for _ in range(PAGE):
            try:
                page = await self._page(last, None, 1)
            except TooLarge as large:
                page = [{"id": named} for named in _ID_IN_LINK.findall(large.link)[:1]]
                _log.warning("arrival_too_large", host=self._api.site, count=len(page))
            if not page or page[0]["id"] in known:
                break
            items.insert(0, page[0])
            last = page[0]["id"]
        return items

    async def _one_by_one_down(self, known: list[str]) -> list[Item]:
        """The same from the newest down to what is known, on servers that give no Link header.

        A dozen mentions as long as the server lets them be, which anybody can write, must not stop the polling. Raises
        `TooLarge` for one that is too large alone: nothing names it, and behind it nobody could go on.
        """
        items: list[Item] = []
        for _ in range(MOST_ONE_BY_ONE):
            page = _down_to(known[0] if known else None, await self._page(None, items[-1]["id"] if items else None, 1))
            if not page or page[0]["id"] in known or (not known and len(items) == PAGE):
                return items
            items.append(page[0])
        _log.warning("arrivals_cut", host=self._api.site, count=MOST_ONE_BY_ONE)
        return items

    async def _after(self, min_id: str | None, known: frozenset[str]) -> tuple[list[Item], bool]:
        """What is new behind `min_id`, newest first, without a gap below it; and whether there may be more above."""
        items: list[Item] = []
        page = _down_to(min_id, await self._page(min_id, None))
        full = len(page) == PAGE
        for _ in range(MOST_PAGES):
            seen = known.union(item["id"] for item in items)
            fresh = [item for item in page if item["id"] not in seen]
            items += fresh
            if min_id is None or len(page) < PAGE or len(fresh) < PAGE:
                return items, full
            page = _down_to(min_id, await self._page(min_id, page[-1]["id"]))
        _log.warning("arrivals_cut", host=self._api.site, count=MOST_PAGES)
        return items, full

    async def _page(self, min_id: str | None, max_id: str | None, limit: int = PAGE) -> list[Item]:
        query = {"types[]": "mention", "include_filtered": "true", "limit": str(limit)}
        if min_id is not None:
            query["min_id"] = min_id
        if max_id is not None:
            query["max_id"] = max_id
        answer = await self._api.call("GET", "/api/v1/notifications", query=query)
        if not isinstance(answer, list):
            raise ChannelUnavailable("malformed notifications")
        return [item | {"id": str(item["id"])} for item in answer if isinstance(item, dict) and item.get("id")]

    def _post(self, item: Item, own: Own) -> ArrivedPost | None:
        """The post of a mention; None for other kinds, which some servers send all the same, and for deleted posts."""
        if item.get("type") != "mention" or not isinstance(item.get("status"), dict):
            return None
        try:
            return self._api.arrived(item["status"], own)
        except ChannelUnavailable as fault:
            # one unreadable post must not stand in the way of all that come after it
            _log.warning("arrival_unreadable", host=self._api.site, error=str(fault))
            return None


def _down_to(min_id: str | None, page: list[Item]) -> list[Item]:
    """The page without `min_id` itself and what is older: a server that gives these does not know the parameter."""
    ids = [item["id"] for item in page]
    return page[: ids.index(min_id)] if min_id in ids else page


def read_cursor(cursor: str | None) -> list[str]:
    """The ids of a cursor, oldest first."""
    return [str(one) for one in json.loads(cursor)] if cursor else []
