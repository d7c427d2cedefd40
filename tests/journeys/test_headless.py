"""The headless story, played in a process of its own as somebody at a command line would play it."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from app.demo.playing import script
from app.demo.playing.raw_search import forms_of

ROOT = Path(__file__).parents[2]
LONGEST = 150
TITLES = [*(step.title for step in script.STORY), *(step.title for step in script.AFTERWARDS)]
BROKEN = """
import sys
from dataclasses import replace
from app.demo import headless
from app.demo.playing import script
from app.demo.playing.raw_search import forms_of
from app.demo.playing.holding import require

async def broken(stage):
    require(False, "broken on purpose")

story = list(script.{scene})
story[{place}] = replace(story[{place}], act=broken)
script.{scene} = tuple(story)
sys.exit(headless.play(None))
"""


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=LONGEST, check=False
    )


def lines_of(output: str) -> list[tuple[str, int, str]]:
    found = re.findall(r"^(ok|FAIL) +(\d+)  (.+)$", output, re.MULTILINE)
    return [(verdict, int(number), title) for verdict, number, title in found]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    keep = tmp_path_factory.mktemp("story") / "kept"
    return run("-m", "app.cli", "demo", "--headless", "--keep", str(keep)), keep


def test_every_step_of_the_story_holds(story: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    played, _ = story
    expected = [("ok", number, title) for number, title in enumerate(TITLES, 1)]
    assert lines_of(played.stdout) == expected, played.stdout + played.stderr
    assert played.returncode == 0, played.stderr


@pytest.mark.parametrize(
    "refusal",
    [
        "stranger",
        "wrong handle",
        "foreign browser",
        "wrong code five times",
        "guard block",
        "answer above level",
        "attacker who complains himself",
        "right handle with another customer's proof",
        "step-up naming another customer",
        "insider without the case",
    ],
)
def test_the_story_has_each_refusal(refusal: str) -> None:
    assert any(refusal in title for title in TITLES)


@pytest.mark.parametrize("bag", ["room.zip", "log.zip"])
def test_the_kept_bag_verifies_in_another_process(
    story: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path, bag: str
) -> None:
    _, keep = story
    verifier = ROOT / "app/compliance/verifier.py"
    checked = run("-I", str(verifier), str(keep / bag), "--trust", str(keep / "trust.json"), cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert "the evidence holds" in checked.stdout


def test_nothing_else_is_kept(story: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, keep = story
    assert sorted(path.name for path in keep.iterdir()) == ["log.zip", "room.zip", "trust.json"]


@pytest.mark.parametrize(
    "hide",
    [
        lambda raw: raw,
        lambda raw: raw.hex().encode(),
        lambda raw: raw.hex().upper().encode(),
        lambda raw: quote(raw).encode(),
        lambda raw: quote_plus(raw).encode(),
        lambda raw: json.dumps({"text": raw.decode()}).encode(),
        lambda raw: base64.b64encode(raw),
        lambda raw: base64.b64encode(b"a" + raw + b"bc"),
        lambda raw: base64.b64encode(b"ab" + raw + b"c"),
        lambda raw: base64.urlsafe_b64encode(b"abc" + raw + b"abc"),
    ],
)
@pytest.mark.parametrize("secret", ["È un errore? Sì, +10 €", "giulia", "40281937", "marco.prova"])
def test_the_search_on_disk_finds_a_hidden_secret(secret: str, hide: Callable[[bytes], bytes]) -> None:
    content = b"\x00\xff " + hide(secret.encode()) + b" \x01"
    assert any(form in content for form in forms_of(secret))
    assert not any(form in b"\x00\xff something else \x01" for form in forms_of(secret))


def test_a_step_at_the_bank_that_does_not_hold_fails_the_story() -> None:
    played = run("-c", BROKEN.format(scene="STORY", place=1))
    assert played.returncode == 1, played.stderr
    verdicts = lines_of(played.stdout)
    assert verdicts[0] == ("ok", 1, TITLES[0]), played.stdout
    assert verdicts[1] == ("FAIL", 2, f"{TITLES[1]} (broken on purpose)")
    assert verdicts[2:] == [("FAIL", number, f"{title} (not reached)") for number, title in enumerate(TITLES[2:], 3)]


def test_a_bag_that_does_not_hold_fails_the_story() -> None:
    played = run("-c", BROKEN.format(scene="AFTERWARDS", place=0))
    assert played.returncode == 1, played.stderr
    failed = [number for verdict, number, _ in lines_of(played.stdout) if verdict == "FAIL"]
    assert failed == list(range(len(script.STORY) + 1, len(TITLES) + 1)), played.stdout
