"""What a planted world is: a space, noise-free responses, noise, failures, and theories of known truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from benchmarks.studies import own_luck
from knowhy.model.objective import Objective
from knowhy.model.observation import Curve, Failure, FailureKind, Observation, Outcome
from knowhy.model.space import Interval, Point, Scalar, Space

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class Columns:
    """Many points of a space, by parameter."""

    space: Space
    points: Sequence[Point]

    def __getitem__(self, name: str) -> Array:
        """The numbers of parameter ``name``."""
        return np.array([float(p[name]) for p in self.points])  # type: ignore[arg-type]

    def unit(self, name: str) -> Array:
        """Positions of ``name`` in its range, 0 to 1 (on its scale)."""
        domain = self.space[name].domain
        assert isinstance(domain, Interval)
        return np.array([domain.to_unit(float(p[name])) for p in self.points])  # type: ignore[arg-type]

    def equals(self, name: str, value: object) -> Array:
        """1.0 where ``name`` is ``value``, else 0.0."""
        return np.array([float(p[name] == value) for p in self.points])


Formula = Callable[[Columns], Mapping[str, Array]]


@dataclass(frozen=True)
class Noise:
    """Noise on each metric: standard deviation ``sd`` in its units, times ``factor`` of the configuration.

    ``tail`` is the degrees of freedom of a Student t distribution (None: normal). Its ``sd`` is then a scale.
    """

    sd: float
    tail: float | None = None
    factor: Callable[[Columns], Array] | None = None


@dataclass(frozen=True)
class Failing:
    """Trials fail, with this ``kind``, where ``latent`` is negative."""

    kind: FailureKind
    message: str
    latent: Callable[[Columns], Array]


@dataclass(frozen=True)
class Planted:
    """A theory of the world: its claims all hold (``true``), or they do not all hold."""

    title: str
    because: str
    claims: tuple[str, ...]
    true: bool
    question: str = ""


@dataclass(frozen=True)
class World:
    """A synthetic training.

    ``formula`` gives the noise-free metrics of many points, among them the objective's and mostly
    train_loss and val_loss (``gap`` is added). ``kind`` says what the world tests.
    """

    name: str
    about: str
    space: Space
    formula: Formula
    noise: Noise
    theories: tuple[Planted, ...]
    objective: Objective = field(default_factory=lambda: Objective("val_loss"))
    failing: Failing | None = None
    kind: Literal["mechanism", "nothing", "outside"] = "mechanism"

    def truth(self, points: Sequence[Point]) -> dict[str, Array]:
        """Noise-free metrics of ``points`` (each an array as long as ``points``), as if none failed."""
        found = {name: np.asarray(v, dtype=float) for name, v in self.formula(Columns(self.space, points)).items()}
        if "val_loss" in found and "train_loss" in found:
            found["gap"] = found["val_loss"] - found["train_loss"]
        return found

    def latent(self, points: Sequence[Point]) -> Array:
        """Negative where a point fails."""
        if self.failing is None:
            return np.ones(len(points))
        return self.failing.latent(Columns(self.space, points))

    def observe(self, point: Point, seed: int) -> Outcome:
        """One run at ``point``: the same for the same seed; metrics with noise, and curves that end in them."""
        complete = self.space.complete(point)
        if self.failing is not None and self.latent([complete])[0] < 0:
            return Failure(self.failing.kind, self.failing.message, duration=60.0, exit_code=1)
        # A seed does something of the same to every configuration, and something to each of its own.
        common = np.random.default_rng([seed, *self.name.encode()])
        rng = np.random.default_rng([seed, own_luck(complete), *self.name.encode()])
        clean = {name: float(value[0]) for name, value in self.truth([complete]).items() if name != "gap"}
        sd = self.noise.sd
        if self.noise.factor is not None:
            sd *= float(self.noise.factor(Columns(self.space, [complete]))[0])
        metrics = {}
        for name, value in clean.items():
            shared = common.standard_normal() if self.noise.tail is None else common.standard_t(self.noise.tail)
            kick = rng.standard_normal() if self.noise.tail is None else rng.standard_t(self.noise.tail)
            kick = np.sqrt(0.5) * (kick + shared)
            metrics[name] = value + sd * float(kick) * (0.5 if name == "train_loss" else 1.0)
        curves = _curves(metrics, rng)
        if "val_loss" in metrics and "train_loss" in metrics:
            metrics["gap"] = metrics["val_loss"] - metrics["train_loss"]
        return Observation(metrics, duration=60.0, curves=curves)

    @cached_property
    def sample(self) -> list[dict[str, Scalar]]:
        """4,000 random configurations of the space."""
        return random_points(self.space, 4000, np.random.default_rng(20260101))

    @cached_property
    def spread(self) -> float:
        """Standard deviation of the noise-free objective over the space (where trials succeed)."""
        return float(self._values.std())

    @cached_property
    def _values(self) -> Array:
        values = self.truth(self.sample)[self.objective.metric]
        return values[self.latent(self.sample) >= 0]

    @cached_property
    def optimum(self) -> tuple[dict[str, Scalar], float]:
        """The best configuration that a long search finds, and its noise-free value."""
        rng = np.random.default_rng(7)
        sign, metric = self.objective.sign, self.objective.metric

        def cost(points: list[dict[str, Scalar]]) -> Array:
            return np.where(self.latent(points) >= 0, sign * self.truth(points)[metric], np.inf)

        points = self.sample
        costs = cost(points)
        for spread in (0.2, 0.1, 0.05, 0.02, 0.01):
            best = np.argsort(costs)[:20]
            points = [points[i] for i in best]
            points += [_moved(self.space, p, spread, rng) for p in points for _ in range(60)]
            costs = cost(points)
        best_index = int(np.argmin(costs))
        return points[best_index], float(sign * costs[best_index])

    def regret(self, point: Point) -> float:
        """How much worse ``point`` truly is than the optimum, in standard deviations of the truth over the space."""
        if self.latent([point])[0] < 0:
            return float("inf")
        worse = self.objective.sign * (float(self.truth([point])[self.objective.metric][0]) - self.optimum[1])
        return max(0.0, worse) / self.spread if self.spread > 1e-9 else 0.0


def random_points(space: Space, count: int, rng: np.random.Generator) -> list[dict[str, Scalar]]:
    """``count`` configurations, uniform on each parameter's scale."""
    unit = rng.random((count, len(space)))
    points = []
    for row in unit:
        point: dict[str, Scalar] = {}
        for u, p in zip(row, space, strict=True):
            domain = p.domain
            point[p.name] = (
                domain.from_unit(u) if isinstance(domain, Interval) else domain.values[int(u * len(domain.values))]
            )
        points.append(dict(space.complete(point)))
    return points


