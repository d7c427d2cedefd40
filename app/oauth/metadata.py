"""What a server says of itself (OpenID Connect Discovery 1.0, RFC 8414), believed only about its own issuer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from app.oauth.errors import OAuthRefused
from security.jwts import OWN_ALGORITHM

LONGEST_ADDRESS: Final = 500


@dataclass(frozen=True)
class ServerMetadata:
    """Endpoints ("" where there is none) and what the server can do that we can too."""

    issuer: str
    authorize: str
    token: str
    jwks: str
    push: str = ""
    userinfo: str = ""
    revoke: str = ""
    names_itself: bool = False
    """Every callback carries `iss` (RFC 9207)."""
    takes_signed_requests: bool = False
    binds_tokens: bool = False
    takes_claims: bool = False


def read_metadata(document: object, issuer: str, *, signs: bool = True) -> ServerMetadata:
    """The metadata of exactly this issuer; raises `OAuthRefused`. `signs` is whether it must publish keys."""
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        # a document about another issuer would have us send its codes and our assertions elsewhere
        raise OAuthRefused("metadata_of_another_issuer")
    methods = document.get("code_challenge_methods_supported", ["S256"])
    if not _lists(methods, "S256"):
        raise OAuthRefused("no_pkce")
    return ServerMetadata(
        issuer=issuer,
        authorize=_address(document, "authorization_endpoint", issuer),
        token=_address(document, "token_endpoint", issuer),
        jwks=_address(document, "jwks_uri", issuer, needed=signs),
        push=_address(document, "pushed_authorization_request_endpoint", issuer, needed=False),
        userinfo=_address(document, "userinfo_endpoint", issuer, needed=False),
        revoke=_address(document, "revocation_endpoint", issuer, needed=False),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        takes_signed_requests=_takes_signed_requests(document),
        binds_tokens=_lists(document.get("dpop_signing_alg_values_supported"), OWN_ALGORITHM),
        takes_claims=document.get("claims_parameter_supported") is True,
    )


def _takes_signed_requests(document: dict[str, Any]) -> bool:
    if document.get("request_parameter_supported") is not True:
        return False
    return _lists(document.get("request_object_signing_alg_values_supported", [OWN_ALGORITHM]), OWN_ALGORITHM)


def _lists(value: object, wanted: str) -> bool:
    return isinstance(value, list) and wanted in value


def _address(document: dict[str, Any], name: str, issuer: str, *, needed: bool = True) -> str:
    """An endpoint: absolute, by the issuer's own scheme, so that nothing ever leaves in the clear."""
    value = document.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST_ADDRESS or not value.isprintable():
        raise OAuthRefused("metadata_incomplete")
    try:
        parts = urlsplit(value)
    except ValueError:
        raise OAuthRefused("metadata_incomplete") from None
    if parts.scheme != urlsplit(issuer).scheme or not parts.hostname or parts.fragment or "@" in parts.netloc:
        raise OAuthRefused("metadata_incomplete")
    return value
