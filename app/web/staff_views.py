"""The exact contexts of the console's pages; shared pieces are in `views.py`.

Paths and form fields; a POST answers 303 to where the arrow points, or shows its page again with `error` and what was
typed. Queue and export list fetch their own page again every `data-every` seconds while it is looked at.

    GET POST /signin                        SignIn: name, password, code -> /queue, /exports or /agents by role;
                                            with the bank's own sign-in the form shows with ?emergency=1 only
    POST     /signin/provider               Departing, for the bank's own sign-in
    POST     /signin/again                  Departing, for whom SignInOnceMore has stopped
    GET      /signin/return                 Arrived -> /queue, /exports or /agents by role; or SignIn with `error`
    POST     /signout                       -> /signin
    GET      /queue                         Queue; query: status, assigned (any, me, nobody), network, after
    GET      /cases/{id}                    Case; query: room (one of several)
    POST     /cases/{id}/claim              -> /cases/{id}
    POST     /cases/{id}/transfer           agent (id, or empty: back to the queue), reason -> /cases/{id}
    POST     /cases/{id}/notes              text -> /cases/{id}
    POST     /cases/{id}/replies            text, idempotency_key, intent (check or publish) -> /cases/{id}; or the
                                            Case again with `composer.draft`. After a warning also text_hash (of the
                                            text that was warned of) and acknowledge=yes. A supervisor over a block:
                                            intent=override, block (id), text_hash, override_reason
    POST     /cases/{id}/close              outcome, note (optional) -> /cases/{id}
    POST     /conversations/{id}/messages   text, data_class, idempotency_key -> /cases/{case}; JSON as in the room
    POST     /conversations/{id}/step-up    level (3 or 4) -> /cases/{case}
    POST     /conversations/{id}/revoke     because (customer_asked or suspicion) -> /cases/{case}
    POST     /revocations                   customer_number, because -> /queue; or Queue with `error`
    GET      /conversations/{id}/events?after=N   event stream as in `views.py`
    GET POST /exports                       Exports: scope (log or room), room (conversation id), reason -> /exports
    GET      /exports/{id}/download         the bag
    GET      /exports/{id}/trust            trust.json as of that export
    GET      /agents                        Agents
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from app.web.views import DataClassName, HeldAnswer, Message, Page, ProofFact, PublicPost

RoleName = Literal["agent", "supervisor", "compliance", "administrator", "machine"]
CaseStatus = Literal["open", "claimed", "answered", "in_room", "waiting_customer", "closed", "reopened"]
Outcome = Literal["resolved", "explained", "handed_over", "no_answer", "not_ours"]


@dataclass(frozen=True, kw_only=True)
class StaffBar:
    """Who is signed in, and which parts of the console the role opens."""

    name: str
    role: RoleName
    signature: str
    sees_cases: bool
    sees_exports: bool
    sees_agents: bool
    has_password: bool = True


@dataclass(frozen=True, kw_only=True)
class SignIn(Page):
    """The staff door's way in. `provider` is the bank's own sign-in; `local` shows the form for name and password."""

    TEMPLATE = "staff/sign_in.html"

    name: str = ""
    provider: str = ""
    local: bool = True


@dataclass(frozen=True, kw_only=True)
class Departing(Page):
    """On the way to the bank's own sign-in; the answer's `Refresh` goes there by itself, the link is for who stays."""

    TEMPLATE = "staff/departing.html"

    destination: str
    host: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Arrived(Page):
    """Signed in. The next page opens from this one: a strict cookie does not travel with a return from elsewhere."""

    TEMPLATE = "staff/arrived.html"

    target: str


@dataclass(frozen=True, kw_only=True)
class SignInOnceMore(Page):
    """A sensitive act needs a sign-in of now; `provider` is where."""

    TEMPLATE = "staff/once_more.html"

    provider: str


@dataclass(frozen=True, kw_only=True)
class StaffPage(Page):
    """Base of every page behind the staff sign-in; SECTION is the part of the console that is marked as current."""

    SECTION: ClassVar[str] = ""

    staff: StaffBar


@dataclass(frozen=True, kw_only=True)
class Clock:
    """A service clock; `soon` is less than a quarter of the time left, `met`/`missed` when `done_at` is set."""

    due_at: datetime
    state: Literal["running", "soon", "late", "met", "missed"]
    done_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class QueueRow:
    """One case of the queue; `level` is 0 while there is no room."""

    id: UUID
    reference: str
    author: str
    network: str
    excerpt: str
    status: CaseStatus
    opened_at: datetime
    first_answer: Clock
    resolution: Clock
    unread: int = 0
    level: int = 0
    assigned_to: str = ""
    mine: bool = False


@dataclass(frozen=True, kw_only=True)
class QueueFilter:
    """The filter as asked for; empty strings mean all."""

    status: str = ""
    assigned: Literal["any", "me", "nobody"] = "any"
    network: str = ""


@dataclass(frozen=True, kw_only=True)
class Queue(StaffPage):
    """The desk's queue, most urgent first; `next_page` is a path or empty.

    `may_end_links` is a supervisor's, for customers who phone; `customer_number` and `because` keep what was refused.
    """

    TEMPLATE = "staff/queue.html"
    SECTION = "queue"

    rows: tuple[QueueRow, ...]
    filter: QueueFilter
    networks: tuple[tuple[str, str], ...]
    waiting: int
    mine: int
    unread: int
    late: int
    next_page: str = ""
    may_end_links: bool = False
    customer_number: str = ""
    because: str = ""


@dataclass(frozen=True, kw_only=True)
class TextPiece:
    """A stretch of the draft; `finding` is the number (from 1) of the finding that marks it, or 0."""

    text: str
    finding: int = 0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the guard found: its kind as the guard names it ("iban", "phone", ...), and how grave."""

    number: int
    kind: str
    verdict: Literal["warn", "block"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A reply that the guard has read and that has not left; one that waits for a supervisor has a `block`."""

    text: str
    text_hash: str
    verdict: Literal["allow", "warn", "block"]
    pieces: tuple[TextPiece, ...]
    findings: tuple[Finding, ...]
    author: str = ""
    block: UUID | None = None
    may_override: bool = False


@dataclass(frozen=True, kw_only=True)
class Composer:
    """The public reply: what will be added to it, how long it may be, and a draft already checked."""

    idempotency_key: str
    mention: str
    case_link: str
    signature: str
    max_length: int
    draft: Draft | None = None
    text: str = ""
    by_hand: str = ""


@dataclass(frozen=True, kw_only=True)
class Note:
    """An internal note; the customer never sees it."""

    author: str
    text: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Colleague:
    """Somebody to whom the case may be transferred."""

    id: UUID
    name: str
    role: RoleName


@dataclass(frozen=True, kw_only=True)
class RoomPanel:
    """The room as the agent sees it; `may_say` lists the data classes readable at the present level.

    `undone` says that the link of account and customer was revoked because somebody wrote "this was not me" (or by the
    bank), `taken_back` that its customer undid it, `reproof` why both must be proved anew before anybody comes in,
    `linked` that it holds.
    """

    id: UUID
    state: Literal["open", "locked", "closed"]
    level: int
    proofs: tuple[ProofFact, ...]
    may_say: tuple[DataClassName, ...]
    messages: tuple[Message, ...]
    cursor: int
    idempotency_key: str
    customer: str = ""
    present: bool = False
    held: HeldAnswer | None = None
    step_up_level: int = 0
    draft: str = ""
    data_class: DataClassName = "account"
    max_length: int = 4000
    older: int = 0
    undone: bool = False
    taken_back: bool = False
    linked: bool = False
    reproof: Literal["", "handle_age", "customer_age", "renamed", "gone", "suspended"] = ""


@dataclass(frozen=True, kw_only=True)
class Case(StaffPage):
    """One case: public thread beside the room. `may_work` is false while it is not this agent's; `blocked` wait.

    The last of `rooms` is shown, the others are only named; `rooms_hidden` says that there are some, for others' eyes.
    """

    TEMPLATE = "staff/case.html"

    id: UUID
    reference: str
    author: str
    network: str
    status: CaseStatus
    opened_at: datetime
    first_answer: Clock
    resolution: Clock
    thread: tuple[PublicPost, ...]
    notes: tuple[Note, ...]
    colleagues: tuple[Colleague, ...]
    outcomes: tuple[Outcome, ...]
    may_claim: bool
    may_work: bool
    may_transfer: bool
    composer: Composer | None = None
    blocked: tuple[Draft, ...] = ()
    rooms: tuple[RoomPanel, ...] = ()
    rooms_hidden: bool = False
    assigned_to: str = ""
    outcome: Outcome | None = None
    stars: int = 0


@dataclass(frozen=True, kw_only=True)
class ExportRow:
    """One export; `size` is display-ready ("1.2 MB")."""

    id: UUID
    scope: Literal["log", "room"]
    room: str
    reason: str
    requested_by: str
    requested_at: datetime
    state: Literal["requested", "building", "ready", "failed"]
    size: str = ""
    leaves: int = 0


@dataclass(frozen=True, kw_only=True)
class LogHealth:
    """The evidence log: leaves in all, not yet numbered, and the newest signed checkpoint."""

    origin: str
    size: int
    pending: int
    checkpoint_size: int
    checkpoint_at: datetime | None
    root: str
    healthy: bool


@dataclass(frozen=True, kw_only=True)
class RoomChoice:
    """A room that may be exported, by its case's reference: no name, no handle."""

    id: UUID
    reference: str
    opened_at: datetime


@dataclass(frozen=True, kw_only=True)
class Exports(StaffPage):
    """The compliance officer's page; the last three keep what was typed."""

    TEMPLATE = "staff/exports.html"
    SECTION = "exports"

    rows: tuple[ExportRow, ...]
    log: LogHealth
    rooms: tuple[RoomChoice, ...] = ()
    scope: Literal["log", "room"] = "log"
    room: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class AgentRow:
    """A member of staff."""

    name: str
    display_name: str
    signature: str
    role: RoleName
    active: bool
    created_at: datetime
    last_seen_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Agents(StaffPage):
    """The administrator's list; accounts are made by `riserbo agents`."""

    TEMPLATE = "staff/agents.html"
    SECTION = "agents"

    rows: tuple[AgentRow, ...]
