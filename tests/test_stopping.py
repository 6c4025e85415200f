"""Early stopping: what curves foretell, which trials are stopped, and what remains of those that are."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from knowhy import compose, reflection
from knowhy.engine import stopping
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.courses import course, foretelling
from knowhy.engine.extrapolation import FEWEST_CURVES, Whole, chance_below, extrapolate, together
from knowhy.engine.mind import Mind
from knowhy.engine.surrogate import believe, moments
from knowhy.errors import KnowhyError, UsageError
from knowhy.faces import render
from knowhy.faces.live import trial_line
from knowhy.histories.studies import history_of_state
from knowhy.loop import Limits, run
from knowhy.model.decision import Budget, Decision
from knowhy.model.events import (
    Event,
    ParameterChanged,
    RunStarted,
    StudyCreated,
    TrialCompleted,
    TrialProposed,
    TrialStarted,
    TrialStopped,
)
from knowhy.model.job import Job
from knowhy.model.objective import Objective
from knowhy.model.observation import Curve, Failure, Observation, Outcome, Progress
from knowhy.model.space import FIDELITY_ROLE, Point, Space, choice, integer, real
from knowhy.model.state import State, foreseen
from knowhy.model.theory import ParameterRequest, Theory
from knowhy.model.trial import Arm, Completed, Predictive, Proposal, Running, Stop, Stopped
from knowhy.reports.html import write_html
from knowhy.reports.markdown import write_markdown
from knowhy.samplers.history import runs
from knowhy.settings.ranges import changed
from knowhy.study import Study
from knowhy.views import overview, trials
from knowhy.watching import Watch
from planted import Batches

STEPS = 30
Rng = np.random.Generator


def power_law(rng: Rng, noise: float = 0.005) -> Curve:
    """A curve that falls to a floor of its own at a rate of its own."""
    steps = np.arange(1, STEPS + 1)
    values = rng.uniform(0.2, 1.0) + rng.uniform(0.2, 2.0) * steps ** -rng.uniform(0.3, 1.5)
    return Curve(tuple(map(float, steps)), tuple(map(float, values + noise * rng.standard_normal(STEPS))))


def whole(curve: Curve) -> Whole:
    return Whole(curve, curve.values[-1])


def first(curve: Curve, step: float) -> Curve:
    n = sum(s <= step for s in curve.steps)
    return Curve(curve.steps[:n], curve.values[:n])


def mapped(curve: Curve, scale: float, shift: float) -> Curve:
    return Curve(curve.steps, tuple(scale * v + shift for v in curve.values))


# What curves foretell


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-6, 1e6), st.floats(-10, 10), st.sampled_from([-1.0, 1.0]))
def test_units_origin_and_direction_do_not_matter(seed: int, scale: float, shift: float, sign: float) -> None:
    rng = np.random.default_rng(seed)
    curves = [mapped(power_law(rng), 1.0, 5.0) for _ in range(9)]  # far from 0: no logarithm either way
    plain = extrapolate(first(curves[0], 10), 10, [whole(c) for c in curves[1:]], "m")
    turned = [mapped(c, sign * scale, sign * scale * shift * (1 if sign < 0 else abs(shift) / 10)) for c in curves]
    other = extrapolate(first(turned[0], 10), 10, [whole(c) for c in turned[1:]], "m")
    assert plain is not None
    assert other is not None
    if not other.log:
        offset = sign * scale * shift * (1 if sign < 0 else abs(shift) / 10)
        assert other.mean == pytest.approx(sign * scale * plain.mean + offset, rel=1e-6, abs=1e-6 * scale)
        assert other.sd == pytest.approx(scale * plain.sd, rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-3, 1e3))
def test_on_the_log_scale_a_factor_is_a_shift(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    curves = [mapped(power_law(rng, 0.0), 10.0**i, 0.0) for i in range(8)]
    plain = extrapolate(first(curves[0], 10), 10, [whole(c) for c in curves[1:]], "m")
    other = extrapolate(
        first(mapped(curves[0], factor, 0), 10), 10, [whole(mapped(c, factor, 0)) for c in curves[1:]], "m"
    )
    assert plain is not None
    assert other is not None
    assert plain.log
    assert other.log
    assert other.mean == pytest.approx(plain.mean + math.log(factor), abs=1e-6)
    assert other.sd == pytest.approx(plain.sd, rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_finite_curves_give_a_prediction_or_none(data: st.DataObject) -> None:
    number = st.floats(-1e100, 1e100) | st.sampled_from([0.0, 1.0, 1e-300, -5.0])
    values = st.lists(number, min_size=6, max_size=6)
    curves = [Curve(tuple(range(6)), tuple(data.draw(values))) for _ in range(data.draw(st.integers(1, 8)))]
    with np.errstate(all="ignore"):
        found = extrapolate(first(curves[0], 4), 4, [whole(c) for c in curves[1:]], "m")
    assert found is None or (math.isfinite(found.mean) and math.isfinite(found.sd) and found.sd > 0)


def test_constant_curves_are_foretold_to_stay() -> None:
    flat = [Curve(tuple(map(float, range(10))), (0.5,) * 10) for _ in range(8)]
    found = extrapolate(first(flat[0], 5), 5, [whole(c) for c in flat[1:]], "m")
    assert found is not None
    assert found.quantile_at(0) == pytest.approx(0.5)
    assert 0 < found.sd < 1e-3


@pytest.mark.parametrize(("others", "points"), [(FEWEST_CURVES - 1, 10), (12, 3), (0, 10), (12, 0)])
def test_too_little_is_known(others: int, points: int) -> None:
    rng = np.random.default_rng(0)
    known = [whole(power_law(rng)) for _ in range(others)]
    assert extrapolate(first(power_law(rng), points), points, known, "m") is None


def test_the_more_is_seen_the_less_is_left_open() -> None:
    rng = np.random.default_rng(1)
    curves = [power_law(rng) for _ in range(40)]
    spreads = []
    for step in (5, 10, 15, 20, 27):
        found = [extrapolate(first(c, step), step, [whole(o) for o in curves[20:]], "m") for c in curves[:20]]
        spreads.append(float(np.median([f.sd for f in found if f is not None])))
    assert all(b < a for a, b in pairwise(spreads))
    assert spreads[-1] < 0.25 * spreads[0]


def test_more_curves_of_others_make_it_surer() -> None:
    rng = np.random.default_rng(2)
    known = [whole(power_law(rng)) for _ in range(60)]
    parts = [first(power_law(rng), 8) for _ in range(20)]
    few, many = (
        np.median([f.sd for p in parts if (f := extrapolate(p, 8, known[:n], "m")) is not None]) for n in (5, 60)
    )
    assert many < few


def test_a_curve_with_more_points_than_the_others_is_read_like_them() -> None:
    rng = np.random.default_rng(6)
    steps = np.arange(1, 3001)
    walks = [1.0 / (1 + 0.01 * steps) + np.cumsum(0.001 * rng.standard_normal(3000)) for _ in range(12)]
    dense = [Curve(tuple(map(float, steps)), tuple(map(float, w))) for w in walks]
    thin = [Curve(c.steps[9::10], c.values[9::10]) for c in dense]
    known = [whole(c) for c in thin[1:]]
    one, two = (extrapolate(first(c[0], 1000), 1000, known, "m") for c in (dense, thin))
    assert one is not None
    assert two is not None
    assert one.mean == pytest.approx(two.mean, abs=0.2 * two.sd)
    assert one.sd == pytest.approx(two.sd, rel=0.1)


def trainings(count: int) -> list[Curve]:
    """Real ones: softmax regression on digits by full gradient descent, validation losses of 30 epochs."""
    x, y = load_digits(return_X_y=True)
    x, y = x[:400] / 16.0, np.eye(10)[y[:400]]
    curves = []
    rng = np.random.default_rng(3)
    for _ in range(count):
        order = rng.permutation(400)
        train, val = order[:200], order[200:]
        weights = rng.standard_normal((64, 10)) * 10 ** rng.uniform(-2, 0.3)
        speed, rate, hold = np.zeros((64, 10)), 10 ** rng.uniform(-1.5, 0.7), rng.uniform(0, 0.95)
        values = []
        for _ in range(STEPS):
            batch = rng.choice(train, 64)
            speed = hold * speed - rate * x[batch].T @ (softmax(x[batch] @ weights) - y[batch]) / 64
            weights = weights + speed
            chances = np.maximum((softmax(x[val] @ weights) * y[val]).sum(axis=1), 1e-9)
            values.append(float(-np.log(chances).mean()))
        curves.append(Curve(tuple(map(float, range(1, STEPS + 1))), tuple(values)))
    return curves


def softmax(
    scores: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    made = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(made / made.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("known", [6, 12, 30])
def test_nine_ends_of_ten_of_real_trainings_lie_in_their_interval(known: int) -> None:
    curves = trainings(70)
    rng = np.random.default_rng(known)
    inside, gained = [], []
    for share in (0.2, 0.4, 0.7):
        step = round(share * STEPS)
        for at in range(70):
            others = rng.choice([i for i in range(70) if i != at], known, replace=False)
            found = extrapolate(first(curves[at], step), step, [whole(curves[i]) for i in others], "m")
            assert found is not None
            low, high = found.quantile_at(-1.645), found.quantile_at(1.645)
            inside.append(low <= curves[at].values[-1] <= high)
            last = curves[at].values[step - 1]
            gained.append(abs(found.quantile_at(0) - curves[at].values[-1]) <= abs(last - curves[at].values[-1]))
    assert 0.84 <= np.mean(inside) <= 0.99
    assert np.mean(gained) > 0.5  # it says more than that nothing changes


def test_who_disagrees_counts_less() -> None:
    curve = Predictive("m", 1.0, 0.1)
    near, far = together(curve, Predictive("m", 1.1, 0.1)), together(curve, Predictive("m", 9.0, 0.1))
    assert near.mean == pytest.approx(1.05)
    assert near.sd == pytest.approx(0.1 / math.sqrt(2))
    assert far.mean == pytest.approx(1.0, abs=0.01)
    logged = together(curve, Predictive("m", math.log(1.1), 0.1 / 1.1, True))
    assert logged.mean == pytest.approx(1.05)


@settings(max_examples=60, deadline=None)
@given(st.floats(-3, 3), st.floats(0.01, 2), st.floats(-5, 5))
def test_chances_are_those_of_two_directions(mean: float, sd: float, target: float) -> None:
    found = chance_below(Predictive("m", mean, sd), target)
    assert 0 <= found <= 1
    assert found + chance_below(Predictive("m", -mean, sd), -target) == pytest.approx(1.0)
    assert chance_below(Predictive("m", mean, sd), target + 0.5) >= found


def completed(number: int, curve: Curve, point: Point, end: float | None = None, name: str = "val_loss") -> Completed:
    observation = Observation({"val_loss": curve.values[-1] if end is None else end}, 1.0, {name: curve})
    return Completed(Proposal(number, point, number, "learn", ""), observation, float(number))


def test_the_course_is_that_of_the_others_or_what_a_parameter_says() -> None:
    rng = np.random.default_rng(4)
    same = [completed(i, power_law(rng), {"lr": 0.1}) for i in range(6)]
    assert course(same, "val_loss", {"lr": 0.2}) == STEPS
    told = [completed(i, first(power_law(rng), 10 + i), {"epochs": 10 + i, "n": 3}) for i in range(8)]
    assert course(told, "val_loss", {"epochs": 25, "n": 3}) == 25
    twice = [completed(i, first(power_law(rng), 2 * (5 + i)), {"epochs": 5 + i, "n": 3}) for i in range(8)]
    assert course(twice, "val_loss", {"epochs": 9, "n": 3}) == 18
    unknown = [completed(i, first(power_law(rng), 10 + i), {"lr": 0.1}) for i in range(8)]
    assert course(unknown, "val_loss", {"lr": 0.1}) is None
    assert course(same[:3], "val_loss", {"lr": 0.1}) is None


def test_a_curve_of_another_name_stands_for_a_metric_that_it_ends_close_to() -> None:
    rng = np.random.default_rng(5)
    curves = [power_law(rng) for _ in range(8)]
    best = [completed(i, c, {}, min(c.values), "val") for i, c in enumerate(curves)]
    assert foretelling(best, "val_loss", ("val",)) == "val"
    other = [completed(i, c, {}, 100.0 + i, "val") for i, c in enumerate(curves)]
    assert foretelling(other, "val_loss", ("val",)) is None


# Which trials are stopped

SPACE = Space((real("lr", 0.0, 1.0, 0.5), real("idle", 0.0, 1.0, 0.5), integer("n", 1, 9, 5)))


def training(point: Point, seed: int) -> Curve:
    """Falls to a floor that depends on lr, as fast as it depends on idle."""
    steps = np.arange(1, STEPS + 1)
    floor = 0.3 + 4.0 * (float(point["lr"]) - 0.3) ** 2  # type: ignore[arg-type]
    values = floor + (1.0 + float(point["idle"])) * steps**-1.0  # type: ignore[arg-type]
    values += 0.01 * np.random.default_rng(seed).standard_normal(STEPS)
    return Curve(tuple(map(float, steps)), tuple(map(float, values)))


class Shown:
    """Subject and executor in one; shows a step more with each wait."""

    def __init__(self, *, curves: bool = True) -> None:
        self._curves = curves
        self.running: dict[int, tuple[Curve, int]] = {}
        self.cancelled: list[int] = []
        self.started: list[int] = []

    def prepare(self, proposal: Proposal, required: Sequence[str], folder: str) -> Job:
        env = {"POINT": json.dumps(dict(proposal.point)), "SEED": str(proposal.seed)}
        return Job(proposal.trial, (), folder, "", "", tuple(required), env)

    def submit(self, job: Job) -> None:
        self.started.append(job.trial)
        self.running[job.trial] = training(json.loads(job.env["POINT"]), int(job.env["SEED"])), 0

    def wait(self, timeout: float) -> list[tuple[int, Outcome]]:
        ended: list[tuple[int, Outcome]] = []
        for trial, (curve, shown) in list(self.running.items()):
            self.running[trial] = curve, shown + 1
            if shown + 1 >= STEPS:
                del self.running[trial]
                kept = {"val_loss": curve} if self._curves else {}
                ended.append((trial, Observation({"val_loss": curve.values[-1]}, float(STEPS), kept)))
        return ended

    def progress(self, trial: int) -> Progress | None:
        if trial not in self.running:
            return None
        curve, shown = self.running[trial]
        return Progress({"val_loss": first(curve, shown)} if self._curves and shown > 1 else {}, float(shown))

    def cancel(self, trial: int) -> None:
        self.cancelled.append(trial)
        self.running.pop(trial, None)

    def close(self) -> None:
        self.running.clear()


class Random:
    """Random points that are there to improve."""

    name = "theory"

    def reflects(self, state: State) -> bool:
        return True

    def decide(self, state: State, budget: Budget) -> Decision:
        if state.planned >= budget.trials:
            return Decision((), "the budget of trials is spent")
        number = state.next_trial
        rng = np.random.default_rng([number, 5])
        point = {"lr": float(rng.random()), "idle": float(rng.random()), "n": 5}
        purpose = "verify" if number % 7 == 0 else "improve"
        return Decision((Proposal(number, point, number, purpose, "random"),), "random")  # type: ignore[arg-type]


CREATED = StudyCreated("curves", (Objective("val_loss"),), SPACE, 0, {"kind": "inline"}, "test")


def study(
    count: int, batches: Iterable[list[Event]] = (), shown: Shown | None = None, *, stops: bool = True
) -> tuple[State, list[list[Event]], Shown]:
    journal, shown = Batches(), shown or Shown()
    for batch in batches or [[CREATED]]:
        journal.append(batch)
    beliefs = Beliefs()
    state = run(
        journal,
        shown,
        shown,
        Random(),
        [],
        beliefs,
        limits=Limits(count),
        folder="",
        stopping=Watch(beliefs, 0.0) if stops else None,
    )
    return state, journal.batches, shown


@pytest.fixture(scope="module")
def known() -> tuple[State, list[list[Event]], Shown]:
    return study(26)


def test_hopeless_trials_are_stopped_and_the_others_are_not(known: tuple[State, list[list[Event]], Shown]) -> None:
    state, _, shown = known
    assert len(state.stopped) >= 3
    assert sorted(shown.cancelled) == [t.proposal.trial for t in state.stopped]
    assert len(state.completed) + len(state.stopped) == 26 == state.finished
    best = min(t.observation.metrics["val_loss"] for t in state.completed)
    covered = []
    for t in state.stopped:
        assert t.proposal.trial > stopping.FEWEST_ENDED
        assert t.proposal.purpose != "verify"
        assert stopping.EARLIEST <= t.stop.step / t.stop.course <= stopping.LATEST
        assert t.stop.winning <= stopping.LOSING
        end = training(t.proposal.point, t.proposal.seed).values[-1]
        assert end > best
        [alone] = [e for e in t.stop.ends if e.metric == "val_loss"]
        covered.append(alone.quantile_at(-3.5) < end < alone.quantile_at(3.5))
        assert f"step {t.stop.step:g} of {STEPS}" in t.stop.reason
    assert all(covered)


def test_the_same_study_without_stopping_finds_the_same_best(known: tuple[State, list[list[Event]], Shown]) -> None:
    state, _, _ = known
    other, _, _ = study(26, stops=False)
    assert not other.stopped
    best = [min(s.completed, key=lambda t: t.observation.metrics["val_loss"]).proposal.trial for s in (state, other)]
    assert best[0] == best[1]


@pytest.mark.parametrize("part", [0.35, 0.6, 0.85])
def test_a_study_that_was_killed_goes_on_to_the_same_end(
    known: tuple[State, list[list[Event]], Shown], part: float
) -> None:
    state, batches, _ = known
    cut = int(part * (len(batches) - 1))
    again, _, _ = study(26, batches[:cut])
    assert {t.proposal.trial: t.stop for t in again.stopped} == {t.proposal.trial: t.stop for t in state.stopped}
    assert again.beliefs == state.beliefs


def test_a_kill_after_the_journal_and_before_the_process_ends_leaves_the_trial_stopped(
    known: tuple[State, list[list[Event]], Shown],
) -> None:
    _, batches, _ = known
    at = next(i for i, batch in enumerate(batches) if isinstance(batch[0], TrialStopped))
    stopped = batches[at][0]
    assert isinstance(stopped, TrialStopped)
    state, _, shown = study(26, batches[: at + 1])
    assert isinstance(state.trials[stopped.trial], Stopped)
    assert stopped.trial not in shown.started


def test_without_curves_nothing_changes() -> None:
    one, two = (study(14, shown=Shown(curves=False), stops=stops) for stops in (True, False))
    assert one[1][:-1] == two[1][:-1]  # the last says how long it took
    assert not one[0].stopped


def test_a_stopped_trial_is_known_with_the_spread_of_its_prediction(
    known: tuple[State, list[list[Event]], Shown],
) -> None:
    state, _, _ = known
    beliefs = Beliefs()
    posterior = beliefs.posterior(state)
    assert all(
        t.proposal.trial != number
        for t in posterior.candidates[0]
        for number in [s.proposal.trial for s in state.stopped]
    )
    response = posterior.response("val_loss")
    assert len(response.data) == 26
    extra = response.data.extra
    assert extra is not None
    at = [i for i, n in enumerate(state.order) if isinstance(state.trials[n], Stopped)]
    assert (extra[at] > 0).all()
    assert np.count_nonzero(extra) == len(at)
    # Told wider, it says less.
    row = posterior.rows([state.stopped[0].proposal.point])
    wider = replace(response.data, extra=400.0 * extra)
    _, _, sure = moments(response.particles, response.data, row)
    _, _, unsure = moments(believe(response.particles, wider), wider, row)
    assert (unsure > sure).all()


def test_views_tell_of_stopped_trials(known: tuple[State, list[list[Event]], Shown]) -> None:
    state, _, _ = known
    rows = [row for row in trials(state) if row.status == "stopped"]
    assert [row.number for row in rows] == [t.proposal.trial for t in state.stopped]
    assert all(row.stop is not None and row.value is None and row.failure is None and row.duration for row in rows)
    view = overview(state, Mind())
    assert view.stopped == len(rows)
    assert view.failed == 0
    assert view.saved == pytest.approx(sum(STEPS - t.stop.step for t in state.stopped), rel=0.2)


def running(state: State, proposal: Proposal) -> State:
    return foreseen(state, [TrialProposed(proposal), TrialStarted(proposal.trial, 1)])


def with_trials(count: int, *, objectives: tuple[Objective, ...] = (Objective("val_loss"),)) -> State:
    events: list[Event] = [replace(CREATED, objectives=objectives), RunStarted(60, None, 1, "theory")]
    rng = np.random.default_rng(9)
    for n in range(1, count + 1):
        point = SPACE.defaults() if n == 1 else {"lr": float(rng.random()), "idle": float(rng.random()), "n": 5}
        curve = training(point, n)
        events += [TrialProposed(Proposal(n, point, n, "learn", "")), TrialStarted(n, 1)]
        events.append(TrialCompleted(n, Observation({"val_loss": curve.values[-1]}, 30.0, {"val_loss": curve})))
    return foreseen(State(), events)


BAD: Mapping[str, float | int] = {"lr": 1.0, "idle": 0.3, "n": 5}
HOPELESS = Proposal(50, dict(BAD), 777, "improve", "")


def considered(state: State, proposal: Proposal, step: float) -> Stop | None:
    curves = {"val_loss": first(training(proposal.point, proposal.seed), step)}
    return stopping.consider(Beliefs(), running(state, proposal), proposal.trial, curves, step)


def test_what_is_hopeless_is_stopped_once_enough_is_known() -> None:
    state = with_trials(12)
    assert considered(state, HOPELESS, 15) is not None
    assert considered(state, HOPELESS, 3) is None
    assert considered(state, HOPELESS, 29) is None
    assert considered(with_trials(stopping.FEWEST_ENDED - 1), HOPELESS, 15) is None
    good = replace(HOPELESS, point={"lr": 0.3, "idle": 0.1, "n": 5})
    assert considered(state, good, 15) is None


@pytest.mark.parametrize(
    "protected",
    [
        replace(HOPELESS, purpose="verify"),
        replace(HOPELESS, arms=(Arm("C1", 1, True),)),
        replace(HOPELESS, request=4),
        replace(HOPELESS, seed=3),  # another trial has that seed: half of a pair
    ],
)
def test_whose_end_is_needed_is_never_stopped(protected: Proposal) -> None:
    assert considered(with_trials(12), protected, 15) is None


def test_the_default_repeats_and_several_objectives_are_never_stopped() -> None:
    state = with_trials(12)
    for point in (SPACE.defaults(), state.trials[5].proposal.point):
        trial = running(state, replace(HOPELESS, point=point)).trials[50]
        assert isinstance(trial, Running)
        assert not stopping.may_stop(state, trial)
    two = with_trials(12, objectives=(Objective("val_loss"), Objective("size")))
    assert considered(two, HOPELESS, 15) is None


def test_a_metric_to_be_large_is_judged_the_other_way() -> None:
    state = with_trials(12, objectives=(Objective("val_loss", "maximize"),))
    assert considered(state, HOPELESS, 15) is None
    low = replace(HOPELESS, point={"lr": 0.3, "idle": 0.1, "n": 5})
    assert considered(state, low, 15) is not None


def test_other_strategies_cannot_stop_trials() -> None:
    compose.check("theory", stop_early=True)
    compose.check("tpe")
    with pytest.raises(UsageError, match="tpe cannot be stopped early"):
        compose.check("tpe", stop_early=True)


def test_people_are_told(known: tuple[State, list[list[Event]], Shown]) -> None:
    state, _, _ = known
    row = next(row for row in trials(state) if row.stop is not None)
    assert row.stop is not None
    line = trial_line(row, "val_loss")
    assert "stopped: at step" in line
    assert "probability" in line
    assert render.outcome(row) == f"stopped at {row.stop.step / row.stop.course:.0%}"
    for text in (write_html(state, Mind()), write_markdown(state, Mind())):
        assert "Stopped early" in text
        assert "could neither win nor teach any more" in text
        assert "stopped at" in text
    history = history_of_state(state, "here")
    told = [r.outcome for r in history.trials if r.name == f"trial {row.number}"]
    assert isinstance(told[0], Failure)
    assert told[0].kind == "pruned"
    assert told[0].curves


def test_other_strategies_go_on_with_what_was_foretold(known: tuple[State, list[list[Event]], Shown]) -> None:
    state, _, _ = known
    found = {r.number: r.values for r in runs(state)}
    for t in state.stopped:
        values = found[t.proposal.trial]
        assert values is not None
        assert values[0] == pytest.approx(t.stop.predicted.quantile_at(0))


# Fidelity


def test_a_fidelity_is_held_at_its_full_value_and_no_theory_opens_it() -> None:
    epochs = integer("epochs", 1, 50, 20)
    held = changed(epochs, {"default": 40, "fidelity": True})
    assert (held.active, held.role, held.default) == (False, FIDELITY_ROLE, 40)
    assert changed(epochs, {"active": True, "fidelity": True}) == changed(epochs, {"fidelity": True})
    with pytest.raises(ValueError, match="true or false"):
        changed(epochs, {"fidelity": "yes"})
    with pytest.raises(KnowhyError):
        changed(choice("act", ["relu", "tanh"], "relu"), {"fidelity": True})
    space = compose.filled(Space((*SPACE.parameters, replace(epochs, role=FIDELITY_ROLE))))
    assert not space["epochs"].active
    assert space["lr"].active
    state = foreseen(State(), [replace(CREATED, space=space)])
    theory = Theory("", "It trains too long", "", ("val_loss depends on epochs at the default",))
    assert reflection.opened_by(theory, ["epochs"], state) == []
    asked = ParameterRequest("epochs", "train longer")
    assert not [e for e in reflection.heard(Beliefs(), [asked], state) if isinstance(e, ParameterChanged)]


@pytest.mark.slow
def test_a_study_with_a_fidelity_runs_everything_at_its_full_value(tmp_path: Path) -> None:
    space = Space((real("LR", 0.0, 1.0, 0.5), integer("EPOCHS", 1, 60, 12, role=FIDELITY_ROLE)))

    def train(params: dict[str, float], report: Callable[..., None]) -> dict[str, float]:
        values = [0.3 + 4 * (params["LR"] - 0.3) ** 2 + 1 / e for e in range(1, int(params["EPOCHS"]) + 1)]
        for epoch, value in enumerate(values, 1):
            report(step=epoch, val_loss=value)
        return {"val_loss": values[-1]}

    made = Study("fidelity", {"val_loss": "minimize"}, folder=tmp_path / "studies")
    made.run(train, space, trials=12)
    assert {t.proposal.point["EPOCHS"] for t in made.state.trials.values()} == {12}
    assert "is the fidelity of this study" in made.report().read_text()
