"""Diagnostics: numbers derived from metrics and curves, and what the recent trials say in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from knowhy.engine.metric_names import gap_pairs, metric_kind, split_name
from knowhy.model.observation import Curve
from knowhy.model.space import Scalar
from knowhy.model.state import State
from knowhy.model.trial import Completed

DiagnosisKind = Literal[
    "overfitting", "underfitting", "too_short", "divergence", "plateau", "oscillation", "noise", "stalled"
]

_MIN_CURVE = 4
_MIN_OSCILLATION = 6
_RECENT = 8
_SPREAD_FROM = 6


def derive(metrics: Mapping[str, float], curves: Mapping[str, Curve], duration: float) -> dict[str, float]:
    """``metrics`` with the diagnostics that can be computed; a reported metric is never overwritten, all are finite.

    * ``gap`` (units of the metric): validation minus training loss; ``gap_acc`` and the like for other pairs, with the
      sign turned for scores, so that a positive gap always means a better fit to the training data.
    * ``duration``: seconds.
    * From the validation curve (the training curve where there is none, except for ``rebound`` and ``best_at``); all
      are fractions, relative to the size of the metric or a tenth of the range of its curve, whichever is larger:
      ``rebound``, how much worse the end is than the best; ``slope``, the improvement per doubling of the steps over
      the last quarter (negative: getting worse); ``jump``, the largest worsening between two reports.
    * ``best_at``: where in the run the validation curve was best, 0 (start) to 1 (end).
    * ``oscillation``: mean size of the steps that turn against the one before, over all steps, as a fraction of the
      range of the curve: 0 for a monotone curve, near 0 for a valley, 1 for a saw from top to bottom.
    """
    made: dict[str, float] = {"duration": float(duration)}
    finals = {name: _cost(name, curve)[1] for name, curve in curves.items()}
    values = {
        **{name: float(v[-1]) * _sign(name) for name, v in finals.items() if v.size},
        **{name: float(v) for name, v in metrics.items()},
    }
    for gap, (val, train) in gap_pairs(tuple(values)).items():
        made[gap] = _sign(val) * (values[val] - values[train])
    name = _leading(curves, "val")
    if name is not None:
        steps, cost = _cost(name, curves[name])
        best = int(np.argmin(cost))
        made["rebound"] = float(cost[-1] - cost[best]) / _size(cost, cost[best])
        made["best_at"] = float((steps[best] - steps[0]) / (steps[-1] - steps[0]))
    name = name or _leading(curves, "train") or _leading(curves, "plain")
    if name is not None:
        steps, cost = _cost(name, curves[name])
        made["slope"] = _slope(steps, cost)
        rises = np.diff(cost)
        worst = int(np.argmax(rises))
        made["jump"] = max(0.0, float(rises[worst])) / _size(cost, cost[worst])
        if cost.size >= _MIN_OSCILLATION:
            turns = rises[1:] * rises[:-1] < 0
            made["oscillation"] = float(np.abs(rises[1:])[turns].sum() / (rises.size - 1)) / max(
                float(np.ptp(cost)), 1e-300
            )
    return {**{k: v for k, v in made.items() if math.isfinite(v)}, **metrics}


def _sign(name: str) -> float:
    """+1 where smaller is better by name, -1 for scores."""
    return -1.0 if metric_kind(name) == "score" else 1.0


def _cost(name: str, curve: Curve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Finite points of a curve in the order of their steps, turned so that smaller is better."""
    size = min(len(curve.steps), len(curve.values))
    steps, values = np.asarray(curve.steps[:size], float), np.asarray(curve.values[:size], float)
    keep = np.isfinite(steps) & np.isfinite(values)
    keep &= (np.abs(np.nan_to_num(steps)) < 1e150) & (np.abs(np.nan_to_num(values)) < 1e150)
    steps, values = steps[keep], values[keep]
    order = np.argsort(steps, kind="stable")
    return steps[order], values[order] * _sign(name)


def _size(cost: NDArray[np.float64], at: float) -> float:
    """What relative numbers are relative to."""
    return max(abs(float(at)), 0.1 * float(np.ptp(cost)), 1e-300)


def _leading(curves: Mapping[str, Curve], data: str) -> str | None:
    """The curve that speaks for ``data``: losses before scores, long enough, with steps that move."""
    order = {"loss": 0, "score": 1}
    fit = []
    for name, curve in curves.items():
        where, rank, _ = split_name(name)
        steps, _cost_values = _cost(name, curve)
        if where == data and metric_kind(name) in order and steps.size >= _MIN_CURVE and steps[-1] > steps[0]:
            fit.append((order[metric_kind(name)], rank, name))
    return min(fit)[2] if fit else None


