"""A throw-away installation with rooms: made by `riserbo init`, staffed through the services, filled in bulk."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from app.actors import SYSTEM, Role, Staff
from app.agents import service as agents
from app.agents.service import Credentials, NewStaff
from app.audit.sequencer import sequence
from app.bench.rooms import Room, open_rooms
from app.bench.serving import SOURCE
from app.database import transaction
from app.main import Installation, assemble, outbound_from, parts_from
from app.sessions import rules
from app.settings import Settings, load_settings
from security import totp

PUBLIC_URL: Final = "https://bank.bench.example"
STAFF_URL: Final = "https://staff.bench.example"
STAFF: Final = {"anna": Role.AGENT, "sara": Role.SUPERVISOR, "olga": Role.COMPLIANCE}
PROXIES: Final = '["127.0.0.0/8"]'
MANY: Final = "1000000"
UNHURRIED: Final = {
    f"RISERBO_TRAFFIC__{name}": MANY
    for name in (
        *("STAFF_PER_SECOND", "STAFF_BURST", "STAFF_STREAMS"),
        *("CUSTOMER_PER_SECOND", "CUSTOMER_BURST", "CUSTOMER_STREAMS"),
        *("NETWORK_PER_SECOND", "NETWORK_BURST", "NETWORK_WRITES_PER_MINUTE"),
    )
} | {"RISERBO_TRAFFIC__UNDER_WAY": "1024"}
"""Budgets of traffic that nothing reaches: what is measured is the work, not the gate that bounds it."""


class NoGround(Exception):
    """`riserbo init` did not make the installation; the message is what it said."""


@dataclass(frozen=True)
class Databases:
    """The URLs of an installation's two databases; where they are empty, SQLite files in its folder."""

    main: str = ""
    keys: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """As its processes are told."""
        if not self.main:
            return {}
        return {"RISERBO_DATABASE_URL": self.main, "RISERBO_KEY_DATABASE_URL": self.keys}


@dataclass(frozen=True)
class Colleague:
    """A member of staff with a live API token (8 hours)."""

    id: str
    login: str
    role: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class Ground:
    """A prepared installation as plain data, for other processes.

    `environment` holds the RISERBO_ variables that every process of it needs: the databases, loopback as a trusted
    proxy, so that a client may name its own address in X-Forwarded-For, and budgets without end (`UNHURRIED`).
    """

    folder: str
    environment: dict[str, str]
    public_host: str
    staff_host: str
    staff: dict[str, Colleague]
    rooms: list[Room]

    def to_json(self) -> dict[str, Any]:
        """Everything, also what does not print, as JSON takes it."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        staff = {login: Colleague(**one) for login, one in document["staff"].items()}
        rooms = [Room(**one) for one in document["rooms"]]
        return cls(**{**document, "staff": staff, "rooms": rooms})

    @property
    def databases(self) -> Databases:
        """Where it lies."""
        named = (self.environment.get(f"RISERBO_{name}", "") for name in ("DATABASE_URL", "KEY_DATABASE_URL"))
        return Databases(*named)

    def clone(self, folder: Path, databases: Databases) -> Self:
        """The same installation in another folder, on copies of its databases; nobody may serve this one meanwhile."""
        shutil.copytree(self.folder, folder)
        return replace(self, folder=str(folder), environment={**self.environment, **databases.environment})

    def settings(self) -> Settings:
        """The settings as its processes read them, whatever this process's own environment is."""
        return settings_of(Path(self.folder), self.environment)


async def prepare(
    folder: Path, rooms: int, *, database_url: str = "", key_database_url: str = "", sequenced: bool = True
) -> Ground:
    """Make an installation in `folder` (absent or empty) with `rooms` rooms, each with its customer inside at level 3.

    Without URLs it lies on SQLite in the folder; with them on two empty databases of the URLs' role.
    Sessions of customers live 60 minutes, and idle 5. `sequenced` gives every leaf its place in the log.
    """
    databases = Databases(database_url, key_database_url)
    environment = {"RISERBO_TRUSTED_PROXIES": PROXIES, **UNHURRIED, **databases.environment}
    await asyncio.to_thread(_init, folder, environment)
    async with installation(folder, environment) as house:
        staff = {login: await _hire(house, login, role) for login, role in STAFF.items()}
        anna = staff["anna"]
        opened = await open_rooms(house, anna[0], rooms)
        while sequenced and await sequence(house.services):
            pass
    return Ground(
        folder=str(folder),
        environment=environment,
        public_host=urlsplit(PUBLIC_URL).netloc,
        staff_host=urlsplit(STAFF_URL).netloc,
        staff={login: colleague for login, (_, colleague) in staff.items()},
        rooms=opened,
    )


@asynccontextmanager
async def installation(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Installation]:
    """The installation opened in this process, without doors and without a worker."""
    settings = settings_of(folder, environment)
    outbound = outbound_from(settings)
    house = await assemble(settings, outbound=outbound, parts=parts_from(settings, outbound))
    try:
        yield house
    finally:
        await house.close()


def settings_of(folder: Path, environment: Mapping[str, str]) -> Settings:
    """The settings of a folder under these variables, read without changing this process's own."""
    settings = load_settings(folder)
    changed = {
        "database_url": environment.get("RISERBO_DATABASE_URL", ""),
        "key_database_url": environment.get("RISERBO_KEY_DATABASE_URL", ""),
    }
    return settings.model_copy(update=changed)


def _init(folder: Path, environment: Mapping[str, str]) -> None:
    command = [
        *(sys.executable, "-m", "app.cli", "init", str(folder), "--bank", "Bench Bank", "--password-file", "-"),
        *("--public-url", PUBLIC_URL, "--staff-url", STAFF_URL),
        *("--phone", "+39 02 000000", "--privacy-contact", "privacy@bench.example"),
    ]
    done = subprocess.run(  # noqa: S603 (our own program)
        command,
        input=secrets.token_urlsafe(18),
        cwd=SOURCE,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NoGround(done.stderr.strip())


async def _hire(house: Installation, login: str, role: Role) -> tuple[Staff, Colleague]:
    """A new member of staff, signed in as a program that uses the API would be."""
    services, password, secret = house.services, secrets.token_urlsafe(18), totp.new_secret()
    async with transaction(services) as db:
        account, _ = await agents.add(
            db, SYSTEM, NewStaff(login, login.capitalize(), login[0].upper(), role), password, secret
        )
    code = totp.code_at(secret, services.clock())
    started = await agents.sign_in(services, Credentials(login, password, code), kind=rules.API)
    actor = agents.actor_of(account, started.session)
    return actor, Colleague(str(account.id), login, role.value, started.token)
