"""An installation made once and copied for each test; the command line."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from app.commands import operating
from app.initialising import initialise
from tests.app.command_line import CommandLine
from tests.app.commands.made_bank import BANK, PASSWORD


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "bank"
    asyncio.run(initialise(folder, BANK, operating.operator(), PASSWORD))
    return folder


@pytest.fixture
def bank(made_once: Path, tmp_path: Path) -> Path:
    """An installation as `init` leaves it."""
    return Path(shutil.copytree(made_once, tmp_path / "bank"))


@pytest.fixture
def riserbo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)
