"""Where the sites of one demonstration are: each on a host and a port of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SITES: Final = ("demo", "bank", "staff", "square", "phone", "identity", "admin", "eid")
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True)
class Addresses:
    """Each site of the demonstration on a host and a port of its own: cookies cross ports, not hosts."""

    ports: dict[str, int]

    def netloc(self, site: str) -> str:
        """`bank.localhost:8601`."""
        return f"{site}.localhost:{self.ports[site]}"

    def url(self, site: str) -> str:
        """`http://bank.localhost:8601`."""
        return f"http://{self.netloc(site)}"

    def mapped(self, site: str) -> dict[str, tuple[str, int]]:
        """What the outbound client must be told to reach a site: it has no public address."""
        return {f"{site}.localhost": (LOOPBACK, self.ports[site])}
