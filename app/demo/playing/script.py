"""The story in order: what each step is called, and who plays it. A title says what has happened once it held."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from app.demo.playing import (
    offline,
    raw_search,
    steps_eid,
    steps_entry,
    steps_evidence,
    steps_passkey,
    steps_public,
    steps_room,
)
from app.demo.playing.offline import Evidence
from app.demo.playing.people import Company

Stage = TypeVar("Stage")


@dataclass(frozen=True)
class Step(Generic[Stage]):
    """One line of the story."""

    title: str
    act: Callable[[Stage], Awaitable[None]]


STORY: Final[tuple[Step[Company], ...]] = (
    Step("Giulia's public complaint is a case, clocks running, the thread with it", steps_public.complaint),
    Step("Anna signs in by password and code and claims it; Luca comes too late", steps_public.claim),
    Step(
        "guard block: an IBAN and 'your account with us' do not leave; their author cannot override", steps_public.guard
    ),
    Step("the reply stands in the thread, signed, with the case link", steps_public.reply),
    Step("/verify names official account and answered post; look-alike links are not ours", steps_public.verify),
    Step("stranger: Giulia's link and an invented one show the same pages up to the refusal", steps_public.stranger),
    Step(
        "wrong handle: Mallory signs in as himself at Giulia's link and is refused neutrally", steps_public.wrong_handle
    ),
    Step(
        "foreign browser finishing Giulia's sign-in: refused, and over; begun again, hers holds, once",
        steps_entry.foreign_finish,
    ),
    Step(
        "wrong code five times: Elena's pair is locked, even to the right code; another way is open",
        steps_entry.guessing,
    ),
    Step("Giulia proves to be a customer by SMS, accepts the notice and is in the room at L2", steps_entry.way_in),
    Step("a notice with 'this was not me' reached Giulia's phone", steps_entry.notice),
    Step("guard block: what only the bank's files say of her does not leave either", steps_public.facts),
    Step("'this was not me' ends Elena's room at once; an unknown reference gets the same answer", steps_entry.not_me),
    Step("Anna and Giulia write to each other live; after a lost connection no gap and no repeat", steps_room.live),
    Step("a repeated message with the same key is one message", steps_room.once),
    Step("answer above level: held; Giulia sees that something waits, not what", steps_room.held),
    Step("step-up naming another customer: refused, nothing released", steps_room.other_customer),
    Step("Giulia's own step-up: L3, the held answer is released, the old session is dead", steps_room.stepped_up),
    Step(
        "an attacker who complains himself gets a room of his own, empty, and no way to hers", steps_room.own_complaint
    ),
    Step("right handle with another customer's proof: an empty room; Giulia's stays hers", steps_room.stolen_handle),
    Step("digital identity: opened by others, or of somebody who is no customer, refused alike", steps_eid.refused),
    Step("Marco comes by digital identity (OpenID Connect): found by tax number, L3 at once", steps_eid.identified),
    Step("Giulia makes a passkey in her room; her phone hears of it", steps_passkey.made),
    Step(
        "Giulia returns with one passkey tap; a made-up one opens nothing, nor hers in a browser never used for it",
        steps_passkey.returned,
    ),
    Step("insider without the case: Luca can neither read, watch, write nor ask", steps_room.insider),
    Step("a card number from the customer is refused kindly and not stored", steps_room.card_number),
    Step("Anna closes with an outcome, Giulia rates, a public reply ends the thread", steps_room.closing),
    Step("Giulia goes public again: the same case reopens", steps_room.reopened),
    Step("Paolo exports her room and the whole log; Anna may not", steps_evidence.exports),
    Step("the room's bag reads as it was said; the insider's refusals are in both", steps_evidence.contents),
    Step("database files, exports and logs hold no text, name, number, code or token to be read", raw_search.nothing),
)

AFTERWARDS: Final[tuple[Step[Evidence], ...]] = (
    Step("the bank is gone with its database; both bags verify in a separate process", offline.genuine),
    Step("tampered copy, one byte changed: fails, and the leaf is named", offline.changed_byte),
    Step("tampered copy, one leaf dropped: fails, and the place is named", offline.dropped_leaf),
    Step("tampered copy, two leaves swapped: fails, and the first is named", offline.swapped_leaves),
    Step("cut tail: an older bag fails against the newest checkpoint", offline.cut_tail),
)
