"""Command: ``python -m benchmarks.worlds --quick | --full --out DIR``. What is there already is not run again."""

from __future__ import annotations

import argparse
import json
import sys

from benchmarks.studies import command, run_missing, written
from benchmarks.worlds import summary
from benchmarks.worlds.catalogue import WORLDS
from benchmarks.worlds.labels import check
from benchmarks.worlds.runs import LORE, STRATEGIES, Task, perform

QUICK = ("overfitting", "lr_over_batch", "moving_optimum", "memory_boundary", "all_noise", "near_miss")


def parse_arguments() -> argparse.Namespace:
    parser = command(
        "benchmarks.worlds",
        __doc__,
        quick="six worlds, two seeds, 40 trials: some minutes",
        full="all worlds, 20 seeds, 48 trials: hours",
    )
    parser.add_argument("--worlds", nargs="+", choices=sorted(WORLDS), help="only these")
    parser.add_argument("--strategies", nargs="+", choices=(*STRATEGIES, LORE), default=list(STRATEGIES))
    parser.add_argument("--trials", type=int, help="trials of each study")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    worlds = args.worlds or (QUICK if args.quick else tuple(WORLDS))
    trials = args.trials or (40 if args.quick else 48)
    seeds = args.seeds or (2 if args.quick else 20)
    wrong = [label.theory.claims for name in worlds for label in check(WORLDS[name]) if not label.right]
    if wrong:
        print(f"labels that do not hold: {wrong}", file=sys.stderr)
        return 1
    tasks = [Task(w, s, seed, trials) for seed in range(seeds) for w in worlds for s in args.strategies]
    results, broken = run_missing(tasks, perform, args.out / "runs", args.jobs)
    made = summary.rows(results)
    (args.out / "chart.vl.json").write_text(json.dumps(summary.chart(results, trials)))
    rows = {"rows": summary.as_data(made), "calibration": summary.calibration(results)}
    return written(args.out, summary.table(made, trials), rows, broken)


if __name__ == "__main__":
    raise SystemExit(main())
