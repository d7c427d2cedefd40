"""The bank's own sign-in on paper: a provider that says what a test wants, and colleagues of every kind in a database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, TypeVar
from unittest.mock import patch
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from sqlalchemy import select

from app.actors import Role, Staff
from app.agents.models import StaffAccount
from app.audit.models import Leaf
from app.database import Base, reading, transaction
from app.provisioning.models import ProvisionedAccount
from app.services import Services
from app.sessions import rules as session_rules
from app.sessions import service as sessions
from app.sessions.models import Session
from app.sign_on import flows, redirects
from app.sign_on.errors import NotSignedIn
from app.sign_on.models import SignOnSession, StaffSubject
from app.sign_on.redirects import Returned
from app.sign_on.rules import SignOnPorts
from app.sign_on.service import SignedIn
from tests.security.forgery import Fruitless
from tests.support.paper_services import filled, on_paper
from tests.support.scripted_openid import ISSUER, NOW, ScriptedProvider

T = TypeVar("T")
OTHER: Final = "https://other-bank.example"
BROWSER: Final = "the-browser-that-left"
ROLES: Final = {"Desk": Role.AGENT, "Audit": Role.COMPLIANCE}


@dataclass(frozen=True)
class Colleague:
    """An account: by whom it is known elsewhere, whether it is in use, and whether it has a password here."""

    login: str
    subject: str = ""
    issuer: str = ISSUER
    active: bool = True
    deleted: bool = False
    provisioned: bool = True
    password: bool = False
    role: Role = Role.AGENT

    @property
    def id(self) -> UUID:
        return uuid5(NAMESPACE_URL, self.login)


GIULIA: Final = Colleague("giulia.rossi")
SARA: Final = Colleague("sara.verdi", role=Role.SUPERVISOR)
MARCO: Final = Colleague("marco.bianchi", active=False)
LIA: Final = Colleague("lia.gialli", "u-lia", active=False)
DORA: Final = Colleague("dora.neri", "u-dora", active=False, deleted=True)
PIA: Final = Colleague("pia.blu", "u-pia", active=False, provisioned=False)
OTTO: Final = Colleague("otto.rosa", "u-otto", OTHER, active=False)
ADA: Final = Colleague("ada", password=True, provisioned=False)


def rows_of(one: Colleague) -> list[Base]:
    """What is stored of somebody."""
    made: list[Base] = [
        StaffAccount(
            id=one.id, login=one.login, display_name=one.login, signature=one.login, role=one.role.value,
            password_hash="x" if one.password else "", sealed_totp=b"", last_step=None, active=one.active,
            created_at=NOW, leaf_id=uuid4(),
        )
    ]  # fmt: skip
    if one.provisioned:
        left = NOW if one.deleted else None
        made.append(
            ProvisionedAccount(
                id=one.id,
                external_id=f"p-{one.login}",
                given_name="",
                family_name="",
                roles="[]",
                changed_at=NOW,
                deleted_at=left,
                leaf_id=uuid4(),
            )
        )
    if one.subject:
        made.append(
            StaffSubject(
                id=uuid4(), issuer=one.issuer, subject=one.subject, staff_id=one.id, linked_at=NOW, leaf_id=uuid4()
            )
        )
    return made


@cache
def _colleagues() -> bytes:
    return filled([row for one in (GIULIA, SARA, MARCO, LIA, DORA, PIA, OTTO, ADA) for row in rows_of(one)])


@dataclass
class Log:
    """What is told to the operator alone."""

    reasons: list[str] = field(default_factory=list)

    def warning(self, _event: str, *, reason: str) -> None:
        self.reasons.append(reason)


@dataclass
class PaperDesk:
    """The sign-in, its provider, and the time."""

    services: Services
    ports: SignOnPorts
    provider: ScriptedProvider = field(default_factory=ScriptedProvider)

    async def come_back(
        self,
        *,
        again: UUID | None = None,
        browser: str = BROWSER,
        issuer: str | None = ISSUER,
        code: str = "c",
        state: str | None = None,
        **claims: Any,
    ) -> SignedIn:
        """Somebody leaves, signs in there with these claims, and comes back; somebody else has left as well."""
        flow = await flows.store(self.services, BROWSER, again)
        await flows.store(self.services, "another-browser", None)
        self.provider.nonce = flow.nonce
        return await self.return_with(Returned(state or flow.state, code, issuer), browser, **claims)

    async def return_with(self, returned: Returned, browser: str = BROWSER, **claims: Any) -> SignedIn:
        """The callback. Raises `Fruitless` with the reason that is told to nobody but the operator or the evidence."""
        self.provider.claims = {"preferred_username": GIULIA.login, "groups": ["Desk"]} | claims
        log = Log()
        try:
            with patch.object(redirects, "_log", log):
                return await redirects.come_back(self.services, self.ports, browser, returned)
        except NotSignedIn:
            raise Fruitless(log.reasons[-1] if log.reasons else await self._reason()) from None

    async def _reason(self) -> str:
        async with reading(self.services) as db:
            leaves = (await db.execute(select(Leaf.leaf).order_by(Leaf.stage_no.desc()))).scalars().all()
        told = [one.decode().partition('"reason":"')[2].partition('"')[0] for one in leaves]
        return next((one for one in told if one), "not_signed_in")

    async def session(self, staff_id: UUID, **changes: Any) -> UUID:
        """A session at the console."""
        async with transaction(self.services) as db:
            started = await sessions.start_staff(db, staff_id, self.services.clock(), kind=session_rules.STAFF)
            for name, value in changes.items():
                setattr(started.session, name, value)
        return started.session.id

    async def born(self, session_id: UUID, **changes: Any) -> UUID:
        """What the provider said when that session began."""
        right = {"issuer": ISSUER, "subject": "u-1", "sid": "s-1", "acr": "high", "signed_in_at": NOW}
        async with transaction(self.services) as db:
            db.add(SignOnSession(session_id=session_id, **right | changes))
        return session_id

    async def ended_at(self, session_id: UUID) -> datetime | None:
        """When it ended."""
        async with reading(self.services) as db:
            return (await db.get_one(Session, session_id)).ended_at

    async def newest_session(self) -> UUID:
        """The one that began last."""
        async with reading(self.services) as db:
            return (await db.execute(select(SignOnSession.session_id))).scalars().all()[-1]

    async def role_of(self, colleague: Colleague) -> str:
        """As it is stored."""
        async with reading(self.services) as db:
            return (await db.get_one(StaffAccount, colleague.id)).role


def actor(session_id: UUID, colleague: Colleague = GIULIA) -> Staff:
    """Who acts, by this session."""
    return Staff(colleague.id, session_id, colleague.role, "", "")


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def at_desk(act: Callable[[PaperDesk], Awaitable[T]], **settings: Any) -> T:
    """What `act` gives at a desk with these settings, everybody else of the bank around it."""

    async def run(services: Services) -> T:
        provider = ScriptedProvider()
        ports = SignOnPorts(
            "Banca Esempio ID", provider.client(), "https://staff.bank.example/signin/return", roles=ROLES,
            acrs=("low", "high"), sensitive_acrs=("high",), sensitive_for=timedelta(minutes=15),
        )  # fmt: skip
        return await act(PaperDesk(services, replace(ports, **settings), provider))

    return on_paper(run, Clock(), _colleagues())


def later(desk: PaperDesk, **amount: float) -> None:
    """Time passes."""
    clock = desk.services.clock
    assert isinstance(clock, Clock)
    clock.now += timedelta(**amount)
