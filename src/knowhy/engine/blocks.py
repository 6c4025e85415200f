"""Trials in blocks: few seeds, each for many configurations, so that luck which they share says nothing of them.

A seed decides the split, the order and the first weights: what it does to one configuration it often does to the next.
Trials that each draw a seed of their own bear all of that as noise. On seeds that return, what a seed does to all is
told from what configurations do, and only the rest is noise. How much the runs on one seed have in common, all of them
or those of configurations that are alike, is found from the data; where it is nothing, nothing is gained or lost.

Sources: Fisher 1935 (randomised blocks); Schruben and Margolin 1978 (common random numbers over a design); Chen,
Ankenman and Nelson 2012 (Gaussian processes under common random numbers).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from knowhy.engine.encoding import Array
from knowhy.engine.fitting import Data, Fit, cholesky, covariances, log_likelihood, solve
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import Point, same_point
from knowhy.model.state import State

_STEPS = np.linspace(0.0, 0.8, 5)
_NOTHING = 0.5  # prior probability that runs on one seed have nothing in common
_LEVELS = np.exp(np.linspace(-0.7, 0.7, 3))  # of the variance of the noise: what is shared was not seen in the fit
_LITTLE = 0.03
_EACH = 3  # trials of the search on a seed
_TURNS = 4  # seeds that take turns


@dataclass(frozen=True)
class Blocks:
    """What the noise of runs on one seed has in common, as shares of its variance.

    ``everywhere`` is what a seed does to all configurations alike, ``nearby`` what it does to those that are alike, as
    far as ``plain`` (a smooth model with independent noise) has them alike.
    """

    plain: Fit
    everywhere: float
    nearby: float

    def __call__(self, data: Data) -> Data:
        """``data`` with the correlation of the noise of each two runs."""
        same = _same_seed(data)
        if same is None or self.everywhere + self.nearby < _LITTLE:
            return data
        out = same * (self.everywhere + self.nearby * _likeness(self.plain, data))
        np.fill_diagonal(out, 1.0)
        return replace(data, alike=out)

    def left(self, data: Data) -> float:
        """What one more run on the seeds of ``data`` errs by, beyond what they tell of its seed.

        A standard deviation, as a multiple of that of the noise.
        """
        if data.seeds is None or _same_seed(data) is None:
            return 1.0
        each = len(data) / len(np.unique(data.seeds))
        told = each * self.everywhere / (1.0 - self.everywhere + each * self.everywhere)
        return float(np.sqrt(1.0 - self.everywhere * told))


def blocks(plain: Fit, data: Data) -> Blocks:
    """What runs of ``data`` on one seed have in common: the mean over what is possible.

    ``plain`` is a smooth model of ``data`` whose noise is independent.
    """
    same = _same_seed(data)
    if same is None:
        return Blocks(plain, 0.0, 0.0)
    noise = float(np.exp(2.0 * plain.mode[0]))
    k = covariances(plain.family, plain.mode[None], data, plain.family.distances(data.rows, data.rows))[0]
    sd = np.sqrt(np.broadcast_to(data.louder, len(data)))
    own, together = noise * np.diag(sd**2), noise * same * np.outer(sd, sd)
    close = together * _likeness(plain, data)
    shares = np.array([(a, b) for a in _STEPS for b in _STEPS if a + b <= _STEPS[-1]])
    fits = np.empty((len(shares), len(_LEVELS)))
    for i, (everywhere, nearby) in enumerate(shares):
        shared = everywhere * together + nearby * close
        for j, level in enumerate(_LEVELS):
            low = cholesky(k + (level - 1.0) * own + level * shared)
            fits[i, j] = log_likelihood(low, solve(low, data.values), data.values)
    weights = np.exp(np.logaddexp.reduce(fits, axis=1) - fits.max())
    weights *= np.where(shares.any(axis=1), (1.0 - _NOTHING) / (len(shares) - 1), _NOTHING)
    mean = weights @ shares / weights.sum()
    return Blocks(plain, float(mean[0]), float(mean[1]))


def _likeness(plain: Fit, data: Data) -> Array:
    """How alike ``plain`` has each two configurations of ``data``: correlations."""
    k = plain.family.covariances(plain.mode[None, 1:], plain.family.distances(data.rows, data.rows))[0]
    sd = np.sqrt(np.diag(k))
    return np.asarray(k / np.outer(sd, sd))


def _same_seed(data: Data) -> Array | None:
    """1 for each two different runs on one seed; None where there are none."""
    if data.seeds is None or len(np.unique(data.seeds)) == len(data):
        return None
    same = (data.seeds[:, None] == data.seeds[None]).astype(float)
    np.fill_diagonal(same, 0.0)
    return np.asarray(same)


def block_seed(state: State, point: Point) -> int | None:
    """The seed among those of the search that is to run ``point``; None where it is time for a new one.

    Three trials on each have most of what blocks can have: with the share r of the noise in common, blocks of b tell of
    differences as much as independent runs with (1 - 1/b) / (1 - r) + (1/b) / (1 - r + b r) times the precision. Larger
    ones add little to that, and fewer seeds would show less of what differs from seed to seed. They take turns, as what
    is tried in a row is often alike, and would be taken for what the seed does.
    """
    if any(p.role == PATCH_ROLE for p in state.space.active):
        return None  # what patches leave of the luck of a seed is told otherwise: see ``pairing``
    runs: Counter[int] = Counter()
    here = set()
    for made in (t.proposal for t in state.trials.values()):
        if same_point(made.point, point):
            here.add(made.seed)
        if made.purpose != "verify" and made.seed_known:
            times = runs.pop(made.seed, 0)
            runs[made.seed] = times + 1  # the last to run is the last in order
    waiting = [seed for seed, times in runs.items() if times < _EACH]
    return next((seed for seed in waiting if seed not in here), None) if len(waiting) >= _TURNS else None
