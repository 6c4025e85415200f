"""The space changes while a study goes on: nothing that was run loses its place, whoever asks."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import knowhy
from knowhy.compose import discovered
from knowhy.engine.adaptation import adapt
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.bounds import hard, wider
from knowhy.engine.encoding import Encoder
from knowhy.engine.posterior import Posterior
from knowhy.engine.predicates import Judge
from knowhy.errors import SpaceError
from knowhy.faces.cli import cli
from knowhy.model.events import (
    Event,
    ParameterChanged,
    Record,
    RunStarted,
    TheoryProposed,
    TrialCompleted,
    TrialProposed,
)
from knowhy.model.observation import Observation
from knowhy.model.space import (
    Choices,
    Condition,
    Interval,
    Parameter,
    Point,
    Space,
    choice,
    power_of_two,
    real,
    switch,
)
from knowhy.model.state import State, fold
from knowhy.model.theory import Effect, Scope, Theory
from knowhy.model.trial import Proposal
from knowhy.reflection import opened_by
from knowhy.samplers.classic import ClassicSampler
from knowhy.samplers.history import runs
from knowhy.views import changes
from planted import created, study

SGD = Space(
    (
        choice("optimizer", ("adam", "sgd"), "adam", role="optimizer"),
        real("momentum", 0.0, 0.99, 0.5, role="momentum").when("optimizer", "sgd"),
        real("lr", 1e-4, 1e-1, 1e-2, log=True, role="learning_rate"),
    )
)


def after(events: list[Event], state: State | None = None) -> State:
    first = state.seq if state else 0
    return fold([Record(first + i, float(first + i), e, "") for i, e in enumerate(events, 1)], state)


def done(number: int, point: Point, value: float) -> list[Event]:
    return [
        TrialProposed(Proposal(number, point, number, "learn", "")),
        TrialCompleted(number, Observation({"val_loss": value}, 1.0)),
    ]


class TestDeclaring:
    @pytest.mark.parametrize(
        ("made", "words"),
        [
            (lambda: Interval(0.2, 0.8, integer=True), "no whole number"),
            (lambda: Interval(5, 7, "log", integer=True, power_of_two=True), "no power of two"),
            (lambda: Interval(-4, 8, power_of_two=True), "powers of two are positive"),
            (lambda: real("m", 0, 1, 0.5).when("optimizer"), "no value of optimizer"),
            (lambda: Space((real("m", 0, 1, 0.5).when("optimizer", "sgd"),)), "not in the space"),
            (lambda: Space((SGD["optimizer"], real("m", 0, 1, 0.5).when("optimizer", "lion"))), "which it never is"),
            (
                lambda: Space((switch("a", True).when("b", True), switch("b", True).when("a", True))),
                "circle: a -> b -> a",
            ),
            (lambda: Space((switch("a", True).when("a", True),)), "circle"),
        ],
    )
    def test_what_cannot_be_is_refused(self, made: Callable[[], object], words: str) -> None:
        with pytest.raises(SpaceError, match=words) as caught:
            made()
        assert caught.value.hint

    def test_a_log_range_may_hold_zero(self) -> None:
        decay = Interval(1e-6, 1e-1, "log", zero=True)
        assert decay.contains(0)
        assert decay.contains(0.0)
        assert not decay.contains(1e-9)
        assert (decay.to_unit(0.0), decay.from_unit(0.0)) == (0.0, 0.0)
        assert decay.from_unit(0.5) == pytest.approx(10**-3.5, rel=1e-5)
        encoder = Encoder(Space((Parameter("wd", decay, 0.0),)), ("wd",))
        assert encoder.decode(encoder.snap(encoder.encode([{"wd": 0.0}]))) == [{"wd": 0.0}]
        with pytest.raises(SpaceError, match="log range"):
            Interval(0.1, 1, zero=True)

    def test_a_chain_of_conditions_is_fine(self) -> None:
        space = Space((switch("a", False), switch("b", False).when("a", True), real("c", 0, 1, 0.5).when("b", True)))
        assert space.complete({"a": False, "b": True, "c": 0.9}) == {"a": False, "b": False, "c": 0.5}
        assert space.admitting("c", space.defaults()) == {"b": True, "a": True}
        assert space.complete({**space.admitting("c", {}), "c": 0.9})["c"] == 0.9


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    """A study whose space grows, shrinks and changes between its trials."""
    space = Space((real("x", 0.0, 1.0, 0.5), choice("c", ("u", "v"), "u"), real("held", 1e-3, 1.0, 0.1, log=True)))
    space = space.activate(["held"], active=False)
    events: list[Event] = [created(0, space), RunStarted(100, None, 1, "theory")]
    for number in range(1, draw(st.integers(2, 14))):
        what = draw(st.sampled_from(("trial", "trial", "open", "freeze", "widen", "category", "add")))
        names = [p.name for p in space]
        name = draw(st.sampled_from(names))
        p, kind = space[name], "opened"
        if what == "trial":
            raw = {q.name: q.domain.from_unit(draw(st.floats(0, 1))) if isinstance(q.domain, Interval)
                   else draw(st.sampled_from(q.domain.values)) for q in space.active}  # fmt: skip
            events += done(number, space.complete(raw), draw(st.floats(-5, 5)))
            continue
        if what in ("open", "freeze"):
            p, kind = replace(p, active=what == "open"), "opened" if what == "open" else "frozen"
        elif what == "widen" and isinstance(p.domain, Interval):
            p, kind = replace(p, domain=replace(p.domain, high=2 * p.domain.high)), "widened"
        elif what == "category" and isinstance(p.domain, Choices):
            p, kind = replace(p, domain=Choices((*p.domain.values, f"w{number}"))), "widened"
        elif what == "add":
            p, kind = real(f"new{number}", 0.0, 4.0, 1.0), "added"
            if draw(st.booleans()):
                p = p.when("c", "v")
        events.append(ParameterChanged(p, kind, "a reason", "person"))  # type: ignore[arg-type]
        space = space.with_parameter(p)
    return events


class TestFolding:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(stories(), st.integers(0, 30))
    def test_old_trials_stay_valid_and_count_at_the_default(self, events: list[Event], cut: int) -> None:
        state = after(events)
        assert after(events[cut:], after(events[:cut])) == state, "a fold in two parts is the same fold"
        names = {p.name for p in state.space}
        for trial in state.trials.values():
            point = trial.proposal.point
            assert set(point) == names
            assert state.space.check(point) == point, "every point is complete, in range, and what its trial ran"
        for event in events:
            if isinstance(event, TrialProposed):
                now = state.trials[event.proposal.trial].proposal.point
                assert {n: now[n] for n in event.proposal.point} == event.proposal.point
                assert all(now[n] == state.space[n].default for n in names - set(event.proposal.point))

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(stories())
    def test_encodings_follow(self, events: list[Event]) -> None:
        state = after(events)
        points = [t.proposal.point for t in state.completed]
        encoder = Encoder.covering(state.space, points)
        rows = encoder.encode(points)
        assert rows.shape == (len(points), encoder.columns)
        assert np.all((rows >= -1e-9) & (rows <= 1 + 1e-9))
        assert (
            encoder.decode(rows) == [state.space.complete(p) for p in points]
            or len(points) == 0
            or all(_near(state.space, a, b) for a, b in zip(encoder.decode(rows), points, strict=True))
        )
        np.testing.assert_allclose(encoder.rule_out(rows), rows)

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(stories(), st.sampled_from(("tpe", "random", "grid")), st.integers(0, 3))
    def test_samplers_propose_in_the_space_as_it_is(self, events: list[Event], strategy: str, seed: int) -> None:
        state = after(events)
        if not state.space.active:
            return
        point = ClassicSampler(strategy, seed).suggest(state, state.next_trial)
        assert point is not None
        assert state.space.check(point) == point
        assert all(point[p.name] == p.default for p in state.space.held)

    def test_fits_of_another_space_are_forgotten(self) -> None:
        state, _ = study(5)
        assert state.fits
        changed = replace(state.space["idle"], active=False)
        assert not after([ParameterChanged(changed, "frozen", "", "person")], state).fits

    def test_the_posterior_of_a_grown_space_agrees_with_one_that_had_it_from_the_start(self) -> None:
        extra = real("extra", 0.0, 1.0, 0.25)
        small = Space((real("x", 0.0, 1.0, 0.5),))
        xs = np.linspace(0, 1, 9)
        trials = [e for i, x in enumerate(xs, 1) for e in done(i, {"x": float(x)}, float((x - 0.3) ** 2))]
        grown = after([created(0, small), *trials, ParameterChanged(extra, "added", "", "person")])
        whole = [e for i, x in enumerate(xs, 1) for e in done(i, {"x": float(x), "extra": 0.25}, float((x - 0.3) ** 2))]
        from_start = after([created(0, Space((*small, extra))), *whole])
        one, two = Posterior(grown), Posterior(from_start)
        rows = one.rows([{"x": 0.1, "extra": 0.9}, {"x": 0.7, "extra": 0.25}])
        np.testing.assert_allclose(one.expected("val_loss", rows), two.expected("val_loss", rows))

    def test_old_and_new_runs_of_a_configuration_are_one_configuration(self) -> None:
        small = Space((real("x", 0.0, 1.0, 0.5),))
        state = after(
            [
                created(0, small),
                *done(1, {"x": 0.25}, 1.0),
                *done(2, {"x": 0.75}, 2.0),
                ParameterChanged(real("extra", 0.0, 1.0, 0.25), "added", "", "person"),
                *done(3, {"x": 0.25, "extra": 0.25}, 1.1),
            ]
        )
        posterior = Posterior(state)
        assert len(posterior.candidates[0]) == 2
        assert posterior.distinct == 2


def _near(space: Space, one: Point, two: Point) -> bool:
    return all(
        abs(float(one[p.name]) - float(two[p.name])) <= 1e-5 * max(1.0, abs(float(two[p.name])))  # type: ignore[arg-type]
        if isinstance(p.domain, Interval)
        else one[p.name] == two[p.name]
        for p in space
    )


class TestConditions:
    def encoder(self) -> Encoder:
        return Encoder(SGD, tuple(p.name for p in SGD))

    def test_rows_that_cannot_exist_are_ruled_out_and_admitted(self) -> None:
        encoder = self.encoder()
        rows = encoder.sample(32, 0)
        ruled = encoder.rule_out(rows)
        adam = ruled[:, 0] == 0
        assert 0 < adam.sum() < 32
        assert np.allclose(ruled[adam, 1], encoder.encode_value(1, 0.5))
        np.testing.assert_array_equal(ruled[~adam], rows[~adam])
        admitted = encoder.admit(rows, "momentum")
        assert np.all(admitted[:, 0] == 1)
        np.testing.assert_array_equal(admitted[:, 1:], rows[:, 1:])
        assert encoder.admit(rows, "lr") is rows

    def test_a_claim_about_a_conditional_parameter_is_judged_where_it_counts(self) -> None:
        """The loss falls with momentum under sgd only: "on average" means under sgd."""
        state = after([created(0, SGD)])
        events: list[Event] = []
        rng = np.random.default_rng(0)
        for number in range(1, 40):
            raw = {"optimizer": ("adam", "sgd")[number % 2], "momentum": 0.99 * rng.random(), "lr": 1e-2}
            point = SGD.complete(raw)
            loss = 1.0 - (0.8 * float(point["momentum"]) if point["optimizer"] == "sgd" else 0.0)  # type: ignore[arg-type]
            events += done(number, point, loss)
        state = after(events, state)
        judge: Judge = Posterior(state).judge(["val_loss"])
        for scope in (Scope(), Scope("default"), Scope("best")):
            answer = judge.answer(Effect("momentum", 0.1, 0.8, "lowers", "val_loss", 0.2, scope))
            assert answer.holds.mean() > 0.95, scope

    def test_every_trial_of_a_study_runs_what_exists(self) -> None:
        def loss(p: Point, seed: int) -> Observation:
            assert p["optimizer"] == "sgd" or p["momentum"] == 0.5
            return Observation(
                {"val_loss": abs(float(p["momentum"]) - 0.9) + abs(float(np.log10(float(p["lr"]))) + 3)}, 1.0
            )

        state, _ = study(14, space=SGD, function=loss)
        assert len(state.completed) == 14
        assert any(t.proposal.point["momentum"] != 0.5 for t in state.completed)


def edge(high: float, *, guessed: bool = True, role: str = "learning_rate", name: str = "lr") -> Space:
    lr = real(name, 1e-4, high, 1e-3, log=True, role=role)
    return Space((lr.guess() if guessed else lr, real("other", 0.0, 1.0, 0.5)))


class TestWidening:
    def test_a_range_whose_edge_holds_the_optimum_widens_and_is_used(self) -> None:
        def loss(p: Point, seed: int) -> Observation:
            noise = 0.02 * float(np.random.default_rng(seed).standard_normal())
            return Observation({"val_loss": 0.4 * float(np.log10(float(p["lr"])) + 0.5) ** 2 + noise + 1}, 1.0)

        state, batches = study(40, space=edge(1e-2), function=loss)
        widened = [c for _, c in state.changes if c.change == "widened"]
        assert widened
        first = widened[0]
        assert (first.parameter.name, first.by) == ("lr", "engine")
        assert first.belief is not None
        assert first.belief >= 0.8
        assert "val_loss is best with lr above" in first.claim
        assert "upper edge of its range, 0.01" in first.reason
        assert max(float(t.proposal.point["lr"]) for t in state.completed) > 1e-2  # type: ignore[arg-type]
        assert not any(c.parameter.name == "other" for c in widened)
        # A run that was cut off anywhere makes the same changes.
        cut = len(batches) // 2
        again, _ = study(40, space=edge(1e-2), function=loss, batches=batches[:cut])
        assert [c for _, c in again.changes] == [c for _, c in state.changes]

    def test_a_range_that_a_person_gave_stays(self) -> None:
        state, _ = study(
            24,
            space=edge(1e-2, guessed=False),
            function=lambda p, seed: Observation({"val_loss": 1 - float(np.log10(float(p["lr"])))}, 1.0),
        )
        assert not any(c.change == "widened" for _, c in state.changes)

    def test_an_optimum_inside_widens_nothing(self) -> None:
        state, _ = study(
            28,
            space=edge(1.0),
            function=lambda p, seed: Observation({"val_loss": float(np.log10(float(p["lr"])) + 2) ** 2 + 1}, 1.0),
        )
        assert not any(c.change == "widened" for _, c in state.changes)

    def test_steps_and_bounds(self) -> None:
        lr = real("lr", 1e-4, 1e-1, 1e-2, log=True, role="learning_rate")
        found = wider(lr, "high")
        assert found is not None
        assert found[0].high == pytest.approx(1.0)
        dropout = real("dropout", 0.0, 0.8, 0.1, role="dropout")
        found = wider(dropout, "high")
        assert found is not None
        assert (found[0].high, found[1]) == (0.95, "something must be left of each layer")
        assert wider(dropout, "low") is None, "nothing is less than no dropout"
        assert wider(replace(dropout, domain=found[0]), "high") is None
        share = real("max_features", 0.1, 1.0, 0.5)
        assert wider(share, "high") is None, "a share ends at 1"
        batch = power_of_two("batch", 8, 64, 16)
        found = wider(batch, "low")
        assert found is not None
        assert (found[0].low, found[0].high) == (2, 64)
        found = wider(power_of_two("batch", 2, 64, 16), "low")
        assert found is not None
        assert found[0].low == 1
        assert wider(power_of_two("batch", 1, 64, 16), "low") is None

    @settings(max_examples=200, deadline=None)
    @given(
        st.sampled_from(("other", "dropout", "momentum", "subsample", "learning_rate", "batch_size", "warmup")),
        st.floats(-100, 100),
        st.floats(0.01, 1000),
        st.booleans(),
        st.booleans(),
        st.sampled_from(("low", "high")),
    )
    def test_wider_holds_the_old_range_and_respects_bounds(
        self, role: str, low: float, width: float, log: bool, whole: bool, side: str
    ) -> None:
        low = abs(low) + 1e-6 if log else low
        try:
            domain = Interval(low, low + width, "log" if log else "linear", integer=whole)
        except SpaceError:
            return
        p = Parameter("p", domain, domain.from_unit(0.5), role)
        found = wider(p, side)  # type: ignore[arg-type]
        if found is not None:
            least, most, _ = hard(p)
            assert found[0].low <= domain.low <= domain.high <= found[0].high
            assert found[0].low >= least - 1e-9
            assert found[0].high <= most + 1e-9 * abs(most)
            assert Parameter("p", found[0], p.default, role)


class TestFreezing:
    SPACE = Space((*(real(n, 0.0, 1.0, 0.5) for n in ("a", "b", "c", "idle")), choice("k", ("u", "v"), "u")))

    @staticmethod
    def loss(p: Point, seed: int) -> Observation:
        noise = 0.01 * float(np.random.default_rng(seed).standard_normal())
        total = sum((float(p[n]) - 0.3) ** 2 for n in ("a", "b", "c"))  # type: ignore[arg-type]
        return Observation({"val_loss": 1 + total + (0.4 if p["k"] == "v" else 0.0) + noise}, 1.0)

    def evidence(self, count: int, loss: Callable[[Point, int], Observation], seed: int = 0) -> list[Event]:
        rng = np.random.default_rng(seed)
        events: list[Event] = []
        for number in range(1, count + 1):
            point = {p.name: float(rng.random()) if p.numeric else ("u", "v")[int(rng.integers(2))] for p in self.SPACE}
            events.append(TrialProposed(Proposal(number, point, number, "learn", "")))
            events.append(TrialCompleted(number, loss(point, number)))
        return events

    def test_what_does_not_matter_is_frozen_with_the_evidence(self) -> None:
        state = after([created(0, self.SPACE), RunStarted(100, None, 1, "theory"), *self.evidence(36, self.loss)])
        [change] = adapt(Beliefs(), state)
        assert (change.parameter.name, change.change, change.by) == ("idle", "frozen", "engine")
        assert not change.parameter.active
        assert change.claim == "idle does not matter for val_loss"
        assert change.belief is not None
        assert change.belief >= 0.95
        now = after([change], state)
        assert [r.point["idle"] for r in runs(now)] == [0.5] * 36, "its trials go on to count for classic samplers"
        assert adapt(Beliefs(), now) == []

    def test_it_is_reopened_when_later_trials_speak_against_it(self) -> None:
        def matters(p: Point, seed: int) -> Observation:
            return Observation({"val_loss": 1 + 3 * (float(p["idle"]) - 0.2) ** 2}, 1.0)  # type: ignore[arg-type]

        state = after([created(0, self.SPACE), RunStarted(100, None, 1, "theory"), *self.evidence(36, matters)])
        held = replace(self.SPACE["idle"], active=False)
        wrongly = ParameterChanged(held, "frozen", "", "engine", "idle does not matter for val_loss", 0.96)
        [change] = [c for c in adapt(Beliefs(), after([wrongly], state)) if c.parameter.name == "idle"]
        assert (change.change, change.parameter.active) == ("opened", True)
        by_person = ParameterChanged(held, "frozen", "it is fixed by hardware", "person")
        assert not any(c.parameter.name == "idle" for c in adapt(Beliefs(), after([by_person], state)))

    def test_what_a_person_opened_or_asks_about_is_left_alone(self) -> None:
        first = [created(0, self.SPACE), RunStarted(100, None, 1, "theory"), *self.evidence(36, self.loss)]
        opened = ParameterChanged(self.SPACE["idle"], "opened", "I want to know", "person")
        assert adapt(Beliefs(), after([*first, opened])) == []
        theory = Theory("P1", "", "", ("raising idle from 0.1 to 0.9 lowers val_loss",), by="person")
        assert adapt(Beliefs(), after([*first, TheoryProposed(theory, 0.5)])) == []

    def test_what_matters_is_not_frozen(self) -> None:
        for seed in range(3):
            for count in (12, 20, 28):
                events = self.evidence(count, self.loss, seed)
                state = after([created(0, self.SPACE), RunStarted(60, None, 1, "theory"), *events])
                assert {c.parameter.name for c in adapt(Beliefs(), state)} <= {"idle"}

    def test_a_theory_opens_what_it_is_about_unless_a_person_froze_it(self) -> None:
        space = self.SPACE.activate(["idle", "k"], active=False)
        state = after([created(0, space)])
        theory = Theory("L1", "Idle is not idle", "", (), by="a model")
        [event] = opened_by(theory, {"a", "idle"}, state)
        assert isinstance(event, ParameterChanged)
        assert (event.parameter.name, event.change, event.by) == ("idle", "opened", "a model")
        assert "L1" in event.reason
        frozen = ParameterChanged(space["idle"], "frozen", "", "person")
        assert opened_by(theory, {"idle"}, after([frozen], state)) == []


@pytest.fixture
def told(tmp_path: Path) -> knowhy.Study:
    hand = knowhy.Study("hand", objectives={"val_loss": "minimize"}, folder=tmp_path)
    space = [
        knowhy.real("lr", 1e-4, 1e-1, 1e-2, log=True),
        replace(knowhy.real("wd", 0.0, 0.1, 0.0), active=False),
        knowhy.choice("act", ("relu", "tanh"), "relu"),
    ]
    for _ in range(4):
        trial = hand.ask(space, trials=14)  # no room for a third parameter
        assert trial is not None
        hand.tell(trial.trial, metrics={"val_loss": float(np.log10(float(trial.point["lr"])) ** 2)})  # type: ignore[arg-type]
    return hand


class TestAskAndTell:
    def test_a_person_changes_the_space_between_trials(self, told: knowhy.Study) -> None:
        view = told.parameters.open("wd", low=1e-6, high=1e-1, log=True, because="it may overfit")
        assert view.range == "0, or 1e-06 to 0.1, log scale", "trials ran at 0, which no log range holds by itself"
        assert (view.standing, view.reason, view.by) == ("active", "it may overfit", "person")
        told.parameters.widen("act", add=("gelu", "relu"))
        told.parameters.open("momentum", low=0, high=0.99, default=0.9, when=("act", ("gelu",)))
        told.parameters.freeze("lr", because="settled")
        assert [(c.parameter, c.change, c.after) for c in changes(told.state)] == [
            ("wd", "opened", 4), ("act", "widened", 4), ("momentum", "added", 4), ("lr", "frozen", 4),
        ]  # fmt: skip
        seen = []
        for _ in range(14):
            trial = told.ask(trials=30)
            assert trial is not None
            point = trial.point
            assert told.state.space.check(point) == point
            assert point["momentum"] == 0.9 or point["act"] == "gelu"
            seen.append(point)
            told.tell(trial.trial, metrics={"val_loss": float(point["wd"]) + (0.1 if point["act"] == "relu" else 0)})  # type: ignore[arg-type]
        assert any(1e-6 <= p["wd"] <= 1e-1 for p in seen)  # type: ignore[operator]
        assert any(p["act"] == "gelu" for p in seen)
        again = knowhy.Study("hand", folder=told.path.parent)
        assert again.state == told.state
        assert {v.name: v.standing for v in again.parameters} == {
            "lr": "frozen", "wd": "active", "act": "active", "momentum": "active",
        }  # fmt: skip

    def test_the_declaration_of_the_next_call_takes_nothing_back(self, told: knowhy.Study) -> None:
        space = told._created.space  # type: ignore[union-attr]
        told.parameters.open("wd")
        told.parameters.widen("lr", high=1.0)
        told.parameters.open("extra", low=0, high=1, default=0.5)
        told.ask(space, trials=30)
        assert told.state.space["wd"].active
        assert told.state.space["lr"].domain.high == 1.0  # type: ignore[union-attr]
        assert "extra" in told.state.space

    def test_mistakes_are_told(self, told: knowhy.Study) -> None:
        seq = told.state.seq
        for act, words in (
            (lambda p: p.open("extra"), "new to the study"),
            (lambda p: p.open("lr", low=9e-3, high=2e-2), "ran with lr"),
            (lambda p: p.open("lr", values=(1, 2)), "outside its range|ran with lr"),
            (lambda p: p.open("act", low=1), "a choice has values"),
            (lambda p: p.open("wd", default=0.3), "the default of wd is"),
            (lambda p: p.open("x", low=0, high=1, default=0.5, when=("nothing", (1,))), "depends on nothing"),
            (lambda p: p.open("x", low=0, high=1, default=0.5, when=("act", ("lion",))), "which it never is"),
            (lambda p: p.widen("lr", low=1e-3), "already"),
            (lambda p: p.widen("lr"), "it has a range"),
            (lambda p: p.widen("act", high=2), "it has values"),
            (lambda p: p.widen("acc", add=("x",)), "no parameter acc"),
            (lambda p: p.freeze("nothing"), "no parameter nothing"),
        ):
            with pytest.raises(SpaceError, match=words) as caught:
                act(told.parameters)
            assert caught.value.hint
        told.parameters.freeze("act")
        with pytest.raises(SpaceError, match="all that varies"):
            told.parameters.freeze("lr")
        assert told.state.seq == seq + 1

    def test_a_person_s_theory_opens_what_it_is_about(self, told: knowhy.Study) -> None:
        told.suppose("raising wd from 0 to 0.05 lowers val_loss", because="it overfits")
        assert told.state.space["wd"].active
        assert changes(told.state)[0].reason.startswith("P1 is about it")


SCRIPT = '''
"""A training that takes a little while."""
import time

LEARNING_RATE = 0.01
MOMENTUM = 0.0
WEIGHT_DECAY = 0.0  # left out of the settings
print(f"val_loss: {(LEARNING_RATE - 0.05) ** 2 + (MOMENTUM - 0.9) ** 2 + WEIGHT_DECAY}")
time.sleep(0.1)
'''

TOML = """
[study]
script = "train.py"
[objectives]
val_loss = "minimize"
[parameters]
LEARNING_RATE = {type = "real", low = 0.001, high = 0.1, scale = "log", default = 0.01, active = true}
MOMENTUM = {type = "real", low = 0.0, high = 0.99, default = 0.0, active = false}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "knowhy.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestCommands:
    def test_a_running_study_takes_up_what_a_second_terminal_opens(self, home: Path) -> None:
        """WEIGHT_DECAY is in the script and not in the study: the controller that runs takes it up."""
        space = Space(
            (real("LEARNING_RATE", 1e-3, 0.1, 1e-2, log=True), replace(real("MOMENTUM", 0, 0.99, 0.0), active=False))
        )
        found = {p.name: p for p in discovered("train.py").parameters}
        space = Space(tuple(replace(p, origin=found[p.name].origin) for p in space))
        study = knowhy.Study("live", {"val_loss": "minimize"})
        opened, written = threading.Event(), threading.Event()

        def watch(state: State) -> None:
            if len(state.completed) >= 3:
                opened.set()
                assert written.wait(60), "the second terminal has its say while trials are left"

        def second_terminal() -> None:
            assert opened.wait(60)
            done = CliRunner().invoke(
                cli, ["open", "WEIGHT_DECAY", "--low", "0", "--high", "0.5", "--because", "why not", "--study", "live"]
            )
            written.set()
            assert done.exit_code == 0, done.output

        other = threading.Thread(target=second_terminal)
        other.start()
        study.run("train.py", space, trials=16, workers=1, strategy="random", watch=watch)
        other.join()
        state = study.state
        assert len(state.completed) == 16
        assert [(c.parameter, c.change, c.by) for c in changes(state)][:1] == [("WEIGHT_DECAY", "added", "person")]
        late = [t for t in state.completed if t.proposal.point["WEIGHT_DECAY"] != 0]
        assert late, "trials vary it once it is open"
        for t in late:
            p = t.proposal.point
            expected = (p["LEARNING_RATE"] - 0.05) ** 2 + (p["MOMENTUM"] - 0.9) ** 2 + p["WEIGHT_DECAY"]  # type: ignore[operator]
            assert t.observation.metrics["val_loss"] == pytest.approx(expected)
        assert "WEIGHT_DECAY = 0.0 " not in study.script_with_best() or study.best_point["WEIGHT_DECAY"] == 0

    def test_open_widen_freeze_and_list(self, home: Path) -> None:
        def invoke(*words: str, code: int = 0) -> str:
            done = CliRunner().invoke(cli, list(words))
            assert done.exit_code == code, done.output
            return done.output

        invoke("run", "--trials", "3", "--strategy", "random")
        listed = invoke("space")
        assert "Varied" in listed
        assert "Offered by the script" in listed
        assert "WEIGHT_DECAY" in listed
        assert "MOMENTUM" in invoke("open", "MOMENTUM", "--because", "it is slow")
        invoke("widen", "LEARNING_RATE", "--high", "1")
        invoke("open", "WEIGHT_DECAY", "--low", "0", "--high", "0.2")
        invoke("freeze", "LEARNING_RATE")
        views = {v["name"]: v for v in json.loads(invoke("space", "--json"))}
        assert {n: v["standing"] for n, v in views.items()} == {
            "LEARNING_RATE": "frozen", "MOMENTUM": "active", "WEIGHT_DECAY": "active",
        }  # fmt: skip
        assert views["MOMENTUM"]["reason"] == "it is slow"
        invoke("run", "--trials", "6", "--strategy", "random")  # the same file: what was opened stays open
        state = knowhy.Study.open("train").state
        assert len(state.completed) == 6
        assert {t.proposal.point["LEARNING_RATE"] for t in state.completed[3:]} == {0.01}
        assert "did you mean WEIGHT_DECAY" in invoke("open", "WEIGHT_DEKAY", code=2)
        report = knowhy.Study.open("train").report("report.md").read_text()
        assert "## How the space changed" in report
        assert "a person opened `MOMENTUM`: it is slow" in report
        (home / "train.py").write_text(SCRIPT + "\n# edited\n")
        assert not any(v["standing"] == "offered" for v in json.loads(invoke("space", "--json")))

    def test_conditions_in_the_settings_file(self, home: Path) -> None:
        (home / "train.py").write_text(
            'OPTIMIZER = "adam"\nMOMENTUM = 0.5\nLR = 0.1\nif OPTIMIZER == "sgd" or OPTIMIZER == "adam":\n'
            '    print("val_loss:", LR + (MOMENTUM if OPTIMIZER == "sgd" else 1))\n'
        )
        text = TOML.partition("[parameters]")[0] + (
            '[parameters]\nOPTIMIZER = {type = "choice", values = ["adam", "sgd"], active = true}\n'
            'MOMENTUM = {type = "real", low = 0.0, high = 0.9, active = true, when = {OPTIMIZER = "sgd"}}\n'
            "LR = {active = true}\n"
        )
        (home / "knowhy.toml").write_text(text)
        done = CliRunner().invoke(cli, ["run", "--trials", "8", "--strategy", "tpe"])
        assert done.exit_code == 0, done.output
        state = knowhy.Study.open("train").state
        assert state.space["MOMENTUM"].condition == Condition("OPTIMIZER", ("sgd",))
        assert all(
            t.proposal.point["MOMENTUM"] == 0.5 for t in state.completed if t.proposal.point["OPTIMIZER"] == "adam"
        )
        for wrong, words in (
            ('when = {NOTHING = "sgd"}', "not in the space"),
            ('when = {OPTIMIZER = "lion"}', "which it never is"),
            ('when = "sgd"', "when must name one parameter"),
            ("when = {OPTIMIZER = []}", "lacks the values"),
        ):
            (home / "knowhy.toml").write_text(text.replace('when = {OPTIMIZER = "sgd"}', wrong))
            done = CliRunner().invoke(cli, ["run", "--trials", "8", "--study", "wrong"])
            assert done.exit_code == 2
            assert words in done.output


def test_a_function_study_takes_up_a_parameter_that_it_did_not_have(tmp_path: Path) -> None:
    study = knowhy.Study("f", {"val_loss": "minimize"}, folder=tmp_path)
    study.run(quick, [knowhy.real("x", 0.0, 1.0, 0.5)], trials=3, strategy="random", workers=1)
    study.parameters.open("y", low=0.0, high=1.0, default=0.5)
    study.run(quick, [knowhy.real("x", 0.0, 1.0, 0.5)], trials=7, strategy="random", workers=1)
    state = study.state
    assert len(state.completed) == 7
    assert any(t.proposal.point["y"] != 0.5 for t in state.completed[3:])
    for t in state.completed:
        assert t.observation.metrics["val_loss"] == t.proposal.point["x"] + t.proposal.point["y"]  # type: ignore[operator]


def quick(params: dict[str, float]) -> float:
    time.sleep(0.01)
    return params["x"] + params.get("y", 0.5)
