"""CMA-ES (Hansen 2016, by the package ``cmaes``) over the numeric parameters.

The search distribution is computed anew from the trials of the study, in the order in which they ended: each
generation is the next ``popsize`` of them that gave numbers. So a resumed study goes on exactly, points of other
proposers (the default configuration, for one) count as well, and a changed space starts from the same trials seen
in the new space. Only the order of costs enters: trials that break a constraint rank behind all others. Choices are
drawn in proportion to how often they are among the best quarter, plus one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from knowhy.errors import SettingsError
from knowhy.model.space import Choices, Interval, Parameter, Point, Scalar
from knowhy.model.state import State
from knowhy.samplers.history import Run, inside, runs, stream

if TYPE_CHECKING:
    from cmaes import CMA

_SIGMA = 1.0 / 6.0


class EvolutionSampler:
    """CMA-ES; one objective."""

    def __init__(self, seed: int) -> None:
        """Keep the seed; raises SettingsError where ``cmaes`` is not installed."""
        try:
            import cmaes  # noqa: F401 - fences the optional dependency
        except ImportError:
            raise SettingsError(
                "the strategy cmaes needs the package cmaes, which is not installed", "pip install 'knowhy[classic]'"
            ) from None
        self._seed = seed

    def suggest(self, state: State, trial: int) -> Point | None:
        """A draw from the search distribution."""
        if len(state.objectives) > 1:
            raise SettingsError("the strategy cmaes takes one objective only", "use tpe, gp, random or grid")
        sign = state.objective.sign
        told = [run for run in runs(state) if run.values is not None]
        ordered = sorted(told, key=lambda run: (*_broken(run), sign * run.values[0] if run.values else 0.0))
        rank = {run.number: place for place, run in enumerate(ordered)}
        rng = stream(self._seed, trial)
        point: dict[str, Scalar] = {}
        axes = [p for p in state.space.active if p.numeric]
        if axes:
            unit = self._search(axes, told, rank, int(rng.integers(2**31))).ask()
            for parameter, at in zip(axes, unit, strict=True):
                domain = _interval(parameter)
                point[parameter.name] = inside(domain, domain.from_unit(float(at)))
        best = ordered[: max(1, len(ordered) // 4)]
        for parameter in state.space.active:
            if isinstance(parameter.domain, Choices):
                point[parameter.name] = _drawn(parameter.domain, parameter.name, best, rng)
        return state.space.complete(point)

    def _search(self, axes: list[Parameter], told: list[Run], rank: dict[int, int], seed: int) -> CMA:
        """The search distribution after all generations; restarts from the best point when it has collapsed."""
        rows = [(np.array([_unit(p, run.point) for p in axes]), float(rank[run.number])) for run in told]
        start = np.array([_unit(p, {p.name: p.default}) for p in axes])
        search = _begin(start, seed)
        size = search.population_size
        for first in range(0, len(rows) - size + 1, size):
            search.tell(rows[first : first + size])
            if search.should_stop():
                search = _begin(min(rows[: first + size], key=lambda row: row[1])[0], seed)
        return search


def _begin(mean: np.ndarray[tuple[int, ...], np.dtype[np.float64]], seed: int) -> CMA:
    from cmaes import CMA

    bounds = np.tile([0.0, 1.0], (len(mean), 1))
    return CMA(mean=mean, sigma=_SIGMA, bounds=bounds, seed=seed, n_max_resampling=10 * len(mean))


def _interval(parameter: Parameter) -> Interval:
    if not isinstance(parameter.domain, Interval):
        raise TypeError(f"{parameter.name} is not numeric")
    return parameter.domain


def _unit(parameter: Parameter, point: Point) -> float:
    value = point[parameter.name]
    number = float(value) if isinstance(value, (int, float)) else 0.0
    return min(1.0, max(0.0, _interval(parameter).to_unit(number)))


def _broken(run: Run) -> tuple[bool, float]:
    total = sum(max(0.0, violation) for _, violation in run.violations)
    return total > 0, total


def _drawn(domain: Choices, name: str, best: list[Run], rng: np.random.Generator) -> Scalar:
    count = Counter((type(run.point[name]), run.point[name]) for run in best)
    weights = np.array([1.0 + count[(type(value), value)] for value in domain.values])
    return domain.values[int(rng.choice(len(weights), p=weights / weights.sum()))]
