"""What the installation decides about its staff's accounts and sign-in, from its settings."""

from __future__ import annotations

from app import key_files
from app.actors import Role
from app.provisioning.rules import ProvisioningPorts
from app.settings import Settings


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
