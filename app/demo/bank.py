"""The throw-away bank: keys, settings, staff and ports of one demonstration, in a folder that is deleted at the end."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app import key_files
from app.actors import SYSTEM
from app.agents.service import NewStaff, add
from app.binding.identity_provider import HttpIdentityProvider, OfferedProvider
from app.channels.square import square_connector
from app.database import transaction
from app.demo import cast
from app.demo.identity.app import ACR, IdentityPerson
from app.demo.phone.inbox import Device, PhoneInbox
from app.demo.phone.smtp import MailListener
from app.demo.square.models import Bot, ClientApp, SquareSeed
from app.directory.csv_file import CsvDirectory
from app.main import Installation, Parts, assemble
from app.migrating import migrate
from app.notifications.senders import HttpSmsGateway, Senders, SmtpMail, SmtpServer
from app.outbound import OutboundClient
from app.permissions import Level
from app.services import Clock, system_clock
from app.settings import DirectorySettings, Settings
from security import totp
from security.secret import Secret

SITES: Final = ("demo", "bank", "staff", "square", "phone", "identity", "admin")


@dataclass(frozen=True)
class Addresses:
    """Each site of the demonstration on a host and a port of its own: cookies cross ports, not hosts."""

    ports: dict[str, int]

    def netloc(self, site: str) -> str:
        """`bank.localhost:8601`."""
        return f"{site}.localhost:{self.ports[site]}"

    def url(self, site: str) -> str:
        """`http://bank.localhost:8601`."""
        return f"http://{self.netloc(site)}"


@dataclass(frozen=True)
class StaffKey:
    """What a member of staff signs in with; printed on the demo's first page, since there is no other way in."""

    colleague: cast.Colleague
    password: str
    totp_secret: Secret


@dataclass
class DemoBank:
    """Everything that one demonstration consists of, before it is served."""

    addresses: Addresses
    house: Installation
    square_seed: SquareSeed
    inbox: PhoneInbox
    sms_token: str
    identity_secret: str
    staff: list[StaffKey] = field(default_factory=list)

    def key_of(self, colleague: cast.Colleague) -> StaffKey:
        """The sign-in of a member of staff."""
        return next(key for key in self.staff if key.colleague == colleague)


@dataclass(frozen=True)
class _Secrets:
    bot: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    oauth: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    sms: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    identity: str = field(default_factory=lambda: secrets.token_urlsafe(24))


@asynccontextmanager
async def demo_bank(
    folder: Path, addresses: Addresses, *, clock: Clock = system_clock, database_urls: tuple[str, str] = ("", "")
) -> AsyncIterator[DemoBank]:
    """A seeded bank in `folder`, on SQLite unless other databases are given; its mail listener runs meanwhile."""
    settings = _settings(folder, addresses, database_urls)
    _make_keys(settings)
    (folder / "customers.csv").write_text(cast.directory_csv(), "utf-8")
    inbox = PhoneInbox([Device(one.handle, one.name, one.phone, one.email) for one in cast.CUSTOMERS], clock)
    mail = MailListener(inbox.mail)
    await mail.start()
    try:
        known = _Secrets()
        outbound = OutboundClient(
            http_hosts={
                f"{site}.localhost": ("127.0.0.1", addresses.ports[site]) for site in ("square", "phone", "identity")
            }
        )
        await migrate(settings)
        parts = _parts(settings, addresses, outbound, known, mail.port)
        house = await assemble(settings, outbound=outbound, parts=parts, clock=clock)
        bank = DemoBank(addresses, house, _square_seed(addresses, known, clock), inbox, known.sms, known.identity)
        bank.staff = [await _hire(house, colleague) for colleague in cast.STAFF]
        try:
            yield bank
        finally:
            await house.close()
    finally:
        await mail.stop()


def _settings(folder: Path, addresses: Addresses, database_urls: tuple[str, str]) -> Settings:
    return Settings(
        data=folder,
        bank=cast.BANK_NAME,
        origin="bank.localhost/log",
        public_url=addresses.url("bank"),
        staff_url=addresses.url("staff"),
        public_listen=f"127.0.0.1:{addresses.ports['bank']}",
        staff_listen=f"127.0.0.1:{addresses.ports['staff']}",
        admin_listen=f"127.0.0.1:{addresses.ports['admin']}",
        database_url=database_urls[0],
        key_database_url=database_urls[1],
        phone=cast.BANK_PHONE,
        hours_it="lun-ven 8-20",
        hours_en="Mon-Fri 8 am to 8 pm",
        privacy_contact="privacy@bank.localhost",
        poll_seconds=1.0,
        api_docs=True,
        directory=DirectorySettings(csv=Path("customers.csv")),
    )


def _make_keys(settings: Settings) -> None:
    """Throw-away keys that say so: a real installation refuses to start with them."""
    settings.keys.mkdir(mode=0o700, parents=True)
    key_files.make_kek_file(settings.keys / key_files.KEK_FILE, demo=True)
    key_files.make_signing_key_file(settings.keys / key_files.LOG_KEY_FILE, settings.origin, demo=True)
    key_files.make_signing_key_file(settings.keys / key_files.EXPORT_KEY_FILE, f"{settings.origin}/export", demo=True)


def _parts(
    settings: Settings, addresses: Addresses, outbound: OutboundClient, known: _Secrets, mail_port: int
) -> Parts:
    square = square_connector(
        addresses.url("square"),
        api_token=Secret(known.bot.encode()),
        client_id="bank",
        client_secret=Secret(known.oauth.encode()),
        bank_handle=cast.BANK_HANDLE,
        outbound=outbound,
    )
    identity = HttpIdentityProvider(
        name="demo-id",
        base_url=addresses.url("identity"),
        client_id="bank",
        client_secret=Secret(known.identity.encode()),
        outbound=outbound,
    )
    provider = OfferedProvider(
        name="demo-id", label="Demo ID", port=identity, relay_resistant={ACR: Level.L3}, is_stub=True
    )
    return Parts(
        connectors=(square,),
        providers=(provider,),
        senders=Senders(
            HttpSmsGateway(f"{addresses.url('phone')}/sms", Secret(known.sms.encode()), outbound),
            SmtpMail(SmtpServer("127.0.0.1", mail_port, "banca@bank.localhost", start_tls=False)),
        ),
        directory=CsvDirectory(settings.data / "customers.csv"),
        demo=True,
        demo_start=addresses.url("demo"),
    )


def _square_seed(addresses: Addresses, known: _Secrets, clock: Clock) -> SquareSeed:
    people = tuple(one.person() for one in cast.TOWN)
    return SquareSeed(
        issuer=addresses.url("square"),
        people=(cast.bank_account(), *people),
        posts=cast.posts(clock()),
        bots=(Bot(known.bot, cast.BANK_ID),),
        clients=(ClientApp("bank", known.oauth, cast.BANK_NAME, (f"{addresses.url('bank')}/signin/square/callback",)),),
    )


def identity_people() -> list[IdentityPerson]:
    """Whom the stub identity provider lets anybody be."""
    return [IdentityPerson(one.customer_number, one.name) for one in cast.CUSTOMERS]


async def _hire(house: Installation, colleague: cast.Colleague) -> StaffKey:
    password, secret = secrets.token_urlsafe(15), totp.new_secret()
    new = NewStaff(colleague.login, colleague.name, colleague.signature, colleague.role)
    async with transaction(house.services) as db:
        await add(db, SYSTEM, new, password, secret)
    return StaffKey(colleague, password, secret)
