"""The token endpoint's work: a program proves itself, and gets an access token that lives five minutes.

The token is a JWT that anybody can verify by our key set. Here its session counts: a token that this installation did
not issue has none, whoever signed it, and a program that is ended takes its tokens with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NoReturn, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Role, Staff
from app.agents import proofs
from app.agents import queries as accounts
from app.agents.access_tokens import token_key
from app.agents.models import AccessToken, MachineClient, StaffAccount
from app.agents.service import actor_of
from app.audit.service import record
from app.clients.authorization_server import Declined, Granted, KnownClient, judge
from app.clients.errors import TokenNotIssued
from app.clients.service import live_keys
from app.database import reading, services_of, transaction
from app.ids import new_id
from app.limits import guesses, once, rates
from app.policy import GuessPolicy
from app.services import Services
from app.sessions import rules
from app.sessions import service as sessions
from security.access_tokens import Grant, Rule, issue
from security.client_assertions import claimed_client, keys_of
from security.dpop import Proof
from security.errors import TokenRefused
from security.jwts import SigningKey

LIFETIME: Final = timedelta(minutes=5)
LEAVES_A_MINUTE: Final = 10
POLICY: Final = GuessPolicy(in_a_row=10, first_lock=timedelta(minutes=1), longest_lock=timedelta(minutes=15))


class TokenKeys(Protocol):
    """The keys that our access tokens are signed with."""

    def current(self) -> SigningKey:
        """The one that signs now."""
        ...

    def published(self, now: datetime) -> list[dict[str, str]]:
        """The public halves that a token may name."""
        ...


@dataclass(frozen=True)
class IssuerPorts:
    """What the authorization server needs from the installation. `url` is the staff door's address, and our name."""

    url: str
    audience: str
    keys: TokenKeys
    requires_dpop: bool = False
    uses_nonces: bool = False

    @property
    def endpoint(self) -> str:
        """Where tokens are asked for."""
        return f"{self.url}/oauth/token"

    @property
    def rule(self) -> Rule:
        """How our tokens are."""
        return Rule(self.url, self.audience)


@dataclass(frozen=True)
class Asked:
    """A request for a token: its form, the DPoP proof if it brings one, and the network that it comes from."""

    form: Mapping[str, str] = field(repr=False)
    proofs: tuple[str, ...] = field(repr=False)
    network: str


@dataclass(frozen=True)
class Issued:
    """A token, shown once."""

    token: str = field(repr=False)
    scopes: frozenset[str]
    is_bound: bool


async def token(services: Services, ports: IssuerPorts, asked: Asked) -> Issued:
    """A new access token. Raises `TokenNotIssued`; what a known program did wrong is counted, and has a leaf."""
    now = services.clock()
    try:
        name = claimed_client(asked.form.get("client_assertion", ""))
    except TokenRefused:
        raise TokenNotIssued("invalid_client", 401) from None
    counter = await services.vault.lookup_hash("client-proof", f"{name}|{asked.network}")
    async with reading(services) as db:
        found = await accounts.machine_client(db, "", name)
        locked = (await guesses.state_of(db, counter, now)).is_locked(now)
    if found is None or not found[1].active or locked:
        raise TokenNotIssued("invalid_client", 401)
    judged = judge(asked.form, _known(found[0], now), ports.url, now)
    if isinstance(judged, Declined):
        await _refuse(services, found[0], counter, judged)
    proof = await _proof(services, ports, found[0], asked)
    try:
        async with transaction(services) as db:
            await guesses.forgive(db, counter, now)
            return await _issue(db, ports, found[0], judged, proof)
    except _Replayed:
        await _refuse(services, found[0], counter, Declined("invalid_client", 401, "replayed"))


class _Replayed(Exception):
    """The assertion was used before."""


def _known(client: MachineClient, now: datetime) -> KnownClient:
    return KnownClient(client.client_id, frozenset(client.scopes.split()), keys_of(live_keys(client, now)))


async def _proof(services: Services, ports: IssuerPorts, client: MachineClient, asked: Asked) -> Proof | None:
    """The proof of the key that the token will be bound to, if there is one, as there must be where it is asked for."""
    if not asked.proofs and not ports.requires_dpop and not client.requires_dpop:
        return None
    request = ("POST", ports.endpoint)
    try:
        return await proofs.proved(services, asked.proofs, request, wants_nonce=ports.uses_nonces)
    except proofs.NonceNeeded as needed:
        raise TokenNotIssued("use_dpop_nonce", nonce=needed.nonce) from None
    except proofs.ProofRefused:
        raise TokenNotIssued("invalid_dpop_proof") from None


async def _issue(
    db: AsyncSession, ports: IssuerPorts, client: MachineClient, granted: Granted, proof: Proof | None
) -> Issued:
    """What must be true is looked at again under the account's lock; then assertion and proof are used up."""
    now = services_of(db).clock()
    account = await db.get_one(StaffAccount, client.id, with_for_update=True, populate_existing=True)
    current = await db.get_one(MachineClient, client.id, populate_existing=True)
    # whoever was given new keys meanwhile has proved nothing by the old ones
    if not account.active or current.leaf_id != client.leaf_id:
        raise TokenNotIssued("invalid_client", 401)
    assertion = granted.assertion
    if not await once.spend(db, "client-assertion", (assertion.client_id, assertion.jti), assertion.void_at):
        raise _Replayed
    if proof is not None and not await once.spend(db, *proofs.spent_as(proof), now + proofs.KEPT_FOR):
        raise TokenNotIssued("invalid_dpop_proof")
    jti, jkt = str(new_id(now)), proof.jkt if proof else None
    signed = issue(ports.keys.current(), ports.rule, Grant(client.client_id, jti, granted.scopes, now, LIFETIME, jkt))
    scopes = sorted(granted.scopes)
    started = await sessions.start_staff(
        db, account.id, now, kind=rules.API, scopes=" ".join(scopes), lifetime=LIFETIME, token=signed
    )
    started.session.expires_at = now.replace(microsecond=0) + LIFETIME
    db.add(
        AccessToken(
            session_id=started.session.id,
            token_key=token_key(ports.url, jti),
            issuer=ports.url,
            client_id=client.client_id,
            jkt=jkt,
        )
    )
    record(
        db,
        "client.token_issued",
        stream=f"staff:{account.id}",
        actor=actor_of(account, started.session),
        data={"session": str(started.session.id), "scopes": scopes, "bound": proof is not None},
    )
    return Issued(signed, granted.scopes, proof is not None)


async def _refuse(services: Services, client: MachineClient, counter: bytes, declined: Declined) -> NoReturn:
    """Count what may be a guess, leave a leaf now and then, and say OAuth's word.

    Anybody can name a program: the lock is for this name from that network, and the leaves of a minute are few.
    """
    now = services.clock()
    leaves = await services.vault.lookup_hash("client-refusals", str(client.id))
    async with transaction(services) as db:
        if declined.error == "invalid_client":
            await guesses.count_wrong(db, counter, POLICY, now)
        is_told = declined.error in ("invalid_client", "invalid_scope")
        if is_told and await rates.take(db, leaves, LEAVES_A_MINUTE, timedelta(minutes=1), now):
            nobody = Staff(client.id, client.id, Role.MACHINE, "", "")
            record(db, "client.refused", stream=f"staff:{client.id}", actor=nobody, data={"reason": declined.reason})
    raise TokenNotIssued(declined.error, declined.status)
