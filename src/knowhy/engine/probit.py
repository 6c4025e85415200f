"""Smooth regions in which trials fail: Gaussian process classification with a probit link.

The latent function is large where trials succeed; the posterior is Laplace's approximation. A few settings of the
hyperparameters (how far the latent reaches, which parameters it turns on) compete by evidence.

Source: Rasmussen and Williams 2006, chapter 3 (algorithms 3.1 and 3.2, and section 3.4.1 for the evidence).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy.special import log_ndtr, ndtr

from knowhy.engine.encoding import Array
from knowhy.engine.fitting import CONSTANT, cholesky, half_solve, solve
from knowhy.engine.kernels import Ard, Features
from knowhy.engine.predicates import Bits

Single = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

MEAN = 1.0  # of the latent: a configuration of which nothing is known is more likely to run than not
_STEPS, _CLOSE = 12, 1e-3
_REACHES = (1.2, 4.0)
_SHORT, _LONG = 0.4, 6.0
_FLOOR = 1e-8


@dataclass(frozen=True)
class Fit:
    """Laplace's approximation under one vector of hyperparameters.

    ``latent`` is the mode less ``MEAN``, ``weights`` solve ``K weights = latent``; ``root`` is the square root of the
    curvature of the likelihood, ``low`` the Cholesky factor of ``1 + root K root``, ``pull`` the gradient of the log
    likelihood.
    """

    theta: Array
    log_evidence: float
    latent: Array
    weights: Array
    root: Array
    low: Array
    pull: Array


def settings(slices: Sequence[slice], relevance: Array) -> tuple[Array, Array]:
    """Hyperparameters to compete (settings by 1 + groups) and their log priors.

    Everything counts, at two lengths; or only the one, two or three groups of most ``relevance`` do.
    """
    d = max(len(slices), 1)
    rows, logs = [], []
    order = np.argsort(-relevance)
    for length in (_SHORT, 1.0):
        rows.append(np.full(d, np.log(length) + 0.25 * np.log(d)))
        logs.append(0.0)
    for count in range(1, min(3, d - 1) + 1):
        lengths = np.full(d, np.log(_LONG))
        lengths[order[:count]] = np.log(_SHORT * count**0.25)
        rows.append(lengths)
        ways = np.prod([(d - i) / (i + 1) for i in range(count)])
        logs.append(-float(np.log(ways)) + float(np.log(2.0)))
    thetas = np.array([np.r_[np.log(reach), lengths] for lengths in rows for reach in _REACHES])
    log_prior = np.repeat(np.array(logs), len(_REACHES))
    return thetas, log_prior - np.logaddexp.reduce(log_prior)


def fit(family: Ard, thetas: Array, rows: Array, failed: Bits) -> tuple[Fit, ...]:
    """Laplace's approximation under each of ``thetas``, for trials at ``rows`` that ``failed`` or not."""
    if not len(rows):
        none, square = np.zeros(0), np.zeros((0, 0))
        return tuple(Fit(theta, 0.0, none, none, none, square, none) for theta in thetas)
    signs = np.where(failed, -1.0, 1.0)
    each = family.covariances(thetas, family.distances(rows, rows)) + CONSTANT
    return tuple(_laplace(theta, k, signs) for theta, k in zip(thetas, each, strict=True))


def _laplace(theta: Array, k: Array, signs: Array) -> Fit:
    """Newton's method; the likelihood is log-concave, and a step that does not help is halved."""
    weights: Array = np.zeros(len(signs))
    centred: Array = np.zeros(len(signs))
    value = -np.inf
    for _ in range(_STEPS):
        root, low, pull = _curvature(k, signs, centred)
        wanted = root**2 * centred + pull
        step = wanted - root * solve(low, root * (k @ wanted)) - weights
        size = 1.0
        while True:
            tried = weights + size * step
            there = k @ tried
            now = float(-0.5 * tried @ there + log_ndtr(signs * (MEAN + there)).sum())
            if now > value - 1e-9 or size < 0.05:
                break
            size *= 0.5
        gained, value, weights, centred = now - value, now, tried, there
        if gained < _CLOSE:
            break
    root, low, pull = _curvature(k, signs, centred)
    evidence = value - float(np.log(np.diag(low)).sum())
    return Fit(theta, evidence, centred, weights, root, low, pull)


