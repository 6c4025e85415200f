"""What a classic strategy may know of a study: the points that were run, and what came of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from knowhy.model.space import Choices, Interval, Parameter, Point, Scalar, Space
from knowhy.model.state import State
from knowhy.model.trial import Completed, Stopped

Key = tuple[tuple[str, Scalar], ...]


@dataclass(frozen=True, slots=True)
class Run:
    """A trial that ended, seen in the space as it is now.

    ``point`` is complete. ``values`` are the objectives in their own units, None where the trial failed,
    and what was foretold where it was stopped early;
    ``violations`` say by how much each constraint is broken (at most 0 where it is kept), by metric.
    """

    number: int
    point: Point
    values: tuple[float, ...] | None
    violations: tuple[tuple[str, float], ...] = ()


def runs(state: State) -> Iterator[Run]:
    """The trials that ended, in the order of the journal, as far as they lie in the space that is searched.

    Parameters that a trial did not have count at their default, and so does one that was frozen because trials show
    that it does not matter. A trial with another held parameter elsewhere, or with a value that the space no longer
    has, says nothing about this space and is left out.
    """
    idle = _without_effect(state)
    for number in state.order:
        trial = state.trials[number]
        point = state.space.complete({**trial.proposal.point, **idle})
        if not within(state.space, point):
            continue
        if isinstance(trial, Stopped):  # its foretold end is the best that is known of it
            yield Run(number, point, (trial.stop.predicted.quantile_at(0.0),))
            continue
        if not isinstance(trial, Completed):
            yield Run(number, point, None)
            continue
        metrics = trial.observation.metrics
        values = tuple(metrics.get(o.metric, math.nan) for o in state.objectives)
        broken = tuple(
            (f"{c.metric} {c.op} {c.bound:g}", (metrics[c.metric] - c.bound) * (1.0 if c.op == "<=" else -1.0))
            for c in state.constraints
            if c.metric in metrics
        )
        yield Run(number, point, values if all(map(math.isfinite, values)) else None, broken)


def _without_effect(state: State) -> Point:
    """The defaults of held parameters that were frozen on evidence."""
    last = {change.parameter.name: change for _, change in state.changes}
    held = {p.name: p.default for p in state.space.held}
    return {n: held[n] for n, c in last.items() if n in held and c.change == "frozen" and c.belief is not None}


def waiting(state: State) -> list[Point]:
    """Complete points that are proposed or running, by number, as far as they lie in the space that is searched."""
    idle = _without_effect(state)
    points = [state.space.complete({**trial.proposal.point, **idle}) for trial in state.pending]
    return [point for point in points if within(state.space, point)]


def within(space: Space, point: Point) -> bool:
    """Whether a complete point is one that a trial could have now."""
    return all(
        p.domain.contains(point[p.name]) if p.active else _same(point[p.name], p.default) for p in space.parameters
    )


def _same(one: Scalar, two: Scalar) -> bool:
    return isinstance(one, bool) == isinstance(two, bool) and one == two


def key(space: Space, point: Point) -> Key:
    """A complete point, to be looked up in sets (1 and True differ, 1 and 1.0 do not)."""
    return tuple((_kind(point[p.name]), point[p.name]) for p in space.parameters)


def _kind(value: Scalar) -> str:
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def known(state: State) -> set[Key]:
    """Every point of the study: done, failed, proposed or running."""
    space = state.space
    return {key(space, space.complete(trial.proposal.point)) for trial in state.trials.values()}


def ranked(space: Space) -> list[Parameter]:
    """The active parameters, each after the one that its condition is about."""
    left, placed = list(space.active), {p.name for p in space.held}
    out: list[Parameter] = []
    while left:
        ready = [p for p in left if p.condition is None or p.condition.parent in placed] or left
        out += ready
        placed |= {p.name for p in ready}
        left = [p for p in left if p.name not in placed]
    return out


def counted(domain: Interval) -> tuple[int, int] | None:
    """First and last whole number (of the exponent, for powers of two), or None for real numbers."""
    if domain.power_of_two:
        return math.ceil(math.log2(domain.low) - 1e-9), math.floor(math.log2(domain.high) + 1e-9)
    return (math.ceil(domain.low), math.floor(domain.high)) if domain.integer else None


def value_at(domain: Interval | Choices, unit: float) -> Scalar:
    """The value at position ``unit`` in [0, 1]; whole numbers have equal shares on a linear scale."""
    if isinstance(domain, Choices):
        return domain.values[min(int(unit * len(domain.values)), len(domain.values) - 1)]
    whole = counted(domain)
    if whole is not None and (domain.power_of_two or domain.scale == "linear"):
        number = whole[0] + min(int(unit * (whole[1] - whole[0] + 1)), whole[1] - whole[0])
        return 2**number if domain.power_of_two else number
    return inside(domain, domain.from_unit(unit))


def inside(domain: Interval, value: float) -> int | float:
    """``value`` rounded to what people can read, but never out of the range."""
    if domain.integer or domain.power_of_two:
        return round(value)
    return float(min(max(float(f"{value:.6g}"), domain.low), domain.high))


def stream(seed: int, *path: int) -> np.random.Generator:
    """Random numbers that depend on the seed and on what they are for, and on nothing else."""
    return np.random.default_rng([seed % 2**63, *path])
