"""What `riserbo clients` does: programs registered, listed, given new keys and ended; each act has its leaf."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from app import key_files
from app.actors import Operator
from app.audit.service import record
from app.clients import service
from app.clients.service import NewClient
from app.commands import operating
from app.commands.wrong_use import WrongUse
from app.database import transaction
from app.settings import Settings
from security.client_assertions import registered_keys
from security.errors import TokenRefused


def public_keys(text: str) -> list[dict[str, Any]]:
    """The keys of a JWK or key set; raises `WrongUse`, above all for a private one, which must not have come here."""
    try:
        document = json.loads(text)
    except ValueError:
        raise WrongUse("this is not JSON; a public JWK or a key set is needed") from None
    listed = document.get("keys", [document]) if isinstance(document, dict) else []
    if any(isinstance(one, dict) and "d" in one for one in listed):
        raise WrongUse(
            "this is a PRIVATE key, which belongs to the program alone: make another pair, give the public half"
        )
    try:
        return registered_keys(document)
    except TokenRefused:
        raise WrongUse("up to five public keys are needed: EC P-256 or RSA of at least 2048 bits, to sign") from None


async def add(settings: Settings, operator: Operator, new: NewClient) -> str:
    """Register a program; returns what its author needs to know. Raises the service's refusals, `WrongUse`."""
    unknown = sorted(set(new.scopes) - {one.value for one in service.MAY_HOLD})
    if unknown:
        may = ", ".join(sorted(one.value for one in service.MAY_HOLD))
        raise WrongUse(f"a program cannot hold {', '.join(unknown)}; it may hold {may}")
    if new.issuer and new.issuer not in {one.issuer for one in settings.token_issuers}:
        raise WrongUse(f"the settings have no [[token_issuers]] {new.issuer}")
    path = settings.keys / key_files.TOKEN_KEY_FILE
    if not new.issuer and not path.exists():
        key_files.make_token_key_file(path)
    async with operating.opened(settings) as house, transaction(house.services) as db:
        await service.add(db, operator, new)
        if new.issuer:
            return f"{new.client_id} may use the API with tokens of {new.issuer}"
        ours = house.tokens.issued
        return f"{new.client_id} may ask for tokens at {ours.endpoint}, assertions for {ours.url}"


async def listed(settings: Settings, operator: Operator) -> Sequence[str]:
    """A line for each program."""
    async with operating.opened(settings) as house, transaction(house.services) as db:
        record(db, "audit.read", stream="operator", actor=operator, data={"part": "clients"})
        now = house.services.clock()
        return [
            f"{client.client_id:<24}{'active' if account.active else 'ended':<8}{client.scopes}"
            f"  {client.issuer or f'{len(service.live_keys(client, now))} keys'}"
            f"{'  DPoP' if client.requires_dpop else ''}"
            for client, account in await service.listed(db)
        ]


async def rotate(
    settings: Settings, operator: Operator, client_id: str, keys: Sequence[dict[str, Any]], overlap_hours: int
) -> None:
    """New keys; the old ones are good for some hours still, or end at once with every token."""
    async with operating.opened(settings) as house, transaction(house.services) as db:
        await service.rotate(db, operator, client_id, keys, timedelta(hours=overlap_hours))


async def disable(settings: Settings, operator: Operator, client_id: str, reason: str, issuer: str) -> None:
    """End a program."""
    async with operating.opened(settings) as house, transaction(house.services) as db:
        await service.disable(db, operator, client_id, reason, issuer=issuer)
