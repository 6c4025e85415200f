"""Where a curve ends: a predictive distribution of the last value, from the first part of it and whole curves.

The change from the last value seen to the end is regressed, over the curves of the study that are whole, on what the
same part of each shows: how it has moved lately, and how far its last value is off its recent mean. Trends that fade
as a power law or an exponential change by a fixed share of what they changed in the stretch before, so that one slope
stands for both; the curves of the study say how large it is at this place. A curve that still moves, or jitters, is
expected to miss by more, in proportion. The regression is Bayesian (normal and inverse gamma), so that few curves
give wide predictions; its Student distribution is returned as the normal one with the same 90% interval.

Only changes are predicted, never levels: what comes out is what the curve says on its own, and can be weighed against
other evidence about the end as a noisy look at it.

Sources: Domhan et al. 2015 (extrapolation of learning curves); Swersky et al. 2014 (freeze-thaw: the curves of other
configurations say how training goes on); Gelman et al. 2013, section 14.2 (Bayesian regression).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from knowhy.engine.encoding import Array
from knowhy.model.observation import Curve
from knowhy.model.trial import Predictive

FEWEST_CURVES, FEWEST_POINTS = 5, 4
_Z90 = 1.6448536269514722
_TREND, _FLOOR_AT = 0.1, 0.7  # how a spread grows with the trend; the share of changes that are below the floor
_SLOPE, _RETURN = 0.3, 0.7  # prior means: a third of the last change comes once more, jitter is mostly undone
_PRIOR_SD = np.array([1.0, 0.5, 0.5])
_PRIOR_COUNT = 2.0
_LOG_FROM = 3.0  # a factor between ends from which positive curves are read on the log scale


@dataclass(frozen=True, slots=True)
class Whole:
    """A trial that came to its end: a curve, and the value that it ended with."""

    curve: Curve
    end: float


def extrapolate(part: Curve, step: float, whole: Sequence[Whole], metric: str) -> Predictive | None:
    """The end of a curve of which ``part`` is known, where other curves are ``whole``; None where too little is known.

    All run over the same steps (see ``along``), ``part`` up to ``step``; other points of ``part`` are ignored.
    """
    part = _as_dense(part, step, whole)
    values = np.asarray(part.values)
    seen = _look(part, step)
    if seen is None or len(whole) < FEWEST_CURVES:
        return None
    ends = np.array([w.end for w in whole])
    log = bool(
        ends.min() > 0
        and ends.max() > _LOG_FROM * ends.min()
        and values.min() > 0
        and all(min(w.curve.values) > 0 for w in whole)
    )
    if log:
        seen = _look(_logged(part), step)
        ends = np.log(ends)
    looks = [_look(_logged(w.curve) if log else w.curve, step) for w in whole]
    kept = [i for i, found in enumerate(looks) if found is not None]
    if seen is None or len(kept) < FEWEST_CURVES:
        return None
    before = np.array([looks[i] for i in kept], dtype=float)
    changes = ends[kept] - before[:, 0]
    # All arithmetic is in units of the changes, so that the metric's own unit does not matter.
    unit = float(np.quantile(np.abs(changes), _FLOOR_AT))
    unit = max(unit, 1e-6 * float(np.std(ends[kept])), 1e-12 * max(1.0, float(np.abs(ends).max())))
    middle, sd = _regress(before[:, 1:] / unit, changes / unit, np.array(seen[1:]) / unit)
    found = Predictive(metric, seen[0] + unit * middle, unit * sd, log)
    return found if math.isfinite(found.mean) and math.isfinite(found.sd) and found.sd > 0 else None


def _as_dense(part: Curve, step: float, whole: Sequence[Whole]) -> Curve:
    """``part`` up to ``step`` with about as many points as the others have there.

    Whole curves are kept thinned where they are long, and what a curve looks like hangs on how many points there are.
    """
    usual = int(np.median([sum(s <= step for s in w.curve.steps) for w in whole])) if whole else 0
    count = sum(s <= step for s in part.steps)
    if usual < FEWEST_POINTS or count <= 1.5 * usual:
        return part
    at = np.unique(np.linspace(0, count - 1, usual).round().astype(int))
    return Curve(tuple(part.steps[i] for i in at), tuple(part.values[i] for i in at))


def _regress(features: Array, changes: Array, at: Array) -> tuple[float, float]:
    """Mean and standard deviation of a change at ``at``; features are trend, offset and jitter, in units of changes."""

    def design(rows: Array) -> Array:
        return np.column_stack([np.ones(len(rows)), rows[:, 0], rows[:, 1]])

    def spread(rows: Array) -> Array:
        return np.asarray(np.sqrt(1.0 + _TREND * rows[:, 0] ** 2 + rows[:, 1] ** 2 + rows[:, 2] ** 2))

    weights = spread(features)
    x, y = design(features) / weights[:, None], changes / weights
    prior = np.array([0.0, -_SLOPE, _RETURN])
    pull = np.diag(1.0 / _PRIOR_SD**2)
    precision = pull + x.T @ x
    slopes = np.linalg.solve(precision, pull @ prior + x.T @ y)
    rest = y - x @ slopes
    count = _PRIOR_COUNT + 0.5 * len(y)
    total = _PRIOR_COUNT + 0.5 * float(rest @ rest + (slopes - prior) @ pull @ (slopes - prior))
    here = design(at[None])[0]
    variance = total / count * (float(spread(at[None])[0]) ** 2 + float(here @ np.linalg.solve(precision, here)))
    return float(here @ slopes), math.sqrt(variance) * float(stdtrit(2.0 * count, 0.95)) / _Z90


def _look(curve: Curve, step: float) -> tuple[float, float, float, float] | None:
    """What the part up to ``step`` shows: last value, trend (earlier less recent mean), offset, jitter."""
    steps = np.asarray(curve.steps)
    inside = steps <= step * (1.0 + 1e-9) if step > 0 else steps <= step + 1e-12
    steps, values = steps[inside], np.asarray(curve.values)[inside]
    if len(steps) < FEWEST_POINTS or steps[-1] <= steps[0]:
        return None
    place = (steps - steps[0]) / (steps[-1] - steps[0])
    recent = float(values[place >= 0.75].mean())
    middle = values[(place >= 0.25) & (place < 0.6)]
    earlier = float(middle.mean()) if len(middle) else float(values[0])
    moves = np.diff(values[place >= 0.5])
    jitter = float(np.std(moves)) if len(moves) > 1 else abs(float(values[-1] - values[0]))
    return float(values[-1]), earlier - recent, recent - float(values[-1]), jitter


def _logged(curve: Curve) -> Curve:
    return Curve(curve.steps, tuple(math.log(v) for v in curve.values))


def along(curve: Curve, course: float, common: float) -> Curve:
    """``curve``, whose training takes ``course`` steps, on the scale of one that takes ``common``."""
    if course == common:
        return curve
    return Curve(tuple(s * common / course for s in curve.steps), curve.values)


def together(one: Predictive, two: Predictive, doubt: float = 2.0) -> Predictive:
    """The product of two predictions of one metric, in the units of ``one``.

    Where they are more than ``doubt`` standard deviations apart, ``two`` is believed less, as one must be wrong.
    """
    mean, sd = converted(two, one.log)
    if not math.isfinite(mean) or not sd > 0:
        return one
    apart = abs(one.mean - mean) / math.hypot(one.sd, sd)
    weight = (doubt / apart) ** 4 if apart > doubt else 1.0
    mine, others = 1.0 / one.sd**2, weight / sd**2
    return Predictive(one.metric, (mine * one.mean + others * mean) / (mine + others), (mine + others) ** -0.5, one.log)


def converted(found: Predictive, log: bool) -> tuple[float, float]:
    """Mean and standard deviation on the log scale or off it; (nan, nan) where there is no log."""
    if found.log == log:
        return found.mean, found.sd
    if log:
        return (math.log(found.mean), found.sd / found.mean) if found.mean > 0 else (math.nan, math.nan)
    middle = math.exp(min(found.mean, 700.0))
    return middle, found.sd * middle


def chance_below(found: Predictive, value: float, value_sd: float = 0.0) -> float:
    """The probability that the end is below ``value`` (with an error of its own, in the metric's units).

    By a Student distribution of four degrees with the same 90% interval: curves surprise more often than normal ones.
    """
    target, sd = converted(Predictive(found.metric, value, max(value_sd, 1e-300)), found.log)
    if math.isnan(target):
        return 0.0  # the log excludes it
    z = (target - found.mean) / math.hypot(found.sd, sd)
    return float(stdtr(4.0, z * float(stdtrit(4.0, 0.95)) / _Z90))
