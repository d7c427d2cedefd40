"""Documentation that cannot rot: what a person can set, meet or type is described, and a test named there exists."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterator

import pytest
import typer
from pydantic_settings import BaseSettings

from app.errors import RiserboError
from tests.architecture.sources import ROOT, documentation, functions, python_files, relative

TERMS = [
    "channel", "post", "case", "handle", "reply", "case link", "visitor", "attempt", "proof", "binding", "level",
    "room", "data class", "hold", "leaf", "checkpoint", "bag", "lane",
]  # fmt: skip


def _import_everything() -> None:
    for path in python_files("app"):
        importlib.import_module(relative(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."))


def _kinds(of: type[RiserboError]) -> Iterator[type[RiserboError]]:
    yield of
    for kind in of.__subclasses__():
        yield from _kinds(kind)


def _commands(group: typer.core.TyperGroup, name: str) -> Iterator[str]:
    for word, command in group.commands.items():
        if command.hidden:
            continue
        if isinstance(command, typer.core.TyperGroup):
            yield from _commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}"


def test_every_setting_is_documented() -> None:
    settings = importlib.import_module("app.settings").Settings
    assert issubclass(settings, BaseSettings)
    prefix = settings.model_config.get("env_prefix", "")
    names = [(prefix + name).upper() for name in settings.model_fields]
    assert names
    assert [name for name in names if f"`{name}`" not in documentation()] == []


def test_every_error_code_is_documented() -> None:
    _import_everything()
    codes = {kind.code for kind in _kinds(RiserboError) if kind.__module__.startswith("app.")}
    assert len(codes) > 5
    assert sorted(code for code in codes if f"`{code}`" not in documentation()) == []


def test_every_command_is_documented() -> None:
    commands = importlib.import_module("app.cli").commands
    group = typer.main.get_command(commands)
    assert isinstance(group, typer.core.TyperGroup)
    names = list(_commands(group, "riserbo"))
    assert "riserbo demo" in names
    assert [name for name in names if name not in documentation()] == []


@pytest.mark.parametrize("term", TERMS)
def test_the_glossary_explains(term: str) -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").lower()
    assert re.search(rf"^\W*(?:{term})\b", glossary, re.MULTILINE)


def test_a_test_that_the_documents_name_exists() -> None:
    there = {node.name for path in python_files("tests") for node in functions(path)}
    named = set(re.findall(r"\b(test_\w+)\b(?!\.py|/)", documentation()))
    modules = {path.stem for path in python_files("tests")}
    assert sorted(named - there - modules) == []


def test_every_threat_names_its_test() -> None:
    model = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    rows = [line for line in model.splitlines() if re.match(r"\|\s*T\d+", line)]
    assert len(rows) >= 10
    assert [row for row in rows if not re.search(r"\btest_\w+", row)] == []


def test_every_threat_has_a_number_of_its_own_and_the_readme_counts_them() -> None:
    rows = re.findall(r"^\| (T\d+[a-z]?) \|", (ROOT / "docs" / "threat-model.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(set(rows))
    assert f"{len(rows)} threats" in (ROOT / "README.md").read_text("utf-8")


def test_the_import_line_of_the_documents_is_the_one_that_is_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    line = next(contract for contract in contracts if contract["type"] == "layers" and "containers" not in contract)
    checked = [set(re.findall(r"\w+", layer.replace("app.", ""))) for layer in line["layers"]]
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    written = next(
        block for block in re.findall(r"```\w*\n(.*?)```", page, re.DOTALL) if "→" in block and "security" in block
    )
    assert [set(re.findall(r"\w+", part)) for part in written.split("→")] == checked


def test_every_decision_stands_in_their_index() -> None:
    folder = ROOT / "docs" / "decisions"
    heads = [(path.name, path.read_text("utf-8").splitlines()[0]) for path in sorted(folder.glob("0*.md"))]
    lines = [f"{int(name[:4])}. [{head.partition('. ')[2]}]({name})" for name, head in heads]
    assert [line for line in (folder / "README.md").read_text("utf-8").splitlines() if line[:1].isdigit()] == lines


def test_every_folder_of_the_application_stands_in_the_map() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    folders = [f"app/{path.parent.name}" for path in sorted((ROOT / "app").glob("*/__init__.py"))]
    assert len(folders) > 15
    assert [name for name in folders if f"`{name}`" not in page] == []
