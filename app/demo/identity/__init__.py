"""A stub identity provider for the demo. It verifies nobody, and says so in large letters."""

from __future__ import annotations

from app.demo.identity.app import ACR, IdentityPerson, create_identity_app

__all__ = ["ACR", "IdentityPerson", "create_identity_app"]
