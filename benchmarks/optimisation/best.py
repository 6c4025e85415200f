"""Command: ``python -m benchmarks.optimisation.best``: a long search for the best true value of each training.

It writes ``best_known.json``, against which regrets are measured; a value is only ever replaced by a better one.
"""

from __future__ import annotations

import argparse
import json
import math
import sys

import numpy as np

from benchmarks.optimisation.catalogue import PROBLEMS
from benchmarks.optimisation.problem import FRESH, Problem
from benchmarks.optimisation.trainings import BEST
from knowhy.model.observation import Failure
from knowhy.model.space import Interval, Scalar

_PARENTS, _CHILDREN = 6, 8


def search(problem: Problem, seed: int, sample: int, rounds: int) -> tuple[dict[str, Scalar], float]:
    """Random search on one seed, then an evolution of the best: screened on three seeds, judged on all fresh ones."""
    rng = np.random.default_rng(seed)
    sign = problem.objective.sign

    def cost(point: dict[str, Scalar], seeds: tuple[int, ...]) -> float:
        if len(seeds) == len(FRESH):
            return sign * problem.truth(point)
        values = []
        for s in seeds:
            seen = problem.run(point, s)
            values.append(math.inf if isinstance(seen, Failure) else sign * seen[problem.objective.metric])
        return float(np.mean(values))

    points = [_drawn(problem, rng) for _ in range(sample)]
    points.sort(key=lambda p: cost(p, FRESH[:1]))
    parents = sorted(points[: 3 * _PARENTS], key=lambda p: cost(p, FRESH))[:_PARENTS]
    for spread in np.geomspace(0.2, 0.01, rounds):
        children = [_moved(problem, p, float(spread), rng) for p in parents for _ in range(_CHILDREN)]
        children.sort(key=lambda p: cost(p, FRESH[:3]))
        parents = sorted([*parents, *children[: 2 * _PARENTS]], key=lambda p: cost(p, FRESH))[:_PARENTS]
    return parents[0], problem.truth(parents[0])


def _drawn(problem: Problem, rng: np.random.Generator) -> dict[str, Scalar]:
    point: dict[str, Scalar] = {}
    for p in problem.space:
        d = p.domain
        point[p.name] = d.from_unit(rng.random()) if isinstance(d, Interval) else d.values[rng.integers(len(d.values))]
    return problem.space.complete(point)


def _moved(problem: Problem, point: dict[str, Scalar], spread: float, rng: np.random.Generator) -> dict[str, Scalar]:
    moved = dict(point)
    for p in problem.space:
        d = p.domain
        if isinstance(d, Interval):
            if rng.random() < 0.5:
                moved[p.name] = d.from_unit(d.to_unit(float(point[p.name])) + spread * rng.standard_normal())  # type: ignore[arg-type]
        elif rng.random() < 0.15:
            moved[p.name] = d.values[rng.integers(len(d.values))]
    return problem.space.complete(moved)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.optimisation.best", description=__doc__)
    trainings = sorted(name for name, p in PROBLEMS.items() if p.kind == "training")
    parser.add_argument("--problems", nargs="+", choices=trainings, default=trainings)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", type=int, default=300, help="random configurations to begin with")
    parser.add_argument("--rounds", type=int, default=7, help="generations after that")
    args = parser.parse_args()
    for name in args.problems:
        point, value = search(PROBLEMS[name], args.seed, args.sample, args.rounds)
        known = json.loads(BEST.read_text()) if BEST.exists() else {}
        if name not in known or PROBLEMS[name].objective.better(value, known[name]["value"]):
            known[name] = {"value": value, "point": point}
            BEST.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
        print(f"{name}: {value:.6g} (known {known[name]['value']:.6g}) at {point}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
