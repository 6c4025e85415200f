"""The posterior over response functions: a mixture of Gaussian process models weighted by evidence.

Each family (see ``kernels``) is fitted by maximum a posteriori with analytic gradients; a Laplace approximation
around it gives its evidence and a handful of hyperparameter particles, so that what is not yet known about relevance
stays uncertain. Between fits, particles are reweighted by the evidence of new data, which is exact. From the mixture,
response functions are drawn by pathwise conditioning (Wilson et al. 2020): prior features plus an exact update, so
that they can be evaluated anywhere in matrix form. Units here are standard ones (see ``response``).

Sources: MacKay 1992 (evidence); Rasmussen and Williams 2006, section 5 (gradients); Wilson et al. 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs, dtrtrs
from scipy.optimize import minimize

from knowhy.engine.encoding import Array
from knowhy.engine.kernels import Family, Features

CONSTANT = 1.0  # prior variance of the mean, in standard units
NOISE_MEAN, NOISE_SD = float(np.log(0.2)), 1.0
PARTICLES = 6
PRIOR_PARTICLES = 24  # before data they cost no factorisation, and with few of them priors would be rough
_SAMPLES = 24
_HOPELESS = 12.0  # nats behind the best family: its particles would never be drawn
_JITTER = 1e-8


@dataclass(frozen=True)
class Data:
    """Rows (n by columns) and standardised values (n)."""

    rows: Array
    values: Array

    def __len__(self) -> int:
        """How many observations."""
        return len(self.values)


@dataclass(frozen=True)
class Particle:
    """One hyperparameter vector of a family (log noise first), its weight, and the data's factorisation under it."""

    family: Family
    theta: Array
    log_weight: float
    cholesky: Array
    alpha: Array

    @property
    def noise(self) -> float:
        """Noise standard deviation."""
        return float(np.exp(self.theta[0]))


@dataclass(frozen=True)
class Fit:
    """What the fit of one family found: the mode, its log evidence, and particles with log weights that sum to one."""

    family: Family
    mode: Array
    log_evidence: float
    thetas: Array
    log_weights: Array
    log_likelihoods: Array


def _prior(family: Family) -> tuple[Array, Array]:
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


def _factor(family: Family, theta: Array, distances: Array) -> Array:
    k = family.covariance(theta[1:], distances) + CONSTANT
    k[np.diag_indices_from(k)] += np.exp(2.0 * theta[0]) + _JITTER
    return cholesky(k)


def _log_likelihoods(family: Family, thetas: Array, distances: Array, values: Array) -> Array:
    """The log likelihood under each of ``thetas``; -inf where the covariance is not positive definite."""
    n = len(values)
    k = family.covariances(thetas[:, 1:], distances) + CONSTANT
    k[:, np.arange(n), np.arange(n)] += np.exp(2.0 * thetas[:, :1]) + _JITTER
    try:
        low = np.linalg.cholesky(k)
    except np.linalg.LinAlgError:
        if len(thetas) == 1:
            return np.full(1, -np.inf)
        return np.concatenate([_log_likelihoods(family, t[None], distances, values) for t in thetas])
    half = np.linalg.solve(low, np.broadcast_to(values[:, None], (len(thetas), n, 1)))[:, :, 0]
    halved_determinants = np.log(np.diagonal(low, axis1=1, axis2=2)).sum(axis=1)
    return np.asarray(-0.5 * np.sum(half**2, axis=1) - halved_determinants - 0.5 * n * np.log(2 * np.pi))


def _objective(
    theta: Array, family: Family, distances: Array, values: Array, mean: Array, sd: Array
) -> tuple[float, Array]:
    """Negative log posterior of the hyperparameters, and its gradient."""
    try:
        low = _factor(family, theta, distances)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(theta)
    alpha = solve(low, values)
    n = len(values)
    inverse = np.tril(dpotri(low, lower=1)[0])
    inverse += np.tril(inverse, -1).T
    weights = 0.5 * (np.outer(alpha, alpha) - inverse)
    gradient = np.empty_like(theta)
    gradient[0] = 2.0 * np.exp(2.0 * theta[0]) * np.trace(weights)
    gradient[1:] = family.gradient(theta[1:], distances, weights)
    z = (theta - mean) / sd
    value = -0.5 * values @ alpha - np.log(np.diag(low)).sum() - 0.5 * n * np.log(2 * np.pi) - 0.5 * z @ z
    return float(-value), -(gradient - z / sd)


