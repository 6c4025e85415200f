"""Theories about failures: the limits of parameters and products that tell the failed trials apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from knowhy.engine.claims import parse
from knowhy.engine.success import CAUSES
from knowhy.errors import SentenceError
from knowhy.model.theory import FailsWhen
from knowhy.model.trial import Failed
from knowhy.theorists.questions import Question, Rival
from knowhy.theorists.reading import Reading, number, sense
from knowhy.theorists.responses import Array

_QUESTION = "when do trials fail?"
_QUESTIONS = {
    "": _QUESTION,
    "room": "when do trials run out of memory or time?",
    "numbers": "when does training blow up?",
}
_ABOUT_SETTINGS = ("nan", "inf", "exit", "timeout", "out_of_memory", "no_metric")
_FEW = 2
_CONVINCING = 0.25
_CLEARLY_BETTER = 0.08
_MOST = 6
_PRICE_OF_A_FACTOR = 0.02
_PRICE_OF_THE_IMPLAUSIBLE = 0.08
_STEPS = frozenset({"learning_rate", "depth", "width", "init_scale", "momentum", "gradient_clip", "context", "other"})
_WORK = frozenset(
    {"batch_size", "width", "depth", "context", "heads", "epochs", "trees", "tree_depth", "leaves", "degree", "other"}
)


@dataclass(frozen=True)
class _Trials:
    """Settings of failed and finished trials: a column for each parameter and product; ``bad`` marks the failed."""

    columns: dict[tuple[str, ...], Array]
    bad: NDArray[np.bool_]

    def mistakes(self, claim: FailsWhen) -> float:
        """The share of trials on the wrong side, mean over failed and finished; a half where it cannot be told."""
        inside = self._inside(claim)
        if inside is None:
            return 0.5
        return 0.5 * float((~inside[self.bad]).mean()) + 0.5 * float(inside[~self.bad].mean())

    def within(self, claim: FailsWhen, kinds: Sequence[str]) -> frozenset[str]:
        """Which of the ``kinds`` of the failed trials (in their order) lie where ``claim`` says that trials fail."""
        inside = self._inside(claim)
        return frozenset(kinds if inside is None else (kind for kind, at in zip(kinds, inside, strict=False) if at))

    def _inside(self, claim: FailsWhen) -> NDArray[np.bool_] | None:
        column = self.columns.get(claim.parameters)
        if column is None:
            return None
        return column > claim.threshold if claim.side == "above" else column < claim.threshold


def failures(reading: Reading) -> Iterator[Question]:
    """When trials fail; asked again with a better answer when more trials have shown the first ones to be wrong.

    Where trials fail in more than one way, each way is asked about on its own.
    """
    state = reading.state
    failed = [t for t in state.failed if t.failure.kind in _ABOUT_SETTINGS]
    if len(state.completed) < _FEW:
        return
    ways: dict[str, list[Failed]] = {}
    for t in failed:
        ways.setdefault(CAUSES.get(t.failure.kind, ""), []).append(t)
    often = [way for way, mine in ways.items() if len(mine) >= _FEW]
    if len(often) < 2:
        often, ways = [""], {"": failed}
    for way in often:
        yield from _when(reading, ways[way], _QUESTIONS[way])


def _when(reading: Reading, failed: Sequence[Failed], text: str) -> Iterator[Question]:
    """The question ``text`` about the ``failed`` trials, with the limits that tell them best from those that ran."""
    if len(failed) < _FEW:
        return
    trials = _trials(reading, [t.proposal.trial for t in failed])
    plausible = _plausible(reading, {t.failure.kind for t in failed})
    found = _limits(trials, plausible)
    if not found or found[0][0] > _CONVINCING:
        return
    known = _known(reading, text)
    single = len(found[0][1].parameters) == 1
    others = [f for f in found[1:] if f[0] <= 0.5]
    others.sort(key=lambda f: (f[0], (len(f[1].parameters) == 1) == single))
    kinds = [t.failure.kind for t in failed]
    claims = [found[0][1], *(claim for _, claim in others[:2])]
    if known:
        if len(known) >= _MOST or min(trials.mistakes(claim) for claim in known) < found[0][0] + _CLEARLY_BETTER:
            return
        claims = claims[:1]
    rivals = tuple(
        Rival(
            f"Trials fail when {' x '.join(claim.parameters)} is {claim.side} {number(claim.threshold)}",
            _reason(claim, trials.within(claim, kinds), reading),
            (claim,),
        )
        for claim in claims
    )
    if known or len(rivals) > 1:
        yield Question(text, rivals, 0.95, adds=bool(known))


def _trials(reading: Reading, failed: list[int]) -> _Trials:
    state = reading.state
    numbers = failed + [t.proposal.trial for t in state.completed]
    points = [state.trials[n].proposal.point for n in numbers]
    columns: dict[tuple[str, ...], Array] = {}
    for lever in reading.levers:
        settings = [point.get(lever.name, lever.parameter.default) for point in points]
        values = np.array([float(v) for v in settings if isinstance(v, (int, float))])
        if values.size == len(points):
            columns[(lever.name,)] = values
    for (a,), (b,) in combinations([k for k, v in columns.items() if bool((v > 0).all())], 2):
        columns[(a, b)] = columns[(a,)] * columns[(b,)]
    return _Trials(columns, np.arange(len(points)) < len(failed))


def _known(reading: Reading, text: str) -> list[FailsWhen]:
    """What has been said in answer to the question already, or while there was one way of failing only."""
    found = []
    for theory in reading.state.theories.values():
        for sentence in theory.claims if theory.question in (_QUESTION, text) else ():
            try:
                claim = parse(sentence, reading.state.space, reading.metrics)
            except SentenceError:
                continue
            if isinstance(claim, FailsWhen):
                found.append(claim)
    return found


def _plausible(reading: Reading, kinds: set[str]) -> frozenset[str]:
    """Names of parameters that are known to cause failures of these kinds."""
    senses: frozenset[str] = frozenset()
    if kinds & {"nan", "inf"}:
        senses |= _STEPS
    if kinds & {"timeout", "out_of_memory"}:
        senses |= _WORK
    return frozenset(x.name for x in reading.levers if not senses or sense(x.parameter) in senses)


def _limits(trials: _Trials, plausible: frozenset[str]) -> list[tuple[float, FailsWhen]]:
    """The best limit of each parameter and product, best first, with its mistakes.

    Products, and parameters that have nothing to do with such failures as far as is known, pay a little more.
    """
    found: list[tuple[float, FailsWhen]] = []
    sides: tuple[Literal["above", "below"], ...] = ("above", "below")
    for names, column in trials.columns.items():
        for side in sides[: 1 if len(names) > 1 else 2]:
            split = _split(column, trials.bad, side == "above")
            if split is not None:
                price = _PRICE_OF_A_FACTOR * (len(names) - 1)
                price += _PRICE_OF_THE_IMPLAUSIBLE * sum(name not in plausible for name in names)
                found.append((split[0] + price, FailsWhen(names, side, split[1])))
    return sorted(found, key=lambda f: f[0])


def _reason(claim: FailsWhen, kinds: frozenset[str], reading: Reading) -> str:
    """The mechanism that fits both the parameters and the kinds of failure; none is claimed where none fits."""
    names, side = claim.parameters, claim.side
    how = " and ".join(sorted(kind.replace("_", " ") for kind in kinds))
    senses = {sense(x.parameter) for x in reading.levers if x.name in names}
    if "out_of_memory" in kinds and senses <= _WORK and side == "above":
        return f"Memory grows with {' times '.join(names)}; beyond a limit the trial is killed ({how})."
    if "timeout" in kinds and senses <= _WORK and side == "above":
        return f"The work grows with {' times '.join(names)}; beyond a limit it does not fit the time allowed ({how})."
    if kinds & {"nan", "inf"} and senses & _STEPS:
        if len(names) > 1:
            return f"{' and '.join(names)} multiply up the size of the steps until training blows up ({how})."
        return f"With {names[0]} {side} a limit, steps no longer shrink the loss and training blows up ({how})."
    return f"Nearly all trials that failed ({how}) lie on that side, and nearly all that finished on the other."


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
    if two - one == 1 and one.is_integer():
        return float(errors[best]), one if above else two  # whole numbers: "above 10", "below 7"
    middle = (one * two) ** 0.5 if one > 0 else 0.5 * (one + two)
    for digits in range(1, 6):
        value = float(f"{middle:.{digits}g}")
        if one < value < two:
            return float(errors[best]), value
    return float(errors[best]), middle
