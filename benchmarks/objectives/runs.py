"""One study of one problem by one strategy: the hypervolume of what it would report after each checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.samplers import NSGAIISampler
from optuna.trial import Trial

from benchmarks.objectives.problems import PROBLEMS, Costs, Trade
from benchmarks.optimisation.peers import _suggested, _told
from benchmarks.studies import Clock, Result, Watched
from knowhy.engine.hypervolume import hypervolume, on_front
from knowhy.engine.mind import Mind
from knowhy.engine.policy import TheoryPolicy
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.events import StudyCreated
from knowhy.model.observation import Failure, Outcome
from knowhy.model.space import Point, Scalar
from knowhy.model.trial import Completed
from knowhy.samplers.classic import ClassicSampler
from knowhy.samplers.policy import SamplerPolicy
from knowhy.silence import quiet
from knowhy.theorists.builtin import Builtin

STRATEGIES = ("theory", "tpe", "gp", "nsga2", "random")
CHECKPOINTS = (10, 25, 50, 75, 100)
POPULATION = 20  # of NSGA-II: its default of 50 would see two generations in 100 trials

Seen = tuple[dict[str, Scalar], Costs | None]


@dataclass(frozen=True)
class Task:
    """Which study to run; ``trials`` is its budget."""

    problem: str
    strategy: str
    seed: int
    trials: int

    @property
    def name(self) -> str:
        """A file name for its result."""
        return f"{self.problem}-{self.strategy}-{self.trials}-{self.seed}"


def perform(task: Task) -> Result:
    """Run the study; the result is plain data (JSON).

    ``volumes`` maps trials to the hypervolume (share of the problem's box) of the configurations that are reported
    then, at their true values (means over fresh seeds); ``promised`` is the same at the values observed.
    """
    started = time.perf_counter()
    problem = PROBLEMS[task.problem]
    done, seconds = _nsga2(problem, task) if task.strategy == "nsga2" else _studied(problem, task)
    volumes, promised, sizes = {}, {}, {}
    for at in sorted({*(c for c in CHECKPOINTS if c <= task.trials), task.trials}):
        kept = [(p, c) for p, c in done[:at] if c is not None]
        chosen = [kept[i] for i in np.flatnonzero(on_front(np.array([c for _, c in kept])))] if kept else []
        truths = [t for p, _ in chosen if (t := problem.truth(p)) is not None]
        volumes[str(at)] = _volume(truths)
        promised[str(at)] = _volume([problem.shares(c) for _, c in chosen])
        sizes[str(at)] = len(chosen)
    return {
        "problem": problem.name,
        "strategy": task.strategy,
        "seed": task.seed,
        "trials": task.trials,
        "volumes": volumes,
        "promised": promised,
        "sizes": sizes,
        "failed": sum(c is None for _, c in done),
        "seconds": time.perf_counter() - started,
        "decision_seconds": seconds,
    }


def _volume(shares: Sequence[Costs]) -> float:
    """The share of the box that is dominated (what is better than ideal counts as ideal)."""
    if not shares:
        return 0.0
    return hypervolume(np.maximum(np.array(shares), 0.0), np.ones(2))


def _studied(problem: Trade, task: Task) -> tuple[list[Seen], float]:
    mind = Mind()
    theory = task.strategy == "theory"
    policy = Watched(
        TheoryPolicy(mind.beliefs)
        if theory
        else SamplerPolicy(task.strategy, ClassicSampler(task.strategy, task.seed)),
        reflects=None if theory else False,
    )
    journal = MemoryJournal(Clock())
    subject: dict[str, Scalar] = {"kind": "benchmark", "problem": problem.name}
    journal.append([StudyCreated(task.name, problem.objectives, problem.space, task.seed, subject, "benchmark")])

    def evaluate(point: Point, seed: int) -> Mapping[str, float] | Outcome:
        return problem.run(problem.space.complete(point), seed)

    state = run(
        journal,
        InlineSubject(),
        InlineExecutor(evaluate),
        policy,
        [Builtin()] if theory else [],
        mind.beliefs,
        limits=Limits(task.trials),
        folder="",
    )
    done: list[Seen] = []
    for number in state.order:
        t = state.trials[number]
        costs = None
        if isinstance(t, Completed):
            one, two = (t.observation.metrics[m] for m in problem.metrics)
            costs = (one, two)
        done.append((state.space.complete(t.proposal.point), costs))
    return done, float(sum(policy.seconds))


def _nsga2(problem: Trade, task: Task) -> tuple[list[Seen], float]:
    """Optuna's NSGA-II, asked directly."""
    seeds = np.random.default_rng([task.seed, 3]).integers(2**31 - 1, size=task.trials + 1)
    done: list[Seen] = []
    evaluating = 0.0

    def objective(trial: Trial) -> tuple[float, float]:
        nonlocal evaluating
        point = problem.space.complete({p.name: _suggested(trial, p) for p in problem.space})
        began = time.perf_counter()
        seen = problem.run(point, int(seeds[trial.number]))
        evaluating += time.perf_counter() - began
        costs = None if isinstance(seen, Failure) else (seen[problem.metrics[0]], seen[problem.metrics[1]])
        done.append((point, costs))
        return costs or (math.nan, math.nan)

    began = time.perf_counter()
    with quiet():
        sampler = NSGAIISampler(population_size=POPULATION, seed=task.seed)
        study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
        defaults = problem.space.defaults()
        study.enqueue_trial({p.name: _told(p, defaults[p.name]) for p in problem.space})
        study.optimize(objective, n_trials=task.trials)
    return done, time.perf_counter() - began - evaluating
