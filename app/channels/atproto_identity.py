"""Who is who on the AT Protocol: a name leads to a DID, the DID's document to the server that the account lives on.

Only the DID is an identity. Names, and the documents of strangers, decide nothing but where a browser is sent; every
address in them is reached through the guard for strangers' names (at://specs: handle, did).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit

from app.channels.ports import AccountNotNamed, ChannelError, ChannelRefused, ChannelUnavailable
from app.outbound import OutboundClient, OutboundDenied, OutboundError, OutboundResponse

NETWORK: Final = "atproto"
SCOPE: Final = "did"
"""One scope for all servers: a DID is unique among them, and keeps its meaning when the account moves."""

PDS_TYPE: Final = "AtprotoPersonalDataServer"
LONGEST_DID: Final = 300
_HOST: Final = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HANDLE: Final = re.compile(rf"(?=.{{3,253}}\Z){_HOST}")
_DID: Final = re.compile(rf"did:plc:[a-z2-7]{{24}}|did:web:(?=.{{3,253}}\Z){_HOST}")
_NEVER: Final = frozenset({"alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion"})
"""Last parts that a handle may have by its spelling and never resolves with."""


class DidGone(ChannelRefused):
    """The DID was given up for good."""


@dataclass(frozen=True)
class Account:
    """An account as its DID document has it now; `pds` is an origin, `handle` what the document claims, "" for none."""

    did: str
    handle: str = field(repr=False)
    pds: str


def is_did(text: str) -> bool:
    """Whether this is a DID of the two methods that the protocol knows."""
    return len(text) <= LONGEST_DID and _DID.fullmatch(text) is not None


def is_handle(text: str) -> bool:
    """Whether this is a handle, in lower case."""
    return _HANDLE.fullmatch(text) is not None and text.rpartition(".")[2] not in _NEVER


def tidy_account(account: str) -> str:
    """A handle without its @, or a DID, as somebody typed it. Raises AccountNotNamed."""
    name = account.strip().removeprefix("at://").lstrip("@").strip().rstrip("/").lower()
    if not (is_did(name) or is_handle(name)):
        raise AccountNotNamed
    return name


class Identities:
    """Looks accounts up. `directory` keeps did:plc documents, `resolver` ("": none) knows handles that only DNS has."""

    def __init__(self, directory: str, resolver: str, outbound: OutboundClient) -> None:
        self._directory: Final = directory.rstrip("/")
        self._resolver: Final = resolver.rstrip("/")
        self._own: Final = outbound
        self.strangers: Final = outbound.to_strangers()

    async def named(self, name: str) -> Account:
        """The account of a tidy handle or DID. Raises AccountNotNamed for a name that leads nowhere and back.

        Without the way back anybody could give another one's account a name of their own.
        """
        if is_did(name):
            return await self.account(name)
        account = await self.account(await self._did_of(name))
        if account.handle != name:
            raise AccountNotNamed
        return account

    async def handle_of(self, account: Account) -> str:
        """The handle that the account claims, if it leads back to it; "" otherwise, or where that cannot be known."""
        try:
            found = await self._did_of(account.handle) if account.handle else ""
        except ChannelError:
            return ""
        return account.handle if found == account.did else ""

    async def account(self, did: str) -> Account:
        """What the DID's document says now. Raises DidGone, ChannelRefused or ChannelUnavailable."""
        if did.startswith("did:plc:"):
            answer = await ask(self._own, f"{self._directory}/{did}")
        else:
            host = did.removeprefix("did:web:")
            answer = await ask(self.strangers, f"{self.strangers.origin_of(host)}/.well-known/did.json")
        if answer.status == 410:
            raise DidGone("did_gone")
        document = json_object(answer)
        if document.get("id") != did:
            raise ChannelRefused("document_of_another_did")
        return Account(did, _handle_in(document), self._pds_in(document, did))

    async def _did_of(self, handle: str) -> str:
        """At the handle's own host, else at the resolver."""
        try:
            answer = await ask(self.strangers, f"{self.strangers.origin_of(handle)}/.well-known/atproto-did")
            found = answer.body.decode("ascii", "replace").strip() if 200 <= answer.status < 300 else ""
        except (ChannelUnavailable, ChannelRefused):
            # many handles are names in DNS with no server behind them
            found = ""
        if is_did(found):
            return found
        if self._resolver:
            address = f"{self._resolver}/xrpc/com.atproto.identity.resolveHandle?handle={quote(handle)}"
            answer = await ask(self._own, address)
            found = str(json_object(answer).get("did")) if answer.status == 200 else ""
        if not is_did(found):
            raise AccountNotNamed
        return found

    def _pds_in(self, document: dict[str, Any], did: str) -> str:
        services = document.get("service")
        for one in services if isinstance(services, list) else []:
            if not isinstance(one, dict) or one.get("type") != PDS_TYPE:
                continue
            if one.get("id") in ("#atproto_pds", f"{did}#atproto_pds"):
                return origin_in(self.strangers, one.get("serviceEndpoint"))
        raise ChannelRefused("no_pds")


def origin_in(outbound: OutboundClient, address: object) -> str:
    """The origin that a stranger's document names: HTTPS, a host, nothing more. Raises ChannelRefused."""
    if not isinstance(address, str) or len(address) > LONGEST_DID:
        raise ChannelRefused("no_origin")
    try:
        site = urlsplit(address).netloc
    except ValueError:
        site = ""
    origin = outbound.origin_of(site) if site and "@" not in site else ""
    if not origin or address.removesuffix("/").lower() != origin:
        raise ChannelRefused("no_origin")
    return origin


async def ask(outbound: OutboundClient, url: str) -> OutboundResponse:
    """GET, past the guard. Raises ChannelRefused where the guard says no, ChannelUnavailable where nobody answers."""
    try:
        answer = await outbound.request("GET", url, headers={"accept": "application/json, text/plain"})
    except OutboundDenied as error:
        raise ChannelRefused("address_denied") from error
    except OutboundError as error:
        raise ChannelUnavailable(type(error).__name__) from error
    if answer.status == 429 or answer.status >= 500:
        raise ChannelUnavailable(f"status {answer.status}")
    return answer


def json_object(answer: OutboundResponse) -> dict[str, Any]:
    """The JSON object of a 200 answer. Raises ChannelRefused for anything else."""
    if answer.status != 200:
        raise ChannelRefused(f"status_{answer.status}")
    try:
        document = answer.json()
    except OutboundError:
        document = None
    if not isinstance(document, dict):
        raise ChannelRefused("not_json")
    return document


def _handle_in(document: dict[str, Any]) -> str:
    """The first handle that the document claims."""
    names = document.get("alsoKnownAs")
    for one in names if isinstance(names, list) else []:
        if isinstance(one, str) and one.startswith("at://"):
            handle = one.removeprefix("at://").lower()
            return handle if is_handle(handle) else ""
    return ""
