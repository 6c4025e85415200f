"""Covariance families of finitely many features: response surfaces (``Quadratic``), and nothing at all (``Idle``).

The response surface is that of classical experimental design, linear and quadratic with pairwise products.
Source: Box and Wilson 1951.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from knowhy.engine.encoding import Array
from knowhy.engine.kernels import Features, Slopes


@dataclass(frozen=True)
class Quadratic:
    """Linear, quadratic and pairwise product terms; hyperparameters: log relevances, log curvature.

    The kernel is ``u + c u**2`` with ``u`` the product of relevance-weighted columns centred on [-1, 1].
    """

    slices: tuple[slice, ...]
    name: str = "quadratic"
    measure: str = "products"
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
        out = np.empty((len(self.slices), len(a), len(b)), dtype=np.result_type(a, b))
        for g, s in enumerate(self.slices):
            if s.stop - s.start == 1:
                np.multiply(a[:, s], b[:, s.start], out=out[g])
            else:
                np.matmul(a[:, s], b[:, s].T, out=out[g])
        return out

    def covariances(self, thetas: Array, distances: Array) -> Array:
        """Covariance matrices (particles by rows by others)."""
        d, shape = len(distances), distances.shape[1:]
        thetas = thetas.astype(distances.dtype, copy=False)
        u = np.exp(2.0 * thetas[:, :-1][:, :d]) @ distances.reshape(d, -1)
        return np.asarray((u + np.exp(thetas[:, -1:]) * u * u).reshape(-1, *shape))

    def slopes(self, distances: Array) -> Slopes:
        """Covariance, and its derivatives by log relevances and log curvature."""

        def at(theta: Array) -> tuple[Array, Callable[[], Array]]:
            relevance, curvature = np.exp(2.0 * theta[:-1][: len(distances)]), np.exp(theta[-1])
            u = relevance @ distances
            bent = curvature * u * u

            def derivatives() -> Array:
                out = np.zeros((len(theta), len(u)))
                np.multiply(distances, 2.0 + 4.0 * curvature * u, out=out[: len(distances)])
                out[: len(distances)] *= relevance[:, None]
                out[-1] = bent
                return out

            return u + bent, derivatives

        return at

    def variance(self, theta: Array, rows: Array) -> Array:
        """Diagonal of the covariance."""
        relevance = np.repeat(np.exp(2.0 * theta[: len(self.slices)]), [s.stop - s.start for s in self.slices])
        u = (2.0 * rows - 1.0) ** 2 @ relevance
        return np.asarray(u + np.exp(theta[-1]) * u * u)

    def basis(self, thetas: Array, rngs: Sequence[np.random.Generator]) -> Features:
        """The exact features: weighted columns and their products."""
        width = self.slices[-1].stop if self.slices else 0
        weight = np.zeros((len(thetas), 1, width))
        for g, s in enumerate(self.slices):
            weight[:, 0, s] = np.exp(thetas[:, g, None])
        upper = np.triu_indices(width)
        factor = np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0)) * np.exp(0.5 * thetas[:, -1])[:, None, None]

        def features(rows: Array) -> Array:
            if not width:
                return np.zeros((len(thetas), len(rows), 1))
            centred = 2.0 * rows - 1.0
            products = centred[:, upper[0]] * centred[:, upper[1]]
            pairs = weight[:, :, upper[0]] * weight[:, :, upper[1]] * factor
            return np.concatenate([weight * centred, pairs * products], axis=2)

        return features


@dataclass(frozen=True)
class Idle:
    """Nothing matters: a constant and noise. It keeps luck from being taken for an effect."""

    slices: tuple[slice, ...]
    name: str = "idle"
    measure: str = "shape"
    prior_mean: Array = field(default_factory=lambda: np.zeros(0))
    prior_sd: Array = field(default_factory=lambda: np.zeros(0))

    def distances(self, rows: Array, others: Array) -> Array:
        """Only the shape counts."""
        return np.zeros((1, len(rows), len(others)), dtype=rows.dtype)

    def slopes(self, distances: Array) -> Slopes:
        """Zero, with nothing to change."""
        k, nothing = np.zeros(distances.shape[1]), np.zeros((0, distances.shape[1]))
        return lambda theta: (k, lambda: nothing)

    def variance(self, theta: Array, rows: Array) -> Array:
        """Zero."""
        return np.zeros(len(rows))

    def covariances(self, thetas: Array, distances: Array) -> Array:
        """Zero (particles by rows by others)."""
        return np.zeros((len(thetas), *distances.shape[1:]), dtype=distances.dtype)

    def basis(self, thetas: Array, rngs: Sequence[np.random.Generator]) -> Features:
        """One feature that is always zero."""
        return lambda rows: np.zeros((len(thetas), len(rows), 1))
