"""Proof of possession at our doors (RFC 9449): one proof a request, used up once in all processes, with our nonce if
the installation wants one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from app.errors import Unauthenticated
from app.limits import once
from app.services import Services
from security.dpop import WINDOW, Proof, verify_proof
from security.encoding import b64url
from security.errors import TokenRefused
from security.jwts import parse

KEPT_FOR: Final = 2 * WINDOW + timedelta(minutes=1)
"""No proof is accepted so long after it was spent: its time may lie that far ahead, and clocks differ."""
NONCE_LIVES: Final = timedelta(minutes=2)
_SPENT: Final = "dpop-proof"


class ProofRefused(Unauthenticated):
    """The token came without a proof of possession, or with one that does not hold."""

    code = "proof_refused"
    message = "This token needs a proof of possession, made for this very request."
    challenge = 'DPoP error="invalid_dpop_proof", algs="ES256 PS256"'


class NonceNeeded(ProofRefused):
    """The proof does not carry our newest nonce; the answer brings it."""

    code = "nonce_needed"
    message = "The proof of possession needs the nonce that comes with this answer."
    challenge = 'DPoP error="use_dpop_nonce", algs="ES256 PS256"'


async def proved(
    services: Services,
    proofs: Sequence[str],
    request: tuple[str, str],
    *,
    wants_nonce: bool,
    jkt: str | None = None,
    access_token: str | None = None,
) -> Proof:
    """The proof of a request (method and address) that holds; its use is for the caller to spend.

    Raises `ProofRefused`, `NonceNeeded`.
    """
    now = services.clock()
    if len(proofs) != 1:
        raise ProofRefused
    try:
        nonce = None
        if wants_nonce:
            nonce = await _nonce_of(services, proofs[0], now)
        return verify_proof(proofs[0], *request, now, jkt=jkt, access_token=access_token, nonce=nonce)
    except TokenRefused:
        raise ProofRefused from None


def spent_as(proof: Proof) -> tuple[str, tuple[str, ...]]:
    """Kind and value under which a proof is used up (`limits.once`)."""
    return _SPENT, (proof.jkt, proof.jti)


async def spend_now(services: Services, proof: Proof) -> None:
    """Use a proof up; raises `ProofRefused` for one that was used before."""
    if not await once.spend_soon(services, *spent_as(proof), services.clock() + KEPT_FOR):
        raise ProofRefused


async def _nonce_of(services: Services, proof: str, now: datetime) -> str:
    """The nonce in the proof, if it is ours and not old."""
    said = parse(proof, brings_key=True).claims.get("nonce")
    newest = await _nonce(services, now)
    if said == newest or said == await _nonce(services, now - NONCE_LIVES):
        return str(said)
    raise NonceNeeded(nonce=newest)


async def _nonce(services: Services, at: datetime) -> str:
    """The same in every process, different every two minutes, and nothing that anybody can foresee."""
    turn = int(at.timestamp() // NONCE_LIVES.total_seconds())
    return b64url((await services.vault.lookup_hash("dpop-nonce", str(turn)))[:16])
