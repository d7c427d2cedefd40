"""Whether the bank's account at its Mastodon server can do its work: for the doctor, before a bank goes live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.channels.mastodon_api import MastodonApi
from app.channels.ports import ChannelError, ChannelRefused, PostGone, Remark, State

NEEDED: Final = ("read:accounts", "read:notifications", "read:statuses", "read:search", "write:statuses")
SCOPES: Final = " ".join(NEEDED)
POLICY: Final = (
    "for_not_following",
    "for_not_followers",
    "for_new_accounts",
    "for_private_mentions",
    "for_limited_accounts",
)


async def look_at(api: MastodonApi) -> Sequence[Remark]:
    """The token is taken, is the right account's, has its scopes, and no mention is dropped."""
    try:
        own = await api.own()
    except ChannelRefused as refusal:
        other = refusal.code == "token_of_another_account"
        text = f"the token is not of {api.account}" if other else f"{api.site} does not take the token ({refusal.code})"
        return [Remark(State.WRONG, text)]
    except ChannelError as fault:
        return [Remark(State.WRONG, f"{api.site} cannot be used ({fault})")]
    remarks = [Remark(State.RIGHT, f"the token is of {own.uri}")]
    for look in (_scopes, _policy):
        try:
            remarks.append(await look(api))
        except PostGone:
            continue  # the server does not know this question: it has no such thing
        except ChannelError as fault:
            remarks.append(Remark(State.ODD, f"{api.site} does not say all ({fault})"))
    return remarks


async def _scopes(api: MastodonApi) -> Remark:
    told = await api.call("GET", "/api/v1/apps/verify_credentials")
    scopes = told.get("scopes") if isinstance(told, dict) else None
    if not isinstance(scopes, list):
        return Remark(State.ODD, "the server does not say what the token may do")
    missing = [one for one in NEEDED if one not in scopes and one.partition(":")[0] not in scopes]
    if missing:
        return Remark(State.WRONG, f"the token's application lacks {' '.join(missing)}; make the token anew")
    return Remark(State.RIGHT, "the token's application may do what is needed")


async def _policy(api: MastodonApi) -> Remark:
    """What is filtered is read all the same; what is dropped never comes."""
    told = await api.call("GET", "/api/v2/notifications/policy")
    policy = told if isinstance(told, dict) else {}
    dropped = [name for name in POLICY if policy.get(name) == "drop"]
    if dropped:
        return Remark(State.WRONG, f"mentions are dropped ({' '.join(dropped)}): set the notification policy to accept")
    return Remark(State.RIGHT, "no mention is dropped")
