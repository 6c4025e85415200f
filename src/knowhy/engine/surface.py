"""Responses as draws: what a claim is evaluated on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from knowhy.engine import surrogate
from knowhy.engine.encoding import Array
from knowhy.engine.fitting import Data
from knowhy.engine.noise import Loudness
from knowhy.engine.response import Transform

SMALL = 0.25  # standard deviations of the outcomes: what is smaller matters to nobody (Cohen 1988 calls 0.2 small)


@dataclass(frozen=True)
class Surface:
    """A response: draws in standard units (rows -> draws by rows), how to read them, and whose they are."""

    draws: Callable[[Array], Array]
    transform: Transform
    noise: float
    origin: tuple[str, ...] = ()

    @property
    def margin(self) -> float:
        """The smallest change that counts by default, in standard units."""
        return max(SMALL, 0.5 * self.noise)


class Remembered:
    """Draws that keep their values by rows; ``prefetch`` evaluates many sets of rows at once, which is far cheaper."""

    def __init__(self, draws: Callable[[Array], Array]) -> None:
        """Remember what ``draws`` gives."""
        self._draws = draws
        self._values: dict[bytes, Array] = {}

    def __call__(self, rows: Array) -> Array:
        """Values at ``rows`` (draws by rows)."""
        key = rows.tobytes()
        if key not in self._values:
            self._values[key] = self._draws(rows)
        return self._values[key]

    def prefetch(self, sets: list[Array]) -> None:
        """Evaluate all ``sets`` of rows in one go."""
        new = {r.tobytes(): r for r in sets}
        new = {k: r for k, r in new.items() if k not in self._values}
        if not new:
            return
        values = self._draws(np.concatenate(list(new.values())))
        at = np.cumsum([0, *(len(r) for r in new.values())])
        for i, key in enumerate(new):
            self._values[key] = values[:, at[i] : at[i + 1]]


@dataclass(frozen=True)
class Response:
    """One metric under the posterior; ``particles`` is empty before any data."""

    metric: str
    transform: Transform
    data: Data
    particles: tuple[surrogate.Particle, ...]
    draws: surrogate.Draws
    noise: float
    loudness: Loudness | None = None

    def louder(self, rows: Array) -> Array:
        """The standard deviation of the noise at ``rows`` in units of ``noise``, the usual one; tails count."""
        return np.ones(len(rows)) if self.loudness is None else self.loudness.sd(rows)

    @cached_property
    def surface(self) -> Surface:
        """What predicates need of it."""
        return Surface(Remembered(self.draws), self.transform, self.noise, self.draws.origin)


def bottoms(curves: Array, positions: Array) -> Array:
    """Positions of the minimum of each curve (draws by levels), refined by a parabola inside the range."""
    at = np.argmin(curves, axis=1)
    out = positions[at].copy()
    inner = np.flatnonzero((at > 0) & (at < len(positions) - 1))
    i, k = inner, at[inner]
    a, b, c = curves[i, k - 1], curves[i, k], curves[i, k + 1]
    bend = a - 2 * b + c
    step = np.where(bend > 1e-12, 0.5 * (a - c) / np.where(bend > 1e-12, bend, 1.0), 0.0)
    out[i] += step * 0.5 * (positions[k + 1] - positions[k - 1])
    return np.asarray(out)
