"""Tokens that are right in themselves and whose holder is nobody here, and proofs of possession that are ours to refuse."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import uuid4

from app.actors import Role
from app.agents.access_tokens import admit
from app.agents.models import MachineClient
from app.agents.ports import UNSEALED, LocalSignIn, TokenPorts, TrustedIssuer
from app.agents.proofs import ProofRefused, proved, spend_now
from app.database import transaction
from app.services import Services
from security.dpop import Proof
from security.jwts import VerificationKeys
from tests.app.sign_on.paper_desk import ADA, GIULIA, MARCO, Colleague, PaperDesk, at_desk, rows_of
from tests.security.forged_access_tokens import AUDIENCE, ISSUER, RULE, token
from tests.security.forged_dpop import URL, proof
from tests.security.forged_jwts import keys
from tests.security.forgery import Forgery, Fruitless
from tests.support.scripted_openid import NOW

SEALED: Final = LocalSignIn(sealed=True)
PROGRAM: Final = Colleague("program", provisioned=False, role=Role.MACHINE)
NAMELESS: Final = Colleague("", provisioned=False)


class Keys:
    """The issuer's keys."""

    async def verification_keys(self, *, fresh: bool = False) -> VerificationKeys:
        """See `IssuerKeys`."""
        return keys()


PORTS: Final = TokenPorts(AUDIENCE, {ISSUER: TrustedIssuer(RULE, Keys(), subject_claim="login")})


async def _by_anybody(_jkt: str | None) -> None:
    """The proof is another matter."""


async def _by_who_found_it(_jkt: str | None) -> None:
    raise ProofRefused


async def _admitted(services: Services, text: str, local: LocalSignIn = UNSEALED) -> Any:
    found = await admit(services, PORTS, local, text, _by_anybody)
    if found is None:
        raise Fruitless("not_admitted")
    return found


def brought(*others: Colleague, local: LocalSignIn = UNSEALED, **claims: Any) -> Any:
    """Somebody brings a right token with these claims; `others` have accounts as well."""

    async def act(desk: PaperDesk) -> Any:
        async with transaction(desk.services) as db:
            db.add_all([row for one in others for row in rows_of(one)])
        return await _admitted(desk.services, token(**claims), local)

    return at_desk(act)


async def _by_a_bearer(desk: PaperDesk) -> Any:
    """A program that must prove possession brings a token that is bound to nothing."""
    client = MachineClient(
        id=PROGRAM.id, issuer=ISSUER, client_id="program", scopes="cases:read", public_keys="[]", requires_dpop=True,
        created_at=NOW, leaf_id=uuid4(),
    )  # fmt: skip
    async with transaction(desk.services) as db:
        db.add_all([*rows_of(PROGRAM), client])
    return await _admitted(desk.services, token(sub="program", client_id="program"))


async def _twin(desk: PaperDesk) -> Any:
    """A second token of the name of one that has its session; the signature is another."""
    if await admit(desk.services, PORTS, UNSEALED, token(login=GIULIA.login), _by_anybody) is None:
        raise Fruitless("nobody_is_admitted")
    return await _admitted(desk.services, token(login=GIULIA.login, more=1))


def found() -> Any:
    """A right token in the hands of who has not its key."""
    text = token(login=GIULIA.login)
    return at_desk(lambda desk: admit(desk.services, PORTS, UNSEALED, text, _by_who_found_it))


def shown(*proofs: str, wants_nonce: bool = False) -> object:
    """A request that comes with these proofs."""
    return _at_the_door(lambda services: proved(services, proofs, ("GET", URL), wants_nonce=wants_nonce))


async def _spent_twice(services: Services) -> None:
    for _ in range(2):
        await spend_now(services, Proof("key", "proof-1"))


def _at_the_door(act: Callable[[Services], Awaitable[Any]]) -> Any:
    return at_desk(lambda desk: act(desk.services))


FORGERIES: Final[dict[str, Forgery]] = {
    "a token of an issuer that nobody named": Forgery(lambda: brought(iss="https://attacker.example"), "not_admitted"),
    "a token of a program that nobody registered": Forgery(lambda: brought(sub="p", client_id="p"), "not_admitted"),
    "a token that is not bound, of a program that must be": Forgery(lambda: at_desk(_by_a_bearer), "not_admitted"),
    "a token of somebody whom we do not know": Forgery(lambda: brought(login="nobody"), "not_admitted"),
    "a token of a number": Forgery(lambda: brought(login=7), "not_admitted"),
    "a token of an empty name, where somebody has one": Forgery(lambda: brought(NAMELESS, login=" "), "not_admitted"),
    "a token of who has a password here, which is sealed": Forgery(
        lambda: brought(login=ADA.login, local=SEALED), "not_admitted"
    ),
    "a token of a leaver": Forgery(lambda: brought(login=MARCO.login), "not_admitted"),
    "a second token of one name": Forgery(lambda: at_desk(_twin), "not_admitted"),
    "a token without its key": Forgery(found, "proof_refused"),
    "no proof": Forgery(lambda: shown(), "proof_refused"),
    "two proofs": Forgery(lambda: shown(proof(), proof()), "proof_refused"),
    "a proof with a nonce of somebody else's": Forgery(lambda: shown(proof(), wants_nonce=True), "nonce_needed"),
    "a proof that was used before": Forgery(lambda: _at_the_door(_spent_twice), "proof_refused"),
}
