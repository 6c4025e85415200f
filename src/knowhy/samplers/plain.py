"""Strategies that do not learn: random search and a grid."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from knowhy.model.space import Choices, Interval, Parameter, Point, Scalar
from knowhy.model.state import State
from knowhy.samplers.history import counted, inside, key, known, stream, value_at

_TRIES = 200
_LISTED = 100_000
_LEVELS = 3


class RandomSampler:
    """Points uniform over the space (over the logarithm on log scales); any number of objectives."""

    def __init__(self, seed: int) -> None:
        """Keep the seed."""
        self._seed = seed

    def suggest(self, state: State, trial: int) -> Point | None:
        """A point that was not run yet, unless none turns up (a small space that is used up)."""
        rng, taken = stream(self._seed, trial), known(state)
        point: Point = state.space.defaults()
        for _ in range(_TRIES):
            drawn = {p.name: value_at(p.domain, float(rng.random())) for p in state.space.active}
            point = state.space.complete(drawn)
            if key(state.space, point) not in taken:
                break
        return point


class GridSampler:
    """Every combination of a few levels of each active parameter, in a random order that the seed fixes.

    Choices have all their values; numbers have three levels (both ends and the middle, on their own scale),
    and more as long as the whole grid still fits into the trials of the run. Any number of objectives.
    """

    def __init__(self, seed: int) -> None:
        """Keep the seed."""
        self._seed = seed

    def suggest(self, state: State, trial: int) -> Point | None:
        """The next combination that was not run yet; None when there is none."""
        taken = known(state)
        for drawn in self._ordered(levels(state)):
            point = state.space.complete(drawn)
            if key(state.space, point) not in taken:
                return point
        return None

    def _ordered(self, axes: dict[str, tuple[Scalar, ...]]) -> Iterator[dict[str, Scalar]]:
        """Combinations in random order; without repeats where they can be listed, else with very few."""
        rng = stream(self._seed, 0)
        sizes = [len(values) for values in axes.values()]
        if math.prod(sizes) <= _LISTED:
            for index in rng.permutation(math.prod(sizes)):
                places = np.unravel_index(int(index), sizes) if sizes else ()
                yield {name: values[int(at)] for (name, values), at in zip(axes.items(), places, strict=True)}
            return
        for _ in range(_LISTED):
            yield {name: values[int(rng.integers(len(values)))] for name, values in axes.items()}


def levels(state: State) -> dict[str, tuple[Scalar, ...]]:
    """The values of each active parameter that the grid uses."""
    budget = state.run.trials if state.run is not None else 0
    counts = {p.name: min(_LEVELS, _most(p)) if p.numeric else _most(p) for p in state.space.active}
    numeric = [p for p in state.space.active if p.numeric]
    growing = True
    while growing:
        growing = False
        for parameter in numeric:
            more = counts | {parameter.name: counts[parameter.name] + 1}
            if more[parameter.name] <= _most(parameter) and math.prod(more.values()) <= budget:
                counts, growing = more, True
    return {p.name: _spread(p, counts[p.name]) for p in state.space.active}


def _most(parameter: Parameter) -> int:
    """How many values there are (a large number for real ones)."""
    if isinstance(parameter.domain, Choices):
        return len(parameter.domain.values)
    whole = counted(parameter.domain)
    return whole[1] - whole[0] + 1 if whole is not None else 10_000


def _spread(parameter: Parameter, count: int) -> tuple[Scalar, ...]:
    """``count`` values from end to end (the middle for one), fewer where rounding makes some equal."""
    domain = parameter.domain
    if isinstance(domain, Choices):
        return domain.values
    units = [0.5] if count == 1 else [i / (count - 1) for i in range(count)]
    return tuple(dict.fromkeys(_level(domain, unit) for unit in units))


def _level(domain: Interval, unit: float) -> int | float:
    return inside(domain, domain.from_unit(unit))
