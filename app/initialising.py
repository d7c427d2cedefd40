"""Makes a persistent installation in a new folder: settings, keys, schema, log, first administrator, trust file."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from asyncio import to_thread
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from app import key_files
from app.actors import Operator, Role
from app.agents.new_passwords import require_good
from app.agents.service import ISSUER, NewStaff, add
from app.audit.sequencer import sequence
from app.compliance.service import trust_document
from app.database import transaction
from app.main import Installation, assemble, outbound_from, parts_from
from app.migrating import migrate
from app.policy.file import POLICY_FILE
from app.policy.template import TEMPLATE
from app.settings import SETTINGS_FILE, Settings, load_settings
from security.totp import provisioning_uri

TRUST_FILE: Final = "trust.json"
CUSTOMERS: Final = "customer_number,name,phone,email,language,city\n"
_SETTINGS: Final = """\
# Riserbo: settings of this installation. A variable RISERBO_<NAME> comes before the line here.
# Secrets are files of mode 0600, named here; `riserbo doctor` says what is missing before going live.

bank = {bank}
# The name under which the evidence log signs. It stands in every checkpoint: never change it.
origin = {origin}

# Where people reach the two doors. Your proxy ends TLS there and passes the Host header on unchanged.
public_url = {public_url}
staff_url = {staff_url}
# Where this process listens. The last address answers /livez, /readyz and /metrics: keep it inside.
public_listen = "127.0.0.1:8600"
staff_listen = "127.0.0.1:8601"
admin_listen = "127.0.0.1:8602"
# The proxies whose word counts on where a visitor comes from.
# trusted_proxies = ["10.1.2.0/24"]
# The bank's own services on inside addresses: everything else is reached at public addresses only.
# internal_hosts = {{ "sms.bank.example" = "10.1.3.7:443" }}

# PostgreSQL instead of the files in this folder: two databases, see docs/operations.md.
# database_url = "postgresql+psycopg://riserbo@db.internal/riserbo?sslmode=verify-full"
# key_database_url = "postgresql+psycopg://riserbo@keys.internal/riserbo_keys?sslmode=verify-full"

# The way out for who cannot prove anything here.
phone = {phone}
hours_it = {hours_it}
hours_en = {hours_en}
privacy_contact = {privacy_contact}
timezone = "Europe/Rome"
language = "it"

first_answer_minutes = 60
resolution_hours = 24

# Where customers are looked up: this file, or url and token_file of the bank's own service.
[directory]
csv = "customers.csv"

# How codes and notices reach the phone and the e-mail address on file. At least one is needed.
# [sms]
# url = "https://sms.bank.example/send"
# token_file = "keys/sms-token"
# [mail]
# host = "mail.bank.example"
# sender = "riserbo@bank.example"

# Who identifies customers by redirect. Only the acr values listed here count for more than level 2.
# [[identity_providers]]
# name = "bank-login"
# kind = "oidc"
# label = "Bank login"
# url = "https://id.bank.example"
# client_id = "riserbo"
# key_file = "keys/bank-login.json"  # riserbo keys client bank-login
# relay_resistant = {{ "urn:bank.example:app-on-this-device" = 3 }}
"""


class FolderTaken(Exception):
    """Something is in the folder already: an installation is never made over another."""


class PlainAddress(Exception):
    """An address is not https."""


@dataclass(frozen=True)
class NewBank:
    """What an installation cannot guess."""

    bank: str
    public_url: str
    staff_url: str
    phone: str
    hours_it: str
    hours_en: str
    privacy_contact: str
    admin_login: str
    admin_name: str


@dataclass(frozen=True)
class FirstAdministrator:
    """What is shown once: the address (otpauth:) that an authenticator app is set up with."""

    login: str
    uri: str = field(repr=False)

    @property
    def secret(self) -> str:
        """The address's secret, for typing."""
        return parse_qs(urlsplit(self.uri).query)["secret"][0]


async def initialise(folder: Path, new: NewBank, operator: Operator, password: str) -> FirstAdministrator:
    """Make the installation; it appears whole or not at all.

    Raises `FolderTaken`, `PlainAddress`, `agents.errors.WeakPassword`, pydantic's ValidationError.
    """
    require_good(password, (new.bank, new.admin_login, new.admin_name))
    draft = await to_thread(_new_draft, folder)
    try:
        settings = _write_files(draft, new)
        await migrate(settings)
        administrator = await _first_rows(settings, new, operator, password)
        await to_thread(draft.rename, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return administrator


async def _first_rows(settings: Settings, new: NewBank, operator: Operator, password: str) -> FirstAdministrator:
    """The log's beginning and the administrator, signed, so that the trust file remembers them."""
    outbound = outbound_from(settings)
    house = await assemble(settings, outbound=outbound, parts=parts_from(settings, outbound))
    try:
        admin = NewStaff(new.admin_login, new.admin_name, new.admin_name, Role.ADMINISTRATOR)
        async with transaction(house.services) as db:
            account, secret = await add(db, operator, admin, password, words=(new.bank,))
        while await sequence(house.services):
            pass
        await house.signer.sign(house.services)
        await _write_trust(house, settings.data / TRUST_FILE)
    finally:
        await house.close()
    return FirstAdministrator(account.login, provisioning_uri(secret, account.login, f"{ISSUER} {new.bank}"))


def _new_draft(folder: Path) -> Path:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderTaken(f"{folder} is not empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent)).resolve()


def _write_files(folder: Path, new: NewBank) -> Settings:
    (folder / SETTINGS_FILE).write_text(_settings_text(new), "utf-8")
    settings = load_settings(folder)
    for name, url in (("public_url", settings.public_url), ("staff_url", settings.staff_url)):
        if not url.startswith("https://"):
            raise PlainAddress(f"{name} must begin with https:// (the cookies need it)")
    settings.keys.mkdir(mode=0o700)
    key_files.make_kek_file(settings.keys / key_files.KEK_FILE)
    key_files.make_signing_key_file(settings.keys / key_files.LOG_KEY_FILE, settings.origin)
    key_files.make_token_key_file(settings.keys / key_files.TOKEN_KEY_FILE)
    key_files.make_signing_key_file(settings.keys / key_files.EXPORT_KEY_FILE, f"{settings.origin}/export")
    (folder / POLICY_FILE).write_text(TEMPLATE, "utf-8")
    (folder / "customers.csv").write_text(CUSTOMERS, "utf-8")
    (folder / "customers.csv").chmod(0o600)
    return settings


def _settings_text(new: NewBank) -> str:
    host = urlsplit(new.public_url).hostname or "riserbo"
    values: Mapping[str, str] = {**vars(new), "origin": f"{host}/log"}
    # a JSON string of ASCII is a TOML basic string, but for DEL and characters beyond 16 bits
    return _SETTINGS.format(**{name: _toml_string(value) for name, value in values.items()})


def _toml_string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


async def _write_trust(house: Installation, path: Path) -> None:
    """Public keys and the newest checkpoint, for whoever will verify; it must reach them another way than a bag."""
    document = await trust_document(house.services, house.compliance, house.settings.origin)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
