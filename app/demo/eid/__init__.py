"""The demo's digital identity: a small OpenID Provider whose protocol is real and whose people are not."""

from __future__ import annotations

from app.demo.eid.app import create_eid_app
from app.demo.eid.requests import ACR, CLAIM, SCOPE, Citizen, Registration

__all__ = ["ACR", "CLAIM", "SCOPE", "Citizen", "Registration", "create_eid_app"]
