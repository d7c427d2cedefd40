"""An installation opened by the person at the host's command line, without doors and without a worker."""

from __future__ import annotations

import os
import pwd
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.actors import Operator
from app.commands.wrong_use import WrongUse
from app.main import Installation, NotReady, assemble, outbound_from, parts_from
from app.migrating import is_current
from app.settings import SETTINGS_FILE, Settings, load_settings


def operator() -> Operator:
    """Who runs this, by the real user id: what the environment says anybody can set."""
    number = os.getuid()
    try:
        return Operator(pwd.getpwuid(number).pw_name)
    except KeyError:
        return Operator(f"uid-{number}")


def settings_of(folder: Path) -> Settings:
    """The settings of the installation in `folder`; raises `WrongUse`, or pydantic's ValidationError."""
    if not (folder / SETTINGS_FILE).is_file():
        raise WrongUse(f"there is no {SETTINGS_FILE} in {folder}; make an installation with `riserbo init`")
    try:
        return load_settings(folder.resolve())
    except tomllib.TOMLDecodeError as fault:
        raise WrongUse(f"{SETTINGS_FILE} is not TOML: {fault}") from None


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Installation]:
    """The installation, closed afterwards; raises `NotReady`, also for a schema that is not this version's."""
    if not await is_current(settings):
        raise NotReady(["the databases are not at this version's schema; run `riserbo migrate`"])
    outbound = outbound_from(settings)
    house = await assemble(settings, outbound=outbound, parts=parts_from(settings, outbound))
    try:
        yield house
    finally:
        await house.close()
