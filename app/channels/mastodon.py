"""The connector to the fediverse by the Mastodon API of the bank's own server; its parts are files of their own."""

from __future__ import annotations

from app.channels.mastodon_accounts import MastodonAccounts
from app.channels.mastodon_api import NETWORK, SCOPE, MastodonApi, Outbound
from app.channels.mastodon_arrivals import MastodonArrivals
from app.channels.mastodon_health import look_at
from app.channels.mastodon_messages import MastodonDirectMessages
from app.channels.mastodon_publisher import MastodonPublisher
from app.channels.mastodon_sign_in import MastodonSignIn
from app.channels.mastodon_text import tidy_account
from app.channels.ports import Connector
from security.secret import Secret


def mastodon_connector(
    *,
    name: str,
    base_url: str,
    account: str,
    token: Secret,
    label: str,
    outbound: Outbound,
    profile_url: str = "",
    sign_in: bool = True,
    direct_messages: bool = True,
) -> Connector:
    """The bank's `account` on the server at `base_url`, under its `token`; the last two switch ways to prove off.

    Servers that visitors name are reached by `outbound.to_strangers()`, the bank's own by `outbound` itself.
    """
    base = base_url.rstrip("/")
    user = account.lstrip("@").partition("@")[0]
    api = MastodonApi(base, user, token, outbound)
    publisher = MastodonPublisher(api)
    return Connector(
        name=name,
        network=NETWORK,
        scope=SCOPE,
        label=label,
        official_handle=account.lstrip("@") if "@" in account.lstrip("@") else f"{user}@{api.site}",
        official_url=profile_url or f"{base}/@{user}",
        arrivals=MastodonArrivals(api),
        publisher=publisher,
        sign_in=MastodonSignIn(name, outbound.to_strangers()) if sign_in else None,
        direct_messages=MastodonDirectMessages(api) if direct_messages else None,
        accounts=MastodonAccounts(api),
        tidy_account=tidy_account,
        look=lambda: look_at(api),
        learn=publisher.learn,
    )
