"""Wallets as identity providers, from the files that the settings name: our certificate, and whom we trust to issue."""

from __future__ import annotations

import json
from pathlib import Path

from app import key_files
from app.binding.identity_provider import OfferedProvider
from app.binding.wallet import WalletProvider
from app.binding.wallet_status import StatusLists
from app.directory.port import IdentifierKind
from app.key_files import KeyFileRefused
from app.outbound import OutboundClient
from app.permissions import Level
from app.settings import IdentityProviderSettings, Settings, WalletIssuerSettings
from security.certificates import certified_key, read_certificates
from security.errors import SecurityError
from security.jwts import VerificationKeys
from security.sd_jwt import TrustedIssuer


def offered_wallet(settings: Settings, one: IdentityProviderSettings, outbound: OutboundClient) -> OfferedProvider:
    """The provider as the pages offer it; raises `KeyFileRefused`."""
    wallet, levels = wallet_from(settings, one, outbound), {vct: Level(n) for vct, n in one.relay_resistant.items()}
    return OfferedProvider(one.name, one.label, wallet, levels, approval=one.approval, look=wallet.look)


def wallet_from(settings: Settings, one: IdentityProviderSettings, outbound: OutboundClient) -> WalletProvider:
    """The provider of a `kind = "wallet"`; raises `KeyFileRefused` for files that cannot be used."""
    assert one.key_file is not None
    assert one.certificate_file is not None
    key = key_files.read_client_key(settings.path(one.key_file))
    path = settings.path(one.certificate_file)
    try:
        chain = read_certificates(path.read_bytes())
        if certified_key(chain[0]) != key.bare_jwk():
            raise KeyFileRefused(f"{path.name} does not certify the key of {one.name}")
    except SecurityError as fault:
        raise KeyFileRefused(f"{path.name} is no certificate of ours ({fault})") from None
    return WalletProvider(
        name=one.name,
        url=one.url,
        public_url=settings.public_url,
        client_id=one.client_id,
        key=key,
        chain=chain,
        issuers={issuer.issuer: _trusted(settings, issuer) for issuer in one.issuers},
        vct=one.vct,
        claim=one.claim,
        kind=IdentifierKind(one.named_by),
        status=StatusLists(outbound) if one.status == "list" else None,
    )


def _trusted(settings: Settings, issuer: WalletIssuerSettings) -> TrustedIssuer:
    path = settings.path(issuer.roots_file or issuer.jwks_file or Path())
    try:
        if issuer.roots_file is not None:
            return TrustedIssuer(issuer.issuer, roots=tuple(read_certificates(path.read_bytes())))
        return TrustedIssuer(issuer.issuer, VerificationKeys.of_jwks(json.loads(path.read_bytes())))
    except (SecurityError, ValueError) as fault:
        raise KeyFileRefused(f"{path.name} holds no keys of {issuer.issuer} ({type(fault).__name__})") from None
