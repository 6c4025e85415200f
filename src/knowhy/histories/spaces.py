"""The space that a history spans: ranges, choices, conditions and a default, each with the reason in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from knowhy.errors import SpaceError, UsageError
from knowhy.histories.conditions import conditions_of
from knowhy.histories.history import History, Recorded, number, renamed
from knowhy.model.observation import Observation
from knowhy.model.space import Choices, Domain, Interval, Parameter, Point, Scalar, Space, describe

MOST_CHOICES = 60
MOST_PARAMETERS = 200
_DECADES = 30.0
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """A parameter as a person asked for it: a range (or None to take what is there)."""

    name: str
    domain: Domain | None = None


@dataclass(frozen=True)
class Fitted:
    """A space with the trials placed in it: (trial, complete point), and notes on what was left out or widened."""

    space: Space
    placed: tuple[tuple[Recorded, dict[str, Scalar]], ...]
    notes: tuple[str, ...]


def fit(history: History, wanted: Sequence[Wanted] = (), baseline: str = "") -> Fitted:
    """The space that covers ``history``, and each trial's point in it.

    Ranges are those that a person asked for, else those declared, else those seen; a value outside of its range
    widens it. ``baseline`` names the trial whose configuration is the default. Raises UsageError where nothing varies.
    """
    notes: list[str] = []
    names = renamed(name for trial in history.trials for name in trial.settings)
    for old, new in names.items():
        if old != new:
            notes.append(f"the parameter {old[:80]!r} is called {new} here")
    asked = {w.name: w for w in wanted}
    trials = [replace(t, settings={names[k]: v for k, v in t.settings.items()}) for t in history.trials]
    declared = {names.get(name, name): domain for name, domain in history.domains.items()}
    unknown = [name for name in asked if name not in names.values()]
    if unknown:
        raise UsageError(
            f"the history has no parameter {', '.join(unknown)}",
            f"choose among: {', '.join(list(names.values())[:20]) or 'nothing'}",
        )
    domains: dict[str, Domain] = {}
    for name in names.values():
        if asked and name not in asked:
            continue
        values = [t.settings[name] for t in trials if name in t.settings]
        given = asked[name].domain if name in asked else None
        found = _domain(name, values, given or declared.get(name), notes, by_person=given is not None)
        if found is not None:
            domains[name] = found
    if len(domains) > MOST_PARAMETERS:
        raise UsageError(
            f"the history has {len(domains)} parameters; a study takes at most {MOST_PARAMETERS}",
            "name those that count, as in --parameter lr --parameter batch_size",
        )
    if not domains:
        raise UsageError(
            f"nothing varies in {history.source}: no parameter has two values",
            "name the columns that are parameters with --parameter, or import a history with more configurations",
        )
    return _place(history, trials, domains, baseline or history.baseline, notes)


def _place(
    history: History, trials: Sequence[Recorded], domains: Mapping[str, Domain], baseline: str, notes: list[str]
) -> Fitted:
    typed: list[tuple[Recorded, dict[str, Scalar]]] = []
    lost: Counter[str] = Counter()
    for trial in trials:
        point: dict[str, Scalar] = {}
        bad = ""
        for name, domain in domains.items():
            if name in trial.settings:
                fitted = _typed(domain, trial.settings[name])
                if not domain.contains(fitted):
                    bad = name
                point[name] = fitted
        if bad:
            lost[bad] += 1
        else:
            typed.append((trial, point))
    for name, count in lost.items():
        notes.append(f"{count} trial{'s' * (count > 1)} left out: {name} has no value that can be placed in its range")
    if not typed:
        raise UsageError(
            f"no trial of {history.source} has usable settings",
            "look at the values of its parameters: " + ", ".join(domains),
        )
    conditions = conditions_of(typed, domains, notes)
    start = _default(typed, baseline, history.source)
    parameters = [Parameter(n, d, _start(n, d, start, typed), condition=conditions.get(n)) for n, d in domains.items()]
    space = Space(tuple(parameters))
    return Fitted(space, tuple((t, space.complete(p)) for t, p in typed), tuple(notes))


def widened(space: Space, history: History) -> tuple[Space, tuple[str, ...]]:
    """``space`` with room for the values of ``history``, and in words where it was too narrow."""
    names = renamed(name for trial in history.trials for name in trial.settings)
    old = {new: name for name, new in names.items()}
    notes: list[str] = []
    changed = []
    for parameter in space:
        name = old.get(parameter.name, parameter.name)
        values = [t.settings[name] for t in history.trials if name in t.settings]
        found = _widened(parameter.name, parameter.domain, values, notes, by_person=False)
        changed.append(parameter if found is None else replace(parameter, domain=found))
    return Space(tuple(changed)), tuple(notes)


def adopt(space: Space, history: History) -> Fitted:
    """The trials of ``history`` as far as they fit into ``space``, which exists already.

    A parameter that a trial does not have counts at its default; one that the space lacks, at another value than
    that of most trials, keeps the trial out.
    """
    names = renamed(name for trial in history.trials for name in trial.settings)
    trials = [replace(t, settings={names[k]: v for k, v in t.settings.items()}) for t in history.trials]
    notes, why = [], Counter[str]()
    usual: dict[str, str] = {}
    for name in names.values():
        if name not in space:
            counts = Counter(repr(t.settings[name]) for t in trials if name in t.settings)
            usual[name] = counts.most_common(1)[0][0]
            rest = sum(counts.values()) - counts[usual[name]]
            if rest:
                notes.append(
                    f"{name} is no parameter of the study: only trials with {name} = {usual[name][:40]} are taken"
                )
    placed = []
    for trial in trials:
        point: dict[str, Scalar] = {}
        reason = ""
        for name, value in trial.settings.items():
            if name not in space:
                if repr(value) != usual[name]:
                    reason = f"{name} differs"
                continue
            fitted = _typed(space[name].domain, value)
            if not space[name].domain.contains(fitted):
                reason = f"{name} is outside of {describe(space[name])}"
            point[name] = fitted
        if reason:
            why[reason] += 1
        else:
            placed.append((trial, space.complete(point)))
    notes += [f"{count} trial{'s' * (count > 1)} left out: {reason}" for reason, count in why.items()]
    return Fitted(space, tuple(placed), tuple(notes))


def _domain(
    name: str, values: Sequence[Scalar], given: Domain | None, notes: list[str], *, by_person: bool
) -> Domain | None:
    """The range of ``name``: the one given, widened where values lie outside, or else what the values span."""
    if given is not None:
        return _widened(name, given, values, notes, by_person=by_person)
    kinds = {type(v) for v in values}
    if kinds and kinds <= {int, float}:
        usable = [number(v) for v in values if isinstance(v, (int, float))]
        usable = [v for v in usable if math.isfinite(v)]
        if len(set(usable)) < 2:
            return None
        return _span(min(usable), max(usable), whole=_whole(usable), count=usable)
    seen: dict[tuple[type, Scalar], None] = {}
    for v in values:
        if not (isinstance(v, float) and not math.isfinite(v)):
            seen.setdefault((type(v), v), None)
    if len(seen) < 2:
        return None
    if len(seen) > MOST_CHOICES:
        notes.append(f"{name} is left out: it has {len(seen)} different values, too many for a choice")
        return None
    return Choices(tuple(sorted((v for _, v in seen), key=lambda v: (str(type(v)), str(v)))))


def _whole(values: Sequence[float]) -> bool:
    return all(v == int(v) and abs(v) < 1e15 for v in values)


def _span(low: float, high: float, *, whole: bool, count: Sequence[float]) -> Interval | None:
    """The range from ``low`` to ``high``; a log scale where the values spread evenly there and not here."""
    log = low > 0 and high / low >= 20 and math.log10(high / low) < _DECADES and _closer_to_log(count)
    power = whole and low >= 1 and high >= 4 * low and all(int(v) & (int(v) - 1) == 0 for v in count)
    try:
        return Interval(low, high, "log" if log or power else "linear", integer=whole, power_of_two=power)
    except SpaceError:
        return None


def _closer_to_log(values: Sequence[float]) -> bool:
    """Whether the middle of the values is nearer to the geometric than to the arithmetic middle of their range."""
    low, high = min(values), max(values)
    ordered = sorted(set(values))
    middle = ordered[len(ordered) // 2]
    if not low < middle < high:
        return high / low >= 100
    linear = (middle - low) / (high - low)
    logged = math.log(middle / low) / math.log(high / low)
    return abs(logged - 0.5) < abs(linear - 0.5)


def _widened(name: str, given: Domain, values: Sequence[Scalar], notes: list[str], *, by_person: bool) -> Domain | None:
    """``given`` with room for ``values``; a person's range is kept, and what lies outside is left out."""
    outside = [v for v in values if not given.contains(_typed(given, v))]
    if not outside or by_person:
        return given
    if isinstance(given, Choices):
        new = dict.fromkeys((type(v), v) for v in outside)
        if len(given.values) + len(new) > MOST_CHOICES:
            notes.append(f"{name} is left out: its values are many more than it declares")
            return None
        shown = ", ".join(str(v)[:40] for _, v in list(new)[:_SHOWN])
        notes.append(f"{name} has values beyond those known ({shown}): added as choices")
        return Choices((*given.values, *(v for _, v in new)))
    usable = [number(v) for v in outside if isinstance(v, (int, float)) and not isinstance(v, bool)]
    usable = [v for v in usable if math.isfinite(v)]
    if given.integer and not _whole(usable):
        notes.append(f"{name} is declared as whole numbers, and has others: it counts as a real number")
        given = Interval(given.low, given.high, given.scale)
    low, high = min((given.low, *usable)), max((given.high, *usable))
    if (low, high) != (given.low, given.high):
        notes.append(
            f"{len(usable)} value{'s' * (len(usable) > 1)} of {name} lie{'s' * (len(usable) == 1)} outside of its "
            f"range {given.low:g} to {given.high:g} (set by hand, or the range changed): "
            f"widened to {low:g} to {high:g}"
        )
    scale = given.scale if low > 0 else "linear"
    power = given.power_of_two and all(int(v) & (int(v) - 1) == 0 and v >= 1 for v in usable)
    return Interval(low, high, scale, integer=given.integer, power_of_two=power)


