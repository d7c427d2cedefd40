"""What people do in the machine: the victim, the attacker, the bank, and time.

The victim does whatever a message or a page asks of her in her own browser: she opens any address, signs in there as
herself, approves. Where she is `gullible` she also types her codes into the attacker's copy of our pages and approves
what her telephone asks. She looks at the confirmation page before she confirms. Where her account is `hijacked` the
attacker can sign in with it and read its messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar
from uuid import UUID

from app.binding import account_watch, revoking, sweeping
from app.binding.models import Binding
from app.binding.rules import BindingState
from app.channels.ports import AccountNow, AccountState
from app.conversations import sweeping as room_sweeps
from app.conversations.models import Conversation
from app.conversations.posting import post_message
from app.database import transaction
from app.errors import RiserboError, Unavailable
from app.permissions import DataClass
from app.sessions.models import Session
from tests.machine.browsers import Browser, Tap
from tests.machine.ground import ATTACKER, HIGH, PUSH, STRONG, VICTIM, Callback, Ground, Person, Request

T = TypeVar("T")
OWN_WAYS_TO_A_HANDLE: Final = ("sign_in", "direct_message")
STOLEN_WAYS_TO_A_HANDLE: Final = ("as_victim", "victims_message", "victims_browser")
OWN_PROOFS: Final = ("sms", "email", "totp", "id", "id_high", "push")
STOLEN_PROOFS: Final = (
    "victims_sms",
    "victims_email",
    "victims_totp",
    "victims_push",
    "victims_browser",
    "kept_totp",
    "victims_passkey",
)
COPY: Final = "https://chat.bancaesempio.example.copied.example"
"""Where the attacker's copy of our pages stands."""


class NothingToShow(RiserboError):
    """The person has no such code, or does not give it away."""

    code = "nothing_to_show"


@dataclass(frozen=True)
class Said:
    """A message as it was written: by whom, in whose room, while which session was in it."""

    by: str
    customer: str
    session_id: UUID | None


