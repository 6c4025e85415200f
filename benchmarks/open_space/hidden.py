"""Command: ``python -m benchmarks.open_space.hidden --quick | --full --out DIR``. What is there is not run again.

On trainings where a parameter outside the first space decides: knowhy, which may open what is hidden, beside Optuna's
TPE on the first space alone and on the full space, at the same number of trials.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import wilcoxon

from benchmarks.open_space.trainings import TRAININGS, Training
from benchmarks.optimisation.peers import incumbents, optimise
from benchmarks.optimisation.problem import FRESH, Problem
from benchmarks.studies import Clock, Result, Watched, command, run_missing, written
from knowhy.engine.mind import Mind
from knowhy.engine.policy import TheoryPolicy
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.events import StudyCreated
from knowhy.model.observation import Observation
from knowhy.model.space import Point, Scalar, Space
from knowhy.theorists.builtin import Builtin
from knowhy.views import changes

STRATEGIES = ("knowhy", "tpe on the first space", "tpe on the full space")
TRIALS = {"quick": 40, "full": 60}
SEEDS = {"quick": 3, "full": 10}
WORST = 10.0


@dataclass(frozen=True)
class Task:
    """One study."""

    training: str
    strategy: str
    seed: int
    trials: int

    @property
    def name(self) -> str:
        """A file name for its result."""
        return f"{self.training}-{self.strategy.replace(' ', '-')}-{self.trials}-{self.seed}"


def problem(training: Training, space: Space) -> Problem:
    """``training`` over ``space``; what that leaves out is at its default."""
    defaults = training.space.defaults()

    def evaluate(point: Point, seed: int) -> Mapping[str, float]:
        return training.evaluate({**defaults, **point}, seed).metrics

    return Problem(
        training.name, training.about, "scikit-learn's bundled data", space, training.objective, evaluate, math.nan,
        kind="training",
    )  # fmt: skip


def perform(task: Task) -> Result:
    """Run the study; ``value`` is the true value of what it ends with: the mean over seeds that no study saw."""
    started = time.perf_counter()
    training = TRAININGS[task.training]
    full = problem(training, training.opened())
    if task.strategy == "knowhy":
        made = _knowhy(training, task)
    else:
        space = training.initial() if task.strategy == STRATEGIES[1] else training.opened()
        draws = [int(s) for s in np.random.default_rng([task.seed, 3]).integers(2**31 - 1, size=task.trials + 1)]
        done = optimise(problem(training, space), "optuna-tpe", task.seed, task.trials, draws.__getitem__)
        made = {"point": incumbents(full, done)[-1], "course": [value for _, value in done], "changes": []}
    point: Point = made["point"]  # type: ignore[assignment]
    value = None if point is None else full.truth({**training.space.defaults(), **point})
    return {
        "training": task.training,
        "strategy": task.strategy,
        "seed": task.seed,
        "trials": task.trials,
        "default": full.truth(training.space.defaults()),
        "value": value if value is not None and math.isfinite(value) else None,
        "seconds": time.perf_counter() - started,
        **made,
    }


def _knowhy(training: Training, task: Task) -> dict[str, object]:
    mind = Mind()
    policy = Watched(TheoryPolicy(mind.beliefs))
    journal = MemoryJournal(Clock())
    subject: dict[str, Scalar] = {"kind": "benchmark", "problem": training.name}
    journal.append([StudyCreated(task.name, (training.objective,), training.space, task.seed, subject, "benchmark")])

    def evaluate(point: Point, seed: int) -> Observation:
        return training.evaluate(training.space.complete(point), seed)

    state = run(
        journal,
        InlineSubject(),
        InlineExecutor(evaluate),
        policy,
        [Builtin()],
        mind.beliefs,
        limits=Limits(task.trials),
        folder="",
    )
    best = mind.beliefs.posterior(state).incumbent
    metric = training.objective.metric
    seen = {t.proposal.trial: t.observation.metrics[metric] for t in state.completed}
    return {
        "point": None if best is None else dict(best.proposal.point),
        "course": [seen.get(number) for number in state.order],
        "changes": [
            {"parameter": c.parameter, "change": c.change, "after": c.after, "by": c.by, "reason": c.reason}
            for c in changes(state)
        ],
        "decision_seconds": sum(policy.seconds),
    }


def regrets(results: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], dict[str, float]]:
    """Regret by training, seed and strategy: 0 is the best that any study ended with, 1 the default."""
    best: dict[str, float] = {}
    for r in results:
        sign = TRAININGS[r["training"]].objective.sign
        for value in (r["value"], r["default"]):
            if value is not None:
                cost = sign * value
                best[r["training"]] = min(best.get(r["training"], math.inf), cost)
    found: dict[tuple[str, int], dict[str, float]] = {}
    for r in results:
        sign, least = TRAININGS[r["training"]].objective.sign, best[r["training"]]
        span = max(sign * r["default"] - least, 1e-12)
        regret = WORST if r["value"] is None else min((sign * r["value"] - least) / span, WORST)
        found.setdefault((r["training"], r["seed"]), {})[r["strategy"]] = regret
    return {key: by for key, by in found.items() if len(by) == len(STRATEGIES)}


def summarise(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean regrets by training and over all, wins of knowhy, and what it opened."""
    table = regrets(results)
    names = [n for n in TRAININGS if any(k[0] == n for k in table)]
    made: dict[str, Any] = {"trainings": {}, "overall": {}, "studies": len(table)}
    for name in names:
        rows = [by for key, by in table.items() if key[0] == name]
        own = [r for r in results if r["training"] == name and r["strategy"] == "knowhy"]
        hidden = {p.name for p in TRAININGS[name].space.held}
        made["trainings"][name] = {
            "regret": {s: statistics.fmean(by[s] for by in rows) for s in STRATEGIES},
            "value": {
                s: statistics.fmean(
                    r["value"]
                    for r in results
                    if (r["training"], r["strategy"]) == (name, s) and r["value"] is not None
                )
                for s in STRATEGIES
            },
            "default": own[0]["default"],
            "opened": {
                p: sum(any(c["parameter"] == p and c["change"] == "opened" for c in r["changes"]) for r in own)
                for p in sorted(hidden)
            },
            "frozen": sum(c["change"] == "frozen" for r in own for c in r["changes"]),
            "widened": sum(c["change"] == "widened" for r in own for c in r["changes"]),
        }
    for other in STRATEGIES:
        overall: dict[str, float] = {"regret": statistics.fmean(by[other] for by in table.values())} if table else {}
        if other != "knowhy" and table:
            apart = np.array([by["knowhy"] - by[other] for by in table.values()]).round(9)
            overall |= {"wins": int((apart < 0).sum()), "losses": int((apart > 0).sum())}
            overall["p"] = float(wilcoxon(apart).pvalue) if np.any(apart) else 1.0
        made["overall"][other] = overall
    return made


