"""Trials in blocks: few seeds, each for many configurations, so that luck which they share says nothing of them.

A seed decides the split, the order and the first weights: what it does to one configuration it often does to the next.
Trials that each draw a seed of their own bear all of that as noise. On seeds that return, what a seed does to all is
told from what configurations do, and only the rest is noise. How much the runs on one seed have in common is found
from the data; where it is nothing, nothing is gained, and nothing lost.

Sources: Fisher 1935 (randomised blocks); Schruben and Margolin 1978 (common random numbers over a design); Chen,
Ankenman and Nelson 2012 (Gaussian processes under common random numbers).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from knowhy.engine.encoding import Array, places
from knowhy.engine.fitting import Data, Fit, cholesky, covariances, log_likelihood, solve
from knowhy.engine.looks import seed_of
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import Point, same_point
from knowhy.model.state import State

_SHARES = np.array([0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9])
_PRIOR = np.array([0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
_LEVELS = np.exp(np.linspace(-0.7, 0.7, 3))  # of the variance of the noise: what is shared was not seen in the fit
_LITTLE = 0.03
_OWN = 0.01  # of the noise is each run's own, whatever is said: machines are not exact either


def shared(fit: Fit, data: Data) -> float:
    """The share of the variance of the noise that runs on one seed have in common: its mean over what is possible.

    ``fit`` is a model of ``data`` whose noise is independent.
    """
    same = _same_seed(data)
    if same is None:
        return 0.0
    noise = float(np.exp(2.0 * fit.mode[0]))
    k = covariances(fit.family, fit.mode[None], data, fit.family.distances(data.rows, data.rows))[0]
    sd = np.sqrt(np.broadcast_to(data.louder, len(data)))
    own = noise * np.diag(sd**2)
    together = noise * same * np.outer(sd, sd)
    fits = np.full((len(_SHARES), len(_LEVELS)), -np.inf)
    for i, share in enumerate(_SHARES):
        for j, level in enumerate(_LEVELS):
            low = cholesky(k + (level - 1.0) * own + level * share * together)
            fits[i, j] = log_likelihood(low, solve(low, data.values), data.values)
    weights = _PRIOR * np.exp(np.logaddexp.reduce(fits, axis=1) - fits.max())
    return float(weights @ _SHARES / weights.sum())


def alike(data: Data, share: float) -> Data:
    """``data`` with the correlation of the noise of each two runs: ``share`` on one seed, all but all at one point."""
    same = _same_seed(data)
    if same is None or share < _LITTLE:
        return data
    keys = np.array(places(data.rows), dtype=object)
    out = same * np.where(keys[:, None] == keys[None], 1.0 - _OWN, share)
    np.fill_diagonal(out, 1.0)
    return replace(data, alike=out)


def left(data: Data, share: float) -> float:
    """The standard deviation of what one more run on the seeds of ``data`` errs by beyond what they tell of its seed.

    As a multiple of that of the noise; ``share`` of its variance is what runs on one seed have in common.
    """
    if data.seeds is None or _same_seed(data) is None or share < _LITTLE:
        return 1.0
    each = len(data) / len(np.unique(data.seeds))
    told = each * share / (1.0 - share + each * share)
    return float(np.sqrt(1.0 - share * told))


def _same_seed(data: Data) -> Array | None:
    """1 for each two different runs on one seed; None where there are none."""
    if data.seeds is None or len(np.unique(data.seeds)) == len(data):
        return None
    same = (data.seeds[:, None] == data.seeds[None]).astype(float)
    np.fill_diagonal(same, 0.0)
    return np.asarray(same)


def block_seed(state: State, point: Point) -> int | None:
    """The seed among those of the search that is to run ``point``; None where it is time for a new one.

    There are about as many seeds as there are trials on each: more trials on a seed tell what it does, more seeds keep
    the search from what is good on a few.
    """
    if any(p.role == PATCH_ROLE for p in state.space.active):
        return None  # what patches leave of the luck of a seed is told otherwise: see ``pairing``
    made = [t.proposal for t in state.trials.values()]
    runs = Counter(seed_of(p) for p in made if p.purpose != "verify" and p.seed_known)
    if len(runs) ** 2 <= sum(runs.values()):
        return None
    here = {seed_of(p) for p in made if same_point(p.point, point)}
    return min((s for s in runs if s not in here), key=runs.__getitem__, default=None)
