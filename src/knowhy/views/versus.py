"""Strategies side by side: what each found, what each knows, what each cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scipy.special import stdtrit

from knowhy.model.space import Point, same_point
from knowhy.model.state import State
from knowhy.model.trial import Completed, Failed
from knowhy.views.mind import Mind
from knowhy.views.overview import best, spent, training
from knowhy.views.theories import TheoryView, theories
from knowhy.views.trials import Setting, changed, feasible
from knowhy.views.words import between, number, plural, seconds


@dataclass(frozen=True, slots=True)
class Contender:
    """A sub-study: the ``strategy`` that ran it, its ``repeat`` (from 0), and what it holds."""

    strategy: str
    repeat: int
    state: State
    mind: Mind


@dataclass(frozen=True, slots=True)
class ChosenView:
    """The configuration that one sub-study ends with.

    ``promised`` is the value by which it was chosen: the best single run for a classic strategy, the posterior or the
    mean of verification for theory. ``fresh`` are its runs on seeds that no strategy saw (None: failed).
    """

    study: str
    repeat: int
    trial: int | None
    point: Point
    changed: tuple[Setting, ...]
    promised: float | None
    fresh: tuple[float | None, ...]
    value: float | None


@dataclass(frozen=True, slots=True)
class StrategyView:
    """One strategy, over its repeats.

    ``value`` is the mean over fresh runs and repeats (None: nothing ran well), ``error`` its standard error,
    ``improvement`` over the default (positive is better). ``certified``, ``supported`` and ``refuted`` count theories,
    averaged over repeats, ``known`` are those certified or supported in every repeat. ``training`` and ``wall`` are
    seconds in a repeat. ``left_out`` says why the strategy did not run, empty where it did.
    """

    strategy: str
    left_out: str
    chosen: tuple[ChosenView, ...]
    value: float | None
    error: float | None
    improvement: float | None
    certified: float
    supported: float
    refuted: float
    open: float
    certificates: tuple[str, ...]
    known: tuple[str, ...]
    trials: float
    failed: float
    training: float
    wall: float
    course: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class DuelView:
    """One strategy against theory on equal fresh seeds: ``difference`` (positive: theory is better), 95% bounds.

    The bounds are Student's, over pairs of runs on the same seed (how many is fixed beforehand); None from fewer than
    three pairs.
    """

    strategy: str
    pairs: int
    difference: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """Strategies side by side on one subject. ``verdict`` says in sentences what the numbers show."""

    name: str
    metric: str
    direction: str
    trials: int
    repeats: int
    fresh: int
    default: float | None
    strategies: tuple[StrategyView, ...]
    duels: tuple[DuelView, ...]
    finished: bool
    verdict: tuple[str, ...]


def choice(contender: Contender) -> tuple[int | None, Point, float | None]:
    """What a strategy ends with: trial, point, and the value by which it was chosen.

    Theory chooses by its posterior; a classic strategy by the best single run that keeps the constraints.
    """
    state = contender.state
    if contender.strategy == "theory":
        view = best(state, contender.mind)
        if view is not None:
            return view.trial, view.point, view.value if view.fresh_value is None else view.fresh_value
        return None, state.space.defaults(), None
    metric = state.objective.metric
    kept = [t for t in state.completed if metric in t.observation.metrics and feasible(state, t.observation.metrics)]
    if not kept:
        return None, state.space.defaults(), None
    winner = min(kept, key=lambda t: state.objective.sign * t.observation.metrics[metric])
    return winner.proposal.trial, state.space.complete(winner.proposal.point), winner.observation.metrics[metric]


def versus(
    name: str,
    contenders: Sequence[Contender],
    fresh: State | None,
    left_out: Mapping[str, str],
    trials: int,
    repeats: int,
    runs: int,
) -> ComparisonView:
    """The comparison as far as it has come; ``fresh`` is the study of fresh runs, None before it began."""
    first = contenders[0].state if contenders else State()
    objective = first.objectives[0] if first.objectives else None
    metric, sign = (objective.metric, objective.sign) if objective else ("", 1.0)
    default = _mean(_fresh(fresh, first.space.defaults(), metric)) if objective else None
    names = dict.fromkeys([c.strategy for c in contenders])
    made = [_strategy(s, [c for c in contenders if c.strategy == s], fresh, metric, sign, default) for s in names] + [
        _absent(s, why) for s, why in left_out.items() if s not in names
    ]
    theory = next((s for s in made if s.strategy == "theory" and s.chosen), None)
    duels = tuple(_duel(theory, s, sign) for s in made if theory and s.chosen and s is not theory)
    whole = bool(contenders) and all(_ended(c, trials) for c in contenders)
    finished = whole and all(len(chosen.fresh) >= runs for s in made for chosen in s.chosen)
    view = ComparisonView(
        name,
        metric,
        objective.direction if objective else "minimize",
        trials,
        repeats,
        runs,
        default,
        tuple(made),
        duels,
        finished,
        (),
    )
    return replace(view, verdict=verdict(view))


def _ended(contender: Contender, trials: int) -> bool:
    state = contender.state
    return bool(state.ended) and (state.finished >= trials or "no more points" in state.ended)


def _fresh(fresh: State | None, point: Point, metric: str) -> tuple[float | None, ...]:
    """Values of ``point`` in the fresh runs, by seed."""
    if fresh is None:
        return ()
    found: dict[int, float | None] = {}
    for t in fresh.trials.values():
        if same_point(fresh.space.complete(t.proposal.point), fresh.space.complete(point)):
            if isinstance(t, Completed):
                found[t.proposal.seed] = t.observation.metrics.get(metric)
            elif isinstance(t, Failed) and t.failure.kind != "lost":
                found[t.proposal.seed] = None
    seeds = dict.fromkeys(t.proposal.seed for _, t in sorted(fresh.trials.items()))
    return tuple(found[s] for s in seeds if s in found)


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean; None where a run failed or there is none: a configuration that fails is worth nothing."""
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _strategy(
    name: str, runs: Sequence[Contender], fresh: State | None, metric: str, sign: float, default: float | None
) -> StrategyView:
    chosen, views, known = [], [], []
    for c in runs:
        trial, point, promised = choice(c)
        values = _fresh(fresh, point, metric)
        differing = changed(c.state.space, point)
        chosen.append(ChosenView(c.state.name, c.repeat, trial, point, differing, promised, values, _mean(values)))
        seen = theories(c.state)
        views.append(seen)
        known.append({v.claims for v in seen if v.status in ("certified", "supported")})
    value = _mean([c.value for c in chosen])
    everything = [v for c in chosen for v in c.fresh if v is not None]
    spread = _deviation(everything if len(chosen) == 1 else [c.value for c in chosen if c.value is not None])
    count = len(everything) if len(chosen) == 1 else len(chosen)
    states = [c.state for c in runs]
    shared = set.intersection(*known) if known else set()
    sentences = tuple("; ".join(v.claims) for v in views[0] if v.claims in shared) if views else ()
    return StrategyView(
        strategy=name,
        left_out="",
        chosen=tuple(chosen),
        value=value,
        error=None if spread is None or value is None else spread / math.sqrt(count),
        improvement=None if value is None or default is None else sign * (default - value),
        certified=_average([_count(v, "certified") for v in views]),
        supported=_average([_count(v, "supported") for v in views]),
        refuted=_average([_count(v, "refuted") for v in views]),
        open=_average([len(v) - sum(_count(v, s) for s in ("certified", "supported", "refuted")) for v in views]),
        certificates=tuple(
            dict.fromkeys("; ".join(v.claims) for found in views for v in found if v.status == "certified")
        ),
        known=sentences,
        trials=_average([s.finished for s in states]),
        failed=_average([len(s.failed) for s in states]),
        training=_average([training(s) for s in states]),
        wall=_average([spent(s) for s in states]),
        course=_course(states[0], metric, sign) if states else (),
    )


