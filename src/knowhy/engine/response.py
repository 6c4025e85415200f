"""Responses: a metric as numbers that a Gaussian model can take, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from knowhy.engine.encoding import Array


@dataclass(frozen=True)
class Transform:
    """``(g(y) - centre) / scale`` with g the identity or the log, clipped to [low, high] in standard units."""

    log: bool
    centre: float
    scale: float
    low: float
    high: float

    def forward(self, values: Array) -> Array:
        """Standard units of ``values``."""
        raw = np.log(np.maximum(values, 1e-300)) if self.log else np.asarray(values, dtype=float)
        return np.clip((raw - self.centre) / self.scale, self.low, self.high)

    def back(self, standard: Array) -> Array:
        """Metric units of ``standard``."""
        raw = self.centre + self.scale * np.asarray(standard)
        return np.exp(np.clip(raw, -700, 700)) if self.log else np.asarray(raw)


IDENTITY = Transform(False, 0.0, 1.0, -np.inf, np.inf)


def fit_transform(values: Array, tail: float, *, positive: bool = True) -> Transform:
    """Choose the transform for ``values`` (length n >= 1).

    The log is taken where all values are positive, spread over more than a factor of 3, more symmetric
    for it, and not drawn out towards zero. ``tail`` is +1 where large values are the bad ones
    (their tail is winsorised), -1 where small ones are, 0 where neither is. Without
    ``positive`` (later values are known that are not) the log is never taken.
    """
    values = np.asarray(values, dtype=float)
    log = False
    if positive and len(values) >= 4 and values.min() > 0 and values.max() > 3.0 * values.min():
        logs = np.log(values)
        middle = float(np.median(logs))
        # Near zero the log makes a chasm of nothing: it is of no use where it reaches further down than up.
        log = abs(_skew(logs)) < abs(_skew(values)) and bool(middle - logs.min() <= logs.max() - middle)
    raw = np.log(values) if log else values
    low, high = -np.inf, np.inf
    if len(raw) >= 6:
        q25, q50, q75 = np.quantile(raw, [0.25, 0.5, 0.75])
        reach = 3.0 * max(q75 - q25, 1e-12 * max(1.0, abs(q50)))
        upper = q75 + reach if tail >= 0 else np.inf
        lower = q25 - reach if tail <= 0 else -np.inf
        clipped = np.clip(raw, lower, upper)
    else:
        lower, upper, clipped = -np.inf, np.inf, raw
    centre = float(np.mean(clipped))
    scale = float(np.std(clipped))
    if not scale > 1e-9 * max(1.0, abs(centre)):
        scale = max(abs(centre) * 0.05, 1e-6)
    if np.isfinite(lower):
        low = (lower - centre) / scale
    if np.isfinite(upper):
        high = (upper - centre) / scale
    return Transform(log, centre, scale, float(low), float(high))


def _skew(values: Array) -> float:
    spread = values.std()
    return float(np.mean((values - values.mean()) ** 3) / spread**3) if spread > 0 else 0.0
