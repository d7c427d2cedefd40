"""The exact contexts of the customer's pages (staff: `staff_views.py`); routes fill these and call `rendering.render`.

Paths and form fields. Forms are `application/x-www-form-urlencoded`; a POST answers 303 to where the arrow points, or
shows its page again (422, 429 ...) with `error` filled. "leaving" is the one exception: 200 with the page `Leaving`,
whose plain link opens the other site, because CSP `form-action 'self'` also stops a form's redirects to other hosts.
Pages under `/c/{slug}` are the same for every slug, genuine or not.

    GET      /c/{slug}                      Landing
    POST     /c/{slug}/start                -> /c/{slug}/handle
    POST     /c/{slug}/passkey              answer (the credential, JSON) -> /room; the question, here and below, is
                                            POST to the same path and /question: 200 with JSON
    POST     /c/{slug}/customer/passkey     answer -> /c/{slug}/confirm
    GET POST /c/{slug}/handle               HandleChoice: connector, account, method (sign_in or direct_message);
                                            or resend=1 alone -> leaving, or /c/{slug}/handle/code
    GET POST /c/{slug}/handle/code          HandleCode: code -> /c/{slug}/customer
    GET      /signin/{connector}/callback   -> /c/{slug}/customer, or SignInRefused
    GET POST /c/{slug}/customer             CustomerChoice: method (sms, email, totp) and identifier; or
                                            method=identity:{provider}; or resend=1 alone
                                            -> leaving, or /c/{slug}/customer/code
    GET POST /c/{slug}/customer/code        CustomerCode: code -> /c/{slug}/confirm
    GET      /identity/{provider}/callback  -> /c/{slug}/confirm, or /room after a step-up; or SignInRefused
    GET POST /c/{slug}/confirm              Confirm: accept=yes -> /room
    GET      /room                          Room, or Locked, or Ended
    POST     /room/messages                 text, idempotency_key -> /room; with `Accept: application/json`
                                            201 {"n": 7} (null: held), or a problem document whose `detail` is shown
    GET      /room/events?after=N           event stream (below); the header Last-Event-ID wins over `after`
    POST     /room/step-up                  method=identity:{provider} -> leaving
    POST     /room/unlock                   method (sms, email, totp) -> /room, now with `code_sent`; code -> /room;
                                            method=identity:{provider} -> leaving
    POST     /room/unlock/passkey           answer -> /room
    POST     /room/step-up/passkey          answer -> /room
    POST     /room/leave                    -> /room (Ended)
    GET POST /room/passkeys                 Passkeys: answer -> /room/passkeys
    POST     /room/passkeys/{id}/remove     -> /room/passkeys
    GET POST /room/authenticator            Authenticator: code -> /room
    GET      /room/authenticator.svg        the QR picture, image/svg+xml
    POST     /room/rating                   stars (1 to 5), comment (optional) -> /room
    GET POST /not-me                        NotMe: reference; 200 with `done` for known and unknown ones
    GET POST /verify                        Verify: text; 200 with `answer`
    GET      /privacy                       Privacy
    GET      /static/{file}                 files of `rendering.STATIC`

Every page takes `?lang=it` or `?lang=en`, which a cookie remembers. Event streams, here and on the staff door: each
event that has a number in the room carries it as `id:`. `message`: JSON {"n", "author" (customer or bank), "name",
"text", "at" (ISO 8601, UTC), "mine", "data_class" (null on the customer's side)}. `read`: {"n"}, the other side has
read so far. `look`: anything else of the room (level, lock, held, step-up, closed); the module fetches its page and
takes the regions and missing lines from it. `end`: the session is over; the page is opened anew. The pages need these
in their CSP: `script-src 'nonce-…'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

MethodKind = Literal["sms", "email", "totp", "identity", "passkey"]
ProofKind = Literal["sign_in", "direct_message", "sms", "email", "totp", "identity", "passkey"]
DataClassName = Literal["general", "case", "account", "identity"]
NoticeName = Literal[
    "code_again",
    "stepped_up",
    "authenticator_enrolled",
    "passkey_added",
    "passkey_removed",
    "rating_thanks",
    "claimed",
    "transferred",
    "note_added",
    "reply_sent",
    "reply_by_hand",
    "message_held",
    "step_up_asked",
    "closed",
    "link_ended",
    "links_ended",
    "no_link_held",
    "export_requested",
    "password_changed",
]
ServiceText = Literal[
    "room_opened",
    "stepped_up",
    "step_up_asked",
    "agent_changed",
    "room_locked",
    "room_unlocked",
    "room_closed",
    "answer_expired",
]


@dataclass(frozen=True, kw_only=True)
class OfficialAccount:
    """One of the bank's own accounts: network's display name, @name, address of the profile."""

    network: str
    name: str
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What is the same on all pages of a door; `hours` is in the page's language, `timezone` an IANA name."""

    bank: str
    host: str
    phone: str
    hours: str
    accounts: tuple[OfficialAccount, ...]
    privacy_contact: str = ""
    timezone: str = "Europe/Rome"
    demo: bool = False
    demo_start: str = ""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Base of every view. `error` is the English message of a `RiserboError`; the template translates it."""

    TEMPLATE: ClassVar[str] = ""

    site: Site
    now: datetime
    error: str = ""
    notice: NoticeName | None = None


@dataclass(frozen=True, kw_only=True)
class CasePage(Page):
    """A page under a case link."""

    slug: str


@dataclass(frozen=True, kw_only=True)
class Landing(CasePage):
    """GET /c/{slug}: no look-up, no cookie, nothing but the slug in the form's address."""

    TEMPLATE = "customer/landing.html"

    passkey: bool = True


