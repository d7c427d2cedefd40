"""A code made known, as if it had been guessed."""

from __future__ import annotations

from app.binding.models import Challenge
from app.database import transaction
from security.codes import code_hash
from tests.app.binding.bank import Bank


async def plant(bank: Bank, challenge: Challenge) -> str:
    """Make the code of a challenge known, as if it had been guessed."""
    from sqlalchemy import update

    hashed = code_hash(await bank.services.vault.pepper(), str(challenge.id), "12345678")
    async with transaction(bank.services) as db:
        await db.execute(update(Challenge).where(Challenge.id == challenge.id).values(code_hash=hashed))
    return "12345678"
