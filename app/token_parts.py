"""What the installation decides about access tokens, from its settings: whose are believed, and who signs ours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from fastapi import FastAPI

from app import key_files
from app.agents.issuer_keys import PublishedKeys
from app.agents.ports import TokenPorts, TrustedIssuer, by_issuer
from app.clients.issuing import IssuerPorts
from app.clients.routes import router as client_routes
from app.clients.service import MAY_HOLD
from app.http.api_document import name_security
from app.outbound import OutboundClient
from app.sessions.dependencies import STAFF_COOKIE
from app.settings import Settings
from security.access_tokens import Rule


@dataclass(frozen=True)
class StaffTokens:
    """Whose access tokens are believed, and how our own are issued."""

    believed: TokenPorts
    issued: IssuerPorts


def staff_tokens(settings: Settings, outbound: OutboundClient) -> StaffTokens:
    """As the settings say."""
    return StaffTokens(token_ports(settings, outbound), issuer_ports(settings))


def install_tokens(app: FastAPI, tokens: StaffTokens) -> None:
    """Give the staff door its authorization server, and its document the ways to prove oneself."""
    app.state.token_ports, app.state.issuer_ports = tokens.believed, tokens.issued
    app.include_router(client_routes)
    name_security(app, token_url=tokens.issued.endpoint, scopes=MAY_HOLD, cookie=STAFF_COOKIE)


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
