"""A history of changes that were kept or discarded after single runs: which of the kept ones are likely to be real.

Each run measures the level of its code with noise; each level is that of the code before plus the effect of one
change. All runs count, the discarded ones too: many that fail to repeat a kept score say that the score was luck.
An effect is small or large (a mixture of two normals whose sizes and shares are learned), the noise is learned from
runs of the same code, or given. Where no code ran twice, noise and small effects can be told apart only by what is
shared: the noise of a kept run shifts all its children together. The posterior is sampled (Gibbs).

Source: scale mixtures of normals for sparse effects, as in George and McCulloch 1993.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from knowhy.engine.encoding import Array
from knowhy.engine.evidence import ALPHA, sign_e_value

Places = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

_SWEEPS, _WARM = 1200, 300
_MOST_PAIRS = 60


@dataclass(frozen=True, slots=True)
class Step:
    """A run of some code: ``node`` names the code, ``parent`` the code that it changed ("" for the first).

    ``value`` is the measured metric, None where it crashed.
    """

    node: str
    parent: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of a change on the metric: its mean, 90% interval, the belief that it helps, and the pairs to run.

    ``seen`` is the difference of the two single runs; ``pairs`` is how many fresh pairs of runs would be expected to
    certify an effect of this size.
    """

    node: str
    parent: str
    seen: float | None
    mean: float
    low: float
    high: float
    helps: float
    pairs: int


@dataclass(frozen=True, slots=True)
class Steps:
    """Effects of all changes, the noise (a standard deviation) with its 90% interval, and whether it was measured."""

    effects: tuple[Effect, ...]
    noise: float
    noise_low: float
    noise_high: float
    measured: bool


def effects(steps: Sequence[Step], sign: float, noise: float | None = None, seed: int = 0) -> Steps | None:
    """Effects of the changes in ``steps``; ``sign`` is +1 where smaller is better. None before there are three runs.

    ``noise`` is the standard deviation of a run where it is known.
    """
    ran = [s for s in steps if s.value is not None]
    nodes = list(dict.fromkeys(s.node for s in ran))
    if len(nodes) < 3:
        return None
    index = {n: i for i, n in enumerate(nodes)}
    parent: Places = np.array([index.get(next(s.parent for s in ran if s.node == n), -1) for n in nodes])
    at = np.array([index[s.node] for s in ran])
    y = np.array([s.value for s in ran], dtype=float)
    mean = np.array([y[at == i].mean() for i in range(len(nodes))])
    moves = np.array([mean[i] - mean[p] for i, p in enumerate(parent) if p >= 0])
    unit = 1.4826 * float(np.median(np.abs(moves - np.median(moves)))) if len(moves) else 0.0
    unit = unit or float(np.std(y)) or max(abs(float(y[0])) * 1e-3, 1e-12)
    counts = np.bincount(at, minlength=len(nodes))
    levels, noises = _sample(y / unit, at, parent, None if noise is None else noise / unit, seed)
    sd = noises * unit
    found = []
    for i, p in enumerate(parent):
        if p < 0:
            continue
        draws = (levels[:, i] - levels[:, p]) * unit
        low, high = np.quantile(draws, [0.05, 0.95])
        middle = float(draws.mean())
        helps = float((sign * draws < 0).mean())
        seen = float(mean[i] - mean[p])
        pairs = _pairs(abs(middle), float(np.median(sd)))
        found.append(Effect(nodes[i], nodes[p], seen, middle, float(low), float(high), helps, pairs))
    low, middle, high = (float(q) for q in np.quantile(sd, [0.05, 0.5, 0.95]))
    return Steps(tuple(found), middle, low, high, noise is not None or bool((counts > 1).any()))


def _sample(y: Array, at: Places, parent: Places, known: float | None, seed: int) -> tuple[Array, Array]:
    """Draws of the levels (draws by nodes) and of the noise, in units of the typical move."""
    rng = np.random.default_rng([seed, 29])
    n, counts = len(parent), np.bincount(at, minlength=len(parent))
    sums = np.bincount(at, weights=y, minlength=n)
    child = np.flatnonzero(parent >= 0)
    roots = np.flatnonzero(parent < 0)
    variance = (known or 0.7) ** 2
    sizes, share = np.array([0.3**2, 3.0**2]), 0.25
    large = np.zeros(len(child), dtype=int)
    kept_levels, kept_noise = [], []
    for sweep in range(_SWEEPS):
        weight = 1.0 / sizes[large]
        precision = np.diag(counts / variance)
        precision[roots, roots] += 1e-4
        precision[child, child] += weight
        np.fill_diagonal(precision, precision.diagonal() + np.bincount(parent[child], weight, minlength=n))
        precision[child, parent[child]] -= weight  # each child has one parent: no entry is met twice
        precision[parent[child], child] -= weight
        centre = sums / variance
        centre[roots] += 1e-4 * float(y.mean())
        factor = np.linalg.cholesky(precision)
        middle = np.linalg.solve(factor.T, np.linalg.solve(factor, centre))
        level = middle + np.linalg.solve(factor.T, rng.standard_normal(n))
        delta = level[child] - level[parent[child]]
        logs = -0.5 * delta[:, None] ** 2 / sizes - 0.5 * np.log(sizes) + np.log([1.0 - share, share])
        large = (rng.random(len(child)) < 1.0 / (1.0 + np.exp(np.clip(logs[:, 0] - logs[:, 1], -50, 50)))).astype(int)
        share = float(np.clip(rng.beta(1.0 + large.sum(), 4.0 + (large == 0).sum()), 0.01, 0.99))
        for k, prior in enumerate((0.3**2, 3.0**2)):
            own = delta[large == k]
            sizes[k] = (1.5 * prior + 0.5 * float(own @ own)) / rng.gamma(1.5 + 0.5 * len(own))
        if sizes[0] > sizes[1]:
            sizes, large, share = sizes[::-1].copy(), 1 - large, 1.0 - share
        if known is None:
            rest = y - level[at]
            variance = (1.5 * 0.5**2 + 0.5 * float(rest @ rest)) / rng.gamma(1.5 + 0.5 * len(y))
        if sweep >= _WARM:
            kept_levels.append(level)
            kept_noise.append(math.sqrt(variance))
    return np.array(kept_levels), np.array(kept_noise)


def _pairs(effect: float, noise: float) -> int:
    """Fresh pairs after which an effect of this size is expected to be certified; the most that is told is 60."""
    chance = 0.5 * (1.0 + math.erf(effect / max(noise, 1e-12) / 2.0))
    for pairs in range(6, _MOST_PAIRS):
        wins = math.floor(chance * pairs)
        if sign_e_value(wins, pairs - wins) >= 1.0 / ALPHA:
            return pairs
    return _MOST_PAIRS
