"""Where trials succeed: a mixture, weighted by evidence, of sharp limits, smooth regions, and plain bad luck.

Trials that fail for want of memory or time, that blow up, and that fail otherwise are each explained on their own: each
has a mixture, and a trial succeeds where it fails by none of them. Under a draw the latent is the lowest of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import betaln, ndtr, ndtri

from knowhy.engine import boundaries, probit
from knowhy.engine.boundaries import Features, Labelled, Positions
from knowhy.engine.encoding import Array, Encoder
from knowhy.engine.kernels import Ard
from knowhy.engine.predicates import Bits
from knowhy.engine.response import IDENTITY
from knowhy.engine.surface import Remembered, Surface
from knowhy.model.observation import FailureKind
from knowhy.model.theory import FailsWhen

SHARP, SMOOTH, LUCK = 0.5, 0.35, 0.15
BAD_LUCK = (0.5, 6.0)  # beta prior of a rate of failure that no setting changes
CAUSES: Mapping[FailureKind, str] = {
    "out_of_memory": "room",
    "timeout": "room",
    "limit": "room",
    "nan": "numbers",
    "inf": "numbers",
}
_MOST = 120  # trials that the smooth regions rest on
_FEW, _NEGLIGIBLE = 4, 0.003


@dataclass(frozen=True)
class Cause:
    """One way of failing: trials at ``rows``, whether they ``failed`` so, and the weights of what explains it.

    ``weights`` are those of ``limits``, then of the regions ``smooth``, then of luck; they sum to one.
    """

    family: Ard
    features: Features
    limits: tuple[Positions, ...]
    smooth: tuple[probit.Fit, ...]
    rows: Array
    weights: Array
    luck: tuple[float, float]

    def chance(self, at: Array) -> Array:
        """The probability that a trial at each row does not fail so."""
        count, end = len(self.limits), len(self.limits) + len(self.smooth)
        a, b = self.luck
        fails = np.full(len(at), self.weights[-1] * a / (a + b))
        if count:
            fails += boundaries.rate(self.features, self.limits, self.weights[:count], at)
        rest = self.weights[count:end]
        if len(rest):
            fails += rest.sum() - probit.chance(self.family, self.smooth, rest, self.rows, at)
        return np.asarray(np.clip(1.0 - fails, 0.0, 1.0))


@dataclass(frozen=True)
class Latent:
    """Draws of the latent of one cause."""

    sharp: boundaries.Steps
    smooth: probit.Latents | None
    luck: Array
    shuffle: np.ndarray[tuple[int, ...], np.dtype[np.int64]]

    def __call__(self, at: Array) -> Array:
        """The latent at rows ``at`` (draws by rows)."""
        parts = [self.sharp(at), np.repeat(self.luck[:, None], len(at), axis=1)]
        if self.smooth is not None:
            parts.append(self.smooth(at))
        return np.asarray(np.concatenate(parts)[self.shuffle])


class Success:
    """The posterior of success; without trials, the prior."""

    def __init__(
        self,
        encoder: Encoder,
        rows: Array,
        kinds: Sequence[FailureKind | None],
        named: Sequence[FailsWhen],
        count: int,
        seed: int,
    ) -> None:
        """``kinds`` says how the trial at each of ``rows`` failed (None: it did not).

        Limits that are ``named`` by theories get a share of the prior for themselves. ``count`` draws are made.
        """
        self._count, self._seed = count, seed
        causes = ["" if k is None else CAUSES.get(k, "other") for k in kinds]
        features = Features(encoder, named)
        values = features(rows)
        ways = tuple(dict.fromkeys(c for c in causes if c)) or ("other",)
        self.causes = tuple(
            _explained(encoder, features, values, rows, np.array([c == way for c in causes], dtype=bool), keep)
            for way in ways
            for keep in [np.array([c in ("", way) for c in causes], dtype=bool)]
        )

    def probability(self, rows: Array) -> Array:
        """The probability that a trial at each of ``rows`` does not fail."""
        out = np.ones(len(rows))
        for cause in self.causes:
            out *= cause.chance(rows)
        return out

    @cached_property
    def latents(self) -> tuple[Latent, ...]:
        """Draws of the latent of each cause."""
        return tuple(_drawn(c, self._count, np.random.default_rng([self._seed, i])) for i, c in enumerate(self.causes))

    def draws(self, rows: Array) -> Array:
        """The latent at ``rows`` (draws by rows): negative where a trial is more likely to fail than not."""
        return np.asarray(np.minimum.reduce([latent(rows) for latent in self.latents]))

    def failing(self, rows: Array) -> Array:
        """The probability of failure at ``rows`` under each draw (draws by rows)."""
        fine = np.ones((self._count, len(rows)))
        for latent in self.latents:
            fine *= ndtr(latent(rows))
        return 1.0 - fine

    @cached_property
    def surface(self) -> Surface:
        """The latent as predicates need it."""
        return Surface(Remembered(self.draws), IDENTITY, 1.0)


def _explained(encoder: Encoder, features: Features, values: Array, rows: Array, failed: Bits, keep: Bits) -> Cause:
    """All explanations of the trials that ``failed`` one way, among those that ``keep`` marks."""
    rows, values, failed = rows[keep], values[:, keep], failed[keep]
    limits = boundaries.positions(features, Labelled(values, failed))
    sharp = np.array([p.log_weight for p in limits])
    family = Ard("smooth", encoder.slices)
    used = _thin(failed)
    thetas, prior = probit.settings(encoder.slices, _relevance(encoder, features, limits))
    fits = probit.fit(family, thetas, rows[used], failed[used])
    # What the regions did not see is taken to be explained as well by them as what they saw.
    stretch = len(failed) / max(len(used), 1) if len(used) else 1.0
    smooth = prior + stretch * np.array([f.log_evidence for f in fits])
    bad, good = BAD_LUCK[0] + failed.sum(), BAD_LUCK[1] + (~failed).sum()
    luck = float(betaln(bad, good) - betaln(*BAD_LUCK))
    logs = np.r_[sharp + np.log(SHARP), smooth + np.log(SMOOTH), luck + np.log(LUCK)]
    weights = np.exp(logs - np.logaddexp.reduce(logs))
    few, kept = _few(fits, weights[len(limits) : -1])
    weights = np.r_[weights[: len(limits)], kept, weights[-1:]]
    return Cause(family, features, limits, few, rows[used], weights / weights.sum(), (float(bad), float(good)))


def _few(fits: Sequence[probit.Fit], weights: Array) -> tuple[tuple[probit.Fit, ...], Array]:
    """The regions that count, with the weight of all; none where all together hardly do."""
    total = float(weights.sum())
    if total < _NEGLIGIBLE:
        return (), np.zeros(0)
    kept = [int(i) for i in np.argsort(-weights)[:_FEW] if weights[i] > 0.05 * total]
    return tuple(fits[i] for i in kept), weights[kept] * (total / weights[kept].sum())


def _relevance(encoder: Encoder, features: Features, limits: Sequence[Positions]) -> Array:
    """How much weight limits on each parameter have."""
    out = np.zeros(encoder.groups)
    if not limits:
        return out
    most = max(p.log_weight for p in limits)
    for p in limits:
        for f in (p.feature, *(limit.feature for limit in p.fixed)):
            times, over = features.names[f]
            for name in (*times, *over):
                out[encoder.index(name)] += np.exp(p.log_weight - most)
    return out


def _drawn(cause: Cause, count: int, rng: np.random.Generator) -> Latent:
    spots = (np.arange(count) + 0.5) / count
    picked = np.minimum(np.searchsorted(np.cumsum(cause.weights), spots), len(cause.weights) - 1)
    counts = np.bincount(picked, minlength=len(cause.weights))
    at = len(cause.limits)
    sharp = boundaries.draw(cause.features, cause.limits, counts[:at].tolist(), rng)
    smooth = probit.draw(cause.family, cause.smooth, counts[at:-1].tolist(), cause.rows, rng)
    luck = ndtri(1.0 - np.clip(rng.beta(*cause.luck, size=int(counts[-1])), 1e-4, 1.0 - 1e-4))
    return Latent(sharp, smooth, luck, rng.permutation(count))


def _thin(failed: Bits) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The trials that smooth regions rest on: all, or in a long study an even choice from each kind of outcome."""
    n = len(failed)
    if n <= _MOST:
        return np.arange(n)
    out = []
    for mine in (np.flatnonzero(failed), np.flatnonzero(~failed)):
        wanted = max(1, round(_MOST * len(mine) / n))
        out.append(mine[np.linspace(0, len(mine) - 1, min(wanted, len(mine))).astype(int)])
    return np.sort(np.concatenate(out))
