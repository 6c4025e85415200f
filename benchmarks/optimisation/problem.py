"""What is to be optimised: a space, a noisy evaluation that may fail, and the true value of a configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from knowhy.model.objective import Objective
from knowhy.model.observation import Failure
from knowhy.model.space import Point, Scalar, Space

Metrics = Mapping[str, float]
FRESH = tuple(range(900_001, 900_013))  # seeds that no study draws but by a chance of one in millions


@dataclass(frozen=True)
class Problem:
    """One problem. ``evaluate(point, seed)`` gives the metrics of one run, or raises where the run fails.

    ``exact`` is the value without noise (None where it is not known: then the true value is the mean over ``FRESH``
    seeds). ``best`` is the lowest cost known of a true value, from the source or a long search. ``source`` says
    where the problem comes from.
    """

    name: str
    about: str
    source: str
    space: Space
    objective: Objective
    evaluate: Callable[[Point, int], Metrics]
    best: float
    exact: Callable[[Point], float] | None = None
    kind: Literal["function", "training"] = "function"
    _truths: dict[tuple[tuple[str, Scalar], ...], float] = field(default_factory=dict, compare=False, repr=False)

    def run(self, point: Point, seed: int) -> Metrics | Failure:
        """One evaluation at a complete point: its metrics, or how it failed."""
        try:
            metrics = self.evaluate(point, seed)
        except (ValueError, ArithmeticError) as error:
            return Failure("exit", f"{type(error).__name__}: {error}"[:200], 0.0, exit_code=1)
        if not math.isfinite(metrics[self.objective.metric]):
            return Failure("nan", f"{self.objective.metric} is not finite", 0.0)
        return metrics

    def truth(self, point: Point) -> float:
        """The true value of a complete point; infinitely bad where it fails (on any fresh seed). Remembered."""
        worst = math.copysign(math.inf, self.objective.sign)
        key = tuple((p.name, point[p.name]) for p in self.space)
        if key not in self._truths:
            if self.exact is not None:
                seen = self.run(point, FRESH[0])
                self._truths[key] = worst if isinstance(seen, Failure) else self.exact(point)
            else:
                values = []
                for seed in FRESH:
                    seen = self.run(point, seed)
                    values.append(worst if isinstance(seen, Failure) else seen[self.objective.metric])
                self._truths[key] = math.fsum(values) / len(values)
        return self._truths[key]

    def regret(self, value: float, best: float | None = None) -> float:
        """A true value as regret: 0 is ``best`` (the best known), 1 the default (above 1: worse than that)."""
        least = self.best if best is None else best
        return (value - least) / (self.truth(self.space.defaults()) - least)
