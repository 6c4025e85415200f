"""Noise that is larger in some places than in others, and runs that are wildly unlucky.

What a smooth model says of each observation from all the others (leave one out) leaves a residual. Where the size of
the residuals follows one column of the configuration, the variance of the noise is taken to change along it
(log-linearly); where residuals have heavier tails than a normal distribution, the far ones count for less. Each is
weighed by evidence against plain noise, and averaged over, so that little is done where the data show little.

Sources: Rasmussen and Williams 2006, section 5.4.2 (leave-one-out predictions); Cook and Weisberg 1983 (variance along
a covariate); Lange, Little and Taylor 1989 (a t distribution as weights).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln

from knowhy.engine.encoding import Array
from knowhy.engine.fitting import Data, Fit, cholesky, covariances, solve

FEWEST = 12
PLAIN = 0.7  # prior probability that noise is the same everywhere
NORMAL = 0.7  # and that it has normal tails
_SLOPES = np.linspace(-6.0, 6.0, 13)  # of the log variance over the range of a column
_SLOPE_SD = 2.5
_LEVELS = np.linspace(-2.0, 1.0, 5)  # shifts of the log variance as a whole, which outliers and slopes change
_FREEDOM = 3.0
_LEAST, _MOST = 0.02, 50.0


@dataclass(frozen=True)
class Loudness:
    """How the noise changes along the columns: the log of its variance is ``slopes`` times these, less ``middle``.

    ``plain`` is the probability that it does not change at all; ``tails`` is how much larger the variance is than that
    of the bulk, for runs that are wildly unlucky.
    """

    slopes: Array
    middle: float
    plain: float
    tails: float = 1.0

    def sd(self, rows: Array) -> Array:
        """The standard deviation of the noise at ``rows`` as a multiple of the usual one, tails included."""
        return np.sqrt(self.tails * self(rows))

    def __call__(self, rows: Array) -> Array:
        """The variance of the noise at ``rows`` as a multiple of the usual one."""
        return np.clip(np.exp(rows @ self.slopes - self.middle), _LEAST, _MOST)


def residuals(fit: Fit, data: Data) -> tuple[Array, Array, float]:
    """Leave-one-out residuals under the mode of ``fit``, the variances of the model there, and that of the noise."""
    family, theta = fit.family, fit.mode
    noise = float(np.exp(2.0 * theta[0]))
    low = cholesky(covariances(family, theta[None], data, family.distances(data.rows, data.rows))[0])
    inverse = solve(low, np.eye(len(data)))
    spread = 1.0 / np.diag(inverse)
    return solve(low, data.values) * spread, np.maximum(spread - noise, 0.0), noise


def loudness(rows: Array, left: Array, known: Array, noise: float) -> Loudness:
    """Along which columns the noise changes, from residuals ``left`` where ``known`` is the variance of the model."""
    d = rows.shape[1]
    centre = rows.mean(axis=0)
    tilt = (rows - centre)[:, :, None] * _SLOPES  # trials by columns by slopes
    variance = known[:, None, None, None] + noise * np.exp(tilt[..., None] + _LEVELS)
    log_likelihood = -0.5 * np.sum(np.log(variance) + _tamed(left)[:, None, None, None] ** 2 / variance, axis=0)
    prior = -0.5 * (_SLOPES / _SLOPE_SD) ** 2
    prior = prior - np.logaddexp.reduce(prior)
    level = np.full(len(_LEVELS), -np.log(len(_LEVELS)))
    joint = np.logaddexp.reduce(log_likelihood + level, axis=2) + prior  # columns by slopes
    flat = np.logaddexp.reduce(log_likelihood[0, len(_SLOPES) // 2] + level)
    joint = joint + np.log((1.0 - PLAIN) / max(d, 1))
    total = np.logaddexp(np.logaddexp.reduce(joint, axis=None), flat + np.log(PLAIN))
    slopes = np.exp(joint - total) @ _SLOPES
    return Loudness(slopes, float(centre @ slopes), float(np.exp(flat + np.log(PLAIN) - total)))


def _tamed(left: Array) -> Array:
    """Residuals with what lies far out drawn in: one wild run is no slope."""
    usual = 1.4826 * float(np.median(np.abs(left))) + 1e-9
    return np.clip(left, -4.0 * usual, 4.0 * usual)


def wild(left: Array, variance: Array) -> Array:
    """By how much each observation is to count as noisier for lying further out than a normal distribution has it.

    ``variance`` is what residuals ``left`` are expected to have.
    """
    squares = left**2 / variance
    # The scale of either distribution is what fits it best.
    scales = np.exp(np.linspace(-2.5, 1.5, 17))
    scaled = squares[:, None] / scales
    normal = np.sum(-0.5 * (scaled + np.log(2 * np.pi * scales)), axis=0)
    v = _FREEDOM
    front = gammaln(0.5 * (v + 1)) - gammaln(0.5 * v) - 0.5 * np.log(v * np.pi)
    heavy = np.sum(front - 0.5 * np.log(scales) - 0.5 * (v + 1) * np.log1p(scaled / v), axis=0)
    for_heavy = float(np.logaddexp.reduce(heavy)) + np.log(1.0 - NORMAL)
    for_normal = float(np.logaddexp.reduce(normal)) + np.log(NORMAL)
    share = float(np.exp(for_heavy - np.logaddexp(for_heavy, for_normal)))
    weight = (v + 1.0) / (v + squares / scales[int(np.argmax(heavy))])
    return np.asarray(np.minimum(weight, 1.0) ** -share)


def weighed(fit: Fit, head: Data, used: Data) -> tuple[Data, Data, Loudness]:
    """``head``, which ``fit`` (of plain noise) rests on, and ``used`` with the noise of each; and how it changes."""
    left, known, noise = residuals(fit, head)
    found = loudness(head.rows, left, known, noise)

    def factors(data: Data, left: Array, known: Array) -> tuple[Data, Loudness]:
        usual = found(data.rows)
        far = wild(left, known + noise * usual)
        return replace(data, louder=usual * far), replace(found, tails=float(np.minimum(far, 10.0).mean()))

    at_head, changes = factors(head, left, known)
    if len(used) == len(head):
        return at_head, at_head, changes
    left, known, noise = residuals(fit, used)
    return at_head, *factors(used, left, known)
