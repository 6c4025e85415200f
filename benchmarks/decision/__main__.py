"""Command: ``python -m benchmarks.decision --quick | --full --out DIR``. What is there already is not run again."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.decision import idle
from benchmarks.decision.measure import STRATEGIES, Task, perform, seconds
from benchmarks.studies import Result, command, run_missing, written

LENGTHS = {"quick": (50, 100, 200, 500), "full": (50, 100, 200, 500, 1000, 10_000)}
GP_LIMIT = 1000  # the time of Optuna's GP grows with the cube: hours at 10,000


def parse_arguments() -> argparse.Namespace:
    parser = command(
        "benchmarks.decision",
        __doc__,
        quick="up to 500 trials: some minutes",
        full="up to 10,000 trials",
        several=False,
    )
    parser.add_argument("--lengths", type=int, nargs="+", help="numbers of trials")
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    parser.add_argument("--idle-trials", type=int, help="trials of the study with two workers (0: leave out)")
    return parser.parse_args()


def alone(task: Task) -> Result:
    """Measure in a process of its own, so that memory is that of this measurement."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(perform, task).result()


def table(results: Sequence[dict[str, Any]], waiting: dict[str, Any] | None) -> str:
    """The results in Markdown."""
    lines = [
        "| trials | strategy | decision, CPU s | update, CPU s | with a refit: decision, update | mean of both | "
        "memory added, MiB | peak, MiB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in sorted(results, key=lambda r: (r["trials"], r["strategy"] != "theory", r["strategy"])):
        decide, update = seconds(r)
        both = decide + update
        refit = ""
        if "refit" in r:
            refit = f"{r['refit'][0]:.3f}, {r['refit'][1]:.3f}"
            both += r["share"] * (sum(r["refit"]) - both)
        lines.append(
            f"| {r['trials']} | {r['strategy']} | {decide:.3f} | {update:.3f} | {refit} | {both:.3f} | "
            f"{r['added']:.0f} | {r['peak']:.0f} |"
        )
    text = "\n".join(lines) + "\n"
    if waiting is not None:
        text += (
            f"\nTwo workers, {waiting['trials']} trials of {waiting['mean_trial']:.2f} s: idle "
            f"{waiting['idle']:.1%} of the time (by the journal {waiting['handed']:.1%}).\n"
        )
    return text


def main() -> int:
    args = parse_arguments()
    lengths = args.lengths or LENGTHS["quick" if args.quick else "full"]
    wanted = [Task(s, n) for n in lengths for s in args.strategies if s != "gp" or n <= GP_LIMIT]
    results, broken = run_missing(wanted, alone, args.out / "runs", 1)
    waiting = None
    trials = (24 if args.quick else 100) if args.idle_trials is None else args.idle_trials
    if trials:
        path: Path = args.out / f"idle-{trials}.json"
        if not path.exists():
            print(f"a study of {trials} trials with two workers", file=sys.stderr)
            path.write_text(json.dumps(idle.perform(trials, 2)))
        waiting = json.loads(path.read_text())
    text = table(results, waiting)
    return written(args.out, text, {"costs": results, "idle": waiting}, broken)


if __name__ == "__main__":
    raise SystemExit(main())
