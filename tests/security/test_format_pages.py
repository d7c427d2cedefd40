"""The pages in docs/formats say what the vectors say."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.security.vector_files import load

ROOT = Path(__file__).parents[2]
# What of the first `generate` case each page prints as its example.
EXAMPLES = {
    "envelope": ("nonce", "sealed"),
    "wrapped-key": ("nonce", "blob"),
    "commitment": ("context", "opening", "commitment"),
    "checkpoint": ("text", "note", "vkey"),
}


def page_of(vectors: dict[str, Any]) -> str:
    return ROOT.joinpath(vectors["page"]).read_text("utf-8")


def without_space(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_page_shows_the_first_vector_and_says_where_the_others_are(name: str) -> None:
    vectors = load(name)
    page = page_of(vectors)
    assert f"tests/security/vectors/{name}.json" in page
    # Bytes stand in a column, with what they mean beside them.
    column = without_space("".join(line[4:].split("    ")[0] for line in page.splitlines() if line.startswith("    ")))
    for field in EXAMPLES[name]:
        value = without_space(vectors["generate"][0][field])
        assert value in column or value in without_space(page), field


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_page_numbers_its_rules_without_a_gap(name: str) -> None:
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", page_of(load(name)), re.MULTILINE)]
    assert len(numbers) >= 8
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_commitment_page_checks_its_example_with_the_standard_library_alone() -> None:
    vectors = load("commitment")
    (program,) = re.findall(r"```python\n(.*?)```", page_of(vectors), re.DOTALL)
    ran = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert ran.stdout.strip() == vectors["generate"][0]["commitment"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the page's recipe needs the openssl program")
def test_the_checkpoint_page_checks_its_example_with_openssl_alone(tmp_path: Path) -> None:
    vectors = load("checkpoint")
    (recipe,) = re.findall(r"```sh\n(.*?)```", page_of(vectors), re.DOTALL)
    note = vectors["generate"][0]["note"]
    for content, expected in ((note, 0), (note.replace("\n8\n", "\n9\n"), 1)):
        (tmp_path / "checkpoint").write_text(content, "utf-8")
        ran = subprocess.run(["sh", "-c", recipe], cwd=tmp_path, capture_output=True, check=False, timeout=30)
        assert ran.returncode == expected, ran.stderr


def test_every_vector_file_names_an_existing_page() -> None:
    files = sorted((Path(__file__).parent / "vectors").glob("*.json"))
    assert {file.stem for file in files} == {*EXAMPLES, "merkle"}
    for file in files:
        assert "MUST" in page_of(load(file.stem))