def tables(made: Mapping[str, Any], trials: int) -> str:
    """The summary in Markdown."""
    lines = [
        f"## Hidden parameters: {trials} trials, {made['studies']} pairs of training and seed",
        "",
        "Mean regret (0: the best that any study found, 1: the default).",
        "",
        "| training | " + " | ".join(STRATEGIES) + " | opened by knowhy (studies) |",
        "| --- |" + " ---: |" * len(STRATEGIES) + " --- |",
    ]
    for name, row in made["trainings"].items():
        least = min(row["regret"].values())
        cells = [f"**{v:.3f}**" if v <= least + 1e-9 else f"{v:.3f}" for v in row["regret"].values()]
        opened = ", ".join(f"{p} {n}" for p, n in row["opened"].items() if n) or "nothing"
        lines.append(f"| {name} | {' | '.join(cells)} | {opened} |")
    overall = made["overall"]
    lines.append("| mean | " + " | ".join(f"{overall[s].get('regret', math.nan):.3f}" for s in STRATEGIES) + " | |")
    for other in STRATEGIES[1:]:
        o = overall[other]
        if "p" in o:
            lines += ["", f"knowhy against {other}: {o['wins']} wins, {o['losses']} losses, Wilcoxon p = {o['p']:.3g}"]
    return "\n".join(lines) + "\n"


def parse_arguments() -> argparse.Namespace:
    parser = command(
        "benchmarks.open_space.hidden",
        __doc__,
        quick="three seeds, 40 trials: some minutes",
        full="ten seeds, 60 trials: hours",
    )
    parser.add_argument("--trainings", nargs="+", choices=sorted(TRAININGS), help="only these")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--trials", type=int, help="trials of each study")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    form = "quick" if args.quick else "full"
    names = args.trainings or tuple(TRAININGS)
    trials = args.trials or TRIALS[form]
    wanted = [
        Task(name, strategy, seed, trials)
        for seed in range(args.first, args.first + (args.seeds or SEEDS[form]))
        for name in names
        for strategy in STRATEGIES
    ]
    results, broken = run_missing(wanted, perform, args.out / "runs", args.jobs)
    made = summarise(results)
    table = tables(made, trials)
    return written(args.out, table, {"fresh_seeds": len(FRESH), **made}, broken)


if __name__ == "__main__":
    raise SystemExit(main())
