"""Trials, their history, failures and surprises."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from knowhy.model.observation import Failure
from knowhy.model.space import Parameter, Point, Scalar, Space, describe
from knowhy.model.state import State
from knowhy.model.trial import Arm, Completed, Failed, Predictive, Running, Stop, Stopped, Trial

SURPRISING = 2.5
"""Standardised residuals beyond this are surprises."""

Z90 = 1.6448536269514722


@dataclass(frozen=True, slots=True)
class Setting:
    """A parameter where it differs from its default."""

    parameter: str
    default: Scalar
    value: Scalar


@dataclass(frozen=True, slots=True)
class Range:
    """A predicted (or estimated) value: the middle of it and its 90% interval."""

    metric: str
    middle: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial. ``status`` is "completed", "failed", "stopped" (early, with ``stop``), "running" or "waiting".

    ``value`` is the first objective's, ``values`` all objectives', ``metrics`` everything observed;
    ``predicted`` what was expected of the first objective before it ran. ``gained_bits`` is what it
    taught about the open theories (None until the beliefs were updated). ``duration`` is in seconds.
    """

    number: int
    status: str
    purpose: str
    reason: str
    proposer: str
    seed: int
    changed: tuple[Setting, ...]
    point: Point
    value: float | None
    values: Mapping[str, float]
    metrics: Mapping[str, float]
    feasible: bool
    failure: Failure | None
    predicted: Range | None
    success: float
    expected_bits: float
    gained_bits: float | None
    surprise: float | None
    duration: float | None
    attempt: int | None
    arms: tuple[Arm, ...]
    stop: Stop | None = None


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """The best objective after a trial: the best single value, and the best mean of verification runs."""

    trial: int
    raw: float | None
    verified: float | None


@dataclass(frozen=True, slots=True)
class BeliefPoint:
    """What a theory was believed with once ``ended`` trials had ended, ``trial`` the last of them (None: its prior)."""

    theory: str
    ended: int
    trial: int | None
    belief: float


@dataclass(frozen=True, slots=True)
class History:
    """The study over time."""

    best: tuple[HistoryPoint, ...]
    beliefs: tuple[BeliefPoint, ...]


@dataclass(frozen=True, slots=True)
class SurpriseView:
    """A trial that did not turn out as predicted; ``size`` is the standardised residual of the first objective."""

    trial: int
    size: float
    predicted: Range | None
    observed: float | None
    changed: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class FailuresView:
    """Failures of one kind; the ``examples`` are the latest few."""

    kind: str
    count: int
    trials: tuple[int, ...]
    examples: tuple[TrialView, ...]


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A change of the space during the study; ``after`` is how many trials had ended.

    Where data decided, ``claim`` was judged and believed with ``belief`` at that time.
    """

    parameter: str
    change: str
    range: str
    default: Scalar
    reason: str
    by: str
    after: int
    claim: str = ""
    belief: float | None = None


def changed(space: Space, point: Point) -> tuple[Setting, ...]:
    """Where ``point`` differs from the default configuration."""

    def differs(p: Parameter) -> bool:
        value = point.get(p.name, p.default)
        return value != p.default or type(value) is not type(p.default)

    return tuple(Setting(p.name, p.default, point[p.name]) for p in space if differs(p))


def predicted(predictive: Predictive) -> Range:
    """The middle and the central 90% of a predictive distribution."""
    return Range(
        predictive.metric, predictive.quantile_at(0), predictive.quantile_at(-Z90), predictive.quantile_at(Z90)
    )


def observed(trial: Trial | None) -> Mapping[str, float]:
    """Every metric that ``trial`` reported, empty unless it completed."""
    return trial.observation.metrics if isinstance(trial, Completed) else {}


def feasible(state: State, metrics: Mapping[str, float]) -> bool:
    """Whether ``metrics`` keep the study's constraints (one that is not reported is not kept)."""
    return all(c.metric in metrics and c.holds(metrics[c.metric]) for c in state.constraints)


def trials(state: State) -> tuple[TrialView, ...]:
    """Every trial, by number."""
    updates = {u.trial: u for u in state.updates}
    rows = []
    for n, trial in sorted(state.trials.items()):
        proposal, metrics, update = trial.proposal, observed(trial), updates.get(n)
        values = {o.metric: metrics[o.metric] for o in state.objectives if o.metric in metrics}
        main = state.objectives[0].metric if state.objectives else ""
        prediction = next((p for p in proposal.predictions if p.metric == main), None)
        duration = (
            trial.observation.duration
            if isinstance(trial, Completed)
            else trial.failure.duration
            if isinstance(trial, Failed)
            else trial.stop.duration
            if isinstance(trial, Stopped)
            else None
        )
        rows.append(
            TrialView(
                number=n,
                status=type(trial).__name__.lower(),
                purpose=proposal.purpose,
                reason=proposal.reason,
                proposer=proposal.proposer,
                seed=proposal.seed,
                changed=changed(state.space, proposal.point),
                point=proposal.point,
                value=values.get(main),
                values=values,
                metrics=metrics,
                feasible=isinstance(trial, Completed) and feasible(state, metrics),
                failure=trial.failure if isinstance(trial, Failed) else None,
                predicted=predicted(prediction) if prediction else None,
                success=proposal.success,
                expected_bits=proposal.expected_bits,
                gained_bits=update.bits if update else None,
                surprise=update.surprise if update else None,
                duration=duration,
                attempt=trial.attempt if isinstance(trial, Running) else None,
                arms=proposal.arms,
                stop=trial.stop if isinstance(trial, Stopped) else None,
            )
        )
    return tuple(rows)