@dataclass(frozen=True, kw_only=True)
class ConnectorChoice:
    """A network that the visitor may name; `example` is how an account looks there, such as "@giulia".

    `write_first`: its people have to write to the bank before a code may go to them.
    """

    name: str
    label: str
    example: str
    methods: tuple[Literal["sign_in", "direct_message"], ...]
    write_first: bool = False


@dataclass(frozen=True, kw_only=True)
class HandleChoice(CasePage):
    """Name network and account and choose how to prove them; the last three keep what was typed."""

    TEMPLATE = "customer/handle.html"

    connectors: tuple[ConnectorChoice, ...]
    connector: str = ""
    account: str = ""
    method: str = ""


@dataclass(frozen=True, kw_only=True)
class HandleCode(CasePage):
    """Type the code of the direct message; the same page whether or not one was sent."""

    TEMPLATE = "customer/handle_code.html"

    network: str
    account: str
    official_account: str = ""
    minutes: int
    write_first: bool = False


@dataclass(frozen=True, kw_only=True)
class Leaving(Page):
    """Answer to a POST that continues at another site: a plain link, and the host that will open."""

    TEMPLATE = "customer/leaving.html"

    purpose: Literal["handle", "customer", "step_up", "unlock"]
    destination: str
    host: str
    url: str
    back: str
    stub: bool = False


@dataclass(frozen=True, kw_only=True)
class CustomerMethod:
    """A way to prove being a customer; `provider` and `label` only for `identity`. `stub` marks the demo's provider."""

    kind: MethodKind
    provider: str = ""
    label: str = ""
    level: int = 2
    stub: bool = False


@dataclass(frozen=True, kw_only=True)
class CustomerChoice(CasePage):
    """Say who you are at the bank and choose how to prove it."""

    TEMPLATE = "customer/customer.html"

    handle: str
    network: str
    methods: tuple[CustomerMethod, ...]
    identifier: str = ""
    method: str = ""
    passkey: bool = True


@dataclass(frozen=True, kw_only=True)
class CustomerCode(CasePage):
    """Type the code; no hint where it went, the same page for unknown identifiers."""

    TEMPLATE = "customer/customer_code.html"

    kind: Literal["sms", "email", "totp"]
    minutes: int


