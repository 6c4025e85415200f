"""Covariance families: what a response function may look like.

Each family works on encoded rows and a vector of log hyperparameters. Two of them are here, and two in ``finite``:
anything smooth (``Ard``) and effects that add up (``Additive``).
``Ard`` on transformed columns is a structural theory, with a small discrepancy on the original columns
so that a theory that is nearly true is not punished as false.

Sources: Rasmussen and Williams 2006 (kernels, gradients of the evidence); Rahimi and Recht 2007 (random
features); Kennedy and O'Hagan 2001 (discrepancy).
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

    def covariances(self, thetas: Array, distances: Array) -> Array:
        """The covariance under each of ``thetas`` (particles by rows by others); cheaper than one after another."""
        ...

    def basis(self, thetas: Array, rngs: Sequence[np.random.Generator]) -> Features:
        """A map to features whose products approximate the covariance (exact where it is finite).

        Rows to particles by rows by features, for each of ``thetas`` with its own generator.
        """
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

    def covariances(self, thetas: Array, distances: Array) -> Array:
        """Covariance matrices (particles by rows by others)."""
        d, shape = len(self.slices), distances.shape[1:]
        scales = np.exp(2.0 * thetas[:, :1])
        r2 = np.exp(-2.0 * thetas[:, 1 : 1 + d]) @ distances[:d].reshape(d, -1)
        k = scales * _matern(np.sqrt(r2))
        if self.transform is not None:
            k += (0.0025 * scales) * _matern(2.0 * np.sqrt(distances[d])).ravel()
        return np.asarray(k.reshape(-1, *shape))

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

    def basis(self, thetas: Array, rngs: Sequence[np.random.Generator]) -> Features:
        """Random Fourier features (sine and cosine pairs)."""
        width = self.slices[-1].stop if self.slices else 0
        scale = (np.exp(thetas[:, 0]) / np.sqrt(self.features)).astype(np.float32)[:, None, None]
        omega = np.stack([_frequencies(rng, self.features, width) for rng in rngs])
        for g, s in enumerate(self.slices):
            omega[:, :, s] *= np.exp(-thetas[:, 1 + g])[:, None, None]
        turned = omega.transpose(0, 2, 1).astype(np.float32)

        def features(rows: Array) -> Array:
            # Single precision halves the time and is far below what random features resolve.
            angle = self._map(rows).astype(np.float32) @ turned
            return np.asarray(scale * np.concatenate([np.cos(angle), np.sin(angle)], axis=2))

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

    def covariances(self, thetas: Array, distances: Array) -> Array:
        """Covariance matrices (particles by rows by others)."""
        d = len(self.slices)
        k = np.zeros((len(thetas), *distances.shape[1:]))
        for g in range(d):
            scaled = np.exp(-thetas[:, d + g])[:, None, None] * np.sqrt(distances[g])
            k += np.exp(2.0 * thetas[:, g])[:, None, None] * _matern(scaled)
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

    def basis(self, thetas: Array, rngs: Sequence[np.random.Generator]) -> Features:
        """Random Fourier features for each group."""
        d, count = len(self.slices), self.features
        width = self.slices[-1].stop if d else 0
        # One matrix for all groups: each column of features looks at the columns of its own group.
        omega = np.zeros((len(thetas), width, d * count))
        for i, (theta, rng) in enumerate(zip(thetas, rngs, strict=True)):
            for g, s in enumerate(self.slices):
                drawn = _frequencies(rng, count, s.stop - s.start) * np.exp(-theta[d + g])
                omega[i, s, g * count : (g + 1) * count] = drawn.T
        turned = omega.astype(np.float32)
        scale = np.repeat(np.exp(thetas[:, :d]) / np.sqrt(count), count, axis=1).astype(np.float32)[:, None, :]

        def features(rows: Array) -> Array:
            angle = rows.astype(np.float32) @ turned
            return np.concatenate([np.cos(angle) * scale, np.sin(angle) * scale], axis=2)

        return features
