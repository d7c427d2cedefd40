"""The throw-away bank: keys, settings, staff and ports of one demonstration, in a folder that is deleted at the end."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app import key_files
from app.actors import SYSTEM
from app.agents.service import NewStaff, add
from app.database import transaction
from app.demo import cast
from app.demo.addresses import Addresses
from app.demo.identity_sites import IdentitySites
from app.demo.network import Founding, TownNetwork
from app.demo.phone.inbox import Device, PhoneInbox
from app.demo.phone.smtp import MailListener
from app.demo.square_network import square_network
from app.directory.csv_file import CsvDirectory
from app.main import Installation, Parts, assemble
from app.migrating import migrate
from app.notifications.senders import HttpSmsGateway, Senders, SmtpMail, SmtpServer
from app.outbound import OutboundClient
from app.services import Clock, system_clock
from app.settings import DirectorySettings, ScimSettings, Settings
from app.worker import Worker
from security import totp
from security.secret import Secret


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
    network: TownNetwork
    inbox: PhoneInbox
    sms_token: str
    identities: IdentitySites
    staff: list[StaffKey] = field(default_factory=list)
    worker: Worker = field(init=False)

    def __post_init__(self) -> None:
        self.worker = Worker(self.house)

    def key_of(self, colleague: cast.Colleague) -> StaffKey:
        """The sign-in of a member of staff."""
        return next(key for key in self.staff if key.colleague == colleague)


@asynccontextmanager
async def demo_bank(
    folder: Path,
    addresses: Addresses,
    *,
    clock: Clock = system_clock,
    database_urls: tuple[str, str] = ("", ""),
    founding: Founding = square_network,
) -> AsyncIterator[DemoBank]:
    """A seeded bank in `folder`, on SQLite unless other databases are given; its mail listener runs meanwhile."""
    settings = _settings(folder, addresses, database_urls)
    _make_keys(settings)
    (folder / "customers.csv").write_text(cast.directory_csv(), "utf-8")
    inbox = PhoneInbox([Device(one.handle, one.name, one.phone, one.email) for one in cast.CUSTOMERS], clock)
    mail = MailListener(inbox.mail)
    await mail.start()
    try:
        sms_token, identities, network = secrets.token_urlsafe(24), IdentitySites(addresses), founding(addresses, clock)
        outbound = OutboundClient(http_hosts={**network.hosts, **addresses.mapped("phone"), **identities.hosts})
        await migrate(settings)
        senders = _senders(addresses, outbound, sms_token, mail.port)
        parts = Parts(
            connectors=(network.connect(outbound),),
            providers=identities.offered(outbound),
            senders=senders,
            directory=CsvDirectory(folder / "customers.csv"),
            demo=True,
            demo_start=addresses.url("demo"),
        )
        house = await assemble(settings, outbound=outbound, parts=parts, clock=clock)
        bank = DemoBank(addresses, house, network, inbox, sms_token, identities)
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
        scim=ScimSettings(roles={"desk": "agent", "lead": "supervisor"}),
        directory=DirectorySettings(csv=Path("customers.csv")),
    )


def _make_keys(settings: Settings) -> None:
    """Throw-away keys that say so: a real installation refuses to start with them."""
    settings.keys.mkdir(mode=0o700, parents=True)
    key_files.make_kek_file(settings.keys / key_files.KEK_FILE, demo=True)
    key_files.make_token_key_file(settings.keys / key_files.TOKEN_KEY_FILE, demo=True)
    key_files.make_signing_key_file(settings.keys / key_files.LOG_KEY_FILE, settings.origin, demo=True)
    key_files.make_signing_key_file(settings.keys / key_files.EXPORT_KEY_FILE, f"{settings.origin}/export", demo=True)


def _senders(addresses: Addresses, outbound: OutboundClient, sms_token: str, mail_port: int) -> Senders:
    return Senders(
        HttpSmsGateway(f"{addresses.url('phone')}/sms", Secret(sms_token.encode()), outbound),
        SmtpMail(SmtpServer("127.0.0.1", mail_port, "banca@bank.localhost", start_tls=False)),
    )


async def _hire(house: Installation, colleague: cast.Colleague) -> StaffKey:
    password, secret = secrets.token_urlsafe(15), totp.new_secret()
    new = NewStaff(colleague.login, colleague.name, colleague.signature, colleague.role)
    async with transaction(house.services) as db:
        await add(db, SYSTEM, new, password, secret)
    return StaffKey(colleague, password, secret)