def _moved(space: Space, point: Point, spread: float, rng: np.random.Generator) -> dict[str, Scalar]:
    moved = dict(point)
    for p in space:
        domain = p.domain
        if isinstance(domain, Interval):
            moved[p.name] = domain.from_unit(domain.to_unit(float(point[p.name])) + spread * rng.standard_normal())  # type: ignore[arg-type]
        elif rng.random() < spread:
            moved[p.name] = domain.values[rng.integers(len(domain.values))]
    return dict(space.complete(moved))


def _curves(metrics: Mapping[str, float], rng: np.random.Generator) -> dict[str, Curve]:
    """Twelve steps of each loss: an exponential descent; the gap opens late; the last step is the final value."""
    steps = np.arange(1, 13) / 12.0
    descent = np.exp(-4.0 * steps) - np.exp(-4.0)
    curves = {}
    start = 2.5
    train = metrics.get("train_loss")
    for name, final in metrics.items():
        if name == "val_loss" and train is not None:
            values = train + (start - train) * descent + (final - train) * steps**1.5
        elif name.endswith("loss"):
            values = final + (start - final) * descent
        else:
            values = final * (1.0 - descent)
        wiggle = 0.01 * rng.standard_normal(len(steps))
        wiggle[-1] = 0.0
        curves[name] = Curve(tuple(steps.tolist()), tuple((values + wiggle).tolist()))
    return curves
