"""The stateful test: hypothesis chooses what whom does next, and after every act the promises are asked for.

Rules are of two sizes: whole ways, so that rooms are reached often, and single acts, so that anything can happen in the
middle of anything. Several beginnings stand in the middle of a story already.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.channels.ports import AccountState
from app.conversations.models import Conversation
from app.permissions import DataClass
from tests.machine import promises, turns
from tests.machine.beginnings import BEGINNINGS
from tests.machine.ground import ATTACKER, VICTIM, Plan, open_ground
from tests.machine.promises import Promise
from tests.machine.providers import Request
from tests.machine.world import OWN_PROOFS, OWN_WAYS_TO_A_HANDLE, NothingToShow, World

WHO: Final = st.sampled_from(("victim", "attacker"))
LINK: Final = st.sampled_from((VICTIM.name, ATTACKER.name))
TYPED: Final = ("sms", "totp", "victims_sms")
ACTS_INSIDE: Final = ("write", "enrol", "passkey", "leave", "revoke", "unlock", "id", "push", "wallet")
CLASSES: Final = st.sampled_from((DataClass.CASE, DataClass.ACCOUNT, DataClass.IDENTITY))
WAITS: Final = st.sampled_from(
    (
        {"seconds": 20},
        {"minutes": 6},
        {"minutes": 16},
        {"minutes": 35},
        {"hours": 9},
        {"hours": 25},
        {"hours": 73},
        {"days": 91},
    )
)

CALM: Final = settings(
    database=None, deadline=None, report_multiple_bugs=False, print_blob=False, suppress_health_check=list(HealthCheck)
)


class BindingMachine(RuleBasedStateMachine):
    """One run of one story. What is not its own is set by whoever makes a class of it (`machine_on`)."""

    plan: ClassVar[Plan]
    seen: ClassVar[Counter[str]]
    powers: ClassVar[tuple[bool, bool] | None]
    begins: ClassVar[str | None]
    watched: ClassVar[Promise | None]
    world: World

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._open = contextlib.AsyncExitStack()
        self._folder = self._open.enter_context(tempfile.TemporaryDirectory())

    def _do(self, act: Callable[[], Awaitable[object]]) -> None:
        self._loop.run_until_complete(self.world.attempt(act))

    def _ask(self, question: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(question)

    def teardown(self) -> None:
        self._loop.run_until_complete(self._open.aclose())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    @initialize(
        hijacked=st.booleans(),
        gullible=st.booleans(),
        beginning=st.sampled_from(sorted(BEGINNINGS)),
        relayed=st.sampled_from(("victims_sms", "victims_email", "victims_push")),
    )
    def it_begins(self, hijacked: bool, gullible: bool, beginning: str, relayed: str) -> None:
        if self.powers is not None:
            hijacked, gullible = self.powers
        beginning = self.begins or beginning
        self._loop.run_until_complete(self._begin(hijacked, gullible, beginning, relayed))

    async def _begin(self, hijacked: bool, gullible: bool, beginning: str, relayed: str) -> None:
        ground = await self._open.enter_async_context(open_ground(self.plan, Path(self._folder)))
        self.world = World(ground, hijacked, gullible, self.seen)
        self.seen["stories"] += 1
        await BEGINNINGS[beginning](self.world, relayed)

    @invariant()
    def every_promise_holds(self) -> None:
        if hasattr(self, "world"):
            self._loop.run_until_complete(promises.check(self.world, self.watched))

    # whole ways

    @rule(handle=st.sampled_from(OWN_WAYS_TO_A_HANDLE), proof=st.sampled_from(OWN_PROOFS))
    def the_victim_goes_in(self, handle: str, proof: str) -> None:
        self._do(lambda: self.world.go("victim", VICTIM.name, handle, proof))

    @rule(data=st.data())
    def the_attacker_tries_every_door_of_hers(self, data: st.DataObject) -> None:
        self._try_every_door(VICTIM.name, data)

    @rule(data=st.data())
    def the_attacker_tries_every_door_of_his_own(self, data: st.DataObject) -> None:
        self._try_every_door(ATTACKER.name, data)

    def _try_every_door(self, link: str, data: st.DataObject) -> None:
        handle = data.draw(st.sampled_from(self.world.ways_to_a_handle("attacker")))
        proof = data.draw(st.sampled_from(self.world.proofs("attacker")))
        self._do(lambda: self.world.go("attacker", link, handle, proof))

    @precondition(lambda self: self.world.victim.keys or self.world.attacker.keys)
    @rule(link=LINK, data=st.data())
    def somebody_comes_back_by_a_passkey(self, link: str, data: st.DataObject) -> None:
        who, way = data.draw(st.sampled_from(self._taps()))
        self._do(lambda: self.world.come_back(who, way, link))

    @precondition(lambda self: any(who == "attacker" for who, _ in self._taps()))
    @rule()
    def the_attacker_taps_at_every_link(self) -> None:
        for who, way in self._taps():
            for link in (ATTACKER.name, VICTIM.name) if who == "attacker" else ():
                self._do(partial(self.world.come_back, who, way, link))
                self.every_promise_holds()

    def _taps(self) -> list[tuple[str, str]]:
        world = self.world
        taps = [(who, "passkey") for who in ("victim", "attacker") if world.browser(who).keys]
        return taps + [("attacker", "victims_passkey")] * (world.gullible and bool(world.victim.keys))

    # single acts of a way in

    @rule(who=WHO, link=LINK)
    def somebody_opens_a_link(self, who: str, link: str) -> None:
        self._do(lambda: self.world.browser(who).start(self.world.ground.links[link]))

    @precondition(lambda self: self.world.underway)
    @rule(data=st.data())
    def somebody_underway_proves_an_account(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.world.underway)))
        way = data.draw(st.sampled_from(self.world.ways_to_a_handle(who)))
        self._do(lambda: self.world.prove_handle(who, way))

    @precondition(lambda self: self.world.underway)
    @rule(data=st.data())
    def somebody_underway_proves_to_be_a_customer(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.world.underway)))
        proof = data.draw(st.sampled_from(self.world.proofs(who)))
        self._do(lambda: self.world.prove_customer(who, proof))

    @precondition(lambda self: self.world.underway)
    @rule(who=WHO)
    def somebody_confirms(self, who: str) -> None:
        self._do(lambda: self.world.browser(who).confirm(looks=who == "victim"))

    # redirects that stay open, and travel

    @rule(who=WHO, link=LINK, name=st.sampled_from((VICTIM, ATTACKER)))
    def somebody_leaves_for_the_network(self, who: str, link: str, name: Any) -> None:
        async def leave() -> None:
            await self.world.browser(who).start(self.world.ground.links[link])
            await self.world.browser(who).ask_handle(self.world.ground.square.names[name.account], "sign_in")

        self._do(leave)

    @precondition(lambda self: self.world.underway)
    @rule(who=WHO, site=st.sampled_from(("id", "push", "wallet")))
    def somebody_leaves_for_a_provider(self, who: str, site: str) -> None:
        self._do(lambda: self.world.browser(who).identify(site))

    @precondition(lambda self: self.world.victim.pending or self.world.attacker.pending)
    @rule(owner=WHO)
    def the_victim_opens_a_request(self, owner: str) -> None:
        """Her own, or one that the attacker sent her; she signs in as herself."""

        async def approve() -> None:
            await self.world.lure(await self.world.answered(self._pending(owner), VICTIM))

        self._do(approve)

    @precondition(lambda self: self.world.victim.pending or self.world.attacker.pending)
    @rule(owner=WHO, opener=WHO)
    def the_attacker_opens_a_request(self, owner: str, opener: str) -> None:
        """His own, or one of hers that he got hold of; what comes back he opens himself or sends to her.

        One way is left out: her own request, brought back to her with his approval. Who has read her address bar can
        put himself into it, whatever the state is tied to (docs/formal, REQUEST_SEEN).
        """

        async def approve() -> None:
            mine = opener == "attacker" or owner == "victim"
            hijacked = self.world.hijacked and mine
            callback = await self.world.answered(self._pending(owner), ATTACKER, hijacked=hijacked)
            await (self.world.attacker if mine else self.world.victim).follow(callback)

        self._do(approve)

    def _pending(self, owner: str) -> Request:
        request = self.world.browser(owner).pending
        if request is None:
            raise NothingToShow
        return request

    @rule()
    def the_victim_types_a_code_that_the_attacker_sends_her(self) -> None:
        async def type_it() -> None:
            code = self.world.ground.newest_message_to(ATTACKER.account)
            if code is None:
                raise NothingToShow
            await self.world.victim.type_handle_code(code)

        self._do(type_it)

    # in the room

    @precondition(lambda self: self.world.inside)
    @rule(data=st.data(), raises=st.booleans())
    def somebody_goes_on(self, data: st.DataObject, raises: bool) -> None:
        """To more than they have, or back into what is locked."""
        who = self._who_is_inside(data)
        way = data.draw(st.sampled_from(self._ways_on(who, raises=raises)))
        self._do(partial(self.world.step_up if raises else self.world.unlock, who, way))

    @precondition(lambda self: "attacker" in self.world.inside)
    @rule()
    def the_attacker_tries_every_way_to_more(self) -> None:
        self._try_every_way_on(raises=True)

    @precondition(lambda self: "attacker" in self.world.inside)
    @rule()
    def the_attacker_tries_every_way_back(self) -> None:
        self._try_every_way_on(raises=False)

    def _try_every_way_on(self, *, raises: bool) -> None:
        for way in self._ways_on("attacker", raises=raises):
            self._do(partial(self.world.step_up if raises else self.world.unlock, "attacker", way))
            self.every_promise_holds()

    def _ways_on(self, who: str, *, raises: bool) -> list[str]:
        return [way for way in self.world.ways_on(who) if not (raises and way in TYPED)]

    @precondition(lambda self: self.world.inside)
    @rule(data=st.data(), act=st.sampled_from(ACTS_INSIDE))
    def somebody_in_a_room_acts(self, data: st.DataObject, act: str) -> None:
        who = self._who_is_inside(data)
        browser = self.world.browser(who)
        acts: dict[str, Callable[[], Awaitable[object]]] = {
            "write": lambda: self.world.write(who),
            "enrol": browser.enrol,
            "passkey": browser.add_passkey,
            "leave": browser.leave,
            "revoke": browser.revoke,
            "unlock": lambda: browser.unlock_by("id"),
        }
        self._do(acts.get(act, lambda: browser.step_up(act)))

    def _who_is_inside(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.world.inside)))

    @rule(data_class=CLASSES)
    def the_agent_answers_in_every_room(self, data_class: DataClass) -> None:
        for room in self._ask(self.world.ground.rows(Conversation)):
            self._do(partial(turns.agent_posts, self.world, room.id, data_class))

    @rule()
    def the_agent_is_talked_into_calling_an_account_a_case(self) -> None:
        for room in self._ask(self.world.ground.rows(Conversation)):
            self._do(partial(turns.agent_posts, self.world, room.id, DataClass.CASE, persuaded=True))

    # ends, thieves, and time

    @rule()
    def the_victim_says_this_was_not_me(self) -> None:
        self._do(lambda: turns.disown(self.world))

    @rule(choice=st.integers(0, 3))
    def the_bank_revokes(self, choice: int) -> None:
        """One link, or all of hers because she phones."""
        bindings = self._ask(turns.bindings_in_force(self.world))
        if choice == 3:
            self._do(lambda: turns.she_phones(self.world))
        elif bindings:
            self._do(lambda: turns.bank_revokes(self.world, bindings[choice % len(bindings)]))

    @rule(amount=WAITS, swept=st.booleans())
    def time_passes(self, amount: dict[str, float], swept: bool) -> None:
        self._do(lambda: turns.pass_by(self.world, swept=swept, **amount))

    @rule(data=st.data())
    def something_happens_outside(self, data: st.DataObject) -> None:
        """Names change hands, an account is no more or comes back to its owner, a telephone is taken."""
        happenings: dict[str, Callable[[], Awaitable[object]]] = {
            "renamed": lambda: turns.rename(self.world),
            "gone": lambda: turns.account_is(self.world, AccountState.GONE),
            "suspended": lambda: turns.account_is(self.world, AccountState.SUSPENDED),
        }
        if self.world.hijacked:
            happenings["back"] = lambda: turns.she_gets_her_account_back(self.world)
        if self.world.ground.phone.thief_since is None:
            happenings["taken"] = lambda: turns.telephone_is_taken(self.world)
        self._do(happenings[data.draw(st.sampled_from(sorted(happenings)))])


def machine_on(
    plan: Plan,
    seen: Counter[str],
    powers: tuple[bool, bool] | None = None,
    begins: str | None = None,
    watched: Promise | None = None,
) -> type[BindingMachine]:
    """A machine of its own for one test: it plays on copies of `plan` and counts what it saw in `seen`.

    `powers` fixes whether the account is hijacked and the victim gullible, `begins` how it begins; else they are drawn.
    With `watched` nothing but this promise is asked for.
    """
    given = {"plan": plan, "seen": seen, "powers": powers, "begins": begins, "watched": watched}
    return type("BindingMachine", (BindingMachine,), given)
