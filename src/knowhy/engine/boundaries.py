"""Sharp limits beyond which trials fail: of a parameter, of a product or ratio of two, of a choice.

A limit is a threshold on one *feature* of a configuration; on its far side trials fail at one rate, on its near side
at another, both unknown (beta distributions). Between two neighbouring observations every threshold says the same, so
that the evidence of all thresholds of all features is exact, and costs a sort and a few sums. Where trials fail on the
near side of the best limit too, a second and a third one are looked for beside it.

Source: the change-point model with conjugate rates (Smith 1975), over many features at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from scipy.special import gammaln, ndtri

from knowhy.engine.encoding import Array, Encoder
from knowhy.engine.predicates import Bits
from knowhy.model.space import Choices, Interval
from knowhy.model.theory import FailsWhen

Names = tuple[tuple[str, ...], tuple[str, ...]]
"""The parameters that are multiplied, and those that are divided by."""

SINGLE, PRODUCT, RATIO = 0.5, 0.3, 0.2
UPWARD = 0.8
NAMED = 0.4  # the share of the prior that is left to limits that theories name
FAR = ((4.0, 0.05), (2.0, 1.0))  # beta priors of the rate of failure beyond a limit: nearly all, or many
FAR_SHARES = (0.75, 0.25)
NEAR = (0.2, 6.0)  # and on the near side: next to none
_ANOTHER = 0.15  # prior odds of one more limit beside those that are there
_DEEPEST, _BEAM = 3, 4
_KEPT, _NEGLIGIBLE = 40, 7.0
_SURE = 1e-4


class Features:
    """The numbers of a configuration that may have a limit, as linear maps of its encoded row (and of logs)."""

    def __init__(self, encoder: Encoder, named: Sequence[FailsWhen] = ()) -> None:
        """All single parameters, products and ratios of two positive ones, choices; and what ``named`` speak of."""
        self.encoder = encoder
        self._logs: list[tuple[int, Interval]] = []
        positive: list[tuple[str, int]] = []
        names: list[Names] = []
        columns: list[dict[int, float]] = []
        shares: list[float] = []
        width = encoder.columns
        for p, s in zip(encoder.parameters, encoder.slices, strict=True):
            if isinstance(p.domain, Choices):
                for c in range(s.start, s.stop):
                    names.append(((p.name,), ()))
                    columns.append({c: 1.0 if s.stop - s.start == 1 else float(np.sqrt(2.0))})
                    shares.append(SINGLE / (s.stop - s.start))
                continue
            names.append(((p.name,), ()))
            columns.append({s.start: 1.0})
            shares.append(SINGLE)
            if p.domain.low > 0:
                positive.append((p.name, width + len(self._logs)))
                self._logs.append((s.start, p.domain))
        singles = len(names)
        for (a, i), (b, j) in combinations(positive, 2):
            names += [((a, b), ()), ((a,), (b,))]
            columns += [{i: 1.0, j: 1.0}, {i: 1.0, j: -1.0}]
        pairs = max(len(positive) * (len(positive) - 1) // 2, 1)
        shares = [s / max(len(encoder.names), 1) for s in shares]
        shares += [PRODUCT / pairs, RATIO / pairs] * ((len(names) - singles) // 2)
        at = dict(positive)
        spoken: list[int] = []
        for claim in named:
            found = next((k for k, n in enumerate(names) if n == names_of(claim)), None)
            swapped = tuple(sorted(claim.parameters))
            if found is None and len(swapped) > 1:
                found = next((k for k, n in enumerate(names) if not n[1] and tuple(sorted(n[0])) == swapped), None)
            if found is None and len(claim.parameters) > 1 and all(n in at for n in claim.parameters):
                found = len(names)
                names.append(names_of(claim))
                columns.append({at[n]: float(claim.parameters.count(n)) for n in claim.parameters})
                shares.append(0.0)
            if found is not None:
                spoken.append(found)
        self.names = tuple(names)
        self._map = np.zeros((width + len(self._logs), len(names)))
        for k, parts in enumerate(columns):
            for row, factor in parts.items():
                self._map[row, k] = factor
        prior = np.array(shares)
        if spoken:
            extra = np.bincount(list(dict.fromkeys(spoken)), minlength=len(prior))
            prior = (1.0 - NAMED) * prior / prior.sum() + NAMED * extra / extra.sum()
        with np.errstate(divide="ignore"):
            self.log_prior = np.log(prior / prior.sum())
        # Too much of two things together is a common reason, too little of both is not.
        much = np.array([UPWARD if len(times) > 1 else 0.5 for times, _ in self.names])
        self.log_sides = np.log(np.array([1.0 - much, much]))
        low = np.r_[np.zeros(width), [np.log(d.low) for _, d in self._logs]]
        high = np.r_[np.ones(width), [np.log(d.high) for _, d in self._logs]]
        up, down = np.maximum(self._map, 0.0), np.minimum(self._map, 0.0)
        self.low, self.high = low @ up + high @ down, high @ up + low @ down

    def __call__(self, rows: Array, chosen: Sequence[int] | None = None) -> Array:
        """Values of the features (or the ``chosen`` ones) at ``rows`` (features by rows)."""
        logs = [_log(d, rows[:, c]) for c, d in self._logs]
        base = np.concatenate([rows, np.array(logs).T], axis=1) if logs else rows
        picked = self._map if chosen is None else self._map[:, list(chosen)]
        return np.asarray((base @ picked).T)


def names_of(claim: FailsWhen) -> Names:
    """What ``claim`` speaks of."""
    return claim.parameters, ()


def _log(domain: Interval, unit: Array) -> Array:
    if domain.scale == "log":
        return np.asarray(np.log(domain.low) + unit * np.log(domain.high / domain.low))
    return np.asarray(np.log(domain.low + unit * (domain.high - domain.low)))


@dataclass(frozen=True)
class Limit:
    """Trials fail where a feature is above (or below) a threshold."""

    feature: int
    above: bool
    threshold: float


@dataclass(frozen=True)
class Positions:
    """Every position that one more limit may have on one feature, beside those that are ``fixed``.

    Cells lie between ``edges`` (cells + 1); ``log_weights`` (kinds of far side by cells) are joint log evidences.
    ``inside`` and ``outside`` count the failed and the finished trials on the far and on the near side of each cell.
    """

    fixed: tuple[Limit, ...]
    feature: int
    above: bool
    edges: Array
    log_weights: Array
    inside: tuple[Array, Array]
    outside: tuple[Array, Array]

    @cached_property
    def far(self) -> Array:
        """Beta parameters of the rate of failure on the far side (kinds by cells by 2)."""
        return np.array([np.array([self.inside[0] + a, self.inside[1] + b]).T for a, b in FAR])

    @cached_property
    def near(self) -> Array:
        """Beta parameters of the rate of failure on the near side (cells by 2)."""
        return np.array([self.outside[0] + NEAR[0], self.outside[1] + NEAR[1]]).T

    @cached_property
    def log_weight(self) -> float:
        """The log evidence of all positions together."""
        return float(np.logaddexp.reduce(self.log_weights, axis=None))

    def best(self) -> tuple[int, float]:
        """The likeliest cell, and its log evidence."""
        each = np.logaddexp.reduce(self.log_weights, axis=0)
        cell = int(np.argmax(each))
        return cell, float(each[cell])


@dataclass(frozen=True)
class Labelled:
    """Trials by their features (features by trials), and whether each failed."""

    values: Array
    failed: Bits


def positions(features: Features, seen: Labelled) -> tuple[Positions, ...]:
    """The limits that explain the failures, each with all its positions; those of next to no weight are left out."""
    found = _search(features, seen, (), 0.0)
    frontier = sorted(found, key=lambda p: -p.log_weight)[:_BEAM]
    for depth in range(2, _DEEPEST + 1):
        deeper: list[Positions] = []
        for p in frontier:
            cell, evidence = p.best()
            limit = Limit(p.feature, p.above, float(0.5 * (p.edges[cell] + p.edges[cell + 1])))
            fixed = (*p.fixed, limit)
            beyond = _beyond(seen.values, fixed)
            if not (seen.failed & ~beyond).any():
                continue
            # Its other positions count as if they were as good with one more limit as the best one is.
            share = p.log_weight - evidence + _prior_of(features, p, cell)
            price = np.log(_ANOTHER) - np.log(depth)
            deeper += _search(features, seen, fixed, float(share + price))
        if not deeper:
            break
        deeper.sort(key=lambda p: -p.log_weight)
        found += deeper[:_KEPT]
        frontier = deeper[:_BEAM]
    found.sort(key=lambda p: -p.log_weight)
    most = _KEPT if len(seen.failed) else len(found)
    return tuple(p for p in found[:most] if p.log_weight > found[0].log_weight - _NEGLIGIBLE)


def _prior_of(features: Features, p: Positions, cell: int) -> float:
    """The log prior of one cell, that of the limits before it included."""
    length = (p.edges[cell + 1] - p.edges[cell]) / max(features.high[p.feature] - features.low[p.feature], 1e-12)
    side = features.log_sides[int(p.above), p.feature]
    return float(features.log_prior[p.feature] + side + np.log(max(length, 1e-12)))


def _beyond(values: Array, limits: Sequence[Limit]) -> Bits:
    out = np.zeros(values.shape[1], dtype=bool)
    for limit in limits:
        out |= (values[limit.feature] > limit.threshold) == limit.above
    return out


def _search(features: Features, seen: Labelled, fixed: tuple[Limit, ...], log_share: float) -> list[Positions]:
    """One more limit on every feature and side, for the trials that ``fixed`` do not account for."""
    beyond = _beyond(seen.values, fixed)
    values, failed = seen.values[:, ~beyond], seen.failed[~beyond]
    far_failed, far_fine = int((seen.failed & beyond).sum()), int((~seen.failed & beyond).sum())
    n = len(failed)
    order = np.argsort(values, axis=1)
    low, high = features.low[:, None], features.high[:, None]
    edges = np.concatenate([low, np.clip(np.take_along_axis(values, order, axis=1), low, high), high], axis=1)
    lengths = np.maximum(np.diff(edges, axis=1), 0.0) / np.maximum(high - low, 1e-12)
    below = np.concatenate([np.zeros((len(order), 1), dtype=int), np.cumsum(failed[order], axis=1)], axis=1)
    passed = np.arange(n + 1)[None] - below
    fails, fine = int(failed.sum()), n - int(failed.sum())
    table = _Table(len(seen.failed))
    with np.errstate(divide="ignore"):
        prior = features.log_prior[:, None] + np.log(lengths) + log_share
    sides = ((True, fails - below, fine - passed), (False, below, passed))
    out: list[Positions] = []
    for above, inside_failed, inside_fine in sides:
        outside = (fails - inside_failed, fine - inside_fine)
        base = prior + features.log_sides[int(above)][:, None] + table(NEAR, *outside)
        inside = (inside_failed + far_failed, inside_fine + far_fine)
        logs = np.stack(
            [base + table(far, *inside) + np.log(share) for far, share in zip(FAR, FAR_SHARES, strict=True)]
        )
        total = np.logaddexp.reduce(np.logaddexp.reduce(logs, axis=0), axis=1)
        for f in np.argsort(-total)[: _KEPT if n else None]:
            if total[f] < total.max() - _NEGLIGIBLE:
                break
            one, two = (inside[0][f], inside[1][f]), (outside[0][f], outside[1][f])
            out.append(Positions(fixed, int(f), above, edges[f], logs[:, f], one, two))
    return out


class _Table:
    """Log evidence of counts of failed and finished trials under a beta prior, for all counts up to ``most``."""

    def __init__(self, most: int) -> None:
        self._counts = np.arange(most + 1)

    def __call__(self, prior: tuple[float, float], failed: Array, fine: Array) -> Array:
        a, b = prior
        start = gammaln(a + b) - gammaln(a) - gammaln(b)
        one, two, both = (gammaln(self._counts + x) for x in (a, b, a + b))
        return np.asarray(one[failed] + two[fine] - both[failed + fine] + start)


def rate(features: Features, found: Sequence[Positions], weights: Array, rows: Array) -> Array:
    """The probability of failure at ``rows`` under ``found``, each in proportion to its share in ``weights``."""
    used = sorted({p.feature for p in found} | {limit.feature for p in found for limit in p.fixed})
    place = {f: k for k, f in enumerate(used)}
    values = features(rows, used)
    out = np.zeros(len(rows))
    for p, weight in zip(found, weights, strict=True):
        each = np.exp(p.log_weights - p.log_weight) * weight
        far = (each * p.far[:, :, 0] / p.far.sum(axis=2)).sum(axis=0)
        near = each.sum(axis=0) * p.near[:, 0] / p.near.sum(axis=1)
        first, last = (far, near) if p.above else (near, far)
        # A threshold below the value puts it above: cells that are passed, and the rest; in between it is a line.
        course = np.r_[0.0, np.cumsum(first)] + last.sum() - np.r_[0.0, np.cumsum(last)]
        here = np.interp(values[place[p.feature]], p.edges, course)
        for limit in p.fixed:
            beyond = (values[place[limit.feature]] > limit.threshold) == limit.above
            here = np.where(beyond, far.sum(), here)
        out += here
    return out


@dataclass(frozen=True)
class Steps:
    """Draws of limits: by draw its limits (of ``groups``), a threshold, and the latent beyond and on the near side."""

    features: Features
    used: tuple[int, ...]
    groups: tuple[tuple[Positions, Bits], ...]
    thresholds: Array
    beyond: Array
    near: Array

    def __call__(self, rows: Array) -> Array:
        """The latent at ``rows`` (draws by rows): negative where a trial is more likely to fail than not."""
        values = self.features(rows, self.used)
        place = {f: k for k, f in enumerate(self.used)}
        out = np.empty((len(self.thresholds), len(rows)))
        for p, mine in self.groups:
            over = (values[place[p.feature]][None] > self.thresholds[mine, None]) == p.above
            for limit in p.fixed:
                over |= ((values[place[limit.feature]] > limit.threshold) == limit.above)[None]
            out[mine] = np.where(over, self.beyond[mine, None], self.near[mine, None])
        return out


def draw(features: Features, found: Sequence[Positions], counts: Sequence[int], rng: np.random.Generator) -> Steps:
    """``counts`` draws from each of ``found``."""
    size = int(sum(counts))
    thresholds, beyond, near = np.empty(size), np.empty(size), np.empty(size)
    groups: list[tuple[Positions, Bits]] = []
    for p, at, count in _parts(found, counts):
        share = np.exp(p.log_weights - p.log_weight).ravel()
        spots = (np.arange(count) + rng.random()) / count
        picked = np.minimum(np.searchsorted(np.cumsum(share / share.sum()), spots), len(share) - 1)
        kind, cell = np.divmod(picked, p.log_weights.shape[1])
        thresholds[at] = p.edges[cell] + rng.random(count) * (p.edges[cell + 1] - p.edges[cell])
        beyond[at] = _latent(rng.beta(p.far[kind, cell, 0], p.far[kind, cell, 1]))
        near[at] = _latent(rng.beta(p.near[cell, 0], p.near[cell, 1]))
        mine = np.zeros(size, dtype=bool)
        mine[at] = True
        groups.append((p, mine))
    used = {p.feature for p, _ in groups} | {limit.feature for p, _ in groups for limit in p.fixed}
    return Steps(features, tuple(sorted(used)), tuple(groups), thresholds, beyond, near)


def _parts(found: Sequence[Positions], counts: Sequence[int]) -> Iterator[tuple[Positions, slice, int]]:
    start = 0
    for p, count in zip(found, counts, strict=True):
        if count:
            yield p, slice(start, start + count), count
        start += count


def _latent(rates: Array) -> Array:
    """The probit of success for rates of failure."""
    return np.asarray(ndtri(1.0 - np.clip(rates, _SURE, 1.0 - _SURE)))
