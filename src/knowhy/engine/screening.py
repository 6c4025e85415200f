"""Many switches at once: screening designs, and pairs in which every switch under test changes sides by a coin.

*Screening.* The next trial is the one that tells most about a linear model of all switches and, with less weight, of
their products: Bayesian D-optimal augmentation of whatever has run. Nearly half of the switches are on in it, so that
every trial speaks of every switch. Switches that may break the run are risked a few at a time.

*Mirrored pairs.* In a pair of trials each switch under test is on in exactly one, which one by a coin of its own. If a
switch does nothing, the difference of the two, turned by its coin, is as likely to be positive as negative, whatever
the others do: so one pair is a fresh observation for each of them. What the other switches are expected to contribute
is predicted before the pair runs and taken off: that costs no honesty, as it does not know the coin, and saves noise.

Sources: Plackett and Burman 1946 (many factors at once); DuMouchel and Jones 1994 (Bayesian D-optimal designs);
Fisher 1935 (randomisation tests); Rosenbaum 2002 (covariance adjustment in randomisation tests).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from knowhy.engine.encoding import Array
from knowhy.model.observation import SAYS_NOTHING
from knowhy.model.space import Point, Scalar, Space, same_point
from knowhy.model.state import State
from knowhy.model.trial import Failed

_POOL = 192
_PAIRS = 0.15  # prior variance of a product, where that of a single effect is 1
ON = 0.3  # share of switches that are on: half would tell most if effects added up, fewer saturate less
_BREAKS = 2  # runs
_MAYBE = 0.06  # chance that a switch nobody has tried breaks the run


def signs(names: Sequence[str], points: Sequence[Point]) -> Array:
    """Switches as +1 (on) and -1, points by names."""
    return np.array([[1.0 if p.get(n) is True else -1.0 for n in names] for p in points]).reshape(
        len(points), len(names)
    )


def model(matrix: Array) -> Array:
    """The columns of the linear model: a constant, the switches, and their products (weighted)."""
    k = matrix.shape[1]
    products = [matrix[:, i] * matrix[:, j] * np.sqrt(_PAIRS) for i, j in combinations(range(k), 2)]
    return np.column_stack([np.ones(len(matrix)), matrix, *products])


def breaking(names: Sequence[str], state: State) -> dict[str, float]:
    """The chance that each switch breaks every run in which it is on.

    A run that worked clears all that were on in it. What failed is shared among those that were on and are not cleared;
    a single suspect did it. Whoever opens one again knows why: what failed with it before says nothing any more.
    """
    cleared = {n for t in state.completed for n in names if t.proposal.point.get(n) is True}
    chance = {n: 0.0 if n in cleared else _MAYBE for n in names}
    for name in chance.keys() - cleared:
        for t in _failures(state, name):
            suspects = sum(t.proposal.point.get(n) is True and n not in cleared for n in names)
            chance[name] = max(chance[name], 1.0 / suspects)
    return chance


def _failures(state: State, name: str) -> list[Failed]:
    """The trials with the switch ``name`` on that failed for what they tried, since it was last opened."""
    opened = max((at for at, c in state.changes if c.parameter.name == name and c.change == "opened"), default=-np.inf)
    on = [t for t in state.failed if t.proposal.point.get(name) is True]
    return [t for t in on if t.failure.kind not in SAYS_NOTHING and t.ended > opened]


def breaks(state: State, name: str) -> bool:
    """Whether the switch ``name`` made two runs fail, at least, that work without it, and none worked with it.

    One may be bad luck, and what failed before it was opened again does not count.
    """
    worked = [t.proposal.point for t in state.completed]
    if any(point.get(name) is True for point in worked):
        return False
    without = [state.space.complete({**t.proposal.point, name: False}) for t in _failures(state, name)]
    return sum(any(same_point(point, other) for other in worked) for point in without) >= _BREAKS


def next_screening(
    state: State,
    names: Sequence[str],
    base: Mapping[str, Scalar],
    rng: np.random.Generator,
    among: Sequence[str] | None = None,
    share: float = ON,
) -> Point:
    """The configuration of ``names`` (others as in ``base``) that tells most beside all trials, pending ones too.

    Only those ``among`` may be on in it (all where None), about a ``share`` of them.
    """
    known = [t.proposal.point for t in state.trials.values()]
    phi = model(signs(names, known))
    inverse = np.linalg.inv(np.eye(phi.shape[1]) + phi.T @ phi)
    chance = breaking(names, state)
    pool = _pool(state.space, names if among is None else among, base, chance, share, rng)
    matrix = signs(names, pool)
    features = model(matrix)
    told = np.log1p(np.einsum("ij,jk,ik->i", features, inverse, features))
    survives = np.array([np.prod([1.0 - chance[n] for n in names if p[n] is True]) for p in pool])
    return pool[int(np.argmax(told * survives))]


def _pool(
    space: Space,
    names: Sequence[str],
    base: Mapping[str, Scalar],
    chance: Mapping[str, float],
    share: float,
    rng: np.random.Generator,
) -> list[dict[str, Scalar]]:
    """Candidates: some of the switches on, fewer of those that may break the run."""
    found: list[dict[str, Scalar]] = []
    for _ in range(_POOL):
        on = {n: bool(rng.random() < (share if chance[n] < 0.2 else share * (1.0 - chance[n]))) for n in names}
        order = {n: on[n] for n in rng.permutation(list(names))}
        found.append(space.complete({**base, **order}))
    return found


def mirrored(
    space: Space, names: Sequence[str], base: Mapping[str, Scalar], rng: np.random.Generator
) -> tuple[dict[str, Scalar], dict[str, Scalar], tuple[str, ...]]:
    """A pair of configurations in which each of the switches returned is on in exactly one, by a coin of its own.

    The others are as in ``base`` in both. Of switches that exclude one another one is under test, by lot, and the
    others are off in both; what ``base`` has on and a switch under test excludes is off in both too.
    """
    chosen: list[str] = []
    for name in rng.permutation(list(names)):
        rivals = {n for e in space.exclusions if name in e.parameters for n in e.parameters}
        if not rivals & set(chosen):
            chosen.append(str(name))
    off = {n for e in space.exclusions if set(e.parameters) & set(chosen) for n in e.parameters if n not in chosen}
    ground = space.complete({**base, **dict.fromkeys([*names, *off], False)})
    coins = {n: bool(rng.random() < 0.5) for n in chosen}
    one = space.complete({**ground, **{n: coins[n] for n in chosen}})
    two = space.complete({**ground, **{n: not coins[n] for n in chosen}})
    # A condition may turn a switch off: then it tells nothing here.
    told = tuple(n for n in chosen if (one[n] is True) != (two[n] is True))
    return one, two, told