def _typed(domain: Domain, value: Scalar) -> Scalar:
    """``value`` in the type that ``domain`` has: 1.0 is 1 among whole numbers, 1 is 1.0 among real ones."""
    if isinstance(domain, Choices):
        if domain.contains(value):
            return value
        # Only a number may change its type: True is no 1.
        same = [v for v in domain.values if v == value and isinstance(v, bool) == isinstance(value, bool)]
        return same[0] if same else value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    found = number(value)
    if not math.isfinite(found):
        return found
    if domain.integer:
        return int(found) if found == int(found) else found
    return min(max(found, domain.low), domain.high) if domain.contains(found) else found


def _default(typed: Sequence[tuple[Recorded, dict[str, Scalar]]], baseline: str, source: str) -> dict[str, Scalar]:
    """The configuration that counts as the default: the one asked for, the one that ran most often, or the first."""
    if baseline:
        named = [p for t, p in typed if baseline in (t.name, t.name.rpartition(" ")[2])]
        if not named:
            raise UsageError(
                f"{source} has no trial {baseline}",
                f"its trials are called {', '.join(t.name for t, _ in typed[:_SHOWN])}, ...",
            )
        return named[0]
    done = [p for t, p in typed if isinstance(t.outcome, Observation)] or [p for _, p in typed]
    keys = [repr(sorted((k, repr(v)) for k, v in p.items())) for p in done]
    runs = Counter(keys)
    best = max(range(len(done)), key=lambda i: (runs[keys[i]], -i))
    return done[best]


def _start(name: str, domain: Domain, start: Mapping[str, Scalar], typed: Sequence[tuple[Recorded, Point]]) -> Scalar:
    """The default of ``name``; where the default configuration lacks it, the commonest value seen."""
    if name in start:
        return start[name]
    seen = Counter(repr(p[name]) for _, p in typed if name in p)
    if seen:
        usual = seen.most_common(1)[0][0]
        return next(p[name] for _, p in typed if name in p and repr(p[name]) == usual)
    return domain.values[0] if isinstance(domain, Choices) else domain.from_unit(0.5)
