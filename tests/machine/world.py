"""What the two people of the machine do: the victim, and the attacker. (`turns` has the bank, the network and time.)

The victim does whatever a message or a page asks of her in her own browser: she opens any address, signs in there as
herself, approves. Where she is `gullible` she also types her codes into the attacker's copy of our pages, approves
what her telephone asks, and pastes the addresses that come back. She looks at the confirmation page before she
confirms. Where her account is `hijacked` the attacker can sign in with it and read its messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.binding.models import Binding
from app.conversations.models import Conversation
from app.errors import RiserboError, Unavailable
from app.sessions.models import Session
from security.tokens import new_token
from tests.machine.browsers import Browser, Tap
from tests.machine.ground import ATTACKER, VICTIM, Ground, Person
from tests.machine.providers import HIGH, STRONG, Callback, Request

OWN_WAYS_TO_A_HANDLE: Final = ("sign_in", "direct_message")
STOLEN_WAYS_TO_A_HANDLE: Final = ("as_victim", "victims_message", "victims_browser", "victims_code")
OWN_PROOFS: Final = ("sms", "email", "totp", "id", "id_high", "push", "wallet")
STOLEN_PROOFS: Final = (
    "victims_sms",
    "victims_email",
    "victims_totp",
    "victims_push",
    "victims_browser",
    "victims_code",
    "victims_session",
    "victims_wallet",
    "victims_wallet_browser",
    "kept_totp",
    "victims_passkey",
)
Again = Callable[[], Awaitable[Request]]
"""Leave once more for the same site."""
COPY: Final = "https://chat.bancaesempio.example.copied.example"
"""Where the attacker's copy of our pages stands."""


class NothingToShow(RiserboError):
    """The person has no such code, or does not give it away."""

    code = "nothing_to_show"


@dataclass(frozen=True)
class Said:
    """A message as it was written: by whom, in whose room, while which session was in it.

    `held` is what tells of an account, whatever its class says.
    """

    by: str
    customer: str
    session_id: UUID | None
    held: bool = False


