"""Who may provision: a registered program whose token has the scope, or whoever holds the installation's own token."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.actors import Program, Staff
from app.agents.dependencies import current_staff
from app.errors import NotFound
from app.permissions import Permission, require
from app.provisioning.rules import ProvisioningPorts
from app.sessions.dependencies import staff_token

OWN_TOKEN = Program("scim")


def provisioning_ports(request: Request) -> ProvisioningPorts:
    """What the installation decides; `NotFound` where it has no provisioning."""
    ports: ProvisioningPorts = request.app.state.provisioning_ports
    if not ports.is_on:
        raise NotFound
    return ports


async def provisioner(request: Request) -> Staff | Program:
    """The provisioning client; a person's token is refused, whatever the role."""
    ports = provisioning_ports(request)
    given = staff_token(request)
    if given.scheme == "bearer" and ports.knows(given.token):
        return OWN_TOKEN
    staff = await current_staff(request)
    require(staff, Permission.SCIM)
    return staff


Provisioner = Annotated[Staff | Program, Depends(provisioner)]