def _slope(steps: NDArray[np.float64], cost: NDArray[np.float64]) -> float:
    """Relative improvement per doubling of the steps, by least squares over the last quarter of them."""
    progress = steps - steps[0] + (steps[-1] - steps[0]) / max(1, steps.size - 1)
    late = progress >= 0.75 * progress[-1]
    if late.sum() < 3:
        late = np.arange(steps.size) >= steps.size - 3
    x, y = np.log2(progress[late]), cost[late]
    spread = float(((x - x.mean()) ** 2).sum())
    if spread <= 0:
        return 0.0
    return -float(((x - x.mean()) * (y - y.mean())).sum()) / spread / _size(cost, cost[-1])


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What recent trials say: ``sentence`` is for people, ``strength`` in [0, 1], ``trials`` are those it rests on."""

    kind: DiagnosisKind
    sentence: str
    strength: float
    trials: tuple[int, ...]


def diagnose(state: State) -> tuple[Diagnosis, ...]:
    """What the default, the latest trials and the replicates say, strongest first; empty without trials."""
    if not state.objectives:
        return ()
    done = state.completed
    recent = [trial for trial in done[:1] if trial not in done[-_RECENT:]] + list(done[-_RECENT:])
    found = [*_fit(recent), *_course(recent), *_divergence(state, recent), *_noise(state), *_stalled(state)]
    return tuple(sorted(found, key=lambda d: -d.strength))


def _number(trial: Completed) -> int:
    return trial.proposal.trial


def _group(
    kind: DiagnosisKind, trials: Sequence[Completed], total: int, size: float, sentence: str
) -> tuple[Diagnosis, ...]:
    """A diagnosis that at least a third of ``total`` trials share; strength grows with that share and ``size``."""
    if not trials or len(trials) * 3 < total:
        return ()
    strength = (len(trials) / total) * (1 - math.exp(-max(size, 0.0)))
    return (Diagnosis(kind, sentence, round(strength, 3), tuple(_number(t) for t in trials)),)


def _of(count: int, total: int) -> str:
    return "the trial" if count == total == 1 else f"{count} of {total} trials"


def _fit(recent: Sequence[Completed]) -> tuple[Diagnosis, ...]:
    """Over- and underfitting by gap and rebound."""
    over: list[tuple[Completed, float, float]] = []
    close: list[tuple[Completed, float]] = []
    seen = 0
    for trial in recent:
        metrics = trial.observation.metrics
        pairs = gap_pairs(tuple(metrics))
        name = "gap" if "gap" in pairs else min(pairs, default="")
        rebound = metrics.get("rebound", 0.0) if metrics.get("best_at", 1.0) < 0.85 else 0.0
        if not name and "rebound" not in metrics:
            continue
        seen += 1
        val, train = (metrics[n] for n in pairs[name]) if name else (1.0, 1.0)
        room = max(abs(1 - val), abs(val - train)) if name and metric_kind(pairs[name][0]) == "score" else abs(val)
        share = metrics.get(name, 0.0) / max(room, 1e-12) if name else 0.0
        if share > 0.25 or rebound > 0.03:
            over.append((trial, max(share, 0.0), rebound))
        elif name and abs(share) < 0.05:
            close.append((trial, share))
    result: tuple[Diagnosis, ...] = ()
    if over:
        share = float(np.median([s for _, s, _ in over]))
        back = float(np.median([r for _, _, r in over]))
        words = []
        if share > 0.05:
            words.append(f"the gap to training is {share:.0%} of the validation error")
        if back > 0.005:
            fraction = float(np.median([t.observation.metrics.get("best_at", 1.0) for t, _, _ in over]))
            words.append(
                f"validation is best at {fraction:.0%} of the run{_at_step([t for t, _, _ in over])}"
                f" and ends {back:.0%} worse"
            )
        sentence = f"overfitting in {_of(len(over), seen)}: {', and '.join(words) or 'validation turns back'}"
        result += _group("overfitting", [t for t, _, _ in over], seen, max(share, 8 * back), sentence)
    if close:
        share = float(np.median([abs(s) for _, s in close]))
        sentence = (
            f"underfitting in {_of(len(close), seen)}: training and validation end within {max(share, 0.001):.1%}"
            " of each other, so it is not overfitting that limits"
        )
        result += _group("underfitting", [t for t, _ in close], seen, 1.0 - 10 * share, sentence)
    return result


def _at_step(trials: Sequence[Completed]) -> str:
    """The median step at which validation was best, in words; empty without curves."""
    at = []
    for trial in trials:
        name = _leading(trial.observation.curves, "val")
        if name is not None:
            steps, cost = _cost(name, trial.observation.curves[name])
            at.append(float(steps[int(np.argmin(cost))]))
    return f" (step {sorted(at)[(len(at) - 1) // 2]:g})" if at else ""


def _course(recent: Sequence[Completed]) -> tuple[Diagnosis, ...]:
    """Too short, flat, or oscillating, by slope, best_at and oscillation."""
    seen = [t for t in recent if "slope" in t.observation.metrics]
    if not seen:
        return ()

    def pick(name: str, low: float, high: float) -> list[Completed]:
        return [t for t in seen if low < t.observation.metrics.get(name, math.nan) < high]

    def middle(name: str, trials: Sequence[Completed]) -> float:
        return float(np.median([t.observation.metrics[name] for t in trials])) if trials else 0.0

    falling = [t for t in pick("slope", 0.03, math.inf) if t.observation.metrics.get("best_at", 1.0) > 0.9]
    flat = [t for t in pick("slope", -0.005, 0.005) if t.observation.metrics.get("rebound", 0.0) < 0.01]
    restless = pick("oscillation", 0.12, math.inf)
    slope, swing = middle("slope", falling), middle("oscillation", restless)
    return (
        *_group(
            "too_short",
            falling,
            len(seen),
            8 * slope,
            f"training cut short in {_of(len(falling), len(seen))}: still improving at the end,"
            f" by {slope:.0%} for each doubling of the steps",
        ),
        *_group(
            "plateau",
            flat,
            len(seen),
            0.7,
            f"plateau in {_of(len(flat), len(seen))}: the last quarter of the run changed the result by"
            f" {abs(middle('slope', flat)):.1%} for each doubling of the steps",
        ),
        *_group(
            "oscillation",
            restless,
            len(seen),
            5 * swing,
            f"oscillation in {_of(len(restless), len(seen))}: the curve swings by {swing:.0%} of its range at each "
            "report",
        ),
    )


def _divergence(state: State, recent: Sequence[Completed]) -> tuple[Diagnosis, ...]:
    """Failures with nan or inf, and jumps in curves."""
    broken = [t for t in state.failed if t.failure.kind in ("nan", "inf")]
    jumping = [t for t in recent if t.observation.metrics.get("jump", 0.0) > 0.5]
    total = len(state.failed) + len(recent)
    if not broken and not jumping:
        return ()
    words = []
    if broken:
        words.append(f"{len(broken)} of {total} trials ended with nan or inf")
    if jumping:
        height = max(t.observation.metrics["jump"] for t in jumping)
        words.append(f"the curve jumped up by as much as {height:.0%} in {_of(len(jumping), len(recent))}")
    strength = 1 - math.exp(-4 * (len(broken) + 0.5 * len(jumping)) / total)
    numbers = tuple(sorted([t.proposal.trial for t in broken] + [_number(t) for t in jumping]))
    return (Diagnosis("divergence", "divergence: " + " and ".join(words), round(strength, 3), numbers),)


def _noise(state: State) -> tuple[Diagnosis, ...]:
    """The seed-to-seed standard deviation, pooled over replicated points, against the spread of all trials."""
    metric = state.objective.metric
    done = [t for t in state.completed if metric in t.observation.metrics]
    equal: dict[frozenset[tuple[str, Scalar]], list[Completed]] = {}
    for trial in done:
        equal.setdefault(frozenset(trial.proposal.point.items()), []).append(trial)
    groups = [group for trials in equal.values() for group in _same(trials)]
    repeated = [g for g in groups if len({t.proposal.seed for t in g}) > 1]
    degrees = sum(len(g) - 1 for g in repeated)
    if not degrees:
        return ()
    squares = sum(len(g) * float(np.var([t.observation.metrics[metric] for t in g])) for g in repeated)
    sd = math.sqrt(squares / degrees)
    firsts = [g[0].observation.metrics[metric] for g in groups]
    spread = float(np.subtract(*np.percentile(firsts, [75, 25]))) if len(firsts) >= _SPREAD_FROM else 0.0
    against = f", {sd / spread:.0%} of the spread (interquartile) between configurations" if spread > 0 else ""
    return (
        Diagnosis(
            "noise",
            f"noise: the same configuration with another seed changes {metric} by {sd:.2g}"
            f" (standard deviation, {degrees + len(repeated)} trials){against}",
            round(min(1.0, sd / spread) if spread > 0 else 0.2, 3),
            tuple(sorted(_number(t) for g in repeated for t in g)),
        ),
    )


def _same(trials: Sequence[Completed]) -> list[list[Completed]]:
    """``trials`` at points that are equal, by points that are the same: 1, 1.0 and True are equal."""
    if len(trials) == 1:
        return [list(trials)]
    found: dict[frozenset[tuple[str, str]], list[Completed]] = {}
    for trial in trials:
        kinds = frozenset((k, type(v).__name__) for k, v in trial.proposal.point.items())
        found.setdefault(kinds, []).append(trial)
    return list(found.values())


def _stalled(state: State) -> tuple[Diagnosis, ...]:
    """No better trial for a long time."""
    objective = state.objective
    done = [t for t in state.completed if objective.metric in t.observation.metrics]
    if len(done) < 8:
        return ()
    costs = [objective.sign * t.observation.metrics[objective.metric] for t in done]
    best = int(np.argmin(costs))
    waited = len(done) - 1 - best
    if waited < max(6, len(done) // 3):
        return ()
    return (
        Diagnosis(
            "stalled",
            f"stalled: the last {waited} trials did not better {objective.metric} of trial {_number(done[best])}",
            round(waited / len(done), 3),
            tuple(_number(t) for t in done[best:]),
        ),
    )