@dataclass
class World:
    """`may_be_victim` once the attacker holds the victim's account, or she has typed its code into his page.

    `inside` and `underway` say who had a room, or an attempt, when the promises were last asked for.
    """

    ground: Ground
    hijacked: bool
    gullible: bool
    seen: Counter[str]
    victim: Browser = field(init=False)
    attacker: Browser = field(init=False)
    may_be_victim: bool = field(init=False)
    said: dict[str, Said] = field(default_factory=dict)
    disowned: set[UUID] = field(default_factory=set)
    inside: set[str] = field(default_factory=set)
    underway: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.victim, self.attacker = Browser(self.ground, VICTIM), Browser(self.ground, ATTACKER)
        self.may_be_victim = self.hijacked

    def browser(self, who: str) -> Browser:
        return self.victim if who == "victim" else self.attacker

    async def attempt(self, act: Callable[[], Awaitable[object]]) -> bool:
        """Whether it was not refused; what is refused has its place in the counts."""
        self.ground.house.clock.pass_by(seconds=1)
        try:
            await act()
        except RiserboError as refusal:
            if type(refusal) is Unavailable:
                raise  # nobody else is here: a story that blocks itself would hide what comes after
            self.seen[f"refused: {refusal.code}"] += 1
            return False
        return True

    async def each(self, *acts: Callable[[], Awaitable[object]]) -> None:
        """One after the other, whatever becomes of each: somebody tries every door."""
        for act in acts:
            await self.attempt(act)

    def ways_to_a_handle(self, who: str) -> list[str]:
        """What this person could try now, and not be stopped by having nothing to show."""
        ways = list(OWN_WAYS_TO_A_HANDLE)
        if who == "attacker":
            ways += ["victims_browser"] + ["as_victim"] * self.hijacked
            ways += ["victims_message"] * (self.hijacked or self.gullible)
        return ways

    def proofs(self, who: str) -> list[str]:
        """The same of the proofs of a customer."""
        ways = [way for way in OWN_PROOFS if way != "totp"] + ["totp"] * bool(self.browser(who).secrets)
        ways += ["passkey"] * bool(self.browser(who).keys)
        if who == "attacker":
            ways += ["victims_browser"] + ["kept_totp"] * bool(self.attacker.secrets)
            ways += ["victims_passkey"] * (self.gullible and bool(self.victim.keys))
            if self.gullible:
                ways += ["victims_sms", "victims_email", "victims_push"] + ["victims_totp"] * bool(self.victim.secrets)
        return ways

    def ways_on(self, who: str) -> list[str]:
        """The same of what unlocks a room or raises its level."""
        own = self.browser(who)
        ways = ["id", "id_high", "sms"] + ["totp"] * bool(own.secrets) + ["passkey"] * bool(own.keys)
        if who == "attacker":
            ways += ["victims_browser"] + ["victims_sms", "victims_push"] * self.gullible
            ways += ["victims_passkey"] * (self.gullible and bool(self.victim.keys))
        return ways

    async def prove_handle(self, who: str, way: str) -> None:
        """`victims_browser`: the victim opens the attacker's own request and signs in; the rest is up to us."""
        browser, square = self.browser(who), self.ground.square
        name = square.names[(VICTIM if way in STOLEN_WAYS_TO_A_HANDLE else browser.owner).account]
        if way in {"direct_message", "victims_message"}:
            await browser.ask_handle(name, "direct_message")
            await browser.type_handle_code(self._message_code(who, stolen=way == "victims_message"))
            return
        request = await browser.ask_handle(name, "sign_in")
        assert request is not None
        if way == "victims_browser":
            await self.lure(square.approve(request, VICTIM.account))
            return
        if way == "as_victim" and not self.hijacked:
            raise NothingToShow
        account = VICTIM.account if way == "as_victim" else browser.owner.account
        await browser.follow(square.approve(request, account))

    def _message_code(self, who: str, *, stolen: bool) -> str:
        """The newest code in a direct message, as far as this person can come by it."""
        if not stolen:
            return _shown(self.ground.newest_message_to(self.browser(who).owner.account))
        if not (self.hijacked or self.gullible):
            raise NothingToShow
        code = _shown(self.ground.newest_message_to(VICTIM.account))
        self.may_be_victim = True
        return code

    async def prove_customer(self, who: str, way: str) -> None:
        """A typed code or a redirect; of the stolen ways the victim does her part."""
        browser, whose, method = self.browser(who), self._whose(who, way), _method(way)
        if method == "passkey":
            await browser.prove_by_passkey(self.tap(who, way))
            return
        if method in {"sms", "email", "totp"}:
            await browser.ask_code(method, whose.customer.customer_number)
            await browser.type_code(self.code_of(who, way))
            return
        request = await browser.identify(_site(method))
        await self.approve(who, way, request)

    async def approve(self, who: str, way: str, request: Request) -> None:
        """Somebody signs in at the provider: in the browser that asked, on a telephone, or in the victim's browser."""
        if way == "victims_push" and not self.gullible:
            raise NothingToShow
        acr = {"push": PUSH, "victims_push": PUSH, "id": STRONG}.get(way, HIGH)
        callback = self.ground.providers[request.site].approve(request, self._whose(who, way).customer, acr)
        if way == "victims_browser":
            await self.lure(callback)
        else:
            await self.browser(who).follow(callback)

    async def lure(self, callback: Callback) -> None:
        """The victim has approved in her browser, which opens what comes back; then she pastes it into his page.

        A browser always opens it first: that an address comes to the attacker unopened takes more than a page of his.
        """
        try:
            await self.victim.follow(callback)
        except RiserboError:
            if not self.gullible:
                raise
        else:
            return
        await self.attacker.follow(callback)

    def code_of(self, who: str, way: str) -> str:
        """The newest code of this kind that the person can come by."""
        whose, method = self._whose(who, way), _method(way)
        if way.startswith("victims_") and not self.gullible:
            raise NothingToShow
        if method != "totp":
            return _shown(self.ground.newest_code(method, whose.customer))
        browser = self.victim if whose is VICTIM and way != "kept_totp" else self.attacker
        if not browser.secrets:
            raise NothingToShow
        return browser.shown(list(browser.secrets.values())[-1])

    def _whose(self, who: str, way: str) -> Person:
        return VICTIM if who == "victim" or way in STOLEN_PROOFS else ATTACKER

    async def go(self, who: str, link: str, handle: str, customer: str) -> None:
        """The whole way in; the attacker tries each next step whatever became of the one before."""
        browser = self.browser(who)
        await self.each(
            lambda: browser.start(self.ground.links[link]),
            lambda: self.prove_handle(who, handle),
            lambda: self.prove_customer(who, customer),
            lambda: browser.confirm(looks=who == "victim"),
        )

    def tap(self, who: str, way: str) -> Tap:
        """The newest passkey of this person, or hers: on the copy of a page, whose place the browser signs along."""
        keys = self._browser_of(who, way).keys
        if not keys or (way == "victims_passkey" and not self.gullible):
            raise NothingToShow
        changed = {"client": {"origin": COPY}} if way == "victims_passkey" else {}
        return lambda asked: keys[-1].get(asked, **changed)

    def _browser_of(self, who: str, way: str) -> Browser:
        return self.victim if self._whose(who, way) is VICTIM else self.attacker

    async def come_back(self, who: str, way: str, link: str) -> None:
        await self.browser(who).come_back(self.ground.links[link], self.tap(who, way))

    async def step_up(self, who: str, way: str) -> None:
        if _method(way) == "passkey":
            await self.browser(who).step_up_by_passkey(self.tap(who, way))
            return
        request = await self.browser(who).step_up(_site(_method(way)))
        await self.approve(who, way, request)

    async def unlock(self, who: str, way: str) -> None:
        browser, method = self.browser(who), _method(way)
        if method == "passkey":
            await browser.unlock_by_passkey(self.tap(who, way))
            return
        if method in {"sms", "email", "totp"}:
            await browser.ask_unlock_code(method)
            await browser.type_unlock_code(self.code_of(who, way))
            return
        await self.approve(who, way, await browser.unlock_by(_site(method)))

    def answered(self, request: Request, person: Person, *, hijacked: bool = False) -> Callback:
        """The callback that this person's approval of a request gives."""
        if request.site == "square":
            account = VICTIM.account if hijacked else person.account
            return self.ground.square.approve(request, account)
        acr = PUSH if request.site == "push" else HIGH
        return self.ground.providers[request.site].approve(request, person.customer, acr)

    async def write(self, who: str) -> None:
        text = f"Scrivo {_word(len(self.said))}"
        browser = self.browser(who)
        session = await browser.session()
        room_id = await browser.write(text)
        binding = await self._binding_of(room_id)
        self.said[text] = Said(who, self._customer(binding), session.id if session else None)

    async def agent_posts(self, room_id: UUID, data_class: DataClass) -> None:
        text = f"Rispondo {_word(len(self.said))}"
        room: Conversation = await self.ground.row(Conversation, room_id)
        binding = await self._binding_of(room_id)
        self.said[text] = Said("agent", self._customer(binding), room.session_id)
        services, agent = self.ground.services, await self.ground.agent()
        await post_message(services, agent, room_id, text, client_key=text, chosen=data_class)

    async def _binding_of(self, room_id: UUID) -> Binding:
        room: Conversation = await self.ground.row(Conversation, room_id)
        binding: Binding = await self.ground.row(Binding, room.binding_id)
        return binding

    def _customer(self, binding: Binding) -> str:
        return self.ground.customers[binding.customer_hash]

    async def disown(self) -> None:
        """The victim answers her newest notice: this was not me."""
        reference = self.ground.newest_reference(VICTIM.customer)
        if reference is None:
            raise NothingToShow
        await revoking.not_me(self.ground.services, reference=reference)
        bindings = await self.ground.rows(Binding)
        self.disowned = {one.id for one in bindings if one.frozen_until is not None}

    async def bank_revokes(self, binding_id: UUID) -> None:
        agent = await self.ground.agent()
        async with transaction(self.ground.services) as db:
            await revoking.revoke(db, binding_id, reason="by_bank", actor=agent)

    async def bindings(self) -> list[Binding]:
        return await self.ground.rows(Binding)

    async def bindings_in_force(self) -> list[UUID]:
        return [one.id for one in await self.bindings() if one.state == BindingState.ACTIVE]

    async def pass_by(self, *, swept: bool, **amount: float) -> None:
        self.ground.house.clock.pass_by(**amount)
        if swept:
            await sweeping.sweep(self.ground.services)
            await room_sweeps.expire(self.ground.services)

    async def rename(self) -> None:
        """The victim takes another name, and the attacker the one that she left."""
        square = self.ground.square
        square.names[VICTIM.account], square.names[ATTACKER.account] = "giulia2", "giulia"
        await self.account_is(AccountState.THERE)

    async def account_is(self, state: AccountState) -> None:
        """The network says how the victim's account stands."""
        subject = self.ground.square.subject(VICTIM.account)
        known = replace(subject, handle=VICTIM.name)
        await account_watch.account_seen(self.ground.services, known, AccountNow(state, subject.handle))

    async def standing(self, who: str) -> Session | None:
        """The bound session that a person's cookie names, if there is one."""
        session = await self.browser(who).session()
        return session if session is not None and session.binding_id is not None else None


def _shown(code: str | None) -> str:
    if code is None:
        raise NothingToShow
    return code


def _method(way: str) -> str:
    """`kept_totp` is an authenticator that the attacker enrolled when he was in a room of hers."""
    return way.removeprefix("victims_").removeprefix("kept_")


def _site(method: str) -> str:
    return "push" if method == "push" else "id"


def _word(number: int) -> str:
    """A number as letters, so that no detector of figures reads it."""
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:03d}")
