"""Functions of the COCO suites, by the package ``coco-experiment``: bbob, bbob-mixint and the noise of bbob-noisy.

Of each suite some functions that are hard in their own ways, instance 1. The noise models of bbob-noisy are applied
here to its functions without noise, so that the seed of a run decides its noise and the true value is known.

Sources: Hansen et al. 2009 (real-parameter black-box optimisation benchmarking: noiseless and noisy functions);
Tušar et al. 2019 (mixed-integer suites); Hansen et al. 2021 (COCO).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from benchmarks.optimisation.problem import Metrics, Problem
from benchmarks.studies import own_luck
from knowhy.model.objective import Objective
from knowhy.model.space import Point, Space, integer, real

_DEFAULT = 3.0  # of each number in [-5, 5]; integers begin at their greatest value
_PRECISE = 1e-8  # where a value is nearer to the optimum than this, it has no noise
_LEVELS = (2, 2, 4, 4, 8, 8, 16, 16)  # of the integers of bbob-mixint in ten dimensions, before two real numbers
Noise = Callable[[float, np.random.Generator], float]  # a height above the optimum, as it is seen


@dataclass(frozen=True)
class _Source:
    """A function of a suite: its number there, its dimension and its optimal value (instance 1)."""

    suite: str
    function: int
    dimension: int
    best: float

    def __call__(self, point: Point) -> float:
        return float(_problem(self.suite, self.function, self.dimension)([float(point[n]) for n in self.names]))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"x{i}" for i in range(1, self.dimension + 1))

    @property
    def space(self) -> Space:
        levels = _LEVELS if self.suite == "bbob-mixint" else ()
        whole = [integer(n, 0, count - 1, default=count - 1) for n, count in zip(self.names, levels, strict=False)]
        return Space((*whole, *(real(n, -5.0, 5.0, default=_DEFAULT) for n in self.names[len(levels) :])))


@cache
def _problem(suite: str, function: int, dimension: int) -> Any:
    try:
        import cocoex
    except ImportError as error:
        raise RuntimeError("the COCO functions need a package: pip install coco-experiment") from error
    found = cocoex.Suite(suite, "instances: 1", f"function_indices: {function} dimensions: {dimension}")
    return found[0]


def _gaussian(beta: float) -> Noise:
    return lambda f, rng: f * math.exp(beta * rng.standard_normal())


def _cauchy(alpha: float, often: float) -> Noise:
    """Now and then a value that is far too high: noise with the tails of a Cauchy distribution."""

    def noisy(f: float, rng: np.random.Generator) -> float:
        strikes, above, below = rng.random() < often, rng.standard_normal(), rng.standard_normal()
        return f + alpha * max(0.0, 1000.0 + strikes * above / (abs(below) + 1e-199))

    return noisy


def _made(name: str, about: str, source: _Source, noise: Noise | None = None) -> Problem:
    def evaluate(point: Point, seed: int) -> Metrics:
        value = source(point)
        if noise is None or value - source.best < _PRECISE:
            return {"loss": value}
        # Two points on one seed share no luck, as in the suite itself.
        rng = np.random.default_rng([seed, 11, own_luck(point)])
        return {"loss": source.best + noise(value - source.best, rng)}

    where = f"COCO, {source.suite} f{source.function}"
    return Problem(name, about, where, source.space, Objective("loss"), evaluate, source.best, exact=source)


SUITES: tuple[Problem, ...] = (
    _made("coco_ellipsoid", "A rotated ellipsoid of condition a million, five parameters.",
          _Source("bbob", 10, 5, -54.94)),
    _made("coco_rastrigin", "Rotated, asymmetric Rastrigin: many local optima on a bowl, five parameters.",
          _Source("bbob", 15, 5, 1000.0)),
    _made("coco_sharp_ridge", "A sharp ridge that has to be followed, five parameters.",
          _Source("bbob", 13, 5, 29.97)),
    _made("coco_gallagher", "A hundred and one peaks at random places, five parameters.",
          _Source("bbob", 21, 5, 40.78)),
    _made("coco_mixint_rastrigin", "Rastrigin over eight integers and two numbers.",
          _Source("bbob-mixint", 3, 10, -46.209)),
    _made("coco_mixint_rosenbrock", "Rosenbrock over eight integers and two numbers.",
          _Source("bbob-mixint", 8, 10, 1.4915)),
    _made("coco_mixint_gallagher", "A hundred and one peaks over eight integers and two numbers.",
          _Source("bbob-mixint", 21, 10, 40.78)),
    _made("coco_noisy_rosenbrock", "Rosenbrock under moderate Gaussian noise that grows with the value.",
          _Source("bbob", 8, 5, 149.15), _gaussian(0.01)),
    _made("coco_noisy_ellipsoid", "The ellipsoid under severe Gaussian noise: half of the values are off by half.",
          _Source("bbob", 10, 5, -54.94), _gaussian(1.0)),
    _made("coco_noisy_gallagher", "A hundred and one peaks, and one run in five is struck by Cauchy noise.",
          _Source("bbob", 21, 5, 40.78), _cauchy(1.0, 0.2)),
)  # fmt: skip
