"""An account by its actor URI, as the bank's own server knows it: for private messages, and whether it still stands."""

from __future__ import annotations

from typing import Any

from app.channels.mastodon_api import MastodonApi
from app.channels.ports import AccountNow, AccountState, ChannelError, ChannelRefused, Subject


class MastodonAccounts:
    """Asks the bank's server how an account stands.

    A server that cannot find an account does not say why (deleted, blocked, its server away), so that proves nothing.
    """

    def __init__(self, api: MastodonApi) -> None:
        self._api = api

    async def look(self, subject: Subject) -> AccountNow:
        """See `ports.Accounts`. Raises ChannelRefused for an account that the server does not find."""
        found = await find_account(self._api, subject)
        if found is None:
            raise ChannelRefused("account_not_found")
        if found.get("suspended") is True:
            return AccountNow(AccountState.SUSPENDED)
        return AccountNow(AccountState.THERE, self._api.subject(found).handle)


async def find_account(api: MastodonApi, subject: Subject) -> dict[str, Any] | None:
    """The account that has this actor URI now, whatever its name is; None where the server does not find it."""
    for words, resolve in ((subject.handle, "false"), (subject.handle, "true"), (subject.immutable_id, "true")):
        query = {"q": words if words == subject.immutable_id else f"@{words}", "type": "accounts"}
        found = await api.call("GET", "/api/v2/search", query=query | {"resolve": resolve, "limit": "5"})
        accounts = found.get("accounts") if isinstance(found, dict) else None
        for account in accounts if isinstance(accounts, list) else []:
            if _is(api, account, subject):
                return dict(account)
    return None


def _is(api: MastodonApi, account: Any, subject: Subject) -> bool:
    try:
        return api.subject(account) == subject
    except ChannelError:
        return False
