"""What exports need from outside: a folder for sealed bags, the key that signs them, the log's public key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from app.audit.proofs import TileRoots
from security.notes import SigningKey


@dataclass(frozen=True)
class CompliancePorts:
    """`folder` is private (mode 0700) and holds only sealed bags and, during a build, its workspace.

    The export key's name is the log's origin and `/export`; it must not be the log's key. `log_vkey` is C2SP's form.
    `trust_address` is where customers find the public keys.
    """

    folder: Path
    export_key: SigningKey
    log_vkey: str
    trust_address: str = ""
    tiles: TileRoots = field(default_factory=TileRoots)
