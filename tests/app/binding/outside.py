"""Stand-ins for what lies outside the bank in binding tests: a network, phones, the directory, an identity provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from app.binding.identity_provider import IdentityAnswer, IdentityRefused, IdentityResult, IdentityWish
from app.channels.ports import (
    ChannelError,
    Departure,
    IncomingMessage,
    SignInAnswer,
    SignInFailed,
    SignInWish,
    Subject,
)
from app.directory.port import CustomerRecord, DirectoryUnavailable, IdentifierKind, normalise
from app.services import Services

START = datetime(2026, 11, 21, 19, 0, tzinfo=UTC)
ISSUER = "https://square.example"
HOME = "203.0.113.0/24"
STRONG = "strong"
WEAK = "weak"


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **amount: float) -> None:
        self.now += timedelta(**amount)


def person(name: str) -> Subject:
    return Subject("square", ISSUER, f"id-of-{name}", name, name.capitalize())


@dataclass
class SquareSignIn:
    """`finish` proves whoever the code names: "code-of-giulia"."""

    issuer: str | None = ISSUER
    fault: ChannelError | None = None
    finished: list[tuple[str, str, str]] = field(default_factory=list)

    async def begin(self, _services: Services, wish: SignInWish) -> Departure:
        query = f"state={wish.state}&redirect_uri={wish.return_address}&code_challenge={wish.code_challenge}"
        return Departure(f"{ISSUER}/oauth/authorize?{query}", wish.return_address)

    def is_issuer(self, _memo: Mapping[str, str], issuer: str | None) -> bool:
        return issuer == self.issuer

    async def finish(self, _services: Services, answer: SignInAnswer) -> Subject:
        self.finished.append((answer.code, answer.code_verifier, answer.redirect_uri))
        if self.fault is not None:
            raise self.fault
        if not answer.code.startswith("code-of-"):
            raise SignInFailed("invalid_grant")
        return person(answer.code.removeprefix("code-of-"))


@dataclass
class SquareMessages:
    fault: ChannelError | None = None
    sent: list[tuple[str, str, str]] = field(default_factory=list)

    async def send(self, subject: Subject, text: str, idempotency_key: str) -> None:
        if self.fault is not None:
            raise self.fault
        self.sent.append((subject.immutable_id, text, idempotency_key))


@dataclass
class SquareInbox:
    """Who wrote to the bank; what they wrote nobody hands over."""

    messages: list[IncomingMessage] = field(default_factory=list)
    fault: ChannelError | None = None

    async def poll(self, cursor: str | None) -> tuple[list[IncomingMessage], str | None]:
        if self.fault is not None:
            raise self.fault
        return self.messages[int(cursor or 0) :], str(len(self.messages))


@dataclass
class Phone:
    sms: list[tuple[str, str]] = field(default_factory=list)
    mails: list[tuple[str, str, str]] = field(default_factory=list)

    async def send_sms(self, to: str, text: str) -> None:
        self.sms.append((to, text))

    async def send_mail(self, to: str, subject: str, text: str) -> None:
        self.mails.append((to, subject, text))


@dataclass
class Directory:
    customers: list[CustomerRecord]
    down: bool = False
    asked: list[str] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)
    """Customer numbers by subject or fiscal code."""

    async def find(self, identifier: str, kind: IdentifierKind | None = None) -> CustomerRecord | None:
        self.asked.append(identifier)
        if self.down:
            raise DirectoryUnavailable("down")
        if kind not in (None, IdentifierKind.NUMBER):
            number = self.named.get(identifier)
            return next((one for one in self.customers if one.customer_number == number), None)
        wanted = normalise(identifier)
        for one in self.customers:
            if wanted in [normalise(text) for text in (one.customer_number, one.phone, one.email) if text]:
                return one
        return None


@dataclass
class Kyc:
    """`finish` believes codes such as "C-1001 strong": a customer number and an acr."""

    nonces: list[str] = field(default_factory=list)
    nonce: str | None = None
    name: str = "kyc"
    down: Exception | None = None

    def prepare(self) -> Mapping[str, str]:
        return {}

    async def begin(self, wish: IdentityWish) -> str:
        if self.down is not None:
            raise self.down
        self.nonces.append(wish.nonce)
        return (
            f"https://kyc.example/authorize?state={wish.state}&redirect_uri={wish.redirect_uri}&purpose={wish.purpose}"
        )

    async def finish(self, answer: IdentityAnswer) -> IdentityResult:
        number, _, acr = answer.code.partition(" ")
        if not acr:
            raise IdentityRefused
        return IdentityResult(number, acr, self.nonce or self.nonces[-1], self.name)


GIULIA = CustomerRecord("C-1001", "Giulia Ferraro", "+393331234567", "giulia@posta.example", "it", "Torino")
MARCO = CustomerRecord("C-1002", "Marco Bianchi", "+393337654321", "marco@posta.example", "en", "Milano")
SILENT = CustomerRecord("C-1003", "Silvia Neri", None, None, "it", None)
