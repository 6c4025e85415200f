"""One study of one planted world by one strategy: what it believed when, what it certified, what it found."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.studies import Clock, Result, Watched
from benchmarks.worlds.catalogue import WORLDS
from benchmarks.worlds.world import Planted, World
from knowhy.engine.mind import Mind
from knowhy.engine.policy import TheoryPolicy
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.events import StudyCreated
from knowhy.model.state import State
from knowhy.model.theory import Theory
from knowhy.ports import Theorist
from knowhy.samplers.classic import ClassicSampler
from knowhy.samplers.policy import SamplerPolicy
from knowhy.theorists.builtin import Builtin

STRATEGIES = ("theory", "random", "tpe", "gp")
LORE = "theory-and-lore"  # as "theory", with the built-in theorist's own theories beside the planted ones
LIKELY = 0.95


@dataclass(frozen=True)
class Task:
    """Which study to run."""

    world: str
    strategy: str
    seed: int
    trials: int

    @property
    def name(self) -> str:
        """A file name for its result."""
        return f"{self.world}-{self.strategy}-{self.trials}-{self.seed}"


@dataclass
class Course:
    """How the belief in one planted theory went.

    ``beliefs[i]`` is the belief after ``trials[i]`` trials had ended. ``first`` is the first number of trials
    after which it exceeded 0.95 (None: never).
    """

    claims: tuple[str, ...]
    true: bool
    question: str
    prior: float | None = None
    trials: list[int] = field(default_factory=list)
    beliefs: list[float] = field(default_factory=list)
    first: int | None = None
    certified: bool = False


class PlantedTheorist:
    """Proposes the world's theories, true and false alike, as soon as their metrics are known."""

    name = "planted"

    def __init__(self, theories: Sequence[Planted]) -> None:
        self._theories = theories

    def propose(self, state: State) -> list[Theory]:
        """Those that the study does not have yet; ids are given by the loop."""
        known = {t.claims for t in state.theories.values()}
        return [
            Theory("", t.title, t.because, t.claims, t.question, by=self.name)
            for t in self._theories
            if t.claims not in known
        ]


def perform(task: Task) -> Result:
    """Run the study; the result is plain data (JSON)."""
    world = WORLDS[task.world]
    mind = Mind()
    policy = Watched(
        TheoryPolicy(mind.beliefs)
        if task.strategy in ("theory", LORE)
        else SamplerPolicy(task.strategy, ClassicSampler(task.strategy, task.seed)),
        reflects=True,  # the strategies are compared by what the same beliefs make of their data
    )
    theorists: list[Theorist] = [PlantedTheorist(world.theories)]
    if task.strategy == LORE:
        theorists.append(Builtin())
    journal = MemoryJournal(Clock())
    subject = {"kind": "planted", "world": world.name}
    journal.append([StudyCreated(task.name, (world.objective,), world.space, task.seed, subject, "benchmark")])
    regrets: list[float | None] = []

    def watch(state: State) -> None:
        if len(state.updates) > len(regrets):
            regrets.append(_regret(world, mind, state))

    started = time.perf_counter()
    state = run(
        journal,
        InlineSubject(),
        InlineExecutor(world.observe),
        policy,
        theorists,
        mind.beliefs,
        limits=Limits(task.trials),
        folder="",
        watch=watch,
    )
    seconds = time.perf_counter() - started
    calibration = mind.calibration(state)
    completed = [t for t in state.completed if world.objective.metric in t.observation.metrics]
    lucky = min(
        completed, key=lambda t: world.objective.sign * t.observation.metrics[world.objective.metric], default=None
    )
    courses = [_course(theory, state) for theory in world.theories]
    return {
        "world": world.name,
        "kind": world.kind,
        "strategy": task.strategy,
        "seed": task.seed,
        "trials": len(state.order),
        "failed": len(state.failed),
        "ended": state.ended,
        "courses": [vars(course) for course in courses],
        "regret": regrets[-1] if regrets else None,
        "regrets": regrets,
        "regret_lucky": world.regret(lucky.proposal.point) if lucky else None,
        "best_certified": any(e.certified and not state.contrasts[e.contrast].theory for e in state.evidence.values()),
        "best_better": _better_than_default(world, mind, state),
        "purposes": {
            p: sum(t.proposal.purpose == p for t in state.trials.values()) for p in ("learn", "improve", "verify")
        },
        "expected_bits": calibration.expected_bits,
        "gained_bits": calibration.gained_bits,
        "inside_50": calibration.inside_50,
        "inside_90": calibration.inside_90,
        "predictions": calibration.trials,
        "decision_seconds": policy.seconds,
        "seconds": seconds,
    }


def _regret(world: World, mind: Mind, state: State) -> float | None:
    best = mind.beliefs.posterior(state).incumbent
    return None if best is None else world.regret(best.proposal.point)


def _better_than_default(world: World, mind: Mind, state: State) -> bool | None:
    """Whether the configuration that the study would report truly beats the default."""
    best = mind.beliefs.posterior(state).incumbent
    if best is None:
        return None
    values = world.truth([best.proposal.point, world.space.defaults()])[world.objective.metric]
    return bool(world.objective.better(float(values[0]), float(values[1])))


def _course(planted: Planted, state: State) -> Course:
    course = Course(planted.claims, planted.true, planted.question)
    name = next((i for i, t in state.theories.items() if t.claims == planted.claims), None)
    if name is None:
        return course
    course.prior = state.priors.get(name)
    place = {trial: i for i, trial in enumerate(state.order, 1)}
    for update in state.updates:
        if name in update.beliefs:
            course.trials.append(place[update.trial])
            course.beliefs.append(round(update.beliefs[name], 4))
    course.first = next((n for n, b in zip(course.trials, course.beliefs, strict=True) if b > LIKELY), None)
    course.certified = name in state.certified
    return course
