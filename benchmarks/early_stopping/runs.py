"""One study of a training, with or without early stopping, and what came of the trials that were stopped."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.early_stopping.replaying import Replaying, outcome
from benchmarks.early_stopping.trainings import TRAININGS
from benchmarks.studies import Clock, Result
from knowhy.engine.factors import FactorPolicy
from knowhy.engine.mind import Mind
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.events import StudyCreated
from knowhy.model.observation import Observation
from knowhy.model.trial import Completed, Predictive, Stopped
from knowhy.theorists.builtin import Builtin
from knowhy.watching import Watch

FRESH = 8
"""Seeds that nothing was chosen by, on which the best configuration of a study is run."""


@dataclass(frozen=True)
class Task:
    """A study to run."""

    training: str
    seed: int
    trials: int
    stops: bool

    @property
    def name(self) -> str:
        """A file name for its result."""
        return f"{self.training}-{self.trials}-{'stops' if self.stops else 'whole'}-{self.seed}"


def perform(task: Task) -> Result:
    """Run the study; everything that the tables need of it."""
    training, started = TRAININGS[task.training], time.perf_counter()
    replaying, mind = Replaying(training), Mind()
    journal = MemoryJournal(Clock())
    journal.append(
        [StudyCreated("curves", (training.objective,), training.space, task.seed, {"kind": "inline"}, "benchmark")]
    )
    state = run(
        journal,
        replaying,
        replaying,
        FactorPolicy(mind.beliefs),
        [Builtin()],
        mind.beliefs,
        limits=Limits(task.trials),
        folder="",
        stopping=Watch(mind.beliefs, 0.0) if task.stops else None,
    )
    best = mind.incumbent(state)
    assert best is not None
    metric, sign = training.objective.metric, training.objective.sign
    fresh = []
    for i in range(FRESH):
        ended = outcome(
            training, training.run(best.point, int(np.random.default_rng([7, task.seed, i]).integers(2**31)))
        )
        fresh.append(ended.metrics[metric] if isinstance(ended, Observation) else math.nan)
    ends = [t.observation.metrics[metric] for t in state.completed]
    stopped = []
    for t in state.stopped:
        true = outcome(training, replaying.courses[t.proposal.trial].steps)
        value = true.metrics[metric] if isinstance(true, Observation) else None
        stopped.append(_stopped(t, value, metric, sign, ends))
    shown = [replaying.courses[t.proposal.trial] for t in state.trials.values()]
    return {
        "training": task.training,
        "seed": task.seed,
        "trials": task.trials,
        "stops": task.stops,
        "seconds": time.perf_counter() - started,
        "steps": sum(c.shown for c in shown),
        "training_seconds": sum(c.seconds for c in shown),
        "failed": len(state.failed),
        "completed": sum(isinstance(t, Completed) for t in state.trials.values()),
        "may": sum(t.proposal.purpose != "verify" for t in state.trials.values()),
        "value": float(np.nanmean(fresh)),
        "sign": sign,
        "spread": float(np.subtract(*np.percentile(ends, [75, 25]))),
        "stopped": stopped,
        "settled": sum(b > 0.95 or b < 0.05 for b in state.beliefs.values()),
        "gained": sum(u.bits for u in state.updates),
    }


def _stopped(t: Stopped, value: float | None, metric: str, sign: float, ends: list[float]) -> Result:
    """A trial that was stopped, beside the end that it would have come to (None: it would have failed)."""
    alone = next(e for e in t.stop.ends if e.metric == metric)
    return {
        "trial": t.proposal.trial,
        "share": t.stop.step / t.stop.course,
        "winning": t.stop.winning,
        "bits": t.stop.bits,
        "end": value,
        "z": None if value is None else _z(t.stop.predicted, value),
        "z_alone": None if value is None else _z(alone, value),
        "beats_target": value is not None and sign * value < sign * t.stop.target,
        "best_of_all": value is not None and all(sign * value < sign * e for e in ends),
    }


def _z(p: Predictive, value: float) -> float | None:
    if p.log and value <= 0:
        return None
    return ((math.log(value) if p.log else value) - p.mean) / p.sd