def _curvature(k: Array, signs: Array, centred: Array) -> tuple[Array, Array, Array]:
    z = signs * (MEAN + centred)
    # The ratio of density to distribution, in logs so that it holds far in the tail.
    ratio = np.exp(-0.5 * z**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(z))
    curvature = np.maximum(ratio * (ratio + z), _FLOOR)
    root = np.sqrt(curvature)
    b = root[:, None] * k * root[None]
    b.flat[:: len(b) + 1] += 1.0
    return root, cholesky(b), signs * ratio


def chance(family: Ard, fits: Sequence[Fit], shares: Array, rows: Array, at: Array) -> Array:
    """The probability of success at rows ``at`` under ``fits`` (weighted by ``shares``), given trials at ``rows``."""
    if not len(rows):
        sds = np.sqrt(1.0 + CONSTANT + np.array([family.variance(f.theta, at) for f in fits]))
        return np.asarray(shares @ ndtr(MEAN / sds))
    thetas = np.array([f.theta for f in fits])
    cross = family.covariances(thetas, family.distances(rows, at)) + CONSTANT
    out = np.zeros(len(at))
    for f, share, k in zip(fits, shares, cross, strict=True):
        half = half_solve(f.low, f.root[:, None] * k)
        variance = family.variance(f.theta, at) + CONSTANT - np.sum(half**2, axis=0)
        out += share * ndtr((MEAN + f.weights @ k) / np.sqrt(1.0 + np.maximum(variance, 0.0)))
    return out


@dataclass(frozen=True)
class Latents:
    """Draws of the latent under several fits, ``counts`` of each."""

    family: Ard
    thetas: Array
    counts: tuple[int, ...]
    features: Features
    priors: tuple[Single, ...]
    updates: tuple[Single, ...]
    rows: Array

    def __call__(self, at: Array) -> Array:
        """The latent at rows ``at`` (draws by rows)."""
        # Single precision is fast, and far below what random features resolve.
        single, rows = cast(Array, at.astype(np.float32)), cast(Array, self.rows.astype(np.float32))
        phi = self.features(single)
        cross = None
        if len(self.rows):
            cross = self.family.covariances(self.thetas, self.family.distances(rows, single)) + np.float32(CONSTANT)
        out = []
        for i, (prior, update) in enumerate(zip(self.priors, self.updates, strict=True)):
            part = prior[:-1].T @ phi[i].T + (MEAN + np.sqrt(CONSTANT) * prior[-1])[:, None]
            out.append(part if cross is None else part + update.T @ cross[i])
        return np.concatenate(out) if out else np.zeros((0, len(at)))


def draw(
    family: Ard, fits: Sequence[Fit], counts: Sequence[int], rows: Array, rng: np.random.Generator
) -> Latents | None:
    """``counts`` draws under each of ``fits`` by pathwise conditioning on Laplace's pseudo-observations.

    Source: Wilson et al. 2020, with targets and variances as in Rasmussen and Williams 2006, section 3.4.2.
    """
    chosen = [(f, c) for f, c in zip(fits, counts, strict=True) if c]
    if not chosen:
        return None
    thetas = np.array([f.theta for f, _ in chosen])
    features = family.basis(thetas, rng.spawn(len(chosen)))
    known = features(rows)
    priors, updates = [], []
    for i, (f, count) in enumerate(chosen):
        prior = rng.standard_normal((known.shape[2] + 1, count))
        priors.append(prior.astype(np.float32))
        if not len(rows):
            updates.append(np.zeros((0, count), dtype=np.float32))
            continue
        fantasy = known[i] @ prior[:-1] + np.sqrt(CONSTANT) * prior[-1]
        fantasy += rng.standard_normal((len(rows), count)) / f.root[:, None]
        # Pseudo-targets have the variance of the noise that the curvature of the likelihood amounts to.
        target = f.latent + f.pull / f.root**2
        gap = f.root[:, None] * (target[:, None] - fantasy)
        updates.append((f.root[:, None] * solve(f.low, gap)).astype(np.float32))
    return Latents(family, thetas, tuple(c for _, c in chosen), features, tuple(priors), tuple(updates), rows)
