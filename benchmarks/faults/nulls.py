"""Null changes, parameters and edits that do nothing: how many does a whole study certify, or call better?

The first 100 rounds study one parameter each. In the others a study is given five changes of code at once: in four of
every five the trials are drawn (what an edit does to the numbers is all that the engine sees of it), in the fifth they
are runs of a script in a repository of its own, with real edits, checked out, and shut in.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.faults.promises import Promise, Round
from benchmarks.studies import Clock, Result
from knowhy.cases.repository import Repo
from knowhy.engine.claims import parse
from knowhy.engine.mind import Mind
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.events import Event, PatchAdded, StudyCreated
from knowhy.model.objective import Objective
from knowhy.model.observation import Observation
from knowhy.model.patch import PATCH_ROLE, Patch
from knowhy.model.space import Choices, Parameter, Point, Scalar, Space, choice, integer, real, switch
from knowhy.model.state import State
from knowhy.model.theory import Better, Effect
from knowhy.model.trust import Trust
from knowhy.study import Study
from knowhy.theorists.builtin import Builtin
from knowhy.theorists.patches import Patches
from knowhy.views import best, patch_views

TRIALS = 40
SURE = 0.95
SINGLE = 100  # rounds of one parameter; each of the others has five edits
METRIC = "val_loss"

CHANGES: tuple[Parameter, ...] = (
    real("lr", 1e-4, 1e-1, 1e-2, log=True, role="learning_rate"),
    real("dropout", 0.0, 0.8, 0.1, role="dropout"),
    integer("width", 16, 256, 64, log=True, role="width"),
    choice("act", ["relu", "tanh", "gelu"], "relu", role="activation"),
    switch("nesterov", default=False),
)

SCRIPT = """\
import os
import random

SEED = int(os.environ.get("KNOWHY_SEED", "0"))
rng = random.Random(SEED)


def noise():
    return rng.gauss(0.0, 0.02)


weights = [rng.random() for _ in range(8)]
order = list(range(8))
rng.shuffle(order)
total = 0.0
for place in order:
    total += weights[place]
