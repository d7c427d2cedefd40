"""Finds in a text what must not be said in public: pure detectors over a reading that undoes evasions."""

from __future__ import annotations

from security.leaks.facts import Allowed, Fact
from security.leaks.findings import BLOCK, WARN, Leak, Severity
from security.leaks.scanning import IDENTITY_KINDS, NEVER_KINDS, gravest, never_said, scan

__all__ = [
    "BLOCK",
    "IDENTITY_KINDS",
    "NEVER_KINDS",
    "WARN",
    "Allowed",
    "Fact",
    "Leak",
    "Severity",
    "gravest",
    "never_said",
    "scan",
]
