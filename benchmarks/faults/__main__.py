"""Commands: ``python -m benchmarks.faults --short | --full --out DIR [--only NAME ...]``; rounds there are kept.

``python -m benchmarks.faults sandbox|scripts|output|exports|integrity|secrets|loading`` runs one of the tests of
what is hostile.

Each promise has rounds, each round a result in a file of its own, and the table is made of all that are there. Run it
as ``unshare --pid --fork --mount-proc`` where other work on the machine must be safe from a defect of the harness.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from benchmarks.faults import clocks, controllers, damage, full_disk, kills, nulls, paths, power
from benchmarks.faults.promises import Promise, Round, row, table
from benchmarks.studies import run_missing

PROMISES: dict[str, Promise] = {
    promise.name.replace(" ", "-"): promise
    for promise in (
        *kills.PROMISES,
        power.PROMISE,
        damage.PROMISE,
        controllers.PROMISE,
        *full_disk.PROMISES,
        clocks.PROMISE,
        nulls.PROMISE,
        paths.PROMISE,
    )
}


HOSTILE = ("sandbox", "scripts", "output", "exports", "integrity", "secrets", "loading")


def main() -> int:
    """Run what is named; the exit code says whether every promise held."""
    if len(sys.argv) > 1 and sys.argv[1] in HOSTILE:
        return int(importlib.import_module(f"benchmarks.faults.{sys.argv[1]}").main())
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--short", action="store_true", help="a few rounds of each promise: some minutes")
    form.add_argument("--full", action="store_true", help="all rounds: hours")
    form.add_argument("--table", action="store_true", help="run nothing: the table of what is there")
    parser.add_argument("--out", type=Path, required=True, help="folder for results; rounds found there are kept")
    parser.add_argument("--only", nargs="+", choices=sorted(PROMISES), help="only these promises")
    parser.add_argument("--jobs", type=int, default=1, help="rounds at a time")
    args = parser.parse_args()
    rows = []
    for name in args.only or PROMISES:
        promise = PROMISES[name]
        tasks = [Round(name, number) for number in range(promise.short if args.short else promise.full)]
        if args.table:
            tasks = [task for task in tasks if (args.out / "rounds" / f"{task.name}.json").exists()]
        results, broken = run_missing(tasks, promise.perform, args.out / "rounds", args.jobs)
        rows.append(row(promise, results, broken))
        (args.out / "table.md").write_text(table(rows))
        (args.out / "table.json").write_text(json.dumps(rows, indent=1))
    print(table(rows))
    return 0 if all(r["kept"] for r in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
