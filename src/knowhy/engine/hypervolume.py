"""Several objectives: which points are on the front, how much space a front covers, and what a point may add to it.

Everything here is in costs (small is good). The expected gain of a point in two independent normal objectives is a sum
over the strips between the points of the front, each a product of two one-dimensional integrals; for more objectives
the hypervolume is an average over directions of how far the front reaches in each.

Sources: Emmerich et al. 2011 and Couckuyt et al. 2014 (expected hypervolume improvement by strips); Zhang and Golovin
2020 (hypervolume as an average of scalarisations, Lemma 5); Fonseca et al. 2006 (hypervolume).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import log_ndtr

from knowhy.engine.encoding import Array

_MARGIN = 0.1  # how far behind the worst point of the front the reference point lies, in shares of the front's extent


def log_h(z: Array) -> Array:
    """Log of phi(z) + z Phi(z), stable for very negative z."""
    phi = -0.5 * z * z - 0.5 * np.log(2 * np.pi)
    near = np.log(np.maximum(np.exp(phi) + z * np.exp(log_ndtr(z)), 1e-300))
    # phi(z)/z^2 (1 - 3/z^2) is the expansion where the two terms cancel.
    safe = np.minimum(z, -1.0)
    far = phi - 2.0 * np.log(-safe) + np.log1p(-np.minimum(3.0 / safe**2, 0.9))
    return np.asarray(np.where(z > -16.0, near, far))


def on_front(costs: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which rows of ``costs`` (points by objectives, or draws by points by objectives) no other row dominates.

    A row dominates where it is at most as large everywhere and smaller somewhere; of equal rows all count.
    """
    one, two = costs[..., :, None, :], costs[..., None, :, :]
    dominated = np.all(two <= one, axis=-1) & np.any(two < one, axis=-1)
    return np.asarray(~dominated.any(axis=-1))


def reference(costs: Array) -> Array:
    """A point somewhat behind the front of ``costs`` (points by objectives), so that its ends count as well."""
    front = costs[on_front(costs)]
    worst = front.max(axis=0)
    extent = np.maximum(worst - front.min(axis=0), 0.1 * np.maximum(np.ptp(costs, axis=0), 1e-9))
    return np.asarray(worst + _MARGIN * extent)


def hypervolume(costs: Array, point: Array) -> float:
    """The volume that ``costs`` (points by objectives) dominate up to the reference ``point``; exact, by slicing."""
    kept: Array = costs[np.all(costs < point, axis=1)]
    if not len(kept):
        return 0.0
    kept = kept[on_front(kept)]
    if kept.shape[1] == 1:
        return float(point[0] - np.min(kept))
    kept = kept[np.argsort(kept[:, -1])]
    edges = [*(float(c) for c in kept[:, -1]), float(point[-1])]
    total = 0.0
    for i in range(len(kept)):
        height = edges[i + 1] - edges[i]
        if height > 0:
            total += height * hypervolume(kept[: i + 1, :-1], point[:-1])
    return total


def log_expected_gain(mean: Array, sd: Array, front: Array, point: Array) -> Array:
    """Log of the expected hypervolume that a point adds to ``front`` (points by 2), for two objectives.

    ``mean`` and ``sd`` are those of independent normal costs (candidates by 2), ``point`` is the reference.
    """
    kept = front[np.all(front < point, axis=1)]
    kept = kept[on_front(kept)] if len(kept) else kept
    kept = kept[np.argsort(kept[:, 0])] if len(kept) else kept
    # Strip i lies between edges[i] and edges[i + 1] of the first cost; above ``levels[i]`` the second gains nothing.
    edges = np.r_[-np.inf, kept[:, 0], point[0]]
    levels = np.r_[point[1], kept[:, 1]]
    z = (edges[None, :] - mean[:, :1]) / sd[:, :1]
    integral = np.where(np.isneginf(z), 0.0, np.exp(log_h(np.maximum(z, -30.0))))
    upper, lower = integral[:, 1:], integral[:, :-1]
    # Far in the tail the difference of two tiny numbers is taken as the upper one times what is left of it.
    width = np.log(np.maximum(upper - lower, 1e-280)) + np.log(sd[:, :1])
    height = log_h((levels[None, :] - mean[:, 1:]) / sd[:, 1:]) + np.log(sd[:, 1:])
    terms = width + height
    top = terms.max(axis=1)
    return np.asarray(top + np.log(np.exp(terms - top[:, None]).sum(axis=1)))


def directions(count: int, objectives: int, rng: np.random.Generator) -> Array:
    """``count`` unit vectors without negative parts, uniform on that part of the sphere (count by objectives)."""
    normal = np.abs(rng.standard_normal((count, objectives)))
    return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))


def reach(costs: Array, point: Array, ways: Array) -> Array:
    """How far ``costs`` (... by objectives) reach from ``point`` in each of ``ways``, to the power m (... by ways).

    The hypervolume of a set is ``volume(m)`` times the mean over ways of the greatest reach in it.
    """
    ahead = np.maximum(point - costs, 0.0)[..., None, :] / np.maximum(ways, 1e-9)
    return np.asarray(ahead.min(axis=-1) ** costs.shape[-1])


def volume(objectives: int) -> float:
    """The constant by which mean reaches make a hypervolume."""
    ball: float = math.pi ** (objectives / 2) / math.gamma(objectives / 2 + 1)
    return ball / 2.0**objectives
