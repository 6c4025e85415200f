"""Command: ``python -m benchmarks.objectives --quick | --full --out DIR``. What is there already is not run again."""

from __future__ import annotations

import argparse
import json

from benchmarks.objectives import summary
from benchmarks.objectives.problems import PROBLEMS
from benchmarks.objectives.runs import STRATEGIES, Task, perform
from benchmarks.studies import command, run_missing, written

QUICK = ("forest", "boosting", "elastic_net")


def parse_arguments() -> argparse.Namespace:
    parser = command(
        "benchmarks.objectives",
        __doc__,
        quick="three problems, two seeds, 50 trials: some minutes",
        full="all problems, ten seeds, 50 and 100 trials: hours",
    )
    parser.add_argument("--problems", nargs="+", choices=sorted(PROBLEMS), help="only these")
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    parser.add_argument("--trials", type=int, nargs="+", help="budgets to compare at")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    problems = args.problems or (QUICK if args.quick else tuple(PROBLEMS))
    budgets = sorted(args.trials or ([50] if args.quick else [50, 100]))
    wanted = [
        Task(p, s, seed, trials)
        for seed in range(args.seeds or (2 if args.quick else 10))
        for p in problems
        for s in args.strategies
        for trials in (budgets if s == "theory" else budgets[-1:])
    ]
    results, broken = run_missing(wanted, perform, args.out / "runs", args.jobs)
    made = summary.summarise(results, budgets)
    table = summary.tables(made, results)
    (args.out / "chart.vl.json").write_text(json.dumps(summary.chart(results)))
    return written(args.out, table, made, broken)


if __name__ == "__main__":
    raise SystemExit(main())
