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

_NEARLY = 0.0025  # the share of the variance that is left to the discrepancy of a structural theory

Features = Callable[[Array], Array]
Slopes = Callable[[Array], tuple[Array, Callable[[], Array]]]
"""From hyperparameters to the covariance at given distances (m), and its derivatives (hyperparameters by m)."""


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
    def measure(self) -> str:
        """What kind of distances it takes: families of one measure and the same slices can share them."""
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

    def slopes(self, distances: Array) -> Slopes:
        """The covariance and its derivatives as functions of the hyperparameters, at ``distances`` (groups by m)."""
        ...

    def variance(self, theta: Array, rows: Array) -> Array:
        """The diagonal of the covariance of ``rows``."""
        ...

    def covariances(self, thetas: Array, distances: Array) -> Array:
        """The covariance under each of ``thetas`` (particles by rows by others), in the precision of ``distances``."""
        ...

    def basis(self, thetas: Array, rngs: Sequence[np.random.Generator]) -> Features:
        """A map to features whose products approximate the covariance (exact where it is finite).

        Rows to particles by rows by features, for each of ``thetas`` with its own generator.
        """
        ...


class Distances:
    """Distances between two sets of rows, computed once for families that share their measure."""

    def __init__(self, rows: Array, others: Array) -> None:
        """Between ``rows`` and ``others``, in their precision."""
        self._rows, self._others = rows, others
        self._known: dict[str, Array] = {}

    def __call__(self, family: Family) -> Array:
        """What ``family`` needs; of all families asked about, slices are the same."""
        if family.measure not in self._known:
            self._known[family.measure] = family.distances(self._rows, self._others)
        return self._known[family.measure]


def covariance(family: Family, theta: Array, distances: Array) -> Array:
    """The covariance matrix (rows by others) under one vector of hyperparameters."""
    return np.asarray(family.covariances(theta[None], distances)[0])


def _matern(squares: Array) -> Array:
    """Matern-5/2 of squared distances in units of the length."""
    # In place: these are the largest arrays there are, and moving them costs more than the arithmetic.
    s = 5.0 * squares
    np.sqrt(s, out=s)
    k = s * (1.0 / 3.0)
    k += 1.0
    k *= s
    k += 1.0
    np.negative(s, out=s)
    np.exp(s, out=s)
    k *= s
    return np.asarray(k)


def _group_distances(rows: Array, others: Array, slices: Sequence[slice]) -> Array:
    if not slices:
        return np.zeros((0, len(rows), len(others)), dtype=rows.dtype)
    a, b = np.ascontiguousarray(rows.T), np.ascontiguousarray(others.T)
    out = np.empty((len(slices), len(rows), len(others)), dtype=np.result_type(rows, others))
    for g, s in enumerate(slices):
        np.subtract(a[s.start, :, None], b[s.start, None, :], out=out[g])
        out[g] *= out[g]
        for column in range(s.start + 1, s.stop):
            more = a[column, :, None] - b[column, None, :]
            more *= more
            out[g] += more
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

    @property
    def measure(self) -> str:
        """Squares, or those of the combination."""
        return "squares" if self.transform is None else self.name

    def _map(self, rows: Array) -> Array:
        return rows if self.transform is None else self.transform(rows)

    def distances(self, rows: Array, others: Array) -> Array:
        """Squared distances by group (and overall on the original columns, last, for the discrepancy)."""
        out = _group_distances(self._map(rows), self._map(others), self.slices)
        if self.transform is None:
            return out
        whole = _group_distances(rows, others, (slice(0, rows.shape[1]),))
        return np.concatenate([out, whole])

    def covariances(self, thetas: Array, distances: Array) -> Array:
        """Covariance matrices (particles by rows by others)."""
        d, shape = len(self.slices), distances.shape[1:]
        thetas = thetas.astype(distances.dtype, copy=False)
        scales = np.exp(2.0 * thetas[:, :1])
        k = scales * _matern(np.exp(-2.0 * thetas[:, 1 : 1 + d]) @ distances[:d].reshape(d, -1))
        if self.transform is not None:
            k += (_NEARLY * scales) * _matern(4.0 * distances[d].ravel())
        return np.asarray(k.reshape(-1, *shape))

    def slopes(self, distances: Array) -> Slopes:
        """Covariance, and its derivatives by log scale and log lengths."""
        d = len(self.slices)
        squares = distances[:d]
        beside = _NEARLY * _matern(4.0 * distances[d]) if self.transform is not None else 0.0

        def at(theta: Array) -> tuple[Array, Callable[[], Array]]:
            scale, inverse = np.exp(2.0 * theta[0]), np.exp(-2.0 * theta[1 : 1 + d])
            s = np.sqrt(5.0 * (inverse @ squares))
            decay = scale * np.exp(-s)
            k = (1.0 + s + s * s / 3.0) * decay + scale * beside

            def derivatives() -> Array:
                out = np.empty((1 + d, len(k)))
                np.multiply(2.0, k, out=out[0])
                np.multiply(squares, ((5.0 / 3.0) * (1.0 + s)) * decay, out=out[1:])
                out[1:] *= inverse[:, None]
                return out

            return k, derivatives

        return at

    def variance(self, theta: Array, rows: Array) -> Array:
        """Diagonal of the covariance."""
        factor = 1.0 if self.transform is None else 1.0 + _NEARLY
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
    measure: str = "squares"
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

    def covariances(self, thetas: Array, distances: Array) -> Array:
        """Covariance matrices (particles by rows by others)."""
        d, shape = len(self.slices), distances.shape[1:]
        thetas = thetas.astype(distances.dtype, copy=False)
        scales, inverse = np.exp(2.0 * thetas[:, :d]), np.exp(-2.0 * thetas[:, d:])
        flat = distances.reshape(d, -1)
        k = np.empty((len(thetas), flat.shape[1]), dtype=distances.dtype)
        for i in range(len(thetas)):
            np.matmul(scales[i], _matern(inverse[i][:, None] * flat), out=k[i])
        return np.asarray(k.reshape(-1, *shape))

    def slopes(self, distances: Array) -> Slopes:
        """Covariance, and its derivatives by log scales and log lengths."""
        d = len(self.slices)
        root = np.sqrt(5.0 * distances)

        def at(theta: Array) -> tuple[Array, Callable[[], Array]]:
            scales = np.exp(2.0 * theta[:d])
            s = np.exp(-theta[d:])[:, None] * root
            decay = np.exp(-s)
            decay *= scales[:, None]
            third = s * s / 3.0
            each = (1.0 + s + third) * decay

            def derivatives() -> Array:
                return np.concatenate([2.0 * each, third * (1.0 + s) * decay])

            return each.sum(axis=0), derivatives

        return at

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
