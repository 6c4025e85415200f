"""The posterior over response functions: a mixture of Gaussian process models weighted by evidence.

Each family (see ``kernels``) is fitted to the data (see ``fitting``); between fits, its particles are reweighted by the
evidence of new data, which is exact. From the mixture, response functions are drawn by pathwise conditioning (Wilson et
al. 2020): prior features plus an exact update, so that they can be evaluated anywhere in matrix form, which is done in
single precision. Units here are standard ones (see ``response``).

Source: Wilson et al. 2020.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from knowhy.engine.encoding import Array
from knowhy.engine.fitting import (
    CONSTANT,
    Data,
    Fit,
    cholesky,
    covariances,
    half_solve,
    log_likelihood,
    prior,
    solve,
    systematic,
)
from knowhy.engine.kernels import Distances, Family, Features

Single = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

PRIOR_PARTICLES = 24  # before data they cost no factorisation, and with few of them priors would be rough
LEADING = 0.99  # the share of the mixture that moments are taken of: the rest are many particles that say little
_BLOCK = 128
_HOPELESS = 12.0  # nats behind the best family: its particles would never be drawn


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


def _factors(family: Family, thetas: Array, data: Data, distances: Distances) -> Iterator[tuple[Array, Array]]:
    """For each of ``thetas``, the factor of the covariance of ``data``, and what solves for its values."""
    for each in covariances(family, thetas, data, distances(family)):
        low = cholesky(each.T)  # as LAPACK has it, by columns: symmetric, so that it is the same
        yield low, solve(low, data.values)


def condition(fits: Sequence[Fit], shares: Sequence[float], seen: int, data: Data) -> tuple[Particle, ...]:
    """Particles of all ``fits``, weighted by share, evidence, and the data since the fit.

    ``shares`` are prior weights of the families; the fits used the first ``seen`` observations of ``data``.
    """
    worth = [np.log(share) + f.log_evidence for f, share in zip(fits, shares, strict=True)]
    particles = []
    distances = Distances(data.rows, data.rows)
    for f, start in zip(fits, worth, strict=True):
        if start < max(worth) - _HOPELESS:
            continue
        factors = _factors(f.family, f.thetas, data, distances)
        for (low, alpha), theta, log_weight, known in zip(
            factors, f.thetas, f.log_weights, f.log_likelihoods, strict=True
        ):
            total = start + log_weight
            if len(data) > seen:
                total += log_likelihood(low, alpha, data.values) - known
            particles.append(Particle(f.family, theta, float(total), low, alpha))
    highest = max(p.log_weight for p in particles)
    norm = highest + np.log(sum(np.exp(p.log_weight - highest) for p in particles))
    return tuple(replace(p, log_weight=p.log_weight - norm) for p in particles)


def believe(particles: Sequence[Particle], data: Data) -> tuple[Particle, ...]:
    """``particles`` with the same weights, as if ``data`` were what they rest on."""
    distances = Distances(data.rows, data.rows)
    out = []
    for members in _by_family(particles):
        thetas = np.array([p.theta for p in members])
        factors = _factors(members[0].family, thetas, data, distances)
        out += [replace(p, cholesky=low, alpha=alpha) for p, (low, alpha) in zip(members, factors, strict=True)]
    return tuple(out)


def _by_family(particles: Sequence[Particle]) -> list[list[Particle]]:
    found: dict[int, list[Particle]] = {}
    for p in particles:
        found.setdefault(id(p.family), []).append(p)
    return list(found.values())


@dataclass(frozen=True)
class Block:
    """Draws that share a family: ``counts`` of them under each of ``thetas`` (particles by hyperparameters)."""

    family: Family
    thetas: Array
    counts: tuple[int, ...]
    features: Features
    weights: tuple[Single, ...]
    updates: tuple[Single, ...]

    def __call__(self, at: Array, distances: Distances | None) -> Single:
        """Values of the draws (draws by points) at ``at``, at ``distances`` from the data (None: there are none)."""
        out: Single = np.empty((sum(self.counts), len(at)), dtype=np.float32)
        phi = self.features(at)
        cross = None if distances is None else self.family.covariances(self.thetas, distances(self.family))
        end = 0
        for i, (n, w, update) in enumerate(zip(self.counts, self.weights, self.updates, strict=True)):
            part = out[end : end + n]
            np.matmul(w[:-1].T, phi[i].T, out=part)
            mean = w[-1] * np.sqrt(CONSTANT)
            if cross is not None:
                part += update.T @ cross[i]
                mean = mean + CONSTANT * update.sum(axis=0)
            part += mean.astype(np.float32)[:, None]
            end += n
        return out


@dataclass(frozen=True)
class Draws:
    """S response functions drawn from the mixture; ``origin`` names the family of each, ``noise`` its noise sd."""

    blocks: tuple[Block, ...]
    shuffle: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    origin: tuple[str, ...]
    noise: Array
    rows: Array

    def __len__(self) -> int:
        """How many functions."""
        return len(self.origin)

    def __call__(self, at: Array) -> Array:
        """Values at rows ``at`` (draws by points)."""
        single = cast(Array, at.astype(np.float32))  # what takes either precision is typed for one
        out = np.empty((len(self), len(at)))
        for start in range(0, len(at), _BLOCK):
            part = single[start : start + _BLOCK]
            distances = Distances(self.rows, part) if len(self.rows) else None
            drawn = np.concatenate([b(part, distances) for b in self.blocks])
            out[:, start : start + _BLOCK] = drawn[self.shuffle]
        return out


def draw(particles: Sequence[Particle], data: Data, count: int, seed: int) -> Draws:
    """``count`` functions from the posterior; the same ``seed`` gives the same draws for the same data."""
    share = np.exp([p.log_weight for p in particles])
    counts = np.bincount(systematic(share / share.sum(), count, 0.5), minlength=len(particles))
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
            w = rng.standard_normal((known.shape[1] + 1, n), dtype=np.float32)
            weights.append(w)
            update: Array = np.zeros((0, n))
            if len(data):
                seen = known @ w[:-1] + np.sqrt(CONSTANT) * w[-1] + data.noise(p.noise**2, rng, n)
                update = solve(p.cholesky, data.values[:, None] - seen)
            updates.append(update.astype(np.float32))
            origin += [family.name] * n
            noise += [p.noise] * n
        each = tuple(int(counts[i]) for i in members)
        blocks.append(Block(family, thetas.astype(np.float32), each, features, tuple(weights), tuple(updates)))
    order = np.random.default_rng([seed, 977]).permutation(count)
    names = tuple(origin[i] for i in order)
    return Draws(tuple(blocks), order, names, np.asarray(noise)[order], data.rows.astype(np.float32))


def prior_particles(families: Sequence[Family], shares: Sequence[float], seed: int) -> tuple[Particle, ...]:
    """Particles before any data: hyperparameters from their priors."""
    particles = []
    for i, (family, share) in enumerate(zip(families, shares, strict=True)):
        mean, sd = prior(family)
        rng = np.random.default_rng([seed, i])
        thetas = mean + sd * np.clip(rng.standard_normal((PRIOR_PARTICLES, len(mean))), -2.5, 2.5)
        weight = float(np.log(share / PRIOR_PARTICLES))
        particles += [Particle(family, t, weight, np.zeros((0, 0)), np.zeros(0)) for t in thetas]
    return tuple(particles)


def leading(particles: Sequence[Particle]) -> list[Particle]:
    """The heaviest particles that together make up nearly all of the mixture, in their order."""
    return heaviest(particles, LEADING)


def heaviest(particles: Sequence[Particle], share: float) -> list[Particle]:
    """The heaviest particles that together make up ``share`` of the mixture (0 to 1), in their order."""
    weights = np.exp([p.log_weight for p in particles])
    order = np.argsort(-weights)
    needed = int(np.searchsorted(np.cumsum(weights[order]), share * weights.sum())) + 1
    return [particles[i] for i in sorted(order[:needed])]


def moments(particles: Sequence[Particle], data: Data, at: Array) -> tuple[Array, Array, Array]:
    """Weights (k), means (k by m) and variances (k by m, without noise) of the mixture at rows ``at``."""
    kept = leading(particles)
    means, variances = np.empty((len(kept), len(at))), np.empty((len(kept), len(at)))
    for i, p, part, k in _crossed(kept, data, at):
        means[i, part] = k @ p.alpha
        half = half_solve(p.cholesky, k.T)
        np.einsum("nm,nm->m", half, half, out=variances[i, part])
    for i, p in enumerate(kept):
        variances[i] = p.family.variance(p.theta[1:], at) + CONSTANT - variances[i]
    return _shares(kept), means, np.maximum(variances, 1e-10)


def means(particles: Sequence[Particle], data: Data, at: Array) -> tuple[Array, Array]:
    """Weights (k) and means (k by m) of the mixture at rows ``at``: what ``moments`` says, at a part of its cost."""
    kept = leading(particles)
    out = np.empty((len(kept), len(at)))
    for i, p, part, k in _crossed(kept, data, at):
        out[i, part] = k @ p.alpha
    return _shares(kept), out


def _shares(particles: Sequence[Particle]) -> Array:
    weights = np.exp([p.log_weight for p in particles])
    return np.asarray(weights / weights.sum())


def _crossed(particles: Sequence[Particle], data: Data, at: Array) -> Iterator[tuple[int, Particle, slice, Array]]:
    """For each particle, by number, and each part of ``at``: the covariance of the part (rows) with ``data``.

    In parts that fit a processor's cache, whatever the number of rows: large arrays cost more to move than to compute.
    """
    order = {id(p): i for i, p in enumerate(particles)}
    groups = [(m[0].family, np.array([p.theta[1:] for p in m]), m) for m in _by_family(particles)]
    for start in range(0, len(at), _BLOCK):
        part = slice(start, min(start + _BLOCK, len(at)))
        distances = Distances(at[part], data.rows)
        for family, thetas, members in groups:
            cross = family.covariances(thetas, distances(family))
            cross += CONSTANT
            for p, k in zip(members, cross, strict=True):
                yield order[id(p)], p, part, k
