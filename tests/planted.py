"""A small training with a known truth, and a study of it in this process."""

from collections.abc import Iterable, Sequence

import numpy as np

from knowhy.engine.beliefs import Beliefs
from knowhy.engine.mind import Mind
from knowhy.engine.policy import TheoryPolicy
from knowhy.execution.inline import InlineExecutor, InlineFunction, InlineSubject
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.events import Event, Record, StudyCreated
from knowhy.model.objective import Objective
from knowhy.model.observation import Observation
from knowhy.model.space import Point, Space, choice, integer, power_of_two, real
from knowhy.model.state import State
from knowhy.ports import Policy, Theorist
from knowhy.theorists.builtin import Builtin
from knowhy.theorists.patches import Patches

SPACE = Space(
    (
        real("lr", 1e-4, 1e-1, 1e-2, log=True, role="learning_rate"),
        power_of_two("batch", 8, 512, 64, role="batch_size"),
        real("dropout", 0.0, 0.8, 0.1, role="dropout"),
        integer("width", 16, 256, 64, log=True, role="width"),
        choice("act", ["relu", "tanh", "gelu"], "relu", role="activation"),
        real("idle", 0.0, 1.0, 0.5),
    )
)


def losses(p: Point, noise: np.random.Generator | None = None) -> dict[str, float]:
    """Dropout cures overfitting up to 0.5; a bowl in log lr whose bottom moves with width; batch, idle do nothing."""
    z = np.log10(float(p["lr"]))
    bottom = -2.3 - 0.6 * np.log10(float(p["width"]) / 64)
    train = 0.3 + 0.25 * (z - bottom) ** 2 + 0.05 * p["dropout"] - 0.05 * np.log2(float(p["width"]) / 64)
    gap = 0.35 * np.exp(-4 * p["dropout"]) + 0.025 * np.log2(float(p["width"]) / 16)
    val = train + gap + max(0.0, p["dropout"] - 0.5) * 0.6 + (0.15 if p["act"] == "tanh" else 0.0)
    e = (0.0, 0.0) if noise is None else noise.standard_normal(2)
    return {"val_loss": float(val + 0.02 * e[0]), "train_loss": float(train + 0.01 * e[1])}


def trial(p: Point, seed: int) -> Observation:
    return Observation(losses(p, np.random.default_rng(seed)), duration=1.0)


def created(seed: int = 0, space: Space = SPACE) -> StudyCreated:
    return StudyCreated("planted", (Objective("val_loss"),), space, seed, {"kind": "inline"}, "test")


class Batches(MemoryJournal):
    """Remembers what was written together: a kill can only fall between batches."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[Event]] = []

    def append(self, events: Iterable[Event]) -> list[Record]:
        batch = list(events)
        self.batches.append(batch)
        return super().append(batch)


def study(
    trials: int,
    *,
    seed: int = 0,
    batches: Sequence[Sequence[Event]] = (),
    workers: int = 1,
    space: Space = SPACE,
    function: InlineFunction = trial,
    policy: Policy | None = None,
) -> tuple[State, list[list[Event]]]:
    """A study from the start, or going on from ``batches`` of events; its state and all its batches."""
    journal = Batches()
    for batch in batches or [[created(seed, space)]]:
        journal.append(batch)
    beliefs = Beliefs()
    state = run(
        journal,
        InlineSubject(),
        InlineExecutor(function),
        policy or TheoryPolicy(beliefs),
        [Builtin()],
        beliefs,
        limits=Limits(trials, None, workers),
        folder="unused",
    )
    return state, journal.batches


def minded(
    space: Space, train: InlineFunction, trials: int, seed: int = 0, theorists: Sequence[Theorist] = ()
) -> tuple[State, Mind]:
    """A study of ``space`` as knowhy runs it, patches too, by "loss"; ``theorists`` in place of its own."""
    mind, journal = Mind(), MemoryJournal()
    journal.append([StudyCreated("s", (Objective("loss"),), space, seed, {}, "0")])
    state = run(
        journal, InlineSubject(), InlineExecutor(train), mind.policy, theorists or [Patches(), Builtin()], mind.beliefs,
        limits=Limits(trials), folder="",
    )  # fmt: skip
    return state, mind
