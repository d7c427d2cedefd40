"""The trust file as anybody may have it: the public keys, and nothing that tells how busy the bank is."""

from __future__ import annotations

from app.compliance.ports import CompliancePorts


def public_trust(ports: CompliancePorts) -> dict[str, object]:
    """What `riserbo verify` needs to check a receipt (docs/formats/trust.md); it names no head of the log."""
    return {
        "version": 1,
        "origin": ports.export_key.name.removesuffix("/export"),
        "log_keys": [ports.log_vkey],
        "export_keys": [ports.export_key.vkey()],
        "newest_checkpoint": None,
    }
