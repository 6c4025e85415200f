"""Command: ``python -m benchmarks.early_stopping --quick | --full --out DIR``. What is there is not run again."""

from __future__ import annotations

import argparse

from benchmarks.early_stopping import calibration, summary
from benchmarks.early_stopping.runs import Task, perform
from benchmarks.early_stopping.trainings import TRAININGS
from benchmarks.studies import command, run_missing, written


def parse_arguments() -> argparse.Namespace:
    parser = command(
        "benchmarks.early_stopping",
        __doc__,
        quick="4 pairs of studies of 40 trials: some minutes",
        full="20 pairs of studies of 60 trials for each training",
    )
    parser.add_argument("--trainings", nargs="+", choices=list(TRAININGS), default=list(TRAININGS))
    parser.add_argument("--trials", type=int, help="trials of each study")
    parser.add_argument("--curves", type=int, default=80, help="random configurations to measure calibration on")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    seeds, trials = args.seeds or (4 if args.quick else 20), args.trials or (40 if args.quick else 60)
    tasks = [Task(n, seed, trials, stops) for seed in range(seeds) for n in args.trainings for stops in (False, True)]
    results, broken = run_missing(tasks, perform, args.out / "runs", args.jobs)
    rows = summary.summarise(results)
    known = []
    for name in args.trainings if args.curves else ():
        path = args.out / f"curves-{name}.jsonl"
        known += calibration.measure(TRAININGS[name], calibration.collect(TRAININGS[name], args.curves, path))
    text = summary.table(rows) + ("\n" + calibration.table(known) if known else "")
    return written(args.out, text, {"studies": rows, "calibration": known}, broken)


if __name__ == "__main__":
    raise SystemExit(main())
