"""The connector to the AT Protocol (Bluesky): how a handle is proved, and whether an account still stands.

Posts do not arrive by it and no answer leaves by it (docs/limits.md): those are parts of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.channels.atproto_identity import NETWORK, SCOPE, DidGone, Identities, ask, json_object, tidy_account
from app.channels.atproto_servers import issuer_of, server_at
from app.channels.atproto_sign_in import AtprotoSignIn, client_document
from app.channels.ports import (
    AccountNotNamed,
    AccountNow,
    AccountState,
    ChannelError,
    ChannelRefused,
    Connector,
    Remark,
    State,
    Subject,
)
from app.oauth.errors import OAuthRefused
from app.outbound import OutboundClient, OutboundError
from app.services import Clock, system_clock
from security.jwts import SigningKey

_GONE: Final = ("deleted",)
_NOT_NOW: Final = ("takendown", "suspended", "deactivated")


class AtprotoAccounts:
    """Asks the DID's document and the account's server how an account stands."""

    def __init__(self, identities: Identities) -> None:
        self._identities: Final = identities

    async def look(self, subject: Subject) -> AccountNow:
        """See `ports.Accounts`. A DID that was given up is gone; a server that knows no such account proves nothing."""
        try:
            account = await self._identities.account(subject.immutable_id)
        except DidGone:
            return AccountNow(AccountState.GONE)
        address = f"{account.pds}/xrpc/com.atproto.sync.getRepoStatus?did={account.did}"
        told = json_object(await ask(self._identities.strangers, address))
        if told.get("did") != account.did or not isinstance(told.get("active"), bool):
            raise ChannelRefused("status_malformed")
        if told["active"]:
            return AccountNow(AccountState.THERE, await self._identities.handle_of(account))
        if told.get("status") in _GONE:
            return AccountNow(AccountState.GONE)
        if told.get("status") in _NOT_NOW:
            return AccountNow(AccountState.SUSPENDED)
        raise ChannelRefused("status_unknown")


def client_id_of(public_url: str, name: str) -> str:
    """The address of the client's document, which is the client's name at every server: it never changes."""
    return f"{public_url}/oauth/clients/{name}.json"


def atproto_connector(
    *,
    name: str,
    label: str,
    handle: str,
    bank: str,
    public_url: str,
    key: SigningKey,
    outbound: OutboundClient,
    directory: str,
    resolver: str,
    profile_url: str = "",
    clock: Clock = system_clock,
) -> Connector:
    """The bank's account `handle`; its client is known at every server by the document at `client_id_of`."""
    identities, own = Identities(directory, resolver, outbound), handle.lstrip("@").lower()
    client_id = client_id_of(public_url, name)
    document = client_document(
        client_id=client_id,
        bank=bank,
        public_url=public_url,
        redirect_uri=f"{public_url}/signin/{name}/callback",
        key=key,
    )

    async def look() -> Sequence[Remark]:
        return [await _look_at(identities, own, clock)]

    return Connector(
        name=name,
        network=NETWORK,
        scope=SCOPE,
        label=label,
        official_handle=own,
        official_url=profile_url or f"https://bsky.app/profile/{own}",
        sign_in=AtprotoSignIn(client_id, key, identities),
        accounts=AtprotoAccounts(identities),
        tidy_account=tidy_account,
        look=look,
        client_document=document,
    )


async def _look_at(identities: Identities, handle: str, clock: Clock) -> Remark:
    """The bank's own account goes the way that each customer's will."""
    try:
        account = await identities.named(handle)
        issuer = await issuer_of(identities.strangers, account.pds)
        await server_at(identities.strangers, issuer).describe(clock())
    except AccountNotNamed:
        return Remark(State.WRONG, f"{handle} leads to no account that claims it")
    except (ChannelError, OAuthRefused, OutboundError) as fault:
        return Remark(State.WRONG, f"{handle} cannot be looked up as a customer's account would be ({fault})")
    return Remark(State.RIGHT, f"{handle} is found, and its server offers the sign-in")