def fit(family: Family, data: Data, start: Array | None, rng: np.random.Generator, *, polish: bool = True) -> Fit:
    """Fit ``family`` to ``data`` (n >= 1) from ``start`` (the mode of an earlier fit) or its prior mean.

    Without ``polish`` the start is taken as the mode, so that a recorded fit is restored as it was.
    """
    mean, sd = _prior(family)
    distances = family.distances(data.rows, data.rows)
    arguments = (family, distances, data.values, mean, sd)
    bounds = [(m - 4.0 * s, m + 4.0 * s) for m, s in zip(mean, sd, strict=True)]
    if start is None or len(start) != len(mean):
        start, polish = mean, True
    mode = start
    if polish:
        # The mode is where importance sampling starts from: a thousandth of a nat is near enough.
        options = {"maxiter": 40, "ftol": 1e-5, "gtol": 1e-2}
        mode = np.asarray(
            minimize(_objective, start, arguments, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
        )
    hessian = _hessian(mode, arguments)
    values, vectors = np.linalg.eigh(hessian)
    # Flat or negative directions cannot be wider than the prior.
    values = np.maximum(values, float(np.min(1.0 / sd**2)))
    root = vectors / np.sqrt(values)
    normal = rng.standard_normal((_SAMPLES, len(mode)))
    normal[0] = 0.0
    samples = np.clip(mode + normal @ root.T, mean - 4.5 * sd, mean + 4.5 * sd)
    log_q = -0.5 * np.sum(normal**2, axis=1)
    likelihoods = _log_likelihoods(family, samples, distances, data.values)
    log_prior = -0.5 * np.sum(((samples - mean) / sd) ** 2, axis=1)
    ratio = likelihoods + log_prior - log_q
    ratio = np.where(np.isfinite(ratio), ratio, -np.inf)
    weights = np.exp(ratio - ratio.max())
    # Truncated importance weights (Ionides 2008): a lucky sample must not stand for the posterior alone.
    weights = np.minimum(weights, np.sqrt(_SAMPLES) * weights.mean())
    # Importance sampling around the mode has half the bias of the Laplace approximation, and compares families fairly.
    log_evidence = float(ratio.max() + np.log(weights.mean()) - np.sum(np.log(sd)) - 0.5 * np.sum(np.log(values)))
    weights /= weights.sum()
    chosen = _systematic(weights, PARTICLES, 0.5)
    return Fit(family, mode, log_evidence, samples[chosen], np.full(PARTICLES, -np.log(PARTICLES)), likelihoods[chosen])


def _hessian(theta: Array, arguments: tuple[Family, Array, Array, Array, Array]) -> Array:
    step = 1e-3
    base = _objective(theta, *arguments)[1]
    out = np.empty((len(theta), len(theta)))
    for i in range(len(theta)):
        moved = theta.copy()
        moved[i] += step
        out[i] = (_objective(moved, *arguments)[1] - base) / step
    return np.asarray(0.5 * (out + out.T))


def _systematic(weights: Array, count: int, offset: float) -> Array:
    """Indices drawn by systematic resampling: ``count`` of them, deterministic for a given ``offset``."""
    positions = (np.arange(count) + offset) / count
    return np.minimum(np.searchsorted(np.cumsum(weights), positions), len(weights) - 1)


def condition(fits: Sequence[Fit], shares: Sequence[float], seen: int, data: Data) -> tuple[Particle, ...]:
    """Particles of all ``fits``, weighted by share, evidence, and the data since the fit.

    ``shares`` are prior weights of the families; the fits used the first ``seen`` observations of ``data``.
    """
    worth = [np.log(share) + f.log_evidence for f, share in zip(fits, shares, strict=True)]
    particles = []
    for f, start in zip(fits, worth, strict=True):
        if start < max(worth) - _HOPELESS:
            continue
        distances = f.family.distances(data.rows, data.rows)
        for theta, log_weight, likelihood in zip(f.thetas, f.log_weights, f.log_likelihoods, strict=True):
            low = _factor(f.family, theta, distances)
            alpha = solve(low, data.values)
            total = start + log_weight
            if len(data) > seen:
                n = len(data)
                now = -0.5 * data.values @ alpha - np.log(np.diag(low)).sum() - 0.5 * n * np.log(2 * np.pi)
                total += float(now) - likelihood
            particles.append(Particle(f.family, theta, float(total), low, alpha))
    highest = max(p.log_weight for p in particles)
    norm = highest + np.log(sum(np.exp(p.log_weight - highest) for p in particles))
    return tuple(replace(p, log_weight=p.log_weight - norm) for p in particles)


@dataclass(frozen=True)
class Block:
    """Draws that share a family: ``counts`` of them under each of ``thetas`` (particles by hyperparameters)."""

    family: Family
    thetas: Array
    counts: tuple[int, ...]
    features: Features
    weights: tuple[Array, ...]
    updates: tuple[Array, ...]
    rows: Array

    def __call__(self, at: Array) -> Array:
        """Values of the draws (draws by points)."""
        out = np.empty((sum(self.counts), len(at)))
        phi = self.features(at)
        cross = None
        if len(self.rows):
            cross = self.family.covariances(self.thetas, self.family.distances(self.rows, at))
        end = 0
        for i, (n, w) in enumerate(zip(self.counts, self.weights, strict=True)):
            part = out[end : end + n]
            np.matmul(w[:-1].T, phi[i].T, out=part)
            part += w[-1][:, None] * np.sqrt(CONSTANT)
            if cross is not None:
                update = self.updates[i]
                part += update.T @ cross[i] + CONSTANT * update.sum(axis=0)[:, None]
            end += n
        return out


@dataclass(frozen=True)
class Draws:
    """S response functions drawn from the mixture; ``origin`` names the family of each, ``noise`` its noise sd."""

    blocks: tuple[Block, ...]
    shuffle: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    origin: tuple[str, ...]
    noise: Array

    def __len__(self) -> int:
        """How many functions."""
        return len(self.origin)

    def __call__(self, at: Array) -> Array:
        """Values at rows ``at`` (draws by points)."""
        return np.asarray(np.concatenate([b(at) for b in self.blocks])[self.shuffle])


def draw(particles: Sequence[Particle], data: Data, count: int, seed: int) -> Draws:
    """``count`` functions from the posterior; the same ``seed`` gives the same draws for the same data."""
    share = np.exp([p.log_weight for p in particles])
    counts = np.bincount(_systematic(share / share.sum(), count, 0.5), minlength=len(particles))
    families: dict[int, list[int]] = {}
    for i, p in enumerate(particles):
        if counts[i]:
            families.setdefault(id(p.family), []).append(i)
    blocks, origin, noise = [], [], []
    for members in families.values():
        family = particles[members[0]].family
        thetas = np.array([particles[i].theta[1:] for i in members])
        rngs = [np.random.default_rng([seed, i]) for i in members]
        features = family.basis(thetas, rngs)
        phi = features(data.rows)
        weights, updates = [], []
        for i, rng, known in zip(members, rngs, phi, strict=True):
            p, n = particles[i], int(counts[i])
            w = rng.standard_normal((known.shape[1] + 1, n))
            weights.append(w)
            if len(data):
                fantasy = known @ w[:-1] + np.sqrt(CONSTANT) * w[-1] + p.noise * rng.standard_normal((len(data), n))
                updates.append(solve(p.cholesky, data.values[:, None] - fantasy))
            else:
                updates.append(np.zeros((0, n)))
            origin += [family.name] * n
            noise += [p.noise] * n
        each = tuple(int(counts[i]) for i in members)
        blocks.append(Block(family, thetas, each, features, tuple(weights), tuple(updates), data.rows))
    order = np.random.default_rng([seed, 977]).permutation(count)
    return Draws(tuple(blocks), order, tuple(origin[i] for i in order), np.asarray(noise)[order])


def prior_particles(families: Sequence[Family], shares: Sequence[float], seed: int) -> tuple[Particle, ...]:
    """Particles before any data: hyperparameters from their priors."""
    particles = []
    for i, (family, share) in enumerate(zip(families, shares, strict=True)):
        mean, sd = _prior(family)
        rng = np.random.default_rng([seed, i])
        thetas = mean + sd * np.clip(rng.standard_normal((PRIOR_PARTICLES, len(mean))), -2.5, 2.5)
        weight = float(np.log(share / PRIOR_PARTICLES))
        particles += [Particle(family, t, weight, np.zeros((0, 0)), np.zeros(0)) for t in thetas]
    return tuple(particles)


def moments(particles: Sequence[Particle], data: Data, at: Array) -> tuple[Array, Array, Array]:
    """Weights (k), means (k by m) and variances (k by m, without noise) of the mixture at rows ``at``."""
    kept = [p for p in particles if p.log_weight > -6.0]
    weights = np.exp([p.log_weight for p in kept])
    families: dict[int, list[int]] = {}
    for i, p in enumerate(kept):
        families.setdefault(id(p.family), []).append(i)
    means, variances = np.empty((len(kept), len(at))), np.empty((len(kept), len(at)))
    for members in families.values():
        family = kept[members[0]].family
        thetas = np.array([kept[i].theta[1:] for i in members])
        cross = family.covariances(thetas, family.distances(data.rows, at)) + CONSTANT
        for i, k in zip(members, cross, strict=True):
            half = half_solve(kept[i].cholesky, k)
            means[i] = k.T @ kept[i].alpha
            variances[i] = family.variance(kept[i].theta[1:], at) + CONSTANT - np.sum(half**2, axis=0)
    return weights / weights.sum(), means, np.maximum(variances, 1e-10)
