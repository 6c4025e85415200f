"""Null changes: parameters that do nothing. How many does a whole study certify, or call better?"""

from __future__ import annotations

import math
import random

from benchmarks.faults.promises import Promise, Round
from benchmarks.studies import Clock, Result
from knowhy.engine.mind import Mind
from knowhy.engine.policy import TheoryPolicy
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.events import StudyCreated
from knowhy.model.objective import Objective
from knowhy.model.observation import Observation
from knowhy.model.space import Parameter, Point, Space, choice, integer, real, switch
from knowhy.theorists.builtin import Builtin
from knowhy.views import best

TRIALS = 16
SURE = 0.95

CHANGES: tuple[Parameter, ...] = (
    real("lr", 1e-4, 1e-1, 1e-2, log=True, role="learning_rate"),
    real("dropout", 0.0, 0.8, 0.1, role="dropout"),
    integer("width", 16, 256, 64, log=True, role="width"),
    choice("act", ["relu", "tanh", "gelu"], "relu", role="activation"),
    switch("nesterov", default=False),
)


def _normal(rng: random.Random) -> float:
    return rng.gauss(0.0, 0.02)


def _heavy(rng: random.Random) -> float:
    return 0.02 * rng.gauss(0.0, 1.0) / math.sqrt(sum(rng.gauss(0.0, 1.0) ** 2 for _ in range(3)) / 3)


def _skewed(rng: random.Random) -> float:
    return 0.02 * math.exp(rng.gauss(0.0, 0.8))


def _coarse(rng: random.Random) -> float:
    return round(rng.gauss(0.0, 0.02), 2)


NOISES = (_normal, _heavy, _skewed, _coarse)


def perform(task: Round) -> Result:
    """One study in which one parameter may be changed, which does nothing; the noise has one of four shapes."""
    parameter = CHANGES[task.number % len(CHANGES)]
    noise = NOISES[task.number // len(CHANGES) % len(NOISES)]

    def observe(point: Point, seed: int) -> Observation:
        rng = random.Random(seed)
        return Observation({"val_loss": 0.6 + noise(rng), "train_loss": 0.5 + noise(rng)}, 1.0)

    mind, journal = Mind(), MemoryJournal(Clock())
    space = Space((parameter,))
    journal.append(
        [StudyCreated("null", (Objective("val_loss"),), space, task.number, {"kind": "planted"}, "benchmark")]
    )
    state = run(
        journal, InlineSubject(), InlineExecutor(observe), TheoryPolicy(mind.beliefs), [Builtin()], mind.beliefs,
        limits=Limits(TRIALS), folder="",
    )  # fmt: skip
    view = best(state, mind)
    certified = [state.contrasts[e.contrast] for e in state.evidence.values() if e.certified]
    named = view is not None and not view.is_default
    better = named and view is not None and (view.certified or view.better >= SURE)
    lowers = [
        theory
        for theory in state.theories.values()
        if state.beliefs.get(theory.id, 0.0) >= SURE
        and any(_promises(claim, parameter.name) for claim in theory.claims)
    ]
    wrong = bool(certified) or better or bool(lowers)
    return {
        "changes": 1,
        "certified": int(bool(certified)),
        "called": int(wrong),
        "best_certified": int(any(not c.theory for c in certified)),
        "best_called_better": int(better),
        "theories_believed": int(bool(lowers)),
        "best_is_another_point": int(named),
        "trials": len(state.order),
        "notes": [
            f"{task.name}: {parameter.name}, {noise.__name__[1:]} noise: "
            f"{[t.claims for t in lowers]} {'certified' if certified else ''} {'best better' if better else ''}"
        ]
        if wrong
        else [],
    }


def _promises(claim: str, name: str) -> bool:
    """Whether a claim says that changing the parameter betters the objective."""
    return (claim.startswith((f"raising {name} ", f"lowering {name} ")) and "lowers val_loss" in claim) or (
        claim.startswith(f"{name} = ") and "is better than" in claim and "val_loss" in claim
    )


PROMISE = Promise(
    "progress is not noise",
    "at most 5% certified or called better",
    perform,
    full=200,
    short=4,
    bar=lambda counts: counts["changes"] > 0 and counts["called"] <= 0.05 * counts["changes"],
)
