"""`python -m app.bench`: one store, one concurrency, in half a minute, while something is being made faster."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace

from app.bench.plan import Plan, Tools
from app.bench.running import found_pgbench, run


def main() -> None:
    """Print the ratios, and the figures behind them."""
    parser = argparse.ArgumentParser(prog="python -m app.bench", description=__doc__)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--postgres", default="", help="URL of a server on which databases may be made")
    parser.add_argument("--pgbench", default="")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[32])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--rooms", type=int, default=64)
    parser.add_argument("--no-streams", action="store_true", help="nobody reads: what posting alone costs")
    given = parser.parse_args()
    plan = replace(
        Plan(),
        stores=(given.store,),
        parts=("lane",),
        levels=tuple(given.concurrency),
        seconds=given.seconds,
        repeats=given.repeats,
        rooms=given.rooms,
        streams=not given.no_streams,
    )
    found = run(plan, Tools(given.postgres, found_pgbench(given.pgbench)), lambda line: print(line, file=sys.stderr))
    json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