def _absent(name: str, why: str) -> StrategyView:
    return StrategyView(name, why, (), None, None, None, 0, 0, 0, 0, (), (), 0, 0, 0, 0, ())


def _count(views: Sequence[TheoryView], status: str) -> int:
    return sum(v.status == status for v in views)


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _deviation(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    middle = sum(values) / len(values)
    return math.sqrt(sum((v - middle) ** 2 for v in values) / (len(values) - 1))


def _course(state: State, metric: str, sign: float) -> tuple[tuple[int, float], ...]:
    """The best single value after each trial of the first repeat."""
    out: list[tuple[int, float]] = []
    record: float | None = None
    for place, number_ in enumerate(state.order, 1):
        trial = state.trials[number_]
        if isinstance(trial, Completed) and feasible(state, trial.observation.metrics):
            value = trial.observation.metrics.get(metric)
            if value is not None and (record is None or sign * value < sign * record):
                record = value
        if record is not None:
            out.append((place, record))
    return tuple(out)


def _duel(theory: StrategyView, other: StrategyView, sign: float) -> DuelView:
    gains = [
        sign * (b - a)
        for mine, theirs in zip(theory.chosen, other.chosen, strict=False)
        for a, b in zip(mine.fresh, theirs.fresh, strict=False)
        if a is not None and b is not None
    ]
    if theory.value is None or other.value is None or not gains:
        return DuelView(other.strategy, 0, math.nan, None, None)
    middle, spread = sum(gains) / len(gains), _deviation(gains)
    if spread is None or len(gains) < 3:
        return DuelView(other.strategy, len(gains), middle, None, None)
    reach = float(stdtrit(len(gains) - 1, 0.975)) * spread / math.sqrt(len(gains))
    return DuelView(other.strategy, len(gains), middle, middle - reach, middle + reach)


def verdict(view: ComparisonView) -> tuple[str, ...]:
    """What the numbers show, in sentences that claim no more."""
    ran = [s for s in view.strategies if s.chosen]
    if not view.finished:
        return ("The comparison has not finished: run the same command again.",)
    sign = 1.0 if view.direction == "minimize" else -1.0
    valued = sorted((s for s in ran if s.value is not None), key=lambda s: sign * (s.value or 0.0))
    out = []
    if valued:
        top = valued[0]
        out.append(
            f"On {plural(view.fresh, 'fresh seed')} what {top.strategy} chose has the best mean {view.metric}: "
            f"{number(top.value, top.error)}."
        )
    else:
        out.append("No strategy found a configuration that runs on every fresh seed.")
    for duel in view.duels:
        if not duel.pairs:
            continue
        size = number(abs(duel.difference), abs(duel.difference) / 10 or None)
        if duel.difference == 0:
            out.append(f"Theory and {duel.strategy} come to the same.")
            continue
        toward = "better" if duel.difference > 0 else "worse"
        clear = duel.low is not None and duel.high is not None and (duel.low > 0 or duel.high < 0)
        shown = "more than the noise of these runs" if clear else "which so few runs cannot tell from no difference"
        within = "" if duel.low is None or duel.high is None else f" (95% within {between(duel.low, duel.high)})"
        out.append(f"Theory is {toward} than {duel.strategy} by {size}{within}, {shown}.")
    theory = next((s for s in ran if s.strategy == "theory"), None)
    others = [s for s in ran if s.strategy != "theory"]
    if theory is not None:
        out.append(
            f"Theory certified {number(theory.certified)} and supports {number(theory.supported)} theories, "
            f"and refuted {number(theory.refuted)}"
            + (
                "; from their trials, the others support and refute: "
                + ", ".join(f"{s.strategy} {number(s.supported)} and {number(s.refuted)}" for s in others)
                if others
                else ""
            )
            + ". Only fresh pairs certify, and classic strategies run none."
        )
        if others:
            quickest = min(others, key=lambda s: s.wall)
            out.append(
                f"Theory took {seconds(theory.wall)} in all ({seconds(theory.training)} of training), "
                f"{quickest.strategy} {seconds(quickest.wall)} ({seconds(quickest.training)})."
            )
    return tuple(out)
