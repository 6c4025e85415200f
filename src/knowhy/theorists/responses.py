"""Simple statistics of the trials: ranks, best regions, and what an additive fit leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from knowhy.model.objective import Objective
from knowhy.theorists.reading import Lever, Reading

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """Completed trials as numbers.

    ``units`` [n, d] are positions in [0, 1] (parameters in the order of ``levers``), ``cost`` [n] the objective
    turned so that smaller is better, winsorised at three interquartile ranges above the upper quartile.
    """

    levers: tuple[Lever, ...]
    trials: tuple[int, ...]
    units: Array
    cost: Array

    @property
    def size(self) -> int:
        """How many trials."""
        return len(self.trials)


def table(reading: Reading, objective: Objective) -> Table:
    """The completed trials that have the objective."""
    levers, every = reading.levers, reading.state.completed
    index = [i for i, t in enumerate(every) if objective.metric in t.observation.metrics]
    done, units = [every[i] for i in index], reading.positions[index]
    cost = np.array([objective.sign * t.observation.metrics[objective.metric] for t in done])
    if cost.size >= 4:
        low, high = np.percentile(cost, [25, 75])
        cost = np.minimum(cost, high + 3 * max(high - low, 1e-12))
    return Table(levers, tuple(t.proposal.trial for t in done), units, cost)


def ranks(x: Array) -> Array:
    """Ranks with ties at their mean, centred and scaled to unit length (zeros where all are equal)."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    mean = np.cumsum(counts) - 0.5 * (counts - 1)
    centred: Array = mean[inverse] - mean[inverse].mean()
    length = float(np.sqrt((centred**2).sum()))
    return centred / length if length > 0 else centred


def rank_correlation(data: Table) -> Array:
    """Spearman's rank correlation [d] of each parameter with the cost."""
    target = ranks(data.cost)
    return np.array([float(ranks(data.units[:, j]) @ target) for j in range(data.units.shape[1])])


def shares(data: Table) -> Array:
    """The share of the variation of the cost's ranks that a parabola in each parameter explains [d], adjusted."""
    target = ranks(data.cost)
    found = []
    for j in range(data.units.shape[1]):
        u = data.units[:, j]
        design = np.column_stack([np.ones_like(u), u, u * u])
        fitted = design @ np.linalg.lstsq(design, target, rcond=None)[0]
        left = float(((target - fitted) ** 2).sum())
        found.append(max(0.0, 1.0 - left * (u.size - 1) / max(u.size - 3, 1)))
    return np.array(found)


def best_region(data: Table, j: int) -> tuple[float, float] | None:
    """Where parameter ``j`` of the best quarter of trials lies (in [0, 1], a little widened), if that is narrow.

    Narrow means: under 45% of the range that was tried, while what was tried covers at least half of the space.
    """
    count = max(4, data.size // 4)
    if data.size < 3 * count:
        return None
    u = data.units[:, j]
    tried = float(np.ptp(u))
    best = np.sort(u[np.argsort(data.cost, kind="stable")[:count]])
    low, high = float(best[0]), float(best[-1])
    if tried < 0.5 or high - low > 0.45 * tried:
        return None
    domain = data.levers[j].domain
    step = 1.0 / (domain.high - domain.low) if domain.integer and domain.scale == "linear" else 0.03
    pad = max(0.03, step, 0.15 * (high - low))
    return max(0.0, low - pad), min(1.0, high + pad)


def interactions(data: Table) -> list[tuple[float, int, int]]:
    """Pairs by how strongly their product explains what an additive quadratic fit leaves: (correlation, j, k).

    The product is made orthogonal to the additive part first. Correlations are absolute, largest first.
    """
    n, d = data.units.shape
    if n < 2 * d + 6:
        return []
    centred = data.units - data.units.mean(axis=0)
    design = np.column_stack([np.ones(n), centred, centred**2])
    penalty = 1e-3 * n * np.eye(design.shape[1])
    penalty[0, 0] = 0.0
    solve = np.linalg.solve(design.T @ design + penalty, design.T)

    def rest(y: Array) -> Array:
        left: Array = y - design @ (solve @ y)
        length = float(np.sqrt((left**2).sum()))
        return left / length if length > 1e-9 else np.zeros_like(left)

    target = rest(ranks(data.cost))
    found = [(abs(float(target @ rest(centred[:, j] * centred[:, k]))), j, k) for j, k in combinations(range(d), 2)]
    return sorted(found, reverse=True)


def idle(data: Table) -> frozenset[str]:
    """Parameters that explain next to nothing alone; empty while there are too few trials to say so."""
    if data.size < max(12, 2 * len(data.levers) + 6):
        return frozenset()
    return frozenset(x.name for x, share in zip(data.levers, shares(data), strict=True) if share < 0.03)


def unusual(data: Table, trial: int, count: int = 2) -> Sequence[int]:
    """The parameters in which ``trial`` lies furthest from the others, most first; empty where it is unknown."""
    if trial not in data.trials or data.size < 4:
        return ()
    row = data.units[data.trials.index(trial)]
    away = np.abs(row - data.units.mean(axis=0)) / np.maximum(data.units.std(axis=0), 0.05)
    return [int(j) for j in np.argsort(-away, kind="stable")[:count] if away[j] > 1.0]