@dataclass
class World:
    """`held_at` is when the attacker last could show the victim's account without having it now.

    So he does after she has typed its code into his page, or has got it back. `gone_at` and `learned_at` are when the
    network last told the bank that nobody has it any more, and that something is new with it. `signed_in` is when she
    first signed in at the provider `id`, where a session stays open. `inside` and `underway` say who had a room, or an attempt, when the promises
    were last asked for.
    """

    ground: Ground
    hijacked: bool
    gullible: bool
    seen: Counter[str]
    victim: Browser = field(init=False)
    attacker: Browser = field(init=False)
    held_at: datetime | None = None
    gone_at: datetime | None = None
    learned_at: datetime | None = None
    signed_in: datetime | None = None
    said: dict[str, Said] = field(default_factory=dict)
    disowned: dict[UUID, datetime] = field(default_factory=dict)
    shut_until: datetime | None = None
    inside: set[str] = field(default_factory=set)
    underway: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.victim, self.attacker = Browser(self.ground, VICTIM), Browser(self.ground, ATTACKER)

    @property
    def now(self) -> datetime:
        return self.ground.services.clock()

    def held_account(self, at: datetime) -> bool:
        """Whether the attacker could show the victim's account at this moment."""
        return self.hijacked or (self.held_at is not None and at <= self.held_at)

    def may_answer_as_victim(self, proved_at: datetime | None) -> bool:
        """Whether who held her account once may still be let in, by whatever was proved at this moment.

        An attempt that was under way may be finished, news or no news; it lasts half an hour.
        """
        if self.hijacked:
            return True
        if self.held_at is None or proved_at is None:
            return False
        lifetimes = self.ground.services.policy.lifetimes
        if proved_at < self.held_at + lifetimes.attempt:
            return True
        told = self.learned_at is not None and self.held_at < self.learned_at <= proved_at
        return proved_at < self.held_at + lifetimes.handle_again and not told

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
            ways += ["victims_browser", "sent_to_her"]
            ways += ["as_victim"] * self.hijacked + ["victims_code"] * self.gullible
            ways += ["victims_message"] * (self.hijacked or self.gullible)
        return ways

    def proofs(self, who: str) -> list[str]:
        """The same of the proofs of a customer."""
        ways = [way for way in OWN_PROOFS if way != "totp"] + ["totp"] * bool(self.browser(who).secrets)
        ways += ["passkey"] * bool(self.browser(who).keys)
        if who == "attacker":
            ways += self._stolen() + ["kept_totp"] * bool(self.attacker.secrets)
            if self.gullible:
                ways += ["victims_email"] + ["victims_totp"] * bool(self.victim.secrets)
        return ways

    def ways_on(self, who: str) -> list[str]:
        """The same of what unlocks a room or raises its level."""
        own = self.browser(who)
        ways = ["id", "id_high", "wallet", "sms"] + ["totp"] * bool(own.secrets) + ["passkey"] * bool(own.keys)
        return ways + (self._stolen() if who == "attacker" else [])

    def _stolen(self) -> list[str]:
        thief = self.ground.phone.thief_since is not None
        ways = ["victims_browser", "victims_wallet", "victims_wallet_browser", "sent_to_her"]
        ways += ["victims_session"] * (self._left_open() is not None)
        ways += ["victims_sms"] * (self.gullible or thief)
        if self.gullible:
            ways += ["victims_push", "victims_code"] + ["victims_passkey"] * bool(self.victim.keys)
        return ways

    def _left_open(self) -> datetime | None:
        """When the victim signed in at `id` on a computer that is not hers alone; long enough ago to be told apart."""
        old_enough = self.signed_in is not None and self.signed_in <= self.now - timedelta(minutes=2)
        return self.signed_in if old_enough else None

    async def prove_handle(self, who: str, way: str) -> None:
        """`victims_browser`: the victim opens the attacker's own request and signs in; the rest is up to us.

        `sent_to_her`: he signs in as himself, and she opens what comes back.
        """
        browser, square = self.browser(who), self.ground.square
        whose = VICTIM if way in STOLEN_WAYS_TO_A_HANDLE else browser.owner
        name = square.names[whose.account]
        if way in {"direct_message", "victims_message"}:
            await browser.ask_handle(name, "direct_message")
            await browser.type_handle_code(self._message_code(who, stolen=way == "victims_message"))
            return
        if way == "as_victim" and not self.hijacked:
            raise NothingToShow

        async def leave() -> Request:
            request = await browser.ask_handle(name, "sign_in")
            assert request is not None
            return request

        request = await leave()
        callback = square.approve(request, whose.account)
        if way == "victims_browser":
            await self.lure(callback)
        elif way == "victims_code":
            await self.put_in(callback, leave)
        else:
            await (self.victim if way == "sent_to_her" else browser).follow(callback)

    def _message_code(self, who: str, *, stolen: bool) -> str:
        """The newest code in a direct message, as far as this person can come by it."""
        if not stolen:
            return _shown(self.ground.newest_message_to(self.browser(who).owner.account))
        if not (self.hijacked or self.gullible):
            raise NothingToShow
        code = _shown(self.ground.newest_message_to(VICTIM.account))
        self.held_at = self.now
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
        await self.approve(who, way, lambda: browser.identify(_site(method)))

    async def approve(self, who: str, way: str, leave: Again) -> None:
        """Somebody leaves for a provider, and somebody approves there: in that browser, on a telephone, in hers."""
        if way in {"victims_push", "victims_code"} and not self.gullible:
            raise NothingToShow
        request, whose = await leave(), self._whose(who, way)
        if way == "victims_session":
            left_open, number = _there(self._left_open()), VICTIM.customer.customer_number
            callback = self.ground.logins[request.site].approve(request, number, HIGH, left_open)
        else:
            callback = await self.answered(request, whose, acr=STRONG if way == "id" else HIGH)
        if way == "victims_wallet":
            # her wallet has answered, and he comes back before her browser does: all that he lacks is its code
            with suppress(RiserboError):
                await self.attacker.follow(replace(callback, code=new_token()))
                return
        if way in {"victims_browser", "victims_wallet", "victims_wallet_browser"}:
            await self.lure(callback)
        elif way == "victims_code":
            await self.put_in(callback, leave)
        else:
            await (self.victim if way == "sent_to_her" else self.browser(who)).follow(callback)

    async def put_in(self, callback: Callback, leave: Again) -> None:
        """She has approved and pastes what came back; he puts its code into an answer to another request of his."""
        if not self.gullible:
            raise NothingToShow
        with suppress(RiserboError):
            await self.victim.follow(callback)
            return
        own = await self.answered(await leave(), ATTACKER)
        await self.attacker.follow(replace(own, code=callback.code))

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
        by_thief = method == "sms" and whose is VICTIM and self.ground.phone.thief_since is not None
        if (way.startswith("victims_") and not self.gullible and not by_thief) or (by_thief and who == "victim"):
            raise NothingToShow
        if method != "totp":
            return _shown(self.ground.newest_code(method, whose.customer, by_thief=by_thief))
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
        await self.approve(who, way, lambda: self.browser(who).step_up(_site(_method(way))))

    async def unlock(self, who: str, way: str) -> None:
        browser, method = self.browser(who), _method(way)
        if method == "passkey":
            await browser.unlock_by_passkey(self.tap(who, way))
            return
        if method in {"sms", "email", "totp"}:
            await browser.ask_unlock_code(method)
            await browser.type_unlock_code(self.code_of(who, way))
            return
        await self.approve(who, way, lambda: browser.unlock_by(_site(method)))

    async def answered(self, request: Request, person: Person, *, acr: str = HIGH, hijacked: bool = False) -> Callback:
        """The callback that this person's approval of a request gives; a push is worth what a push is."""
        if request.site == "square":
            account = VICTIM.account if hijacked else person.account
            return self.ground.square.approve(request, account)
        if request.site == "wallet":
            return await self.ground.from_wallet(request, person)
        if request.site == "id" and person is VICTIM:
            self.signed_in = self.signed_in or self.now
        acr = STRONG if request.site == "push" else acr
        return self.ground.logins[request.site].approve(request, person.customer.customer_number, acr)

    async def write(self, who: str) -> None:
        text = f"Scrivo {word(len(self.said))}"
        browser = self.browser(who)
        session = await browser.session()
        room_id = await browser.write(text)
        binding = await self.binding_of(room_id)
        self.said[text] = Said(who, self.customer_of(binding), session.id if session else None)

    async def binding_of(self, room_id: UUID) -> Binding:
        room: Conversation = await self.ground.row(Conversation, room_id)
        binding: Binding = await self.ground.row(Binding, room.binding_id)
        return binding

    def customer_of(self, binding: Binding) -> str:
        return self.ground.customers[binding.customer_hash]

    async def bindings(self) -> list[Binding]:
        return await self.ground.rows(Binding)

    async def standing(self, who: str) -> Session | None:
        """The bound session that a person's cookie names, if there is one."""
        session = await self.browser(who).session()
        return session if session is not None and session.binding_id is not None else None


def _shown(code: str | None) -> str:
    if code is None:
        raise NothingToShow
    return code


def _there(at: datetime | None) -> datetime:
    if at is None:
        raise NothingToShow
    return at


def _method(way: str) -> str:
    """`kept_totp` is an authenticator that the attacker enrolled when he was in a room of hers."""
    return way.removeprefix("victims_").removeprefix("kept_")


def _site(method: str) -> str:
    return next((site for site in ("push", "wallet") if method.startswith(site)), "id")


def word(number: int) -> str:
    """A number as letters, so that no detector of figures reads it."""
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:03d}")
