"""One filled view for each page and each important state of it, as the story of Giulia would show them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from app.web import demo_views, own_views, passkey_views, password_views, public_views, views
from app.web import staff_views as desk
from app.web.views import Page

NOW = datetime(2026, 11, 21, 13, 6, tzinfo=UTC)
SLUG = "k7q2m5x4n3p6r7t2v5w4y3z6ab"


def ago(minutes: float) -> datetime:
    """So many minutes before the samples' present."""
    return NOW - timedelta(minutes=minutes)


SITE = views.Site(
    bank="Banca Esempio",
    host="bank.localhost",
    phone="+39 02 1234 5678",
    hours="lun–ven 8–20",
    accounts=(
        views.OfficialAccount(network="Square", name="@bancaesempio", url="http://square.localhost/@bancaesempio"),
        views.OfficialAccount(network="Mastodon", name="@bancaesempio@social.example"),
    ),
    privacy_contact="privacy@bancaesempio.example",
    demo=True,
    demo_start="http://bank.localhost/demo",
)
POST_TEXT = (
    "Cara @bancaesempio, mi avete addebitato il bollo due volte? È un errore? Al call center non risponde nessuno."
)
REPLY_TEXT = "@giulia ciao Giulia, ci spiace per l'attesa: vediamo subito insieme, in privato."
TRAP = '<img src=x onerror="alert(1)"> & "virgolette"'

METHODS = (
    views.CustomerMethod(kind="sms"),
    views.CustomerMethod(kind="email"),
    views.CustomerMethod(kind="totp"),
    views.CustomerMethod(kind="identity", provider="kyc", label="Identità Demo", level=3, stub=True),
)
CONNECTORS = (
    views.ConnectorChoice(name="square", label="Square", example="@giulia", methods=("sign_in", "direct_message")),
)
PROOFS = (
    views.ProofFact(kind="sign_in", at=ago(4), where="Square"),
    views.ProofFact(kind="sms", at=ago(3)),
)
STRONG = (*PROOFS, views.ProofFact(kind="identity", at=ago(1), where="Identità Demo"))
MESSAGES = (
    views.Message(number=1, author="service", service="room_opened", at=ago(3)),
    views.Message(number=2, author="bank", name="Marta", at=ago(3), text="Buongiorno Giulia, sono Marta. Ho il suo messaggio davanti: guardo subito il bollo."),
    views.Message(number=3, author="customer", name="Giulia", at=ago(2), mine=True, state="seen", text="Grazie! Nell'estratto di ottobre lo vedo due volte, il 3 e il 17."),
    views.Message(number=4, author="bank", name="Marta", at=ago(1), text="Capito. Sto controllando le due righe, un attimo di pazienza."),
    views.Message(number=5, author="customer", name="Giulia", at=ago(0.5), mine=True, state="seen", text=f"Ecco.\n{TRAP}"),
)  # fmt: skip
ROOM = views.Room(
    site=SITE, now=NOW, state="open", handle="@giulia", network="Square", agent="Marta", level=2, proofs=PROOFS,
    readable=("general", "case"), messages=MESSAGES, cursor=5, idempotency_key="018f-key", idle_seconds=900,
    idle_left=840, ends_at=NOW + timedelta(hours=8), may_enrol=True, step_up=METHODS[3:],
    post=views.PublicPost(author="@giulia", text=POST_TEXT, at=ago(40)),
)  # fmt: skip
OURS = public_views.VerifyAnswer(
    ours=True, account="@bancaesempio", network="Square", answered=POST_TEXT, posted_at=ago(30),
    url="http://square.localhost/posts/12",
)  # fmt: skip

AGENT = desk.StaffBar(
    name="Marta Riva", role="agent", signature="Marta", sees_cases=True, sees_exports=False, sees_agents=False
)
SUPERVISOR = replace(AGENT, name="Paolo Conti", role="supervisor", signature="PC")
OFFICER = replace(AGENT, name="Ada Ferri", role="compliance", signature="AF", sees_cases=False, sees_exports=True)
ADMINISTRATOR = replace(OFFICER, name="Ivo Sala", role="administrator", sees_exports=False, sees_agents=True)


