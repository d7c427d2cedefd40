"""The package that a bank installs holds everything that the checkout runs on, and starts the same program."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, ROOT, files, relative


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("riserbo-*.whl"))


def test_the_wheel_holds_every_file_of_the_product(wheel: Path) -> None:
    product = {relative(path) for path in files() if relative(path).split("/")[0] in PACKAGES}
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    assert "app/cli.py" in product
    assert product - packed == set()
    assert [name for name in packed if name.startswith("tests")] == []


def test_the_installed_command_runs_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        entry = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "riserbo = app.cli:main" in archive.read(entry).decode()
    program = "import sys; sys.argv = ['riserbo', '--help']; from app.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout
