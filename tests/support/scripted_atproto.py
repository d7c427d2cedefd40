"""Servers of the AT Protocol that say whatever a test wants, where the strict ones (`atproto.py`) would not. They stand
where the outbound client stands, so nothing leaves the process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlsplit

from app.outbound import OutboundClient, OutboundResponse
from tests.support.scripted_openid import answer

DIRECTORY: Final = "https://plc.test"
RESOLVER: Final = "https://dns.test"
PDS: Final = "https://pds.test"
ENTRY: Final = "https://entry.test"
OTHER: Final = "https://other-entry.test"
GIULIA: Final = "did:plc:" + "g" * 24
MALLORY: Final = "did:plc:" + "m" * 24
NONCE: Final = {"dpop-nonce": "n-1"}


def document(did: str = GIULIA, handle: str = "giulia.test", **changes: Any) -> dict[str, Any]:
    """What a DID stands for; None takes a part away."""
    service = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": PDS}
    right = {"id": did, "alsoKnownAs": [f"at://{handle}"], "service": [service]}
    return {name: value for name, value in (right | changes).items() if value is not None}


def metadata(issuer: str = ENTRY, **changes: Any) -> dict[str, Any]:
    """What an authorization server says of itself; None takes a part away."""
    right: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "revocation_endpoint": f"{issuer}/revoke",
        "scopes_supported": ["atproto"],
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "authorization_response_iss_parameter_supported": True,
        "require_pushed_authorization_requests": True,
        "client_id_metadata_document_supported": True,
    }
    return {name: value for name, value in (right | changes).items() if value is not None}


def tokens(**changes: Any) -> OutboundResponse:
    """What a code is redeemed for."""
    right = {"access_token": "a-1", "token_type": "DPoP", "scope": "atproto", "sub": GIULIA}
    return answer({name: value for name, value in (right | changes).items() if value is not None}, headers=NONCE)


def text(said: str, status: int = 200) -> OutboundResponse:
    """An answer that is no JSON."""
    return OutboundResponse(status, {"content-type": "text/plain"}, said.encode())


def _right() -> dict[str, OutboundResponse]:
    protected = {"resource": PDS, "authorization_servers": [ENTRY]}
    return {
        f"{DIRECTORY}/{GIULIA}": answer(document()),
        f"{DIRECTORY}/{MALLORY}": answer(document(MALLORY, "mallory.test")),
        "https://giulia.test/.well-known/atproto-did": text(GIULIA),
        "https://mallory.test/.well-known/atproto-did": text(MALLORY),
        f"{PDS}/.well-known/oauth-protected-resource": answer(protected),
        f"{PDS}/xrpc/com.atproto.sync.getRepoStatus?did={GIULIA}": answer({"did": GIULIA, "active": True}),
        **{f"{one}/.well-known/oauth-authorization-server": answer(metadata(one)) for one in (ENTRY, OTHER)},
        **{f"{one}/par": answer({"request_uri": "urn:x"}, 201, NONCE) for one in (ENTRY, OTHER)},
        **{f"{one}/token": tokens() for one in (ENTRY, OTHER)},
        **{f"{one}/revoke": answer({}, headers=NONCE) for one in (ENTRY, OTHER)},
    }


@dataclass
class ScriptedAtproto:
    """Right in everything, but for what `says` puts in the place of an answer, by address. Unknown addresses are 404s."""

    says: Mapping[str, OutboundResponse] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def outbound(self) -> OutboundClient:
        """Itself, as the client that it stands for."""
        return cast(OutboundClient, self)

    def to_strangers(self) -> OutboundClient:
        """See `OutboundClient.to_strangers`."""
        return self.outbound

    def origin_of(self, site: str) -> str:
        """See `OutboundClient.origin_of`."""
        return f"https://{site.lower()}"

    async def request(self, method: str, url: str, **_content: Any) -> OutboundResponse:
        """See `OutboundClient.request`."""
        assert (method == "POST") is (urlsplit(url).path in ("/par", "/token", "/revoke"))
        self.asked.append(url)
        return {**_right(), **self.says}.get(url, answer({"error": "NotFound"}, 404))