def clock(state: str, minutes: int) -> desk.Clock:
    """A clock due in so many minutes; met and missed ones are done five minutes ago."""
    done = ago(5) if state in ("met", "missed") else None
    return desk.Clock(due_at=NOW + timedelta(minutes=minutes), state=state, done_at=done)  # type: ignore[arg-type]


def row(number: int, **changes: object) -> desk.QueueRow:
    """One case of the queue."""
    plain = desk.QueueRow(
        id=UUID(int=number), reference=f"RB-{1040 + number}", author="@giulia", network="Square", excerpt=POST_TEXT,
        status="in_room", opened_at=ago(40 * number), first_answer=clock("met", 20), resolution=clock("running", 2700),
        unread=2, level=2, assigned_to="Marta Riva", mine=True,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


ROWS = (
    row(1),
    row(2, author="@luca_b", status="open", unread=0, level=0, assigned_to="", mine=False, first_answer=clock("late", -18), excerpt="App bloccata da due giorni, nessuno risponde. Complimenti @bancaesempio."),
    row(3, author="@nonna.pina", status="reopened", unread=1, level=0, assigned_to="", mine=False, first_answer=clock("soon", 6), excerpt="Mi avete chiuso la filiale senza dire niente"),
    row(4, author="@fabio", status="answered", unread=0, level=0, mine=False, assigned_to="Piero Neri", excerpt="Carta rifiutata all'estero, possibile?"),
    row(5, author="@chiara.m", status="waiting_customer", unread=0, level=3, mine=False, assigned_to="Piero Neri", resolution=clock("missed", -60), excerpt=TRAP),
)  # fmt: skip
THREAD = (
    views.PublicPost(author="@giulia", text=POST_TEXT, at=ago(40), url="http://square.localhost/posts/12"),
    views.PublicPost(author="@bancaesempio", text=f"{REPLY_TEXT} http://bank.localhost/c/{SLUG} – Marta", at=ago(30), by_bank=True, genuine=True),
)  # fmt: skip
BLOCKED = desk.Draft(
    text="Ciao Giulia, sul tuo conto IT60X0542811101000000123456 vediamo il doppio addebito.",
    text_hash="ab" * 32,
    verdict="block",
    pieces=(
        desk.TextPiece(text="Ciao Giulia, "),
        desk.TextPiece(text="sul tuo conto", finding=1),
        desk.TextPiece(text=" "),
        desk.TextPiece(text="IT60X0542811101000000123456", finding=2),
        desk.TextPiece(text=" vediamo il doppio addebito."),
    ),
    findings=(
        desk.Finding(number=1, kind="relationship", verdict="block", text="sul tuo conto"),
        desk.Finding(number=2, kind="iban", verdict="block", text="IT60X0542811101000000123456"),
    ),
)
WARNED = desk.Draft(
    text="Ciao Giulia, ti richiamiamo al 02 1234 5678.",
    text_hash="cd" * 32,
    verdict="warn",
    pieces=(
        desk.TextPiece(text="Ciao Giulia, ti richiamiamo al "),
        desk.TextPiece(text="02 1234 5678", finding=1),
        desk.TextPiece(text="."),
    ),
    findings=(desk.Finding(number=1, kind="phone", verdict="warn", text="02 1234 5678"),),
)
COMPOSER = desk.Composer(
    idempotency_key="018f-reply", mention="@giulia", case_link=f"http://bank.localhost/c/{SLUG}", signature="Marta",
    max_length=300,
)  # fmt: skip
STAFF_MESSAGES = (
    *(replace(item, mine=item.author == "bank", state="sent", data_class="case" if item.author == "bank" else None) for item in MESSAGES),
    views.Message(number=0, author="bank", name="Marta", at=ago(0.4), mine=True, state="held", data_class="account", text="Confermo: il 17 ottobre il bollo di 34,20 € è stato addebitato una seconda volta. Lo storniamo oggi."),
)  # fmt: skip
PANEL = desk.RoomPanel(
    id=UUID(int=77), state="open", level=2, proofs=PROOFS, may_say=("general", "case"), messages=STAFF_MESSAGES, cursor=5,
    idempotency_key="018f-say", customer="Giulia Bianchi", present=True, linked=True,
    held=views.HeldAnswer(count=1, level=3, expires_at=NOW + timedelta(hours=24)),
)  # fmt: skip
CASE = desk.Case(
    site=SITE, now=NOW, staff=AGENT, id=UUID(int=1), reference="RB-1041", author="@giulia", network="Square",
    status="in_room", opened_at=ago(40), first_answer=clock("met", 20), resolution=clock("running", 2700), thread=THREAD,
    notes=(desk.Note(author="Paolo Conti", at=ago(20), text="Terzo caso di doppio bollo oggi: avvisato l'ufficio estratti conto."),),
    colleagues=(desk.Colleague(id=UUID(int=5), name="Piero Neri", role="agent"), desk.Colleague(id=UUID(int=6), name="Paolo Conti", role="supervisor")),
    outcomes=("resolved", "explained", "handed_over", "no_answer", "not_ours"), may_claim=False, may_work=True,
    may_transfer=True, composer=COMPOSER, rooms=(PANEL,), assigned_to="Marta Riva",
)  # fmt: skip
LOG = desk.LogHealth(
    origin="riserbo.example/log", size=1284, pending=3, checkpoint_size=1280, checkpoint_at=ago(1), root="9f2c" * 16,
    healthy=True,
)  # fmt: skip
EXPORT = desk.ExportRow(
    id=UUID(int=31), scope="room", room="0193a5f2-6c1e-7b4d-9a37-2f0c5d8e1b64", reason="Reclamo 2026/118, richiesta dell'Arbitro",
    requested_by="Ada Ferri", requested_at=ago(9), state="ready", size="48 kB", leaves=61,
)  # fmt: skip


def _customer_pages() -> dict[str, Page]:
    landing = views.Landing(site=SITE, now=NOW, slug=SLUG)
    handle = views.HandleChoice(site=SITE, now=NOW, slug=SLUG, connectors=CONNECTORS)
    mastodon = views.ConnectorChoice(
        name="mastodon", label="Mastodon", example="@giulia@social.example", methods=("direct_message",)
    )
    handle_code = views.HandleCode(
        site=SITE,
        now=NOW,
        slug=SLUG,
        network="Square",
        account="@giulia",
        official_account="@bancaesempio",
        minutes=10,
    )
    customer = views.CustomerChoice(site=SITE, now=NOW, slug=SLUG, handle="@giulia", network="Square", methods=METHODS)
    code = views.CustomerCode(site=SITE, now=NOW, slug=SLUG, kind="sms", minutes=5)
    confirm = views.Confirm(
        site=SITE, now=NOW, slug=SLUG, handle="@giulia", network="Square", kind="sms", identifier="+39 333 1234567",
        valid_until=NOW + timedelta(days=180),
    )  # fmt: skip
    leaving = views.Leaving(
        site=SITE, now=NOW, purpose="handle", destination="Square", host="square.localhost",
        url="http://square.localhost/oauth/authorize?state=x", back=f"/c/{SLUG}/handle",
    )  # fmt: skip
    return {
        "landing": landing,
        "handle": handle,
        "handle-two-networks": replace(handle, connectors=(*CONNECTORS, mastodon), account="@giulia", error=TRAP),
        "handle-code": handle_code,
        "handle-write-first": replace(handle, connectors=(replace(CONNECTORS[0], write_first=True),)),
        "handle-code-write-first": replace(handle_code, write_first=True),
        "handle-code-wrong": replace(handle_code, error="Too many tries. Please wait a little.", notice="code_again"),
        "leaving": leaving,
        "leaving-identity": replace(leaving, purpose="step_up", destination="Identità Demo", stub=True),
        "leaving-wallet": replace(
            leaving, purpose="customer", destination="IT-Wallet", host="", url="openid4vp://?x=y"
        ),
        "customer": customer,
        "customer-code": code,
        "customer-code-email": replace(code, kind="email", notice="code_again"),
        "customer-code-totp": replace(code, kind="totp", error="Some of the values are not valid."),
        "confirm": confirm,
        "confirm-identity": replace(confirm, kind="identity", provider="Identità Demo", identifier=""),
        "confirm-passkey": replace(confirm, kind="passkey", identifier=""),
    }


def _room_pages() -> dict[str, Page]:
    held = views.HeldAnswer(count=1, level=3, expires_at=NOW + timedelta(hours=24))
    locked = views.Locked(site=SITE, now=NOW, methods=METHODS)
    pages: dict[str, Page] = {
        "room": ROOM,
        "room-held-passkey": replace(ROOM, held=held, step_up=METHODS[3:], step_up_passkey=True),
        "room-held": replace(ROOM, held=held, older_hidden=True, draft="Sto scrivendo", error="This is too long."),
        "room-asked": replace(ROOM, step_up_asked=True, step_up=()),
        "room-strong": replace(
            ROOM, level=3, proofs=STRONG, readable=("general", "case", "account"), notice="stepped_up"
        ),
        "room-offer": replace(ROOM, level=3, proofs=STRONG, readable=("general", "case", "account"), passkeys="offer"),
        "room-own-passkey": replace(ROOM, level=3, proofs=STRONG, passkeys="own"),
        "room-closed": replace(ROOM, state="closed", rating="ask"),
        "room-rated": replace(ROOM, state="closed", rating="given", messages=(), post=None),
        "locked": locked,
        "locked-code": replace(locked, code_sent=True, kind="sms", error="Some of the values are not valid."),
        "locked-passkey": replace(locked, passkey=True),
        "locked-email": replace(locked, code_sent=True, kind="email"),
        "locked-reproof": replace(locked, reproof=SLUG),
        "locked-totp": replace(locked, code_sent=True, kind="totp"),
        "authenticator": views.Authenticator(
            site=SITE, now=NOW, secret="JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP", account="Banca Esempio (@giulia)"
        ),
    }
    pages |= _passkey_pages()
    for reason in ("left", "over", "revoked", "none"):
        pages[f"ended-{reason}"] = views.Ended(site=SITE, now=NOW, reason=reason, slug=SLUG if reason == "over" else "")
    return pages


def _passkey_pages() -> dict[str, Page]:
    used = passkey_views.OwnPasskey(id=uuid4(), created_at=ago(9000), last_used_at=ago(60), synced=True)
    new = passkey_views.OwnPasskey(id=uuid4(), created_at=ago(2), last_used_at=None, synced=False)
    own = passkey_views.Passkeys(site=SITE, now=NOW, passkeys=(used, new), may_add=True)
    return {
        "passkeys": own,
        "passkeys-none": replace(own, passkeys=(), error="The passkey could not be added. Please try again."),
        "passkeys-enough": replace(own, passkeys=(used,) * 5, may_add=False, notice="passkey_added"),
    }


def _own_pages() -> dict[str, Page]:
    looks = (
        own_views.LookRow(role="agent", act="watched_room", first=ago(40), last=ago(2), times=3),
        own_views.LookRow(role="supervisor", act="read_room", first=ago(5), last=ago(5), times=1),
        own_views.LookRow(role="agent", act="replied", first=ago(90), last=ago(90), times=1),
        own_views.LookRow(role="agent", act="took_case", first=ago(95), last=ago(95), times=1),
        own_views.LookRow(role="agent", act="read_case", first=ago(99), last=ago(4), times=12),
    )
    own = own_views.OwnBinding(
        site=SITE, now=NOW, handle="@giulia", network="Square", level=3, created_at=ago(60 * 24 * 40), proved_at=ago(30),
        expires_at=NOW + timedelta(days=180), handle_until=NOW + timedelta(days=90),
        customer_until=NOW + timedelta(days=180), proofs=STRONG, looks=looks, session_began=ago(30),
        session_ends=NOW + timedelta(minutes=30), older_hidden=False, trust_address="http://bank.localhost/trust.json",
        means=(
            own_views.MeansRow(kind="passkey", since=ago(60 * 24 * 30), max_level=3),
            own_views.MeansRow(kind="totp", since=ago(60 * 24 * 20), max_level=2),
        ),
    )  # fmt: skip
    return {
        "own": own,
        "own-low": replace(
            own, level=2, created_at=None, means=(), looks=(), older_hidden=True, error="This is too long."
        ),
    }


def _public_pages() -> dict[str, Page]:
    verify = public_views.Verify(site=SITE, now=NOW)
    not_me = public_views.NotMe(site=SITE, now=NOW)
    problem = views.Problem(site=SITE, now=NOW, status=404, error="There is nothing here, or it is not for you.")
    return {
        "verify": verify,
        "verify-ours": replace(verify, text=f"http://bank.localhost/c/{SLUG}", answer=OURS),
        "verify-not-ours": replace(verify, text=TRAP, answer=public_views.VerifyAnswer(ours=False)),
        "not-me": not_me,
        "not-me-done": replace(not_me, done=True),
        "privacy": public_views.Privacy(
            site=replace(SITE, demo=False), now=NOW, controller="Banca Esempio S.p.A., Milano"
        ),
        "problem": problem,
        "problem-busy": replace(problem, status=503, error="", retry_after=3, reference="req-0193"),
        "problem-bug": replace(problem, status=500, error="", reference="req-0194"),
        "problem-desk": replace(problem, status=422, staff_door=True),
        "signin-refused": views.SignInRefused(site=SITE, now=NOW),
        "passkey-refused": views.SignInRefused(site=SITE, now=NOW, passkey=True),
    }


def _case_pages() -> dict[str, Page]:
    strong = replace(
        PANEL, level=3, proofs=STRONG, may_say=("general", "case", "account"), held=None, present=False,
        messages=STAFF_MESSAGES[:-1], step_up_level=4,
    )  # fmt: skip
    new = replace(
        CASE, status="open", rooms=(), notes=(), thread=THREAD[:1], assigned_to="", first_answer=clock("soon", 6)
    )
    renamed = replace(PANEL, present=False, reproof="renamed")
    return {
        "case": CASE,
        "case-renamed": replace(CASE, rooms=(renamed,)),
        "case-taken-back": replace(CASE, rooms=(replace(PANEL, state="closed", level=0, may_say=(), customer="", present=False, held=None, taken_back=True, linked=False),)),
        "case-new": replace(new, may_claim=True, may_work=False, may_transfer=False, composer=None),
        "case-blocked": replace(new, status="claimed", blocked=(replace(BLOCKED, block=UUID(int=8)),), composer=replace(COMPOSER, text=BLOCKED.text)),
        "case-warned": replace(new, status="claimed", composer=replace(COMPOSER, draft=WARNED, text=WARNED.text)),
        "case-override": replace(
            new, staff=SUPERVISOR, composer=COMPOSER,
            blocked=(replace(BLOCKED, author="Marta Riva", block=UUID(int=8), may_override=True),),
        ),
        "case-allowed": replace(
            new, composer=replace(COMPOSER, text=REPLY_TEXT, by_hand=REPLY_TEXT, draft=desk.Draft(
                text=REPLY_TEXT, text_hash="ef" * 32, verdict="allow", pieces=(desk.TextPiece(text=REPLY_TEXT),), findings=(),
            )),
        ),
        "case-strong": replace(CASE, rooms=(PANEL, strong), notice="step_up_asked"),
        "case-closed": replace(
            CASE, status="closed", outcome="resolved", stars=5, may_work=False, rooms=(replace(strong, state="closed"),)
        ),
    }  # fmt: skip


def _desk_pages() -> dict[str, Page]:
    queue = desk.Queue(
        site=SITE, now=NOW, staff=AGENT, rows=ROWS, filter=desk.QueueFilter(), networks=(("square", "Square"),),
        waiting=2, mine=1, unread=3, late=1, next_page="/queue?after=5",
    )  # fmt: skip
    phones = replace(queue, staff=SUPERVISOR, may_end_links=True)
    exports = desk.Exports(
        site=SITE, now=NOW, staff=OFFICER, log=LOG,
        rooms=(desk.RoomChoice(id=uuid4(), reference="RB-12AB34C", opened_at=ago(90)),),
        rows=(replace(EXPORT, state="building", size="", leaves=0), EXPORT, replace(EXPORT, scope="log", state="failed")),
    )  # fmt: skip
    agents = (
        desk.AgentRow(name="marta", display_name="Marta Riva", signature="Marta", role="agent", active=True, created_at=ago(9000), last_seen_at=ago(2)),
        desk.AgentRow(name="piero", display_name="Piero Neri", signature="PN", role="agent", active=False, created_at=ago(9000)),
    )  # fmt: skip
    password = password_views.PasswordChange(
        site=SITE, now=NOW, staff=AGENT, login="marta", shortest=15, longest=256
    )  # fmt: skip
    return {
        "staff-signin": desk.SignIn(site=SITE, now=NOW),
        "staff-signin-provider": desk.SignIn(site=SITE, now=NOW, provider="Banca Esempio ID", local=False),
        "staff-signin-emergency": desk.SignIn(site=SITE, now=NOW, provider="Banca Esempio ID"),
        "staff-departing": desk.Departing(
            site=SITE,
            now=NOW,
            destination="Banca Esempio ID",
            host="login.bancaesempio.example",
            url="https://login.bancaesempio.example/authorize?request_uri=x",
        ),
        "staff-arrived": desk.Arrived(site=SITE, now=NOW, target="/queue"),
        "staff-once-more": desk.SignInOnceMore(site=SITE, now=NOW, provider="Banca Esempio ID"),
        "staff-signin-refused": desk.SignIn(site=SITE, now=NOW, name="marta", error="Please sign in first."),
        "staff-signin-changed": desk.SignIn(site=SITE, now=NOW, notice="password_changed"),
        "password": password,
        "password-weak": replace(password, error="The password needs at least 15 characters."),
        "queue": queue,
        "queue-refused": replace(phones, error="This is too long.", customer_number=TRAP, because="suspicion"),
        "queue-empty": replace(phones, rows=(), waiting=0, mine=0, unread=0, late=0, notice="no_link_held"),
        "exports": exports,
        "exports-empty": replace(exports, rows=(), log=replace(LOG, healthy=False, checkpoint_at=None, pending=0)),
        "agents": desk.Agents(site=SITE, now=NOW, staff=ADMINISTRATOR, rows=agents),
    }


def _demo_pages() -> dict[str, Page]:
    start = demo_views.DemoStart(
        site=SITE, now=NOW, square="http://square.localhost/", bank="http://bank.localhost/",
        staff_door="http://staff.localhost/", phone="http://phone.localhost/", verify="http://bank.localhost/verify",
        people=(
            demo_views.DemoPerson(name="Giulia Bianchi", handle="@giulia", url="http://square.localhost/as/giulia", customer_number="10002345", phone="+39 333 1234567", email="giulia.esempi@posta.example.org"),
            demo_views.DemoPerson(name="Mallory", handle="@mallory", url="http://square.localhost/as/mallory"),
        ),
        staff=(
            demo_views.DemoStaff(name="marta", display_name="Marta Riva", role="agent", password="quiet-harbour-7", code="12345678", seconds_left=19),
            demo_views.DemoStaff(name="ada", display_name="Ada Ferri", role="compliance", password="still-garden-3", code="87654321", seconds_left=1),
        ),
    )  # fmt: skip
    return {"demo-start": start, "demo-start-link": replace(start, case_link=f"http://bank.localhost/c/{SLUG}")}


def page_samples() -> dict[str, Page]:
    """Every page by a name of its own; templates that no sample uses fail a test."""
    return {
        **_customer_pages(),
        **_room_pages(),
        **_own_pages(),
        **_public_pages(),
        **_case_pages(),
        **_desk_pages(),
        **_demo_pages(),
    }
