"""What the installation decides about its staff's accounts and sign-in, from its settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from fastapi import FastAPI

from app import key_files
from app.actors import Role
from app.agents.ports import LocalSignIn
from app.oauth.client import OAuthClient
from app.oauth.server import AuthorizationServer
from app.outbound import OutboundClient
from app.provisioning.routes import router as provisioning_routes
from app.provisioning.rules import ProvisioningPorts
from app.settings import Settings
from app.sign_on.rules import SignOnPorts

RETURN = "/signin/return"


@dataclass(frozen=True)
class Staffing:
    """Who makes accounts, whether passwords here are good, and the bank's own sign-in if it has one."""

    provisioning: ProvisioningPorts
    local: LocalSignIn
    sign_on: SignOnPorts | None


def staffing_from(settings: Settings, outbound: OutboundClient) -> Staffing:
    """As the settings say."""
    return Staffing(provisioning_ports(settings), local_sign_in(settings), sign_on_ports(settings, outbound))


def install_staffing(app: FastAPI, staffing: Staffing) -> None:
    """Give the staff door its provisioning, and what its sign-in must know."""
    app.state.provisioning_ports, app.state.local_sign_in = staffing.provisioning, staffing.local
    app.state.sign_on_ports = staffing.sign_on
    app.include_router(provisioning_routes)


def provisioning_ports(settings: Settings) -> ProvisioningPorts:
    """Accounts by SCIM; off where the settings say nothing of it. Raises `KeyFileRefused` for a broken token file."""
    base_url, wanted = f"{settings.staff_url}/scim/v2", settings.scim
    if wanted is None:
        return ProvisioningPorts(base_url)
    file = settings.path(wanted.token_file) if wanted.token_file is not None else None
    return ProvisioningPorts(
        base_url,
        is_on=True,
        roles={name: Role(role) for name, role in wanted.roles.items()},
        default_role=Role(wanted.default_role) if wanted.default_role is not None else None,
        token_hash=key_files.read_scim_token(file) if file is not None else None,
    )


def local_sign_in(settings: Settings) -> LocalSignIn:
    """Passwords of our own: sealed as soon as the bank's own sign-in is set."""
    wanted = settings.staff_sign_on
    if wanted is None:
        return LocalSignIn(words=(settings.bank,))
    tell = wanted.break_glass_mail if wanted.break_glass else ""
    return LocalSignIn(sealed=True, tell=tell, words=(settings.bank,))


def sign_on_ports(settings: Settings, outbound: OutboundClient) -> SignOnPorts | None:
    """The bank's own sign-in for its staff. Raises `KeyFileRefused`."""
    wanted = settings.staff_sign_on
    if wanted is None:
        return None
    key = key_files.read_client_key(settings.path(wanted.key_file)) if wanted.key_file else None
    secret = settings.secret(wanted.secret_file) if wanted.secret_file else None
    return SignOnPorts(
        label=wanted.label,
        client=OAuthClient(AuthorizationServer(wanted.issuer, outbound), wanted.client_id, key=key, secret=secret),
        redirect_uri=f"{settings.staff_url}{RETURN}",
        scope=wanted.scope,
        account_claim=wanted.account_claim,
        named_by=wanted.named_by,
        roles_claim=wanted.roles_claim,
        roles={name: Role(role) for name, role in wanted.roles.items()},
        creates_accounts=wanted.create_accounts,
        acrs=tuple(wanted.acrs),
        sensitive_acrs=tuple(wanted.sensitive_acrs),
        sensitive_for=timedelta(minutes=wanted.sensitive_minutes),
    )
