"""Command: ``python -m benchmarks.optimisation --quick | --full --out DIR``. What is there already is not run again."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from benchmarks.optimisation import summary
from benchmarks.optimisation.catalogue import COCO, PROBLEMS
from benchmarks.optimisation.runs import ALL, STRATEGIES, Task, perform
from benchmarks.studies import command, run_missing, written

QUICK = ("branin", "hartmann6_noisy", "func2c", "svm", "elastic_net", "forest")
BUDGETS = {"quick": (30, 50), "full": (25, 50, 100, 200)}
BESIDE = 150  # the full form also shows the others here, to be compared with 100 trials of theory


def parse_arguments() -> argparse.Namespace:
    parser = command(
        "benchmarks.optimisation",
        __doc__,
        quick="six problems, three seeds, 30 and 50 trials: some minutes",
        full="all problems, ten seeds, 25 to 200 trials: a day",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--problems", nargs="+", choices=sorted(PROBLEMS), help="only these")
    which.add_argument("--coco", action="store_true", help="the functions of the COCO suites (needs coco-experiment)")
    parser.add_argument("--strategies", nargs="+", choices=ALL, default=list(STRATEGIES))
    parser.add_argument("--trials", type=int, nargs="+", help="budgets to compare at")
    return parser.parse_args()


def tasks(
    problems: Sequence[str], strategies: Sequence[str], seeds: int, budgets: Sequence[int], longest: int
) -> list[Task]:
    """A study for each budget for theory, which plans it; one of the greatest length for each of the others."""
    return [
        Task(p, s, seed, trials)
        for seed in range(seeds)
        for p in problems
        for s in strategies
        for trials in (budgets if s == "theory" else (longest,))
    ]


def main() -> int:
    args = parse_arguments()
    own = QUICK if args.quick else tuple(name for name in PROBLEMS if name not in COCO)
    problems = args.problems or (COCO if args.coco else own)
    budgets = sorted(args.trials or BUDGETS["quick" if args.quick else "full"])
    longest = budgets[-1]
    seeds = args.seeds or (3 if args.quick else 10)
    wanted = tasks(problems, args.strategies, seeds, budgets, longest)
    results, broken = run_missing(wanted, perform, args.out / "runs", args.jobs)
    made = summary.summarise(results, sorted({*budgets, *({BESIDE} if args.full and longest > BESIDE else ())}))
    (args.out / "chart.vl.json").write_text(json.dumps(summary.chart(results)))
    return written(args.out, summary.tables(made), made, broken)


if __name__ == "__main__":
    raise SystemExit(main())
