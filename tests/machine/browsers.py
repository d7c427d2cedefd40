"""One browser: a cookie, and the requests that our pages send with it. It calls what the routes call, as they do.

Whoever gets the answer to a request gets the cookie that it sets: that is how a sign-in finished in the wrong browser
would put somebody into a room.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.actors import Customer
from app.binding import (
    authenticator,
    confirming,
    customer_proof,
    handle_proof,
    identity_proof,
    leaving,
    passkey_proof,
    passkey_raising,
    passkeys,
    queries,
    returning,
    revoking,
    starting,
    step_up,
    unlocking,
)
from app.binding.flows import Leaving
from app.binding.models import Attempt
from app.binding.own_view import OwnView, own_view
from app.conversations.dependencies import customer_of
from app.conversations.posting import post_message
from app.conversations.queries import Entry, Window
from app.conversations.reading import read_as_customer
from app.database import reading, transaction
from app.demo.soft_passkey import SoftPasskey
from app.errors import RiserboError, Unauthenticated
from app.sessions import rules as session_rules
from app.sessions import service as sessions
from app.sessions.models import Session
from security import totp
from security.secret import Secret
from tests.machine.ground import NETWORK_OF_VISITORS, Ground, Person
from tests.machine.providers import Callback, Request

Tap = Callable[[dict[str, Any]], str]
"""What a person's device answers to a question of a passkey."""


class NotMine(RiserboError):
    """The confirmation page shows something that its reader did not prove: they do not confirm."""

    code = "not_mine"


@dataclass(frozen=True)
class Sight:
    """What a browser reads now, and as whom."""

    binding_id: UUID
    session_id: UUID
    level: int
    entries: list[Entry]
    own: OwnView


