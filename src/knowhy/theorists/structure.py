"""Theories with structure: how pairs act together, when trials fail, what takes time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from knowhy.model.objective import Objective
from knowhy.model.space import Interval
from knowhy.model.theory import Claim, Effect, FailsWhen, Interacts, OnlyThrough, OptimumMoves, Verb
from knowhy.theorists.lore_pairs import PAIRS, Bond
from knowhy.theorists.questions import Question, Rival
from knowhy.theorists.reading import Lever, Reading, number
from knowhy.theorists.responses import Array

_FEW_FAILURES = 2
_ABOUT_SETTINGS = ("nan", "inf", "exit", "timeout", "out_of_memory", "no_metric")

_COST: dict[str, str] = {
    "epochs": "Time is the number of passes times the time of a pass.",
    "trees": "Time is the number of trees times the time of a tree.",
    "width": "The matrix products grow with the width, between hidden layers with its square.",
    "depth": "Every layer is computed in turn, forwards and backwards.",
    "tree_depth": "Each level of a tree passes over the data once more.",
    "batch_size": "Larger batches use the machine better and make fewer updates for the same number of examples.",
    "context": "Attention grows with the square of the context.",
}


def pair_text(a: str, b: str, metric: str) -> str:
    """The question of a pair, the same for every reason to ask it."""
    return f"how do {a} and {b} act together on {metric}?"


def pairs(reading: Reading, objective: Objective) -> Iterator[Question]:
    """What lore says of pairs of active parameters."""
    for pair in PAIRS:
        if reading.family not in pair.families:
            continue
        first, second = reading.with_senses([pair.first]), reading.with_senses([pair.second])
        if not first or not second or first[0].name == second[0].name:
            continue
        a, b, m = first[0], second[0], objective.metric
        rivals = []
        for answer in pair.answers:
            claim = _bond(answer.bond, a, b, m)
            if claim is not None:
                title = answer.title.replace("{a}", a.name).replace("{b}", b.name)
                rivals.append(Rival(title, answer.because, (claim,)))
        if len(rivals) > 1:
            weight = pair.importance * (a.weight * b.weight) ** 0.5
            yield Question(pair_text(a.name, b.name, m), tuple(rivals), weight)


def _bond(bond: Bond, a: Lever, b: Lever, metric: str) -> Claim | None:
    match bond:
        case "ratio" | "root" | "product":
            if not (_positive(a) and _positive(b)):
                return None
            return OnlyThrough(metric, a.name, b.name, {"ratio": "/", "root": "/sqrt", "product": "*"}[bond])  # type: ignore[arg-type]
        case "rises":
            return OptimumMoves(a.name, metric, "rises", b.name)
        case "falls":
            return OptimumMoves(a.name, metric, "falls", b.name)
        case "stays":
            return OptimumMoves(a.name, metric, "does not move", b.name)
        case "together":
            return Interacts(a.name, b.name, metric, True)
        case "alone":
            return Interacts(a.name, b.name, metric, False)


def _positive(lever: Lever) -> bool:
    domain = lever.parameter.domain
    return isinstance(domain, Interval) and domain.low > 0


def costs(reading: Reading) -> Iterator[Question]:
    """What takes time, for the parameter that most should."""
    if "duration" not in reading.metrics or any(o.metric == "duration" for o in reading.state.objectives):
        return
    for lever in reading.levers:
        trend = lever.entry.cost
        if trend not in ("+", "-"):
            continue
        p, span = lever.name, (lever.start, lever.end)
        verb: Verb = "raises" if trend == "+" else "lowers"
        why = _COST.get(
            lever.parameter.role, "Each trial does more work." if trend == "+" else "Each trial does less work."
        )
        yield Question(
            f"what does raising {p} from {number(span[0])} to {number(span[1])} do to duration?",
            (
                Rival(
                    f"A larger {p} makes trials {'longer' if trend == '+' else 'shorter'}",
                    why,
                    (Effect(p, *span, verb, "duration"),),
                ),
                Rival(
                    f"{p} costs no time worth counting",
                    "At this size start-up, loading and overheads take most of the time, or training stops early "
                    "anyway.",
                    (Effect(p, *span, "does not change", "duration"),),
                ),
            ),
            0.25 * lever.weight,
        )
        return


def failures(reading: Reading) -> Iterator[Question]:
    """When trials fail: single parameters and products of two that tell the failed from the finished."""
    failed = [t for t in reading.state.failed if t.failure.kind in _ABOUT_SETTINGS]
    done = reading.state.completed
    if len(failed) < _FEW_FAILURES or len(done) < _FEW_FAILURES:
        return
    points = [t.proposal.point for t in failed] + [t.proposal.point for t in done]
    bad = np.arange(len(points)) < len(failed)
    values: dict[tuple[str, ...], Array] = {}
    for lever in reading.levers:
        settings = [point.get(lever.name, lever.parameter.default) for point in points]
        values[(lever.name,)] = np.array([float(v) for v in settings if isinstance(v, (int, float))])
    values = {k: v for k, v in values.items() if v.size == bad.size}
    positive = [k for k, v in values.items() if bool((v > 0).all())]
    for (a,), (b,) in combinations(positive, 2):
        values[(a, b)] = values[(a,)] * values[(b,)]
    found = []
    for order, (names, column) in enumerate(values.items()):
        for side in ("above", "below"):
            if side == "below" and len(names) > 1:
                continue
            split = _split(column, bad, side == "above")
            if split is not None:
                found.append((split[0] + 0.02 * (len(names) - 1), order, names, side, split[1]))
    found.sort(key=lambda f: f[:2])
    chosen = [f for f in found if f[0] <= 0.25][:1]
    if not chosen:
        return
    others = [f for f in found[1:] if not (f[2] == chosen[0][2] and f[3] == chosen[0][3]) and f[0] <= 0.5]
    single = len(chosen[0][2]) == 1
    others.sort(key=lambda f: (f[0], (len(f[2]) == 1) == single))
    kinds = sorted({t.failure.kind.replace("_", " ") for t in failed})
    rivals = tuple(
        Rival(
            f"Trials fail when {' x '.join(names)} is {side} {number(threshold)}",
            _failure_reason(reading, names, side, kinds),
            (FailsWhen(names, side, threshold),),  # type: ignore[arg-type]
        )
        for _, _, names, side, threshold in [*chosen, *others[:2]]
    )
    if len(rivals) > 1:
        yield Question("when do trials fail?", rivals, 0.95)


def _failure_reason(reading: Reading, names: tuple[str, ...], side: str, kinds: list[str]) -> str:
    how = " and ".join(kinds)
    if "out of memory" in kinds:
        return f"Memory grows with {' times '.join(names)}; beyond a limit the trial is killed ({how})."
    if "timeout" in kinds:
        return f"The work grows with {' times '.join(names)}; beyond a limit it does not fit the time allowed ({how})."
    if "nan" in kinds or "inf" in kinds:
        if len(names) > 1:
            return f"{' and '.join(names)} multiply up the size of the steps until training blows up ({how})."
        return f"With {names[0]} {side} a limit, steps no longer shrink the loss and training blows up ({how})."
    return f"All trials that failed ({how}) lie on that side, and nearly all that finished on the other."


def _split(column: Array, bad: NDArray[np.bool_], above: bool) -> tuple[float, float] | None:
    """The share of mistakes (mean over both classes) of the best threshold, and that threshold in round numbers."""
    order = np.argsort(column, kind="stable")
    x, y = column[order], bad[order]
    cuts = np.nonzero(x[1:] > x[:-1])[0]
    if not cuts.size:
        return None
    total = int(y.sum())
    low_bad = np.cumsum(y)[cuts]
    low_good = cuts + 1 - low_bad
    missed, wrong = (low_bad, y.size - total - low_good) if above else (total - low_bad, low_good)
    errors = 0.5 * missed / total + 0.5 * wrong / (y.size - total)
    best = int(np.argmin(errors))
    one, two = float(x[cuts[best]]), float(x[cuts[best] + 1])
    middle = (one * two) ** 0.5 if one > 0 else 0.5 * (one + two)
    for digits in range(1, 6):
        value = float(f"{middle:.{digits}g}")
        if one < value < two:
            return float(errors[best]), value
    return float(errors[best]), middle
