"""What the installation decides about access tokens, from its settings: whose are believed, and who signs ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from app import key_files
from app.agents.issuer_keys import PublishedKeys
from app.agents.ports import TokenPorts, TrustedIssuer, by_issuer
from app.clients.issuing import IssuerPorts
from app.outbound import OutboundClient
from app.settings import Settings
from security.access_tokens import Rule


def token_ports(settings: Settings, outbound: OutboundClient) -> TokenPorts:
    """Whose access tokens the staff API takes, and how they must come."""
    url, wanted = settings.staff_url, settings.tokens
    own = TokenPorts(url, requires_dpop=wanted.dpop == "required", uses_nonces=wanted.nonces)
    issuers = [
        TrustedIssuer(
            rule=Rule(
                one.issuer,
                one.audience or own.audience,
                tuple(one.algorithms),
                timedelta(minutes=one.longest_minutes),
            ),
            keys=PublishedKeys(outbound, one.jwks_url),
            subject_claim=one.subject_claim,
            scope_prefix=one.scope_prefix,
        )
        for one in settings.token_issuers
    ]
    return replace(own, issuers=by_issuer(issuers))


def issuer_ports(settings: Settings) -> IssuerPorts:
    """Our own authorization server, for registered programs."""
    tokens = TokenPorts(settings.staff_url)
    return IssuerPorts(
        url=tokens.url,
        audience=tokens.audience,
        keys=key_files.TokenKeyFile(settings.keys / key_files.TOKEN_KEY_FILE),
        requires_dpop=settings.tokens.dpop == "required",
        uses_nonces=settings.tokens.nonces,
    )