loss = 0.6 + noise()
print(f"val_loss: {loss:.6f}")
"""
EDITS = {
    "comment": ("total = 0.0\n", "total = 0.0  # summed in the order that was drawn\n"),
    "written_otherwise": ("order = list(range(8))\n", "order = [*range(8)]\n"),
    "shuffled_twice": ("rng.shuffle(order)\n", "rng.shuffle(order)\nrng.shuffle(order)\n"),
    "one_more_draw": ("loss = 0.6 + noise()\n", "noise()\nloss = 0.6 + noise()\n"),
    "imported": ("import random\n", "import random\nimport math\n"),
}


def _normal(rng: random.Random) -> float:
    return rng.gauss(0.0, 0.02)


def _heavy(rng: random.Random) -> float:
    return 0.02 * rng.gauss(0.0, 1.0) / math.sqrt(sum(rng.gauss(0.0, 1.0) ** 2 for _ in range(3)) / 3)


def _skewed(rng: random.Random) -> float:
    return 0.02 * math.exp(rng.gauss(0.0, 0.8))


def _coarse(rng: random.Random) -> float:
    return round(rng.gauss(0.0, 0.02), 2)


NOISES = (_normal, _heavy, _skewed, _coarse)


def trial(noise: Callable[[random.Random], float], *, shifts: bool) -> Callable[[Point, int], Observation]:
    """Trials that the point does nothing to; where it ``shifts``, it leads to other random numbers for one seed."""

    def observe(point: Point, seed: int) -> Observation:
        rng = random.Random(f"{seed} {json.dumps(dict(point), sort_keys=True)}" if shifts else seed)
        return Observation({METRIC: 0.6 + noise(rng), "train_loss": 0.5 + noise(rng)}, 1.0)

    return observe


def perform(task: Round) -> Result:
    """One study in which nothing that may be changed does anything; the noise has one of four shapes."""
    noise = NOISES[task.number // len(CHANGES) % len(NOISES)]
    # A change that does nothing mostly still draws other random numbers; one in five leaves even those as they were.
    observe = trial(noise, shifts=task.number % 6 != 0)
    mind = Mind()
    if task.number < SINGLE:
        parameter = CHANGES[task.number % len(CHANGES)]
        state = _drawn(mind, Space((parameter,)), observe, task.number)
        return _judged(task, state, mind, (parameter.name,), noise.__name__[1:])
    if task.number % 5 == 4:
        with tempfile.TemporaryDirectory(prefix="knowhy-nulls-") as folder:
            state = _real(Path(folder), task.number)
        return _judged(task, state, mind, tuple(EDITS), "real edits, normal")
    switches = tuple(Parameter(n, Choices((False, True)), False, PATCH_ROLE) for n in EDITS)
    state = _drawn(mind, Space(switches), observe, task.number)
    return _judged(task, state, mind, tuple(EDITS), noise.__name__[1:])


def _drawn(mind: Mind, space: Space, observe: Callable[[Point, int], Observation], seed: int) -> State:
    """A study whose trials are drawn in this process."""
    journal = MemoryJournal(Clock())
    begun: list[Event] = [StudyCreated("null", (Objective(METRIC),), space, seed, {"kind": "planted"}, "benchmark")]
    begun += [PatchAdded(Patch(p.name, "", "", ("train.py",))) for p in space if p.role == PATCH_ROLE]
    journal.append(begun)
    return run(
        journal, InlineSubject(), InlineExecutor(observe), mind.policy, [Patches(), Builtin()], mind.beliefs,
        limits=Limits(TRIALS), folder="",
    )  # fmt: skip


def _real(folder: Path, seed: int) -> State:
    """A study of a repository with edits that do nothing; every trial is a run of the script."""
    repo = folder / "repo"
    repo.mkdir()
    (repo / "train.py").write_text(SCRIPT)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "as it is"]):
        who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid"]
        subprocess.run(["git", *who, *words], cwd=repo, check=True)
    chosen = Repo(repo, ("train.py",), "python train.py", adapt=lambda found: Space(()))
    study = Study("null", {METRIC: "minimize"}, folder=folder / "studies", seed=seed)
    for name, (old, new) in EDITS.items():
        text = f"train.py\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n"
        study.patches.add(text, "It reads better", name, repo=chosen)
    study.run(chosen, trials=TRIALS, workers=2, trust=Trust(allow_unsandboxed=True))
    return study.state


def _judged(task: Round, state: State, mind: Mind, names: Sequence[str], what: str) -> Result:
    """How many of the changes called ``names`` the study certifies or calls better, in any of the ways it can."""
    view = best(state, mind)
    default = state.space.defaults()
    certified: set[str] = set()
    for contrast in state.contrasts.values():
        evidence = state.evidence.get(contrast.id)
        if evidence is not None and evidence.certified and contrast.metric == METRIC:
            both = (contrast.control, contrast.treatment)
            certified |= {n for n in names if both[0].get(n, default[n]) != both[1].get(n, default[n])}
    named = view is not None and not view.is_default
    better: set[str] = set()
    if view is not None and named and (view.certified or view.better >= SURE):
        better = {s.parameter for s in view.changed if s.parameter in names}
    believed = {
        name
        for theory in state.theories.values()
        if state.beliefs.get(theory.id, 0.0) >= SURE
        for claim in theory.claims
        for name in _promised(claim, state)
    }
    if state.patches:
        believed |= {v.name for v in patch_views(state, mind, {}) if v.verdict == "helps" or v.certified == "helps"}
    called = certified | better | believed
    return {
        "changes": len(names),
        "edits": len(names) if state.patches else 0,
        "certified": len(certified),
        "called": len(called),
        "best_called_better": len(better),
        "believed_to_help": len(believed),
        "studies": 1,
        "best_is_another_point": int(named),
        "pairs": sum(e.pairs for e in state.evidence.values()),
        "failed": len(state.failed),
        "trials": len(state.order),
        "notes": [
            f"{task.name}: {what} noise: certified {sorted(certified)}, best called better {sorted(better)}, "
            f"believed to help {sorted(believed)}"
        ]
        if called
        else [],
    }


def _promised(sentence: str, state: State) -> frozenset[str]:
    """The parameter whose change betters the objective, if that is what a claim says."""
    claim = parse(sentence, state.space, frozenset(m for t in state.completed for m in t.observation.metrics))
    if isinstance(claim, Effect) and claim.metric == METRIC and claim.verb != "does not change":
        # From the default to another value it must get lower, towards the default it must get higher.
        away = _is_default(claim.start, claim.parameter, state) or not _is_default(claim.end, claim.parameter, state)
        return frozenset({claim.parameter} if (claim.verb == "lowers") is away else ())
    if isinstance(claim, Better) and claim.metric == METRIC and not _is_default(claim.winner, claim.parameter, state):
        return frozenset({claim.parameter})
    return frozenset()


def _is_default(value: Scalar, name: str, state: State) -> bool:
    return value == state.space[name].default


def _kept(counts: Mapping[str, float]) -> bool:
    return counts["changes"] > 0 and counts["called"] <= 0.05 * counts["changes"] and not counts["failed"]


PROMISE = Promise(
    "progress is not noise",
    "at most 5% certified or called better",
    perform,
    full=SINGLE + 20,
    short=4,
    bar=_kept,
)
