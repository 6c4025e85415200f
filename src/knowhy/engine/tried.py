"""What has been tried: rows that are encoded once, how often each configuration ran, and which of many promise most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from scipy.special import betaincinv

from knowhy.engine.encoding import Array, Encoder, places
from knowhy.engine.fitting import Index
from knowhy.engine.hypervolume import directions
from knowhy.model.objective import Constraint
from knowhy.model.space import Point
from knowhy.model.trial import Completed

_ENCODERS = 4
_SPARE = 4096
_WAYS = 16
_SURELY = 0.9


def place(row: Array) -> bytes:
    """A key for the configuration of an encoded row."""
    return places(row[None])[0]


def failing(rows: Array, runs: Mapping[bytes, int], failed: Array) -> Array:
    """By how much more often than usual each configuration in ``rows`` fails, of those that have completed (0 to 1).

    ``runs`` is how often each completed, ``failed`` are the rows of the trials that failed. As far as is sure (nine in
    ten, Jeffreys' interval; Brown, Cai and DasGupta 2001): one bad run among many is bad luck, and what ran once and
    never failed has shown nothing yet.
    """
    fails = Counter(places(failed))
    again = sum(count for key, count in fails.items() if key in runs)
    if not again:
        return np.zeros(len(rows))
    usual = again / (again + sum(runs.values()))
    keys = places(rows)
    lost = np.array([fails[key] for key in keys], dtype=float)
    ended = np.array([runs[key] for key in keys], dtype=float)
    least = betaincinv(lost + 0.5, ended + 0.5, 1.0 - _SURELY)
    return np.asarray(np.where(lost > 0, np.maximum(least - usual, 0.0), 0.0))


class Rows:
    """Encoded points of trials, kept between posteriors: a trial's point never changes, so it is encoded once."""

    def __init__(self) -> None:
        """Start empty."""
        self._tables: dict[Encoder, _Table] = {}

    def __call__(self, encoder: Encoder, points: Sequence[Point]) -> Array:
        """The rows of ``points``, which nobody changes afterwards, by ``encoder`` (points by columns)."""
        table = self._tables.pop(encoder, None) or _Table()
        for old in list(self._tables)[: 1 - _ENCODERS]:
            del self._tables[old]
        self._tables[encoder] = table  # the latest comes last
        return table.rows(encoder, points)


class _Table:
    """The rows of one encoder; points are known by identity, and held so that it stays theirs."""

    def __init__(self) -> None:
        self._at: dict[int, int] = {}
        self._points: list[Point] = []
        self._rows: Array | None = None

    def rows(self, encoder: Encoder, points: Sequence[Point]) -> Array:
        if len(self._points) > 2 * len(points) + _SPARE:
            self._at, self._points, self._rows = {}, [], None
        new = list({id(p): p for p in points if id(p) not in self._at}.values())
        if new or self._rows is None:
            made = encoder.encode(new)
            self._at.update((id(p), len(self._points) + i) for i, p in enumerate(new))
            self._points += new
            self._rows = made if self._rows is None else np.concatenate([self._rows, made])
        return np.asarray(self._rows[np.array([self._at[id(p)] for p in points], dtype=np.int64)])


class Tried:
    """The configurations of ``completed`` trials, whose encoded rows are ``rows``."""

    def __init__(self, completed: Sequence[Completed], rows: Array) -> None:
        """Take in trials and their rows, in the same order."""
        self._completed, self._rows = completed, rows

    @cached_property
    def places(self) -> tuple[bytes, ...]:
        """The configuration of each trial."""
        return places(self._rows)

    @cached_property
    def runs(self) -> Mapping[bytes, int]:
        """How often each configuration has completed."""
        return Counter(self.places)

    def deterministic(self, metric: str) -> bool:
        """Whether configurations that ran on several seeds always gave the very same ``metric``."""
        repeated: dict[bytes, set[float]] = {}
        for t, where in zip(self._completed, self.places, strict=True):
            if self.runs[where] > 1 and metric in t.observation.metrics:
                repeated.setdefault(where, set()).add(t.observation.metrics[metric])
        return bool(repeated) and all(len(v) == 1 for v in repeated.values())

    def distinct(self, constraints: Sequence[Constraint]) -> tuple[list[int], list[Completed], Array]:
        """The first trial of each configuration that keeps the ``constraints``, by number: where, which, and rows."""
        numbers = [t.proposal.trial for t in self._completed]
        first: dict[bytes, int] = {}
        for i in sorted(range(len(numbers)), key=numbers.__getitem__):
            metrics = self._completed[i].observation.metrics
            if all(c.metric in metrics and c.holds(metrics[c.metric]) for c in constraints):
                first.setdefault(self.places[i], i)
        index = list(first.values())
        return index, [self._completed[i] for i in index], self._rows[index]


def promising(expected: Array, measured: Array, keep: int) -> Index:
    """About ``keep`` of many configurations, ascending: three quarters by what is expected of them, the rest by values.

    ``expected`` and ``measured`` are costs (configurations by objectives; small is good, inf where unknown). Of several
    objectives those count that are best in one of a spread of directions, each objective by its ranks.
    """
    return np.union1d(_leaders(expected, keep - keep // 4), _leaders(measured, keep // 4))


def _leaders(costs: Array, keep: int) -> Index:
    if costs.shape[1] == 1:
        return np.argsort(costs[:, 0], kind="stable")[:keep]
    ranks = np.argsort(np.argsort(costs, axis=0, kind="stable"), axis=0, kind="stable") / len(costs)
    ways = np.concatenate([np.eye(costs.shape[1]), directions(_WAYS, costs.shape[1], np.random.default_rng(0))])
    # Far along a direction: all objectives small in proportion to it (Chebyshev), ties by their sum.
    each = [np.max(ranks / np.maximum(way, 0.02), axis=1) + 1e-3 * ranks.sum(axis=1) for way in ways]
    orders = np.array([np.argsort(e, kind="stable") for e in each])
    # The best of each direction, then the second best of each, and so on.
    return np.array(list(dict.fromkeys(int(i) for i in orders.T.ravel()))[:keep], dtype=np.int64)
