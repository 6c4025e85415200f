"""Covariance families: what a response function may look like.

Each family works on encoded rows and a vector of log hyperparameters. Four of them stand for four
pictures of the world: anything smooth (``Ard``), effects that add up (``Additive``), the response surface of
classical experimental design, linear and quadratic with pairwise products (``Quadratic``), nothing at all (``Idle``).
``Ard`` on transformed columns is a structural theory, with a small discrepancy on the original columns
so that a theory that is nearly true is not punished as false.

Sources: Rasmussen and Williams 2006 (kernels, gradients of the evidence); Rahimi and Recht 2007 (random
features); Box and Wilson 1951 (response surfaces); Kennedy and O'Hagan 2001 (discrepancy).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from knowhy.engine.encoding import Array

_SQRT5 = float(np.sqrt(5.0))

Features = Callable[[Array], Array]


class Family(Protocol):
    """A covariance family."""

    @property
    def name(self) -> str:
        """What the picture is called."""
        ...

    @property
    def slices(self) -> tuple[slice, ...]:
        """The groups of columns it works on."""
        ...

    @property
    def prior_mean(self) -> Array:
        """Prior means of the log hyperparameters."""
        ...

    @property
    def prior_sd(self) -> Array:
        """Prior standard deviations of the log hyperparameters."""
        ...

    def distances(self, rows: Array, others: Array) -> Array:
        """Whatever the covariance needs of two sets of rows, independent of the hyperparameters."""
        ...

    def covariance(self, theta: Array, distances: Array) -> Array:
        """The covariance matrix (rows by others)."""
        ...

    def gradient(self, theta: Array, distances: Array, weights: Array) -> Array:
        """Sums of ``weights * dK/dtheta`` for each hyperparameter."""
        ...

    def variance(self, theta: Array, rows: Array) -> Array:
        """The diagonal of the covariance of ``rows``."""
        ...

    def basis(self, theta: Array, rng: np.random.Generator) -> Features:
        """A map to features whose products approximate the covariance (exact where it is finite)."""
        ...


def _matern(r: Array) -> Array:
    return (1.0 + _SQRT5 * r + (5.0 / 3.0) * r * r) * np.exp(-_SQRT5 * r)


def _group_distances(rows: Array, others: Array, slices: Sequence[slice]) -> Array:
    out = np.empty((len(slices), len(rows), len(others)))
    for g, s in enumerate(slices):
        if s.stop - s.start == 1:
            diff = rows[:, s.start, None] - others[None, :, s.start]
            np.multiply(diff, diff, out=out[g])
        else:
            diff = rows[:, None, s] - others[None, :, s]
            out[g] = np.einsum("ijk,ijk->ij", diff, diff)
    return out


def _frequencies(rng: np.random.Generator, count: int, columns: int) -> Array:
    """Spectral draws of a Matern-5/2 kernel: a multivariate t with 5 degrees of freedom."""
    normal = rng.standard_normal((count, columns))
    return normal / np.sqrt(rng.chisquare(5, size=(count, 1)) / 5.0)


@dataclass(frozen=True)
class Ard:
    """Matern-5/2 with one length scale for each group of columns; hyperparameters: log scale, log lengths.

    ``transform`` maps the encoded rows to the columns that a structural theory says count; without one
    it is the catch-all. Where there is one, 5% of the scale is left to a smooth discrepancy on the original columns.
    ``sparse`` expects most parameters to do nothing.
    """

    name: str
    slices: tuple[slice, ...]
    transform: Features | None = None
    sparse: bool = False
    features: int = 64
    prior_mean: Array = field(init=False)
    prior_sd: Array = field(init=False)

    def __post_init__(self) -> None:
        """Set priors: lengths grow with the dimension (Hvarfner et al. 2024), more gently.

        Chosen by the log score of the next trial on studies of real trainings.
        """
        d = max(len(self.slices), 1)
        length, sd = (np.log(2.5), 1.5) if self.sparse else (np.log(0.5) + 0.25 * np.log(d), 0.9)
        object.__setattr__(self, "prior_mean", np.r_[0.0, np.full(d, length)])
        object.__setattr__(self, "prior_sd", np.r_[0.5, np.full(d, sd)])

    def _map(self, rows: Array) -> Array:
        return rows if self.transform is None else self.transform(rows)

    def distances(self, rows: Array, others: Array) -> Array:
        """Squared distances by group (and overall on the original columns, last, for the discrepancy)."""
        out = _group_distances(self._map(rows), self._map(others), self.slices)
        if self.transform is None:
            return out
        whole = _group_distances(rows, others, (slice(0, rows.shape[1]),))
        return np.concatenate([out, whole])

    def covariance(self, theta: Array, distances: Array) -> Array:
        """Covariance matrix (rows by others)."""
        d = len(self.slices)
        r2 = np.tensordot(np.exp(-2.0 * theta[1 : 1 + d]), distances[:d], axes=1)
        k = np.exp(2.0 * theta[0]) * _matern(np.sqrt(r2))
        if self.transform is not None:
            k += 0.0025 * np.exp(2.0 * theta[0]) * _matern(2.0 * np.sqrt(distances[d]))
        return np.asarray(k)

    def gradient(self, theta: Array, distances: Array, weights: Array) -> Array:
        """Sums of weights times derivatives by log scale and log lengths."""
        d = len(self.slices)
        inverse = np.exp(-2.0 * theta[1 : 1 + d])
        r = np.sqrt(np.tensordot(inverse, distances[:d], axes=1))
        e = np.exp(2.0 * theta[0] - _SQRT5 * r)
        out = np.empty(1 + d)
        out[0] = 2.0 * np.sum(weights * self.covariance(theta, distances))
        slope = weights * ((5.0 / 3.0) * (1.0 + _SQRT5 * r) * e)
        out[1:] = inverse * np.tensordot(distances[:d], slope, axes=([1, 2], [0, 1]))
        return out

    def variance(self, theta: Array, rows: Array) -> Array:
        """Diagonal of the covariance."""
        factor = 1.0 if self.transform is None else 1.0025
        return np.full(len(rows), factor * np.exp(2.0 * theta[0]))

    def basis(self, theta: Array, rng: np.random.Generator) -> Features:
        """Random Fourier features (sine and cosine pairs)."""
        d = len(self.slices)
        width = self.slices[-1].stop if d else 0
        scale = np.float32(np.exp(theta[0]) / np.sqrt(self.features))
        omega = _frequencies(rng, self.features, width)
        for g, s in enumerate(self.slices):
            omega[:, s] *= np.exp(-theta[1 + g])
        turned = omega.T.astype(np.float32)

        def features(rows: Array) -> Array:
            # Single precision halves the time and is far below what random features resolve.
            angle = self._map(rows).astype(np.float32) @ turned
            return np.asarray(scale * np.concatenate([np.cos(angle), np.sin(angle)], axis=1))

        return features


@dataclass(frozen=True)
class Additive:
    """A sum of one-dimensional Matern-5/2 kernels; hyperparameters: log scales, then log lengths."""

    slices: tuple[slice, ...]
    name: str = "additive"
    features: int = 16
    prior_mean: Array = field(init=False)
    prior_sd: Array = field(init=False)

    def __post_init__(self) -> None:
        """Set priors: together the effects have about the scale of the data."""
        d = max(len(self.slices), 1)
        object.__setattr__(self, "prior_mean", np.r_[np.full(d, -0.5 * np.log(d) - 0.7), np.full(d, np.log(0.6))])
        object.__setattr__(self, "prior_sd", np.r_[np.full(d, 1.4), np.full(d, 0.7)])

    def distances(self, rows: Array, others: Array) -> Array:
        """Squared distances by group."""
        return _group_distances(rows, others, self.slices)

    def covariance(self, theta: Array, distances: Array) -> Array:
        """Covariance matrix (rows by others)."""
        d = len(self.slices)
        k = np.zeros(distances.shape[1:])
        for g in range(d):
            k += np.exp(2.0 * theta[g]) * _matern(np.sqrt(distances[g]) * np.exp(-theta[d + g]))
        return k

    def gradient(self, theta: Array, distances: Array, weights: Array) -> Array:
        """Sums of weights times derivatives by log scales and log lengths."""
        d = len(self.slices)
        out = np.empty(2 * d)
        for g in range(d):
            r = np.sqrt(distances[g]) * np.exp(-theta[d + g])
            e = np.exp(2.0 * theta[g] - _SQRT5 * r)
            out[g] = 2.0 * np.sum(weights * (1.0 + _SQRT5 * r + (5.0 / 3.0) * r * r) * e)
            out[d + g] = np.sum(weights * (5.0 / 3.0) * r * r * (1.0 + _SQRT5 * r) * e)
        return out

    def variance(self, theta: Array, rows: Array) -> Array:
        """Diagonal of the covariance."""
        return np.full(len(rows), float(np.sum(np.exp(2.0 * theta[: len(self.slices)]))))

    def basis(self, theta: Array, rng: np.random.Generator) -> Features:
        """Random Fourier features for each group."""
        d = len(self.slices)
        parts = [
            (
                s,
                (_frequencies(rng, self.features, s.stop - s.start) * np.exp(-theta[d + g])).T.astype(np.float32),
                np.float32(np.exp(theta[g]) / np.sqrt(self.features)),
            )
            for g, s in enumerate(self.slices)
        ]

        def features(rows: Array) -> Array:
            single = rows.astype(np.float32)
            out = []
            for s, turned, scale in parts:
                angle = single[:, s] @ turned
                out += [np.cos(angle) * scale, np.sin(angle) * scale]
            return np.concatenate(out, axis=1)

        return features


@dataclass(frozen=True)
class Quadratic:
    """Linear, quadratic and pairwise product terms; hyperparameters: log relevances, log curvature.

    The kernel is ``u + c u**2`` with ``u`` the product of relevance-weighted columns centred on [-1, 1].
    """

    slices: tuple[slice, ...]
    name: str = "quadratic"
    prior_mean: Array = field(init=False)
    prior_sd: Array = field(init=False)

    def __post_init__(self) -> None:
        """Set priors: a few effects of the scale of the data."""
        d = max(len(self.slices), 1)
        object.__setattr__(self, "prior_mean", np.r_[np.full(d, -0.5 * np.log(d) - 0.5), 0.0])
        object.__setattr__(self, "prior_sd", np.r_[np.full(d, 1.4), 0.8])

    def distances(self, rows: Array, others: Array) -> Array:
        """Products of centred columns by group."""
        a, b = 2.0 * rows - 1.0, 2.0 * others - 1.0
        return np.stack([a[:, s] @ b[:, s].T for s in self.slices]) if self.slices else np.zeros((0, len(a), len(b)))

    def covariance(self, theta: Array, distances: Array) -> Array:
        """Covariance matrix (rows by others)."""
        u = np.tensordot(np.exp(2.0 * theta[:-1][: len(distances)]), distances, axes=1)
        return np.asarray(u + np.exp(theta[-1]) * u * u)

    def gradient(self, theta: Array, distances: Array, weights: Array) -> Array:
        """Sums of weights times derivatives by log relevances and log curvature."""
        relevance = np.exp(2.0 * theta[:-1][: len(distances)])
        curvature = np.exp(theta[-1])
        u = np.tensordot(relevance, distances, axes=1)
        slope = weights * (1.0 + 2.0 * curvature * u)
        out = np.zeros(len(theta))
        out[: len(distances)] = 2.0 * relevance * np.tensordot(distances, slope, axes=([1, 2], [0, 1]))
        out[-1] = curvature * np.sum(weights * u * u)
        return out

    def variance(self, theta: Array, rows: Array) -> Array:
        """Diagonal of the covariance."""
        c = 2.0 * rows - 1.0
        u = sum(
            (np.exp(2.0 * theta[g]) * np.sum(c[:, s] ** 2, axis=1) for g, s in enumerate(self.slices)),
            np.zeros(len(rows)),
        )
        return np.asarray(u + np.exp(theta[-1]) * u * u)

    def basis(self, theta: Array, rng: np.random.Generator) -> Features:
        """The exact features: weighted columns and their products."""
        width = self.slices[-1].stop if self.slices else 0
        weight = np.zeros(width)
        for g, s in enumerate(self.slices):
            weight[s] = np.exp(theta[g])
        upper = np.triu_indices(width)
        factor = np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0)) * np.exp(0.5 * theta[-1])

        def features(rows: Array) -> Array:
            if not width:
                return np.zeros((len(rows), 1))
            z = (2.0 * rows - 1.0) * weight
            return np.concatenate([z, z[:, upper[0]] * z[:, upper[1]] * factor], axis=1)

        return features


@dataclass(frozen=True)
class Idle:
    """Nothing matters: a constant and noise. It keeps luck from being taken for an effect."""

    slices: tuple[slice, ...]
    name: str = "idle"
    prior_mean: Array = field(default_factory=lambda: np.zeros(0))
    prior_sd: Array = field(default_factory=lambda: np.zeros(0))

    def distances(self, rows: Array, others: Array) -> Array:
        """Only the shape counts."""
        return np.zeros((1, len(rows), len(others)))

    def covariance(self, theta: Array, distances: Array) -> Array:
        """Zero (rows by others)."""
        return np.zeros(distances.shape[1:])

    def gradient(self, theta: Array, distances: Array, weights: Array) -> Array:
        """Nothing to change."""
        return np.zeros(0)

    def variance(self, theta: Array, rows: Array) -> Array:
        """Zero."""
        return np.zeros(len(rows))

    def basis(self, theta: Array, rng: np.random.Generator) -> Features:
        """One feature that is always zero."""
        return lambda rows: np.zeros((len(rows), 1))
