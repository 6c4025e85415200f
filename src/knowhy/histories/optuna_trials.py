"""Trials of Optuna and records of ours, one into the other; importing this module imports Optuna."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from knowhy.errors import SpaceError
from knowhy.histories.cells import scalar
from knowhy.histories.history import LARGEST_NUMBER, History, Recorded, number, outcome, seconds, seeded
from knowhy.model.objective import Constraint, Objective
from knowhy.model.observation import Curve, Failure, Outcome
from knowhy.model.space import Choices, Domain, Interval, Parameter, Scalar

ENDED = (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)


def objectives_of(study: optuna.Study, names: Sequence[str] = ()) -> tuple[Objective, ...]:
    """The objectives of ``study``: by ``names`` where as many are given, else as the study names them."""
    count = len(study.directions)
    known = tuple(study.metric_names or ())
    if len(names) != count:
        names = (
            known if len(known) == count else ("value",) if count == 1 else tuple(f"value_{i}" for i in range(count))
        )
    toward = [d == optuna.study.StudyDirection.MAXIMIZE for d in study.directions]
    return tuple(Objective(n, "maximize" if m else "minimize") for n, m in zip(names, toward, strict=True))


def history_of(study: optuna.Study, source: str, names: Sequence[str] = ()) -> History:
    """The trials of ``study`` that have ended; what runs or waits is left out."""
    objectives = objectives_of(study, names)
    domains: dict[str, Domain] = {}
    seen: dict[str, list[BaseDistribution]] = {}
    notes: list[str] = []
    trials, open_, bounds = [], 0, dict[str, Constraint]()
    for trial in study.get_trials(deepcopy=False):
        if trial.state not in ENDED:
            open_ += 1
            continue
        for name, distribution in trial.distributions.items():
            if distribution not in seen.setdefault(name, []):
                seen[name].append(distribution)
        trials.append(recorded(trial, objectives, bounds))
    for name, distributions in seen.items():
        known = [d for d in map(domain_of, distributions) if d is not None]
        if known:
            domains[name] = known[0] if len(known) == 1 else _joined(name, known, notes)
        if any(getattr(d, "step", None) not in (None, 1) for d in distributions):
            notes.append(f"{name} was searched in steps; here every value of its range counts")
    pruned = sum(t.state is TrialState.PRUNED for t in study.get_trials(deepcopy=False))
    if pruned:
        notes.append(
            f"{pruned} pruned trial{'s' * (pruned > 1)}: ended early, so neither a result nor a failure; "
            "kept with what they reported"
        )
    if open_:
        notes.append(f"{open_} trial{'s' * (open_ > 1)} not imported: running or waiting when the storage was read")
    name = study.study_name
    return History(
        "optuna", source, name, tuple(trials), domains, objectives, tuple(bounds.values()), notes=tuple(notes)
    )


def recorded(trial: FrozenTrial, objectives: Sequence[Objective], bounds: dict[str, Constraint]) -> Recorded:
    """A trial that has ended, as a record; the constraints that it names join ``bounds``."""
    duration = seconds(trial.duration.total_seconds() if trial.duration is not None else None)
    metrics = {
        name: number(value)
        for name, value in trial.user_attrs.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and name != "seed"
    }
    metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
    for name, value in (trial.constraints or {}).items():
        metrics[name] = number(value)
        bounds.setdefault(name, Constraint(name, "<=", 0.0))
    curves = _curves(trial, objectives)
    # Optuna decodes choices by itself; a value that is no scalar is known by its text, as its distribution has it.
    settings = {name: _value(trial.distributions[name], value) for name, value in trial.params.items()}
    settings, seed = seeded(settings)
    told = trial.user_attrs.get("seed")
    seed = told if isinstance(told, int) and not isinstance(told, bool) else seed
    ended: Outcome
    if trial.state is TrialState.COMPLETE:
        values = {o.metric: number(v) for o, v in zip(objectives, trial.values or (), strict=False)}
        ended = outcome({**metrics, **values}, [o.metric for o in objectives], duration, curves)
    elif trial.state is TrialState.PRUNED:
        at = f" after step {trial.last_step}" if trial.last_step is not None else ""
        ended = Failure("pruned", f"pruned{at}", duration, metrics=metrics, curves=curves)
    else:
        why = trial.system_attrs.get("fail_reason") or trial.user_attrs.get("failure") or "failed, as Optuna has it"
        ended = Failure("exit", str(why)[:300], duration, metrics=metrics, curves=curves)
    note = trial.user_attrs.get("note")
    return Recorded(
        f"trial {trial.number}",
        settings,
        ended,
        seed,
        note[:300] if isinstance(note, str) else "",
        str(trial.user_attrs.get("purpose", ""))[:20],
    )


def _curves(trial: FrozenTrial, objectives: Sequence[Objective]) -> dict[str, Curve]:
    points = sorted((s, v) for s, v in trial.intermediate_values.items() if abs(v) < LARGEST_NUMBER)
    if len(objectives) != 1 or len(points) < 2:
        return {}
    return {objectives[0].metric: Curve(tuple(float(s) for s, _ in points), tuple(float(v) for _, v in points))}


def domain_of(distribution: BaseDistribution) -> Domain | None:
    """The range of a distribution; None where it holds a single value."""
    try:
        if isinstance(distribution, CategoricalDistribution):
            return Choices(tuple(dict.fromkeys(_choice(v) for v in distribution.choices)))
        if isinstance(distribution, (FloatDistribution, IntDistribution)):
            whole = isinstance(distribution, IntDistribution)
            low, high = number(distribution.low), number(distribution.high)
            return Interval(low, high, "log" if distribution.log else "linear", integer=whole)
    except SpaceError:
        pass
    return None


def _choice(value: object) -> Scalar:
    found = scalar(value)
    return str(found) if isinstance(found, float) and not math.isfinite(found) else found


def _value(distribution: BaseDistribution, value: object) -> Scalar:
    if isinstance(distribution, CategoricalDistribution):
        return _choice(value)
    return value if isinstance(value, (int, float)) else None


def _joined(name: str, domains: Sequence[Domain], notes: list[str]) -> Domain:
    """One range for a parameter whose distribution changed during the study."""
    notes.append(f"the distribution of {name} changed during the study: its range here covers all of them")
    intervals = [d for d in domains if isinstance(d, Interval)]
    if len(intervals) == len(domains):
        low = min(d.low for d in intervals)
        log = low > 0 and any(d.scale == "log" for d in intervals)
        whole = all(d.integer for d in intervals)
        return Interval(low, max(d.high for d in intervals), "log" if log else "linear", integer=whole)
    choices = [d for d in domains if isinstance(d, Choices)]
    if len(choices) == len(domains):
        return Choices(tuple(v for _, v in dict.fromkeys((type(v), v) for d in choices for v in d.values)))
    return domains[-1]


# The other way


def distribution_of(parameter: Parameter) -> BaseDistribution:
    """How Optuna writes the range of ``parameter``."""
    domain = parameter.domain
    if isinstance(domain, Choices):
        return CategoricalDistribution(tuple(_apart(domain)))
    log = domain.scale == "log"
    if domain.integer or domain.power_of_two:
        return IntDistribution(math.ceil(domain.low), math.floor(domain.high), log=log)
    return FloatDistribution(domain.low, domain.high, log=log)


def value_for(parameter: Parameter, value: Scalar) -> Any:
    """``value`` as the distribution of ``parameter`` has it."""
    domain = parameter.domain
    if isinstance(domain, Choices):
        place = next(i for i, v in enumerate(domain.values) if type(v) is type(value) and v == value)
        return _apart(domain)[place]
    found = float(value) if isinstance(value, (int, float)) else domain.low
    return round(found) if domain.integer or domain.power_of_two else min(max(found, domain.low), domain.high)


def _apart(domain: Choices) -> list[Scalar]:
    """The values of a choice as Optuna can tell them apart: it takes True for 1, and 1.0 as well."""
    values = domain.values
    alike = len(set(values)) < len(values)
    return [f"{v!r} ({type(v).__name__})" if alike and not isinstance(v, str) else v for v in values]