@dataclass(frozen=True, kw_only=True)
class Confirm(CasePage):
    """What will be linked: the handle and what the visitor typed, nothing that the bank knows (decision 9)."""

    TEMPLATE = "customer/confirm.html"

    handle: str
    network: str
    kind: MethodKind
    identifier: str = ""
    provider: str = ""
    valid_until: datetime


@dataclass(frozen=True, kw_only=True)
class ProofFact:
    """One proof as a fact: "proved by sign-in at the Square, 14:02"; `where` is the network's or provider's name."""

    kind: ProofKind
    at: datetime
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message as its reader may see it; `mine` says on whose side the bubble stands. `hidden` has no text."""

    number: int
    author: Literal["customer", "bank", "service"]
    at: datetime
    text: str = ""
    name: str = ""
    mine: bool = False
    data_class: DataClassName | None = None
    state: Literal["sent", "seen", "held", "expired"] = "sent"
    service: ServiceText | None = None


@dataclass(frozen=True, kw_only=True)
class HeldAnswer:
    """Answers that wait for a higher level; the customer learns the number and the level, never the text."""

    count: int
    level: int
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class PublicPost:
    """One post of the thread; `genuine` marks the bank's registered reply, `private` what not everybody can read."""

    author: str
    text: str
    at: datetime
    network: str = ""
    url: str = ""
    by_bank: bool = False
    genuine: bool = False
    private: bool = False
    state: Literal["posted", "queued", "by_hand", "failed"] = "posted"


@dataclass(frozen=True, kw_only=True)
class Room(Page):
    """The private room. `cursor` is the last number on the page, `older` asks for what came before (0: nothing did)."""

    TEMPLATE = "customer/room.html"

    state: Literal["open", "closed"]
    handle: str
    network: str
    agent: str
    level: int
    proofs: tuple[ProofFact, ...]
    readable: tuple[DataClassName, ...]
    messages: tuple[Message, ...]
    cursor: int
    idempotency_key: str
    idle_seconds: int
    idle_left: int
    ends_at: datetime
    post: PublicPost | None = None
    held: HeldAnswer | None = None
    step_up: tuple[CustomerMethod, ...] = ()
    step_up_asked: bool = False
    older_hidden: bool = False
    may_enrol: bool = False
    passkeys: Literal["none", "offer", "own"] = "none"
    step_up_passkey: bool = False
    rating: Literal["none", "ask", "given"] = "none"
    draft: str = ""
    max_length: int = 4000
    older: int = 0


@dataclass(frozen=True, kw_only=True)
class Locked(Page):
    """The idle room: nothing of it is served. `code_sent` shows the field for the code of `kind`.

    `reproof` is the slug of the case link where one factor is not enough any more.
    """

    TEMPLATE = "customer/locked.html"

    methods: tuple[CustomerMethod, ...]
    code_sent: bool = False
    kind: Literal["sms", "email", "totp"] | None = None
    reproof: str = ""
    passkey: bool = False


@dataclass(frozen=True, kw_only=True)
class Ended(Page):
    """No session any more; `slug` (may be empty) lets the visitor begin again."""

    TEMPLATE = "customer/ended.html"

    reason: Literal["left", "over", "revoked", "none"]
    slug: str = ""


@dataclass(frozen=True, kw_only=True)
class Authenticator(Page):
    """Enrol an authenticator app; the picture is served by /room/authenticator.svg, `secret` is base32 in groups."""

    TEMPLATE = "customer/authenticator.html"

    secret: str
    account: str


@dataclass(frozen=True, kw_only=True)
class Problem(Page):
    """Any error of either door, in `error`; `reference` is the request id; `staff_door` hides the way out."""

    TEMPLATE = "problem.html"

    status: int
    reference: str = ""
    retry_after: int | None = None
    staff_door: bool = False


@dataclass(frozen=True, kw_only=True)
class SignInRefused(Page):
    """A callback without its session, or for another account: the same words for everybody. So for every passkey."""

    TEMPLATE = "signin_refused.html"

    passkey: bool = False
