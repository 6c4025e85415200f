"""Several objectives: configurations that may be on the front, and the one that a person picks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from knowhy.errors import UsageError
from knowhy.model.belief import Estimate, Placed
from knowhy.model.space import Point
from knowhy.model.state import State
from knowhy.views.mind import Mind
from knowhy.views.trials import Setting, changed

SHOWN = 0.1
"""Probability of being on the front from which a configuration is listed."""


@dataclass(frozen=True, slots=True)
class PlacedView:
    """A configuration among several objectives.

    ``on_front`` is the probability that it is on the true front of what was tried. ``estimates`` are the posterior's,
    for each objective (90%), and ``against_default`` their changes from the default: single lucky runs do not count at
    their face. ``observed`` is what trial ``trial`` itself showed. ``chosen`` is the probability that it is the best
    by ``weights`` (None without them).
    """

    trial: int
    point: Point
    changed: tuple[Setting, ...]
    runs: int
    on_front: float
    chosen: float | None
    weights: Mapping[str, float]
    estimates: tuple[Estimate, ...]
    against_default: tuple[Estimate, ...]
    observed: tuple[float, ...]


def standings(state: State, mind: Mind) -> tuple[PlacedView, ...]:
    """What may be on the front (with a probability of a tenth or more), in the order of the first objective."""
    if not state.completed or len(state.objectives) < 2:
        return ()
    found = [p for p in mind.placed(state) if p.front >= SHOWN]
    sign = state.objectives[0].sign
    return tuple(_view(state, p, {}) for p in sorted(found, key=lambda p: sign * p.estimates[0].middle))


def weighed(state: State, mind: Mind, weights: Mapping[str, float]) -> PlacedView:
    """The configuration with the best expected sum by ``weights``; raises UsageError, MetricError."""
    found = mind.placed(state, weights)
    if not found:
        raise UsageError("no trial that completed keeps the constraints", "run more trials, or loosen a constraint")
    return _view(state, found[0], weights)


def picked(state: State, mind: Mind, trial: int) -> PlacedView:
    """The configuration of ``trial``; raises UsageError where it has not completed within the constraints."""
    found = mind.placed(state)
    here = next((p for p in found if p.trial == trial), None)
    if here is None:
        known = state.trials.get(trial)
        if known is not None:  # a later run of a configuration that was tried before
            here = next((p for p in found if dict(p.point) == dict(known.proposal.point)), None)
    if here is None:
        front = ", ".join(str(p.trial) for p in found[:8])
        raise UsageError(
            f"there is no trial {trial} that completed and keeps the constraints",
            f"the likeliest on the front are {front}" if front else "run more trials first",
        )
    return _view(state, here, {})


def _view(state: State, found: Placed, weights: Mapping[str, float]) -> PlacedView:
    metrics = next(t.observation.metrics for t in state.completed if t.proposal.trial == found.trial)
    point = state.space.complete(found.point)
    return PlacedView(
        trial=found.trial,
        point=point,
        changed=changed(state.space, point),
        runs=found.runs,
        on_front=found.front,
        chosen=found.chosen,
        weights=dict(weights),
        estimates=found.estimates,
        against_default=found.against_default,
        observed=tuple(metrics[o.metric] for o in state.objectives),
    )


def chosen(state: State, mind: Mind, trial: int | None, weights: Mapping[str, float] | None) -> PlacedView:
    """``picked`` or ``weighed``, whichever is asked for; raises UsageError, MetricError."""
    if trial is not None and weights is None:
        return picked(state, mind, trial)
    if weights is not None and trial is None:
        return weighed(state, mind, weights)
    raise UsageError("pick by a trial or by weights", 'write pick(12) or pick(weights={"loss": 1, "time": 0.1})')
