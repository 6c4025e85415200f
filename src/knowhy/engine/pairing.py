"""Runs on one seed err alike: how much of the noise a change of code leaves as it was.

Two runs that differ by one patch and share their seed often share most of their luck: the split, the order, the first
weights. Then their difference says far more of the patch than that of two runs on two seeds, except for a patch that
draws other random numbers. So each patch has its own share of the noise that it changes, found from how much its
difference varies from seed to seed, with what the other patches show as prior; what several patches change is taken to
multiply. Nothing is gained, and nothing lost, where seeds say nothing.

Sources: Kleijnen 1975 (common random numbers in factorial experiments); Efron and Morris 1975 (what is alike in many
small samples).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from knowhy.engine.encoding import Array, places
from knowhy.engine.fitting import NOISE_MEAN, Data
from knowhy.model.space import Point, same_point
from knowhy.model.state import State
from knowhy.model.trial import Failed

_SHARES = np.geomspace(0.003, 1.0, 12)  # of the variance of the noise that a patch may change
_ROUNDS = 8
_OWN = 0.01  # of the noise is each run's own, whatever is said: machines are not exact either


@dataclass(frozen=True)
class Luck:
    """What runs on one seed have in common: the correlation that each switch leaves, by its column.

    Parameters that are not among the switches leave none.
    """

    columns: tuple[int, ...]
    kept: Array

    def __call__(self, data: Data) -> Data:
        """``data`` with the correlation of the noise of each two runs."""
        if data.seeds is None:
            return data
        rows = data.rows
        out = (data.seeds[:, None] == data.seeds[None]).astype(float)
        on = rows[:, list(self.columns)] > 0.5
        for i, kept in enumerate(self.kept):
            out[on[:, None, i] != on[None, :, i]] *= kept
        others = np.delete(rows, self.columns, axis=1)
        if others.shape[1]:
            keys = np.array(places(others), dtype=object)
            out *= keys[:, None] == keys[None]
        out *= 1.0 - _OWN
        np.fill_diagonal(out, 1.0)
        return replace(data, alike=out)


def luck(data: Data, columns: Sequence[int]) -> Luck | None:
    """What the seeds of ``data`` have in common over the switches in ``columns``; None where nothing tells."""
    if data.seeds is None or not columns:
        return None
    values: dict[bytes, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for key, seed, value in zip(places(data.rows), data.seeds, data.values, strict=True):
        values[key][int(seed)].append(float(value))
    squares, freedom = np.zeros(len(columns)), np.zeros(len(columns))
    for i, column in enumerate(columns):
        on = np.unique(data.rows[data.rows[:, column] > 0.5], axis=0)
        off = on.copy()
        off[:, column] = 0.0
        for one, other in zip(places(on), places(off), strict=True):
            both = sorted(set(values[one]) & set(values.get(other, ())))
            differences = np.array([np.mean(values[one][s]) - np.mean(values[other][s]) for s in both])
            if len(both) > 1:
                squares[i] += float(np.sum((differences - differences.mean()) ** 2))
                freedom[i] += len(both) - 1
    if not freedom.any():
        return None
    return Luck(tuple(columns), 1.0 - _changed(squares, freedom, _noise(values)))


def _noise(values: dict[bytes, dict[int, list[float]]]) -> float:
    """The variance of one run over seeds, with a prior worth one degree of freedom."""
    squares, count, seeds = 0.0, 0, set()
    for by_seed in values.values():
        if len(by_seed) > 1:
            means = np.array([np.mean(v) for v in by_seed.values()])
            squares += float(np.sum((means - means.mean()) ** 2))
            count += len(means) - 1
            seeds |= set(by_seed)
    # What runs on the same two seeds have in common, they say once.
    freedom = max(len(seeds) - 1, 0)
    usual = float(np.exp(2.0 * NOISE_MEAN))
    return (usual + freedom * squares / max(count, 1)) / (1.0 + freedom)


def _changed(squares: Array, freedom: Array, noise: float) -> Array:
    """The share of the noise that each switch changes: the mean of what is possible, all switches taken together."""
    spread = 2.0 * noise * _SHARES  # of a difference of two runs, over seeds
    fit = -0.5 * freedom[:, None] * np.log(spread) - 0.5 * squares[:, None] / spread
    fit = np.exp(fit - fit.max(axis=1, keepdims=True))
    common = np.full(len(_SHARES), 1.0 / len(_SHARES))
    for _ in range(_ROUNDS):
        each = fit * common
        each /= each.sum(axis=1, keepdims=True)
        common = each[freedom > 0].sum(axis=0) + 2.0 / len(_SHARES)
        common /= common.sum()
    return np.asarray(np.minimum(each @ _SHARES, 1.0))


def known_seed(state: State, point: Point, turn: int = 0) -> int | None:
    """A seed on which the default has run and ``point`` has not, another in each ``turn``; None where there is none."""
    defaults = state.space.defaults()
    runs = [t.proposal for t in state.trials.values() if not isinstance(t, Failed)]
    here = {p.seed for p in runs if same_point(p.point, point)}
    known = [p.seed for p in runs if same_point(p.point, defaults) and p.seed not in here and p.seed_known]
    return known[turn % len(known)] if known else None
