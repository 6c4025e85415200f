"""Fitting a covariance family: the mode of its hyperparameters, its evidence, and a handful of particles.

Maximum a posteriori with analytic gradients; around the mode, a Gaussian with the expected curvature (Fisher
information plus the prior's) proposes samples, whose importance weights give the evidence and the particles, so that
what is not yet known about relevance stays uncertain. Covariances are symmetric, so that all is computed on the lower
half. Units are standard ones (see ``response``).

Sources: MacKay 1992 (evidence); Mardia and Marshall 1984 (Fisher information of covariances); Rasmussen and
Williams 2006, section 5 (gradients); Ionides 2008 (truncated importance weights).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import block_diag
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs, dtpttr, dtrtrs, dtrttp
from scipy.optimize import minimize

from knowhy.engine.encoding import Array, places
from knowhy.engine.kernels import Family, Slopes

CONSTANT = 1.0  # prior variance of the mean, in standard units
NOISE_MEAN, NOISE_SD = float(np.log(0.2)), 1.0
PARTICLES = 6
JITTER = 1e-8
_SAMPLES = 24


Index = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


@dataclass(frozen=True)
class Data:
    """Rows (n by columns) and standardised values (n).

    ``louder`` is how much larger the noise variance of each is than the usual one (a factor; 1 where it is usual).
    ``extra`` are variances that some values have beside the noise, as they were foretold, not measured (None: none).
    ``seeds`` are those of the runs; ``alike`` is the correlation of their noise (n by n; None: independent).
    """

    rows: Array
    values: Array
    louder: Array | float = 1.0
    extra: Array | None = None
    seeds: Index | None = None
    alike: Array | None = None

    def __len__(self) -> int:
        """How many observations."""
        return len(self.values)

    def variance(self, noise: Array | float) -> Array | float:
        """What each value errs by, where ``noise`` is the usual variance of the noise (n, or what n goes with)."""
        return noise * self.louder if self.extra is None else noise * self.louder + self.extra

    @cached_property
    def between(self) -> Array | None:
        """The covariance of the noise of each two values where its usual variance is 1; None where there is none."""
        if self.alike is None:
            return None
        sd = np.sqrt(np.broadcast_to(self.louder, len(self)))
        out = self.alike * np.outer(sd, sd)
        np.fill_diagonal(out, 0.0)
        return np.asarray(out)

    def noise(self, usual: float, rng: np.random.Generator, count: int) -> Array:
        """Draws of what the values err by (n by count), where ``usual`` is the usual variance of the noise."""
        normal = rng.standard_normal((len(self), count))
        variance = np.broadcast_to(self.variance(usual), len(self))
        if self.between is None:
            return np.asarray(np.sqrt(variance)[:, None] * normal)
        low: Array = np.tril(cholesky(usual * self.between + np.diag(variance)))
        return low @ normal

    def at(self, index: Index) -> Data:
        """The observations at ``index``."""
        extra = None if self.extra is None or not self.extra[index].any() else self.extra[index]
        louder = self.louder[index] if isinstance(self.louder, np.ndarray) else self.louder
        seeds = None if self.seeds is None else self.seeds[index]
        alike = None if self.alike is None else self.alike[np.ix_(index, index)]
        return Data(self.rows[index], self.values[index], louder, extra, seeds, alike)

    def with_expected(self, rows: Array, values: Array) -> Data:
        """These observations, and ``values`` at ``rows`` as if they had been measured, with the usual noise."""
        louder = np.r_[np.broadcast_to(self.louder, len(self)), np.ones(len(rows))]
        extra = None if self.extra is None else np.r_[self.extra, np.zeros(len(rows))]
        alike = None if self.alike is None else block_diag(self.alike, np.eye(len(rows)))
        return Data(np.concatenate([self.rows, rows]), np.r_[self.values, values], louder, extra, alike=alike)


@dataclass(frozen=True)
class Fit:
    """What the fit of one family found: the mode, its log evidence, and particles with log weights that sum to one."""

    family: Family
    mode: Array
    log_evidence: float
    thetas: Array
    log_weights: Array
    log_likelihoods: Array


def prior(family: Family) -> tuple[Array, Array]:
    """Mean and standard deviation of the hyperparameters of ``family``, the log noise first."""
    return np.r_[NOISE_MEAN, family.prior_mean], np.r_[NOISE_SD, family.prior_sd]


def cholesky(k: Array) -> Array:
    """Lower Cholesky factor of ``k``; raises LinAlgError."""
    low, info = dpotrf(k, lower=1, clean=0)
    if info != 0:
        raise np.linalg.LinAlgError("not positive definite")
    return np.asarray(low)


def solve(low: Array, right: Array) -> Array:
    """``k^-1 right`` from the lower factor of ``k``."""
    return np.asarray(dpotrs(low, right, lower=1)[0])


def half_solve(low: Array, right: Array) -> Array:
    """``low^-1 right``."""
    return np.asarray(dtrtrs(low, right, lower=1)[0])


def log_likelihood(low: Array, alpha: Array, values: Array) -> float:
    """Log density of ``values`` under the factor ``low``, where ``alpha`` solves for them."""
    return float(-0.5 * values @ alpha - np.log(np.diag(low)).sum() - 0.5 * len(values) * np.log(2 * np.pi))


class Target:
    """The log posterior of the hyperparameters of ``family`` given ``data``: values, gradients, expected curvature."""

    def __init__(self, family: Family, data: Data) -> None:
        """Take in ``data`` (n >= 1)."""
        n = len(data)
        # By columns, as LAPACK packs the lower half.
        self.columns, self.rows = np.triu_indices(n)
        self.diagonal = np.flatnonzero(self.columns == self.rows)
        self.counted = np.where(self.columns == self.rows, 1.0, 2.0)
        self.mean, self.sd = prior(family)
        self.n, self.data = n, data
        self.between = None if data.between is None else data.between[self.rows, self.columns]
        packed = family.distances(data.rows, data.rows)[:, self.columns, self.rows]
        self.slopes: Slopes = family.slopes(packed)

    def _factor(self, theta: Array, noise: float) -> tuple[Array, Callable[[], Array]]:
        """The factor of the covariance at ``theta``, and its derivatives, packed; raises LinAlgError."""
        k, derivatives = self.slopes(theta[1:])
        k = k + CONSTANT
        k[self.diagonal] += self.data.variance(noise) + JITTER
        if self.between is not None:
            k += noise * self.between
        return cholesky(dtpttr(self.n, k, uplo="L")[0]), derivatives

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """The negative log posterior at ``theta``, and its gradient."""
        noise = float(np.exp(2.0 * theta[0]))
        try:
            low, derivatives = self._factor(theta, noise)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        alpha = solve(low, self.data.values)
        z = (theta - self.mean) / self.sd
        value = log_likelihood(low, alpha, self.data.values) - 0.5 * float(z @ z)
        inverse = dtrttp(dpotri(low, lower=1)[0], uplo="L")[0]
        weights = 0.5 * (alpha[self.columns] * alpha[self.rows] - inverse)
        gradient: Array = np.empty_like(theta)
        gradient[0] = 2.0 * noise * (weights[self.diagonal] * self.data.louder).sum()
        if self.between is not None:
            gradient[0] += 2.0 * noise * (self.counted * weights) @ self.between
        gradient[1:] = derivatives() @ (self.counted * weights)
        return -value, z / self.sd - gradient

    def curvature(self, theta: Array) -> Array:
        """The expected second derivative of the negative log posterior at ``theta``; positive definite."""
        noise = float(np.exp(2.0 * theta[0]))
        try:
            low, derivatives = self._factor(theta, noise)
        except np.linalg.LinAlgError:
            return np.diag(1.0 / self.sd**2)
        changes = np.zeros((len(theta), self.n, self.n))
        changes[0][np.diag_indices(self.n)] = 2.0 * noise * self.data.louder
        if self.data.between is not None:
            changes[0] += 2.0 * noise * self.data.between
        changes[1:, self.rows, self.columns] = changes[1:, self.columns, self.rows] = derivatives()
        inverse = solve(low, np.eye(self.n))
        scaled = np.matmul(inverse, changes)
        flat = scaled.reshape(len(theta), -1)
        turned = scaled.transpose(0, 2, 1).reshape(len(theta), -1)
        return np.asarray(0.5 * (flat @ turned.T) + np.diag(1.0 / self.sd**2))


def covariances(family: Family, thetas: Array, data: Data, distances: Array) -> Array:
    """The covariance of the values of ``data``, noise and mean included, under each of ``thetas`` (noise first)."""
    k = family.covariances(thetas[:, 1:], distances) + CONSTANT
    k[:, np.arange(len(data)), np.arange(len(data))] += data.variance(np.exp(2.0 * thetas[:, :1])) + JITTER
    if data.between is not None:
        k += np.exp(2.0 * thetas[:, 0])[:, None, None] * data.between
    return np.asarray(k)


def _log_likelihoods(family: Family, thetas: Array, distances: Array, data: Data) -> Array:
    """The log likelihood under each of ``thetas``; -inf where the covariance is not positive definite."""
    values = data.values
    k = covariances(family, thetas, data, distances)
    out = np.full(len(thetas), -np.inf)
    for i, each in enumerate(k):
        low, info = dpotrf(each.T, lower=1, clean=0, overwrite_a=1)
        if info == 0:
            out[i] = log_likelihood(low, solve(low, values), values)
    return out


def fit(family: Family, data: Data, start: Array | None, rng: np.random.Generator, *, polish: bool = True) -> Fit:
    """Fit ``family`` to ``data`` (n >= 1) from ``start`` (the mode of an earlier fit) or its prior mean.

    Without ``polish`` the start is taken as the mode, so that a recorded fit is restored as it was.
    """
    target = Target(family, data)
    mean, sd = target.mean, target.sd
    if start is None or len(start) != len(mean):
        start, polish = mean, True
    mode = start
    if polish:
        bounds = list(zip(mean - 4.0 * sd, mean + 4.0 * sd, strict=True))
        # The mode is where importance sampling starts from: a thousandth of a nat is near enough.
        options = {"maxiter": 40, "ftol": 1e-5, "gtol": 1e-2}
        mode = np.asarray(minimize(target, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x)
    values, vectors = np.linalg.eigh(target.curvature(mode))
    root = vectors / np.sqrt(values)
    normal = rng.standard_normal((_SAMPLES, len(mode)))
    normal[0] = 0.0
    samples = np.clip(mode + normal @ root.T, mean - 4.5 * sd, mean + 4.5 * sd)
    log_q = -0.5 * np.sum(normal**2, axis=1)
    likelihoods = _log_likelihoods(family, samples, family.distances(data.rows, data.rows), data)
    log_prior = -0.5 * np.sum(((samples - mean) / sd) ** 2, axis=1)
    ratio = likelihoods + log_prior - log_q
    ratio = np.where(np.isfinite(ratio), ratio, -np.inf)
    weights = np.exp(ratio - ratio.max())
    # A lucky sample must not stand for the posterior alone.
    weights = np.minimum(weights, np.sqrt(_SAMPLES) * weights.mean())
    # Importance sampling around the mode has half the bias of the Laplace approximation, and compares families fairly.
    log_evidence = float(ratio.max() + np.log(weights.mean()) - np.sum(np.log(sd)) - 0.5 * np.sum(np.log(values)))
    weights /= weights.sum()
    chosen = systematic(weights, PARTICLES, 0.5)
    return Fit(family, mode, log_evidence, samples[chosen], np.full(PARTICLES, -np.log(PARTICLES)), likelihoods[chosen])


def systematic(weights: Array, count: int, offset: float) -> Array:
    """Indices drawn by systematic resampling: ``count`` of them, deterministic for a given ``offset``."""
    positions = (np.arange(count) + offset) / count
    return np.minimum(np.searchsorted(np.cumsum(weights), positions), len(weights) - 1)


def fitted_at(count: int) -> int:
    """How many of ``count`` observations the last scheduled fit had: all at first, then each time a fifth more."""
    at = 1
    while at + max(1, at // 5) <= count:
        at += max(1, at // 5)
    return at


def thin(data: Data, keep: int, sign: float, seed: int) -> Data:
    """At most ``keep`` observations: the best quarter, the latest quarter, and a random share of the rest.

    A configuration among the best comes with all its runs: its lucky ones alone would make it look better than it is.
    """
    n = len(data)
    if n <= keep:
        return data
    best = np.argsort(sign * data.values, kind="stable")[: keep // 4]
    fixed = np.union1d(_with_replicates(data.rows, best)[: keep // 2], np.arange(n - keep // 4, n))
    rest = np.setdiff1d(np.arange(n), fixed)
    extra = np.random.default_rng([seed, n // 50]).choice(rest, keep - len(fixed), replace=False)
    index = np.sort(np.r_[fixed, extra])
    return data.at(index)


def _with_replicates(rows: Array, index: Index) -> Index:
    """``index``, each followed by what has the same row."""
    keys = places(rows)
    same: dict[bytes, list[int]] = {keys[i]: [] for i in index}
    for i, key in enumerate(keys):
        if key in same:
            same[key].append(i)
    return np.array([i for members in same.values() for i in members], dtype=np.int64)
