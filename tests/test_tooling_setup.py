"""The set-up scripts honour the machine they run on, and refuse with a sentence where they cannot go on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

sys.path.insert(0, str(ROOT / "tests" / "tools"))
import install


@pytest.fixture
def pip_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only pip configuration that counts."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) or name in ("SSL_CERT_FILE", "ALL_PROXY"):
            monkeypatch.delenv(name)
    path = tmp_path / "pip.conf"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return path


def test_uv_uses_the_index_that_pip_is_set_up_to_use(pip_config: Path, tmp_path: Path) -> None:
    pip_config.write_text(
        "[global]\nindex-url = https://packages.bank.example/simple\n"
        f"extra-index-url =\n    https://a.bank.example/simple\n    https://b.bank.example/simple\nfind-links = {tmp_path}\n"
        "cert = /etc/bank.pem\nproxy = http://proxy.bank.example:3128\n"
    )
    settings = install.index_settings()
    assert settings["UV_DEFAULT_INDEX"] == "https://packages.bank.example/simple"
    assert settings["UV_INDEX"] == "https://a.bank.example/simple https://b.bank.example/simple"
    assert settings["UV_FIND_LINKS"] == str(tmp_path)
    assert settings["SSL_CERT_FILE"] == "/etc/bank.pem"
    assert settings["ALL_PROXY"] == "http://proxy.bank.example:3128"


def test_the_environment_stands_above_the_file_and_uvs_own_settings_above_both(
    pip_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip_config.write_text("[global]\nindex-url = https://file.bank.example/simple\n")
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment.bank.example/simple")
    assert install.index_settings()["UV_DEFAULT_INDEX"] == "https://environment.bank.example/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.bank.example/simple")
    assert install.index_settings()["UV_DEFAULT_INDEX"] == "https://uv.bank.example/simple"


def test_a_machine_without_pip_settings_gets_uvs_defaults(pip_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    settings = install.index_settings()
    assert {"UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "UV_NO_INDEX"}.isdisjoint(settings)


def test_a_machine_without_a_fit_python_is_told_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "tests" / "tools").mkdir(parents=True)
    (tmp_path / "tests" / "tools" / "requirements-uv.lock").touch()
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("rm", "mkdir"):
        (tools / name).symlink_to(f"/bin/{name}")
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        (tools / name).write_text("#!/bin/sh\nexit 1\n")
        (tools / name).chmod(0o755)
    script = (ROOT / "tests" / "tools" / "bootstrap.sh").read_text().replace("/usr/bin/python3", "nothing")
    done = subprocess.run(
        ["/bin/bash", "-c", script], cwd=tmp_path, env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Riserbo needs Python 3.11 or newer" in done.stderr
    assert not (tmp_path / ".venv").exists()