@dataclass
class Browser:
    """`sessions` are all that it ever had, `secrets` the authenticators enrolled in it, by binding."""

    ground: Ground
    owner: Person
    token: str | None = None
    slug: str = ""
    pending: Request | None = None
    sessions: set[UUID] = field(default_factory=set)
    secrets: dict[UUID, Secret] = field(default_factory=dict)
    keys: list[SoftPasskey] = field(default_factory=list)
    written: int = 0

    async def session(self) -> Session | None:
        """The live session of its cookie, locked or idle ones included."""
        services = self.ground.services
        return await sessions.find(services, self.token, services.clock()) if self.token else None

    async def _mine(self) -> UUID:
        """Its session, as a route finds it; a person's request is a sign of life, unless it comes too late."""
        services, session = self.ground.services, await self.session()
        if session is None:
            raise Unauthenticated
        now = services.clock()
        if not session_rules.is_idle(services.policy.sessions, session, now):
            async with transaction(services) as db:
                await sessions.touch(db, session.id, now)
        return session.id

    async def _take(self, token: str | None) -> None:
        if token is not None:
            self.token = token
            session = await self.session()
            assert session is not None
            self.sessions.add(session.id)

    async def _leave(self, left: Leaving, site: str) -> Request:
        self.pending = Request(site, left.url)
        return self.pending

    async def start(self, slug: str) -> None:
        session = await self.session()
        started = await starting.start(self.ground.services, slug=slug, session_id=session.id if session else None)
        self.slug = slug
        await self._take(started.session_token)

    async def ask_handle(self, account: str, method: str) -> Request | None:
        left = await handle_proof.request_handle(
            self.ground.services,
            self.ground.ports,
            session_id=await self._mine(),
            slug=self.slug,
            connector="square",
            account=account,
            method=method,
            network=NETWORK_OF_VISITORS,
            language="it",
        )
        await self.ground.work()
        return await self._leave(left, "square") if isinstance(left, Leaving) else None

    async def type_handle_code(self, code: str) -> None:
        services = self.ground.services
        await handle_proof.check_handle_code(services, session_id=await self._mine(), slug=self.slug, code=code)

    async def ask_code(self, method: str, identifier: str) -> None:
        await customer_proof.request_customer_code(
            self.ground.services,
            self.ground.ports,
            session_id=await self._mine(),
            slug=self.slug,
            method=method,
            identifier=identifier,
            network=NETWORK_OF_VISITORS,
        )
        await self.ground.work()

    async def type_code(self, code: str) -> None:
        await customer_proof.check_customer_code(
            self.ground.services,
            session_id=await self._mine(),
            slug=self.slug,
            code=code,
            network=NETWORK_OF_VISITORS,
        )

    async def identify(self, site: str) -> Request:
        left = await identity_proof.begin_identity(
            self.ground.services, self.ground.ports, session_id=await self._mine(), slug=self.slug, provider=site
        )
        return await self._leave(left, site)

    async def follow(self, callback: Callback) -> None:
        """Open an address of ours that a site sends browsers back to, whoever gave it to this one."""
        services, ports, session = self.ground.services, self.ground.ports, await self.session()
        session_id = session.id if session else None
        told: dict[str, Any] = {
            "session_id": session_id,
            "state": callback.state,
            "code": callback.code,
            "issuer": callback.issuer,
        }
        if callback.site == "square":
            await handle_proof.finish_sign_in(services, ports, connector=callback.site, **told)
            return
        done = await identity_proof.finish_identity(services, ports, provider=callback.site, **told)
        await self._take(done.session_token)

    async def confirm(self, *, looks: bool) -> None:
        """Whoever looks at the page confirms only the own account, and the identifier that was typed as the own."""
        services, session_id = self.ground.services, await self._mine()
        if looks:
            async with reading(services) as db:
                view = await queries.view_of_attempt(db, session_id=session_id, slug=self.slug, now=services.clock())
            typed = view.identifier in ("", self.owner.customer.customer_number)
            if view.handle != self.ground.square.names[self.owner.account] or not typed:
                raise NotMine
        bound = await confirming.confirm(services, session_id=session_id, slug=self.slug, accepted=True)
        await self._take(bound.session_token)
        await self.ground.work()

    async def step_up(self, site: str) -> Request:
        services = self.ground.services
        left = await step_up.begin_step_up(services, self.ground.ports, customer=await self._customer(), provider=site)
        return await self._leave(left, site)

    async def unlock_by(self, site: str) -> Request:
        left = await unlocking.begin_unlock(
            self.ground.services, self.ground.ports, session_id=await self._mine(), provider=site
        )
        return await self._leave(left, site)

    async def ask_unlock_code(self, method: str) -> None:
        await unlocking.request_unlock_code(
            self.ground.services,
            self.ground.ports,
            session_id=await self._mine(),
            method=method,
            network=NETWORK_OF_VISITORS,
        )
        await self.ground.work()

    async def type_unlock_code(self, code: str) -> None:
        opened = await unlocking.check_unlock_code(
            self.ground.services, session_id=await self._mine(), code=code, network=NETWORK_OF_VISITORS
        )
        await self._take(opened.session_token)

    async def leave(self) -> None:
        await leaving.leave_room(self.ground.services, session_id=await self._mine())

    async def revoke(self) -> None:
        await revoking.revoke_own(self.ground.services, await self._customer())
        await self.ground.work()

    async def enrol(self) -> None:
        """An authenticator app of this room, on this person's phone."""
        services, customer = self.ground.services, await self._customer()
        offered = await authenticator.offer_authenticator(services, self.ground.ports, customer=customer)
        secret = Secret(base64.b32decode(offered.secret))
        await authenticator.add_authenticator(services, customer=customer, code=self.shown(secret))
        self.secrets[customer.binding_id] = secret
        await self.ground.work()

    async def add_passkey(self) -> None:
        """A passkey of this room, on this person's device."""
        services, ports, customer = self.ground.services, self.ground.ports, await self._customer()
        made = SoftPasskey(ports.party.origin, ports.host)
        asked = await passkeys.begin_registration(services, ports, customer=customer)
        await passkeys.finish_registration(services, ports, customer=customer, answer=made.create(asked))
        self.keys.append(made)
        await self.ground.work()

    async def come_back(self, slug: str, tap: Tap) -> None:
        """From the link into the room, by a passkey alone."""
        services, ports, session = self.ground.services, self.ground.ports, await self.session()
        asked = await returning.begin_return(services, ports, slug=slug, session_id=session.id if session else None)
        await self._take(asked.session_token)
        self.slug = slug
        answer = tap(asked.options)
        done = await returning.finish_return(services, ports, slug=slug, session_id=await self._mine(), answer=answer)
        await self._take(done.session_token)

    async def prove_by_passkey(self, tap: Tap) -> None:
        services, ports, session_id = self.ground.services, self.ground.ports, await self._mine()
        asked = await passkey_proof.begin_customer_passkey(services, ports, session_id=session_id, slug=self.slug)
        await passkey_proof.finish_customer_passkey(
            services, ports, session_id=session_id, slug=self.slug, answer=tap(asked)
        )

    async def unlock_by_passkey(self, tap: Tap) -> None:
        services, ports, session_id = self.ground.services, self.ground.ports, await self._mine()
        asked = await passkey_raising.begin_unlock(services, ports, session_id=session_id)
        done = await passkey_raising.finish_unlock(services, ports, session_id=session_id, answer=tap(asked))
        await self._take(done.session_token)

    async def step_up_by_passkey(self, tap: Tap) -> None:
        services, ports, customer = self.ground.services, self.ground.ports, await self._customer()
        asked = await passkey_raising.begin_step_up(services, ports, customer=customer)
        session_id = customer.session_id
        done = await passkey_raising.finish_step_up(services, ports, session_id=session_id, answer=tap(asked))
        await self._take(done.session_token)

    def shown(self, secret: Secret) -> str:
        """What an authenticator app shows now."""
        return totp.code_at(secret, self.ground.services.clock())

    async def write(self, text: str) -> UUID:
        """Say something in the room; gives the room."""
        customer = await self._customer()
        self.written += 1
        key = f"{self.owner.name}-{self.written}"
        await post_message(self.ground.services, customer, customer.conversation_id, text, client_key=key)
        return customer.conversation_id

    async def read(self) -> Sight | None:
        """Everything that its room's page shows; None where it is in no room, or not any more."""
        services, session = self.ground.services, await self.session()
        if session is None:
            return None
        try:
            customer = customer_of(services.policy, session, services.clock())
            page = await read_as_customer(services, customer, Window(limit=500))
        except RiserboError:
            return None
        async with reading(services) as db:
            own = await own_view(db, customer)
        return Sight(customer.binding_id, customer.session_id, customer.level, page.entries, own)

    async def attempts(self) -> list[Attempt]:
        """Every attempt that was ever made by its cookie."""
        return [one for one in await self.ground.rows(Attempt) if one.session_id in self.sessions]

    async def _customer(self) -> Customer:
        session = await self.ground.row(Session, await self._mine())
        return customer_of(self.ground.services.policy, session, self.ground.services.clock())
