"""A 10-parameter mixed space, and studies of any length on it."""

from __future__ import annotations

import numpy as np

from knowhy.model.objective import Objective
from knowhy.model.observation import Observation
from knowhy.model.space import Interval, Point, Scalar, Space, choice, integer, power_of_two, real, switch

OBJECTIVE = Objective("val_loss")
SPACE = Space(
    (
        real("learning_rate", 1e-5, 0.3, 1e-3, log=True, role="learning_rate"),
        power_of_two("batch_size", 8, 512, 64, role="batch_size"),
        power_of_two("width", 16, 1024, 128, role="width"),
        integer("depth", 1, 8, 2, role="depth"),
        real("dropout", 0.0, 0.7, 0.1, role="dropout"),
        real("weight_decay", 1e-6, 0.1, 1e-4, log=True, role="weight_decay"),
        real("momentum", 0.0, 0.99, 0.9, role="momentum"),
        choice("activation", ("relu", "gelu", "tanh"), "relu", role="activation"),
        choice("schedule", ("constant", "cosine", "linear"), "constant", role="schedule"),
        switch("nesterov", False),
    )
)


def observe(point: Point, rng: np.random.Generator) -> Observation:
    """One run: two losses with a U in the rate that moves with the width, and noise."""
    u = {p.name: p.domain.to_unit(float(point[p.name])) for p in SPACE if isinstance(p.domain, Interval)}  # type: ignore[arg-type]
    train = (
        0.4 + 2.0 * (u["learning_rate"] - 0.75 + 0.3 * u["width"]) ** 2 + 0.4 * (1 - u["width"]) + 0.2 * u["dropout"]
    )
    gap = 0.1 + 0.5 * u["width"] * (1 - u["dropout"]) + 0.1 * u["batch_size"] * u["depth"]
    train += 0.1 * (point["activation"] == "tanh") - 0.1 * (point["schedule"] == "cosine")
    train += 0.03 * float(rng.standard_normal())
    val = train + gap + 0.05 * float(rng.standard_normal())
    return Observation({"train_loss": train, "val_loss": val, "gap": val - train}, duration=60.0)


def points(count: int, seed: int) -> list[dict[str, Scalar]]:
    """What a study of ``count`` trials would have run: the default, then random points and moves around the best."""
    rng = np.random.default_rng(seed)
    best, least = SPACE.defaults(), np.inf
    out = []
    for i in range(count):
        point = SPACE.defaults()
        if i:
            point = _random(rng) if rng.random() < 0.5 else _moved(best, rng)
        value = observe(point, np.random.default_rng([seed, i])).metrics["val_loss"]
        if value < least:
            best, least = point, value
        out.append(point)
    return out


def _random(rng: np.random.Generator) -> dict[str, Scalar]:
    return {
        p.name: p.domain.from_unit(rng.random())
        if isinstance(p.domain, Interval)
        else p.domain.values[rng.integers(len(p.domain.values))]
        for p in SPACE
    }


def _moved(point: dict[str, Scalar], rng: np.random.Generator) -> dict[str, Scalar]:
    other = _random(rng)
    return {name: other[name] if rng.random() < 0.2 else value for name, value in point.items()}
