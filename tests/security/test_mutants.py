"""Every single check of the code that believes tokens is needed: without it, some forgery is not refused for its fault."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import pytest

from tests.security.mutants import ROOT, mutations

CHECKED: Final = (
    "security.jwts",
    "security.id_tokens",
    "security.dpop",
    "security.sd_jwt",
    "security.certificates",
    "security.encrypted_answers",
    "security.status_lists",
    "security.logout_tokens",
)


@pytest.mark.parametrize("module", CHECKED)
def test_a_check_that_is_taken_out_is_missed(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.mutants", module],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    noticed = json.loads(done.stdout)
    assert noticed.pop("nothing changed") == []
    source = (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    assert len(noticed) == len(list(mutations(source))) > 0
    assert [mutant for mutant, forgeries in noticed.items() if not forgeries] == []


def test_a_mutant_lacks_exactly_its_check() -> None:
    source = "def f(a, b):\n    if a or b:\n        raise ValueError\n    if a:\n        return 1\n    return 2\n"
    assert [name for name, _ in mutations(source)] == [
        "2: if a or b",
        "2: if a or b, without a",
        "2: if a or b, without b",
    ]
    assert [text.splitlines()[1].strip() for _, text in mutations(source)] == ["if False:", "if b:", "if a:"]
