"""Codes by direct message: a status that only the one account sees that it mentions.

Whoever is mentioned reads it, so the text may name nobody, and the account is looked up by its actor URI, never by a
name that somebody typed or that the account had when it complained.
"""

from __future__ import annotations

from typing import Any

from app.channels.mastodon_accounts import find_account
from app.channels.mastodon_api import NETWORK, SCOPE, MastodonApi
from app.channels.ports import ChannelError, ChannelRefused, DirectMessageRefused, RefusalReason, Subject

DIRECT = ("direct", "private")  # snac calls by "private" what only the mentioned can read


class MastodonDirectMessages:
    """Writes to a person by actor URI."""

    def __init__(self, api: MastodonApi) -> None:
        self._api = api

    async def send(self, subject: Subject, text: str, idempotency_key: str) -> None:
        """See `ports.DirectMessages`. Raises ChannelRefused for a text that would reach anybody else."""
        if (subject.network, subject.scope) != (NETWORK, SCOPE):
            raise ChannelRefused("subject_of_another_network")
        if "@" in text:
            raise ChannelRefused("text_names_an_account")
        acct = await self._address(subject)
        form = {"status": f"@{acct} {text}", "visibility": "direct"}
        made = await self._api.call("POST", "/api/v1/statuses", form=form, idempotency_key=idempotency_key)
        if not isinstance(made, dict) or made.get("visibility") not in DIRECT:
            await self._take_back(made)
            raise ChannelRefused("not_private")
        if not self._reaches_only(made, acct):
            await self._take_back(made)
            raise DirectMessageRefused(RefusalReason.CLOSED)

    async def _address(self, subject: Subject) -> str:
        """How the bank's server writes the account that has this actor URI now."""
        found = await find_account(self._api, subject)
        if found is None:
            raise DirectMessageRefused(RefusalReason.CLOSED)
        return self._api.handle(str(found.get("acct") or ""))

    async def _take_back(self, made: Any) -> None:
        """Delete a status that went out otherwise than it was meant; if that fails, it is refused all the same."""
        if isinstance(made, dict) and made.get("id"):
            try:
                await self._api.call(
                    "DELETE", f"/api/v1/statuses/{self._api.local(self._api.external(str(made['id'])))}"
                )
            except ChannelError:
                return

    def _reaches_only(self, made: dict[str, Any], acct: str) -> bool:
        """Whether the server recognised this mention and no other; some list it twice. None: nobody will read it."""
        mentions = made.get("mentions")
        listed = mentions if isinstance(mentions, list) else []
        named = {self._api.handle(str(one.get("acct", ""))).casefold() for one in listed if isinstance(one, dict)}
        return named == {acct.casefold()}
