"""One strategy at one length of study: processor seconds and memory, to be run in a process of its own."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

from benchmarks.decision.subject import OBJECTIVE, SPACE, observe, points
from benchmarks.studies import Clock, Result
from knowhy import reflection
from knowhy.engine.fitting import fitted_at
from knowhy.engine.mind import Mind
from knowhy.engine.policy import TheoryPolicy
from knowhy.journal.memory import MemoryJournal
from knowhy.model.decision import Budget
from knowhy.model.events import Event, RunStarted, StudyCreated, TrialCompleted, TrialProposed, TrialStarted
from knowhy.model.space import Point
from knowhy.model.state import State, fold
from knowhy.model.trial import Proposal
from knowhy.samplers.projection import OptunaSampler, gp, tpe

STRATEGIES = ("theory", "tpe", "gp")
_STEPS = 5


@dataclass(frozen=True)
class Task:
    """What to measure."""

    strategy: str
    trials: int

    @property
    def name(self) -> str:
        """A file name for its result."""
        return f"{self.strategy}-{self.trials}"


def perform(task: Task) -> Result:
    """Processor seconds of single steps at ``task.trials`` trials, one core.

    ``decide`` and ``update`` are lists over consecutive trials; for theory ``refit`` is the (decide, update) of the
    trial at which hyperparameters were fitted last, and ``share`` how many trials in one have such a fit. ``added``
    is how much memory (MiB, at its peak) the steps took beyond the study itself, ``peak`` that of the process.
    """
    with threadpool_limits(1):
        made = _theory(task.trials) if task.strategy == "theory" else _optuna(task.strategy, task.trials)
    return {"strategy": task.strategy, "trials": task.trials, **made}


def _theory(trials: int) -> Result:
    from knowhy.theorists.builtin import Builtin  # the measured process only: peers do not pay for it

    mind, journal = Mind(), MemoryJournal(Clock())
    policy, theorists = TheoryPolicy(mind.beliefs), [Builtin()]
    budget = Budget(2 * trials)  # far from the end: nothing is held back for verification yet
    known = points(trials + _STEPS, 0)
    state = State()

    def append(*events: Event) -> None:
        nonlocal state
        state = fold(journal.append(events), state)

    def reflect() -> None:
        append(*reflection.after_trials(mind.beliefs, theorists, state))

    def reach(count: int) -> None:
        """Add trials up to ``count``, and think about the last."""
        done = len(state.order)
        if count > done:
            append(*(e for n in range(done + 1, count + 1) for e in _events(n, known[n - 1])))
            reflect()

    def step() -> tuple[float, float]:
        """Decide, run the trial that was decided, think about it; processor seconds of the first and the last."""
        started = time.process_time()
        decision = policy.decide(state, budget)
        decided = time.process_time() - started
        append(*_events(len(state.order) + 1, decision.proposals[0].point))
        started = time.process_time()
        reflect()
        return decided, time.process_time() - started

    append(StudyCreated("cost", (OBJECTIVE,), SPACE, 0, {"kind": "benchmark"}, "benchmark"))
    append(RunStarted(budget.trials, None, 1, policy.name))
    append(*reflection.theories(mind.beliefs, theorists, state))
    for early in (1, 2, 12, 25):
        reach(min(early, trials))
    refit = fitted_at(trials)
    reach(max(2, refit - 2))
    before = _memory()
    policy.decide(state, budget)
    reach(refit - 1)
    _, update = step()
    started = time.process_time()
    policy.decide(state, budget)
    fitted = (time.process_time() - started, update)
    reach(trials - 1)
    steps = [step() for _ in range(_STEPS)]
    usual = [s for n, s in enumerate(steps, trials) if fitted_at(n) != n] or steps
    return {
        "decide": [d for d, _ in usual],
        "update": [u for _, u in usual],
        "refit": fitted,
        "share": 1.0 / max(1, refit // 5),
        "theories": len(state.theories),
        "added": _peak() - before,
        "peak": _peak(),
    }


def _events(number: int, point: Point) -> tuple[Event, ...]:
    seen = observe(point, np.random.default_rng([1, number]))
    return (
        TrialProposed(Proposal(number, SPACE.complete(point), number, "improve", "")),
        TrialStarted(number, 1),
        TrialCompleted(number, seen),
    )


def _optuna(strategy: str, trials: int) -> Result:
    """Optuna itself: the study is told everything; ask (all parameters) and tell are measured."""
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    make: Callable[[int], optuna.samplers.BaseSampler] = {"tpe": tpe, "gp": gp}[strategy]
    if strategy == "gp":
        import torch

        torch.set_num_threads(1)
    study = optuna.create_study(sampler=make(0))
    view = OptunaSampler(make, 0, flat=True)
    frozen = []
    for n, point in enumerate(points(trials, 0), 1):
        value = observe(point, np.random.default_rng([1, n])).metrics["val_loss"]
        base = view._frozen(SPACE, point, TrialState.RUNNING)
        made = create_trial(
            state=TrialState.COMPLETE, value=value, params=base.params, distributions=base.distributions
        )
        frozen.append(made)
    study.add_trials(frozen)
    before = _memory()
    decide, update = [], []
    for n in range(3):
        started = time.process_time()
        trial = study.ask()
        point = view._ask(trial, SPACE)
        decide.append(time.process_time() - started)
        value = observe(point, np.random.default_rng([1, trials + n])).metrics["val_loss"]
        started = time.process_time()
        study.tell(trial, value)
        update.append(time.process_time() - started)
    return {"decide": decide, "update": update, "added": _peak() - before, "peak": _peak()}


def _memory() -> float:
    return float(psutil.Process(os.getpid()).memory_info().rss) / 2**20


def _peak() -> float:
    import resource  # not there on Windows, where nothing else of this module is missing

    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 2**10


def seconds(result: Result) -> tuple[float, float]:
    """Median processor seconds of a decision, and of an update."""
    return statistics.median(result["decide"]), statistics.median(result["update"])  # type: ignore[arg-type]
