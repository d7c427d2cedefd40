"""The social network that one demonstration takes place on, as far as bank and sites depend on which one it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp

from app.channels.ports import Connector
from app.demo.addresses import Addresses
from app.demo.cast import Townsperson
from app.outbound import OutboundClient
from app.services import Clock


@dataclass(frozen=True)
class TownNetwork:
    """`address` is where it is read, `hosts` what the outbound client may reach of it, `sites` what the demo serves."""

    address: str
    hosts: Mapping[str, tuple[str, int]]
    connect: Callable[[OutboundClient], Connector] = field(repr=False)
    profile: Callable[[Townsperson], str] = field(repr=False)
    sites: Mapping[str, ASGIApp] = field(default_factory=dict, repr=False)


Founding = Callable[[Addresses, Clock], TownNetwork]
"""Makes the network of a demonstration whose addresses are known."""
