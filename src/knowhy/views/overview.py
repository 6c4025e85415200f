"""Where a study stands: the answer, the counts, what comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from knowhy.engine import evidence
from knowhy.model.belief import Incumbent
from knowhy.model.controller import Controller
from knowhy.model.objective import Constraint, Objective
from knowhy.model.space import EVALUATION_ROLE, Point, same_point
from knowhy.model.state import State
from knowhy.model.trial import Running, Waiting
from knowhy.views.honesty import CalibrationView
from knowhy.views.honesty import calibration as honesty
from knowhy.views.mind import Mind
from knowhy.views.theories import STATUSES, CertificateView, certificates, theories
from knowhy.views.trials import Setting, changed

Phase = Literal["not started", "running", "cut off", "by hand", "ended"]


@dataclass(frozen=True, slots=True)
class BestView:
    """The best configuration against the default.

    ``value`` and its 90% bounds are the posterior's; ``improvement`` (positive is better, ``relative`` to the size
    of the default's value) has 95% bounds from ``pairs`` of fresh runs on equal seeds (a confidence sequence; none
    from fewer than four).
    ``fresh_value`` is the mean of the fresh runs, the value to quote. ``is_default`` where nothing beat the default.
    """

    trial: int
    metric: str
    direction: str
    point: Point
    changed: tuple[Setting, ...]
    is_default: bool
    value: float
    low: float
    high: float
    default_value: float
    fresh_value: float | None
    fresh_default: float | None
    fresh: tuple[float, ...]
    default_fresh: tuple[float, ...]
    pairs: int
    improvement: float
    improvement_low: float | None
    improvement_high: float | None
    relative: float | None
    better: float
    certified: bool
    certificate: CertificateView | None
    noise: float


@dataclass(frozen=True, slots=True)
class NextView:
    """A trial to come: decided (``trial`` is its number, ``status`` "running" or "waiting") or considered.

    Considered ones with the same ``together`` (not 0) are the arms of one experiment, to be run on one seed.
    """

    trial: int | None
    status: Literal["running", "waiting", "considered"]
    purpose: str
    reason: str
    changed: tuple[Setting, ...]
    bits: float
    gain: float | None
    cost: float | None
    together: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """A study at a glance.

    ``phase`` is "not started", "running", "cut off" (its controller is gone), "by hand" (a person runs the trials) or
    "ended" with a ``reason``; ``controller`` is who runs it, or ran it last without an end.
    ``spent`` is wall time and ``training`` the trials' own time, in seconds. ``stopped`` trials were stopped early,
    which has ``saved`` about so many seconds of training. ``warnings`` say what the answer must not be read without.
    """

    name: str
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    strategy: str
    phase: Phase
    reason: str
    done: int
    failed: int
    running: int
    waiting: int
    total: int | None
    budget: float | None
    workers: int | None
    spent: float
    training: float
    best: BestView | None
    purposes: Mapping[str, int]
    theories: Mapping[str, int]
    considered: int
    exploratory: int
    calibration: CalibrationView
    next: tuple[NextView, ...]
    controller: Controller | None = None
    stopped: int = 0
    saved: float = 0.0
    warnings: tuple[str, ...] = ()


def best(state: State, mind: Mind) -> BestView | None:
    """The best configuration against the default, None before the first completed trial."""
    incumbent = mind.incumbent(state)
    return None if incumbent is None else _best(state, incumbent)


def _best(state: State, incumbent: Incumbent) -> BestView:
    objective = next((o for o in state.objectives if o.metric == incumbent.metric), state.objectives[0])
    fresh, default = incumbent.fresh, incumbent.default_fresh
    gains = [objective.sign * (d - f) for f, d in zip(fresh, default, strict=False)]
    improvement = objective.sign * (incumbent.default_expected - incumbent.expected)
    # A confidence sequence: the number of pairs hangs on what they showed.
    low, high = evidence.interval(gains)
    if gains:
        improvement = sum(gains) / len(gains)
    base = sum(default) / len(default) if gains else incumbent.default_expected
    point = state.space.complete(incumbent.point)
    differing = changed(state.space, point)
    return BestView(
        trial=incumbent.trial,
        metric=incumbent.metric,
        direction=objective.direction,
        point=point,
        changed=differing,
        is_default=not differing,
        value=incumbent.expected,
        low=incumbent.low,
        high=incumbent.high,
        default_value=incumbent.default_expected,
        fresh_value=sum(fresh) / len(fresh) if fresh else None,
        fresh_default=sum(default) / len(default) if default else None,
        fresh=fresh,
        default_fresh=default,
        pairs=len(gains),
        improvement=improvement,
        improvement_low=low,
        improvement_high=high,
        relative=improvement / abs(base) if base else None,
        better=incumbent.better,
        certified=incumbent.certified,
        certificate=next(
            (
                view
                for view in reversed(certificates(state, ""))
                if same_point(state.space.complete(state.contrasts[view.contrast].treatment), point)
            ),
            None,
        ),
        noise=incumbent.noise,
    )


def upcoming(state: State, mind: Mind) -> tuple[NextView, ...]:
    """Trials that run or wait; where there are none, what the engine considers, the best first."""
    pending = tuple(
        NextView(
            t.proposal.trial,
            "running" if isinstance(t, Running) else "waiting",
            t.proposal.purpose,
            t.proposal.reason,
            changed(state.space, t.proposal.point),
            t.proposal.expected_bits,
            None,
            None,
        )
        for t in state.pending
    )
    return pending or options(state, mind)


def options(state: State, mind: Mind) -> tuple[NextView, ...]:
    """What the next trial could be, the best first."""
    return tuple(
        NextView(
            None,
            "considered",
            o.purpose,
            o.reason,
            changed(state.space, state.space.complete(o.point)),
            o.bits,
            o.gain,
            o.cost,
            o.together,
        )
        for o in mind.options(state)
    )


def spent(state: State) -> float:
    """Seconds of wall time, up to the last record where a run has not ended itself."""
    if state.run is None or state.ended:
        return state.spent
    return state.spent + max(0.0, state.time - state.run_started)


def training(state: State) -> float:
    """Seconds that trials trained, however they ended."""
    completed, failed = state.completed, state.failed
    return (
        sum(t.observation.duration for t in completed)
        + sum(t.failure.duration for t in failed)
        + sum(t.stop.duration for t in state.stopped)
    )


def phase(state: State, controller: Controller | None) -> Phase:
    """Where the study stands, given who holds it (``controller``, None: nobody)."""
    if controller is not None and controller.holds:
        return "running"
    if state.run is None:
        return "not started"
    if state.ended:
        return "ended"
    return "by hand" if state.subject.get("kind") == "by hand" else "cut off"


def overview(state: State, mind: Mind, controller: Controller | None = None) -> Overview:
    """The study at a glance; ``controller`` is who holds it."""
    run, views = state.run, theories(state)
    statuses = Counter(v.status for v in views)
    purposes = Counter(t.proposal.purpose for t in state.trials.values())
    return Overview(
        name=state.name,
        objectives=state.objectives,
        constraints=state.constraints,
        strategy=run.strategy if run else "",
        phase=phase(state, controller),
        reason=state.ended,
        done=len(state.completed),
        failed=len(state.failed),
        running=sum(isinstance(t, Running) for t in state.trials.values()),
        waiting=sum(isinstance(t, Waiting) for t in state.trials.values()),
        total=run.trials if run else None,
        budget=run.budget if run else None,
        workers=run.workers if run else None,
        spent=spent(state),
        training=training(state),
        best=best(state, mind) if state.objectives else None,
        purposes={p: purposes[p] for p in ("learn", "improve", "verify", "observe") if p != "observe" or purposes[p]},
        theories={s: statuses[s] for s in STATUSES},
        considered=len(views),
        exploratory=sum(v.exploratory for v in views),
        calibration=honesty(state, mind),
        next=upcoming(state, mind),
        controller=controller,
        stopped=len(state.stopped),
        saved=sum(t.stop.saved for t in state.stopped),
        warnings=warnings(state),
    )


def warnings(state: State) -> tuple[str, ...]:
    """What the answer must not be read without: a part of the evaluation that was made a parameter."""
    names = [
        p.name
        for p in state.space
        if p.role == EVALUATION_ROLE
        and (p.active or any(t.proposal.point.get(p.name, p.default) != p.default for t in state.trials.values()))
    ]
    if not names:
        return ()
    verb = "defines" if len(names) == 1 else "define"
    return (
        f"{', '.join(names)} {verb} the evaluation, and a person had them varied: trials that differ in them were not "
        "measured alike, and what is better by them may be no better.",
    )
