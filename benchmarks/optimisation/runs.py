"""One study of one problem by one strategy: which configuration it would have reported after each trial."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.optimisation.catalogue import PROBLEMS
from benchmarks.optimisation.peers import DIRECT, FAR, Evaluated, far, incumbents, optimise
from benchmarks.optimisation.problem import Problem
from benchmarks.studies import Clock, Result, Watched
from knowhy.engine.mind import Mind
from knowhy.engine.policy import TheoryPolicy
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.events import StudyCreated
from knowhy.model.observation import Outcome
from knowhy.model.space import Point, Scalar
from knowhy.model.state import State
from knowhy.model.trial import Completed
from knowhy.samplers.classic import ClassicSampler
from knowhy.samplers.policy import SamplerPolicy
from knowhy.theorists.builtin import Builtin

PEERS = ("tpe", "gp", "cmaes", "random")
STRATEGIES = ("theory", *PEERS)
ALL = (*STRATEGIES, *FAR, *DIRECT)


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

    ``incumbents[i]`` is the true value of the configuration chosen after i + 1 trials (None while there is none),
    ``lucky`` that of the best single observation at the end, whatever the strategy chooses by. ``course`` has purpose,
    point, observed value (None: failed) of each trial.
    """
    started = time.perf_counter()
    problem = PROBLEMS[task.problem]
    made = _direct(problem, task) if task.strategy in (*DIRECT, *FAR) else _studied(problem, task)
    chosen: list[Point | None] = made.pop("chosen")  # type: ignore[assignment]
    lucky: list[Point | None] = made.pop("lucky")  # type: ignore[assignment]
    return {
        "problem": problem.name,
        "kind": problem.kind,
        "strategy": task.strategy,
        "seed": task.seed,
        "trials": task.trials,
        "default": problem.truth(problem.space.defaults()),
        "incumbents": _truths(problem, chosen),
        "lucky": _truths(problem, lucky[-1:])[0],
        "seconds": time.perf_counter() - started,
        **made,
    }


def _direct(problem: Problem, task: Task) -> Result:
    rng = np.random.default_rng([task.seed, 3])
    draws = [int(s) for s in rng.integers(2**31 - 1, size=task.trials + 1)]
    search = optimise if task.strategy in DIRECT else far
    done = search(problem, task.strategy, task.seed, task.trials, draws.__getitem__)
    course = [{"purpose": "improve", "point": point, "value": value} for point, value in done]
    chosen = incumbents(problem, done)
    return {"chosen": chosen, "lucky": chosen, "course": course, "decision_seconds": []}


def _truths(problem: Problem, points: Sequence[Point | None]) -> list[float | None]:
    """True values; None where there is no point, or it fails on fresh seeds."""
    values = [None if point is None else problem.truth(point) for point in points]
    return [v if v is None or np.isfinite(v) else None for v in values]


def _studied(problem: Problem, task: Task) -> Result:
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
    created = StudyCreated(task.name, (problem.objective,), problem.space, task.seed, subject, "benchmark")
    journal.append([created])
    chosen: list[Point | None] = []

    def watch(state: State) -> None:
        while theory and len(state.updates) > len(chosen):
            best = mind.beliefs.posterior(state).incumbent
            chosen.append(None if best is None else best.proposal.point)

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
        watch=watch,
    )
    course: list[dict[str, object]] = []
    done: list[Evaluated] = []
    for number in state.order:
        trial = state.trials[number]
        value = trial.observation.metrics[problem.objective.metric] if isinstance(trial, Completed) else None
        done.append((dict(trial.proposal.point), value))
        course.append(
            {"purpose": trial.proposal.purpose, "point": dict(trial.proposal.point), "value": value}
            | ({"reason": trial.proposal.reason, "bits": trial.proposal.expected_bits} if theory else {})
        )
    lucky = incumbents(problem, done)
    return {
        "chosen": chosen if theory else lucky,
        "lucky": lucky,
        "course": course,
        "ended": state.ended,
        "theories": len(state.theories),
        "decision_seconds": policy.seconds,
    }