def history(state: State) -> History:
    """Best so far after each completed trial, and beliefs over time.

    ``verified`` is the best mean, over configurations, of runs whose purpose was to verify (at least
    two of them): it may get worse as more runs come in, since it is an estimate and no record.
    """
    best: list[HistoryPoint] = []
    raw: float | None = None
    fresh: dict[tuple[tuple[str, Scalar], ...], list[float]] = defaultdict(list)
    means: dict[tuple[tuple[str, Scalar], ...], float] = {}
    objective = state.objectives[0] if state.objectives else None
    for trial in state.completed if objective else ():
        metrics = trial.observation.metrics
        if objective is None or objective.metric not in metrics or not feasible(state, metrics):
            continue
        value = metrics[objective.metric]
        if raw is None or objective.better(value, raw):
            raw = value
        if trial.proposal.purpose == "verify":
            key = tuple(sorted(trial.proposal.point.items()))
            fresh[key].append(value)
            if len(fresh[key]) >= 2:
                means[key] = sum(fresh[key]) / len(fresh[key])
        verified = min(means.values(), key=lambda v: objective.sign * v) if means else None
        best.append(HistoryPoint(trial.proposal.trial, raw, verified))
    return History(tuple(best), tuple(_beliefs(state)))


def _beliefs(state: State) -> list[BeliefPoint]:
    place = {trial: i for i, trial in enumerate(state.order, 1)}
    points = [
        BeliefPoint(t.id, t.after, None, state.priors[t.id]) for t in state.theories.values() if t.id in state.priors
    ]
    for index, update in enumerate(state.updates, 1):
        ended = place.get(update.trial, index)
        points += [
            BeliefPoint(theory, ended, update.trial, belief)
            for theory, belief in update.beliefs.items()
            if theory in state.theories
        ]
    return points


def surprises(state: State) -> tuple[SurpriseView, ...]:
    """Trials whose objective lay more than ``SURPRISING`` standard deviations from its prediction, largest first."""
    rows = {row.number: row for row in trials(state)}
    found = [
        SurpriseView(u.trial, u.surprise, rows[u.trial].predicted, rows[u.trial].value, rows[u.trial].changed)
        for u in state.updates
        if u.surprise is not None and abs(u.surprise) > SURPRISING and u.trial in rows
    ]
    return tuple(sorted(found, key=lambda s: -abs(s.size)))


def failures(state: State) -> tuple[FailuresView, ...]:
    """Failures by kind, the most frequent first, with up to three examples each."""
    groups: dict[str, list[TrialView]] = defaultdict(list)
    for row in trials(state):
        if row.failure is not None:
            groups[row.failure.kind].append(row)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(FailuresView(k, len(g), tuple(r.number for r in g), tuple(g[-3:])) for k, g in ordered)


def changes(state: State) -> tuple[ChangeView, ...]:
    """Parameters added, opened, widened or frozen during the study, in order."""
    ended = [t.ended for t in state.trials.values() if isinstance(t, (Completed, Failed, Stopped))]
    return tuple(
        ChangeView(
            c.parameter.name,
            c.change,
            describe(c.parameter),
            c.parameter.default,
            c.reason,
            c.by,
            sum(moment <= when for moment in ended),
            c.claim,
            c.belief,
        )
        for when, c in state.changes
    )


def front(state: State) -> tuple[TrialView, ...]:
    """The completed trials that no other beats in one objective without losing in another (the Pareto set).

    Single values, noise included: with one objective this is the trial with the best value.
    """
    rows = [r for r in trials(state) if r.feasible and len(r.values) == len(state.objectives)]
    costs = {r.number: tuple(o.sign * r.values[o.metric] for o in state.objectives) for r in rows}
    # In lexical order a point can be dominated only by one that stands before it.
    kept: list[TrialView] = []
    for row in sorted(rows, key=lambda r: costs[r.number]):
        mine = costs[row.number]
        if not any(all(a <= b for a, b in zip(costs[k.number], mine, strict=True)) for k in kept):
            kept.append(row)
    return tuple(sorted(kept, key=lambda r: r.number))
