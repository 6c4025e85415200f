"""How far a trial has come: the course of its training in steps, and the curve that foretells a metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from knowhy.engine.extrapolation import FEWEST_CURVES, Whole, along
from knowhy.engine.metric_names import gap_pairs
from knowhy.model.observation import Curve
from knowhy.model.space import Point
from knowhy.model.trial import Completed

_LATEST = 60
_AGREE = 0.9
_NEAR = 0.5  # of the spread of ends: how far off its last value a curve may be to stand for a metric


def course(trials: Sequence[Completed], curve: str, point: Point) -> float | None:
    """The last step of ``curve`` that a trial at ``point`` will have; None where trials do not agree on one.

    Trials train equally long, or as long as one whole number of their settings says, in its units or another.
    """
    trials = [t for t in trials if curve in t.observation.curves][-_LATEST:]
    lasts = np.array([t.observation.curves[curve].steps[-1] for t in trials])
    if len(lasts) < FEWEST_CURVES:
        return None
    usual = float(np.median(lasts))
    if _most(np.isclose(lasts, usual, rtol=1e-9)):
        return usual
    for name, value in point.items():
        settings = [t.proposal.point.get(name) for t in trials]
        if not _whole(value) or not all(map(_whole, settings)) or len(set(settings)) < 2:
            continue
        numbers, here = np.array(settings, dtype=float), float(value)  # type: ignore[arg-type]
        if (numbers > 0).all() and here > 0:
            ratio = float(np.median(lasts / numbers))
            if _most(np.isclose(lasts / numbers, ratio, rtol=1e-9)):
                return ratio * here
        offset = float(np.median(lasts - numbers))
        if _most(np.isclose(lasts - numbers, offset, atol=1e-9)):
            return offset + here
    return None


def _most(agreeing: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> bool:
    return bool(np.mean(agreeing) >= _AGREE)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def foretelling(trials: Sequence[Completed], metric: str, names: Sequence[str]) -> str | None:
    """Which of the curves ``names`` foretells ``metric``: its own, or one that ends close to it; None where none does.

    A script may report a curve under one name, and its end (or its best) under another.
    """
    told = [t for t in trials if metric in t.observation.metrics]
    ends = np.array([t.observation.metrics[metric] for t in told])
    if len(told) < FEWEST_CURVES:
        return None
    spread = float(np.subtract(*np.percentile(ends, [75, 25])))
    best: tuple[float, str] | None = None
    for name in names:
        having = [i for i, t in enumerate(told) if name in t.observation.curves]
        if len(having) < max(FEWEST_CURVES, _AGREE * len(told)):
            continue
        if name == metric:
            return name
        lasts = np.array([told[i].observation.curves[name].values[-1] for i in having])
        off = float(np.median(np.abs(lasts - ends[having])))
        if off <= _NEAR * spread and (best is None or off < best[0]):
            best = off, name
    return None if best is None else best[1]


def with_gaps(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """``curves`` and those of the gaps between them, where both have the same steps (see ``diagnostics.derive``)."""
    found = dict(curves)
    for gap, (val, train) in gap_pairs(tuple(curves)).items():
        one, two = curves[val], curves[train]
        if gap not in found and one.steps == two.steps and gap == "gap":
            found[gap] = Curve(one.steps, tuple(a - b for a, b in zip(one.values, two.values, strict=True)))
    return found


def wholes(trials: Sequence[Completed], metric: str, curve: str, common: float) -> list[Whole]:
    """The whole curves ``curve`` of ``trials`` with the ends of ``metric``, on the scale of ``common`` steps."""
    found = []
    for t in trials[-_LATEST:]:
        curves = with_gaps(t.observation.curves)
        if curve in curves and metric in t.observation.metrics:
            own = curves[curve]
            found.append(Whole(along(own, own.steps[-1], common), t.observation.metrics[metric]))
    return found
