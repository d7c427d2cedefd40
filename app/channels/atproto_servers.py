"""From the server that an account lives on (PDS) to the one that signs it in, by the protocol's profile of OAuth.

Each step is said by the server before: the PDS names exactly one authorization server, which says of itself that it
does everything that the profile demands. An authorization server counts for an account only if this chain leads to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from app.channels.atproto_identity import ask, json_object, origin_in
from app.channels.ports import ChannelRefused
from app.oauth.errors import OAuthRefused
from app.oauth.metadata import ServerMetadata, read_metadata
from app.oauth.server import AuthorizationServer
from app.outbound import OutboundClient

WELL_KNOWN: Final = "/.well-known/oauth-authorization-server"
SCOPE_WORD: Final = "atproto"
_LISTED: Final = {
    "scopes_supported": SCOPE_WORD,
    "response_types_supported": "code",
    "grant_types_supported": "authorization_code",
    "code_challenge_methods_supported": "S256",
    "token_endpoint_auth_methods_supported": "private_key_jwt",
    "token_endpoint_auth_signing_alg_values_supported": "ES256",
    "dpop_signing_alg_values_supported": "ES256",
}
_PROMISED: Final = (
    "authorization_response_iss_parameter_supported",
    "require_pushed_authorization_requests",
    "client_id_metadata_document_supported",
)


async def issuer_of(outbound: OutboundClient, pds: str) -> str:
    """The one authorization server that a PDS names (RFC 9728). Raises ChannelRefused or ChannelUnavailable."""
    told = json_object(await ask(outbound, f"{pds}/.well-known/oauth-protected-resource"))
    if str(told.get("resource")).removesuffix("/") != pds:
        raise ChannelRefused("resource_of_another_server")
    named = told.get("authorization_servers")
    if not isinstance(named, list) or len(named) != 1:
        raise ChannelRefused("no_authorization_server")
    return origin_in(outbound, named[0])


def server_at(outbound: OutboundClient, issuer: str) -> AuthorizationServer:
    """The authorization server of this issuer; what it says of itself is asked for when it is needed."""
    return AuthorizationServer(issuer, outbound, well_known=WELL_KNOWN, read=read_profile)


def read_profile(document: object, issuer: str) -> ServerMetadata:
    """The metadata of a server that does all that the profile demands, at addresses of its own. Raises OAuthRefused."""
    found = read_metadata(document, issuer, signs=False)
    assert isinstance(document, dict)
    if not all(_lists(document, name, word) for name, word in _LISTED.items()):
        raise OAuthRefused("not_of_the_profile")
    if not all(document.get(name) is True for name in _PROMISED) or not found.push:
        raise OAuthRefused("not_of_the_profile")
    if "none" in document["token_endpoint_auth_signing_alg_values_supported"]:
        raise OAuthRefused("not_of_the_profile")
    addresses = (found.authorize, found.token, found.push, found.revoke)
    if not all(one.startswith(f"{issuer}/") for one in addresses if one):
        raise OAuthRefused("address_of_another_server")
    # signed requests are no part of the profile: what is pushed is said by us already
    return replace(found, takes_signed_requests=False)


def _lists(document: dict[str, Any], name: str, word: str) -> bool:
    listed = document.get(name)
    return isinstance(listed, list) and word in listed
