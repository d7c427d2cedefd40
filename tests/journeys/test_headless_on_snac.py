"""The headless story on two real social servers; where they cannot run, one sentence says so."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.commands.playing import play_story
from app.commands.wrong_use import WrongUse
from app.demo.playing import script
from app.demo.snac.servers import BANKS_ADDRESS, PORT
from tests.journeys.test_headless import lines_of
from tests.support.snac import environment_for

ROOT = Path(__file__).parents[2]
LONGEST = 170  # pytest gives a test three minutes
COMMAND = ("-m", "app.cli", "demo", "--headless", "--network", "mastodon")


def run(program: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *COMMAND, "--snac", str(program)],
        cwd=ROOT,
        env=dict(environment_for(program)),
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )


def test_every_step_of_the_story_holds_on_two_real_servers(snac_ground: Path) -> None:
    played = run(snac_ground)
    steps = [step.title for step in script.STORY] + [step.title for step in script.AFTERWARDS]
    expected = [("ok", number, title) for number, title in enumerate(steps, 1)]
    assert lines_of(played.stdout) == expected, played.stdout + played.stderr
    assert played.returncode == 0, played.stderr


def test_a_taken_port_is_wrong_use_and_says_what_is_needed(
    snac_ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needed = f"two snac servers need port {PORT} of {BANKS_ADDRESS}"
    with socket.create_server((BANKS_ADDRESS, PORT)), pytest.raises(WrongUse, match=needed):
        play_story(None, "mastodon", snac_ground)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("named", [None, Path("/nonexistent/snac")])
def test_a_missing_server_is_wrong_use_and_says_what_to_install(
    named: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(WrongUse, match=r"there is no snac .*install Debian's snac2"):
        play_story(None, "mastodon", named)


def test_the_options_of_the_network_go_together() -> None:
    for network, snac, complaint in (("x", None, "no network x"), ("square", Path("snac"), "goes with --network")):
        with pytest.raises(WrongUse, match=complaint):
            play_story(None, network, snac)
