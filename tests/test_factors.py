"""Screening designs and mirrored pairs: what they may propose, that they are honest, and that they sort patches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhy.engine import evidence
from knowhy.engine.adaptation import adapt
from knowhy.engine.beliefs import contrast_pairs
from knowhy.engine.factors import FactorPolicy, screening_trials
from knowhy.engine.mind import Mind
from knowhy.engine.screening import breaking, breaks, mirrored, model, next_screening, signs
from knowhy.model.decision import Budget
from knowhy.model.events import ParameterChanged
from knowhy.model.exclusion import Exclusion
from knowhy.model.objective import Objective
from knowhy.model.observation import Failure, Observation
from knowhy.model.patch import PATCH_ROLE, Patch
from knowhy.model.space import Choices, Parameter, Point, Space
from knowhy.model.state import State
from knowhy.model.trial import Arm, Completed, Contrast, Failed, Proposal
from knowhy.theorists.patches import standing_out
from knowhy.views import patch_views
from planted import minded

NOISE = 0.01


def patch_space(*names: str, exclusions: tuple[Exclusion, ...] = ()) -> Space:
    return Space(tuple(Parameter(n, Choices((False, True)), False, PATCH_ROLE) for n in names), exclusions)


def state_of(space: Space, points: list[Point], losses: list[float | None]) -> State:
    trials = {}
    for number, (point, loss) in enumerate(zip(points, losses, strict=True), start=1):
        proposal = Proposal(number, space.complete(point), number, "learn", "")
        if loss is None:
            trials[number] = Failed(proposal, Failure("exit", "broken", 0.1), 0.0)
        else:
            trials[number] = Completed(proposal, Observation({"loss": loss}, 0.1), 0.0)
    return State("s", (Objective("loss"),), space=space, trials=trials, order=list(trials), next_trial=len(points) + 1)


NAMES = ("a", "b", "c", "d", "e", "f", "g", "h")


def test_a_screening_tells_all_effects_apart_with_about_one_trial_each() -> None:
    space = patch_space(*NAMES)
    points: list[Point] = [space.defaults(), space.defaults()]
    for n in range(12):
        state = state_of(space, points, [1.0] * len(points))
        points.append(next_screening(state, NAMES, space.defaults(), np.random.default_rng(n)))
    matrix = np.column_stack([np.ones(len(points)), signs(NAMES, points)])
    variance = np.diag(np.linalg.inv(matrix.T @ matrix))[1:]
    # an orthogonal design of as many runs has 1/14 each; one patch at a time would have 1/2 or more
    assert variance.max() < 2.5 / len(points)
    assert 0.3 < np.mean([p[n] is True for p in points[2:] for n in NAMES]) < 0.7


def test_the_model_has_a_column_for_each_effect_and_each_product() -> None:
    assert model(signs(NAMES, [{}, {"a": True}])).shape == (2, 1 + 8 + 28)


def test_who_breaks_the_run_is_found_by_elimination() -> None:
    space = patch_space(*NAMES)
    state = state_of(space, [{}, {"a": True, "b": True}, {"a": True}, {"c": True, "d": True}], [1.0, None, 1.0, 1.0])
    chance = breaking(NAMES, state)
    assert chance["b"] == 1.0
    assert chance["a"] == chance["c"] == chance["d"] == 0.0
    assert 0 < chance["e"] < 0.2
    for seed in range(5):
        point = next_screening(state, NAMES, space.defaults(), np.random.default_rng(seed))
        assert point["b"] is False


@given(st.integers(0, 2**32 - 1))
def test_mirrored_pairs_differ_in_what_is_under_test_and_in_nothing_else(seed: int) -> None:
    space = patch_space(*NAMES, exclusions=(Exclusion(("a", "b"), ""), Exclusion(("c", "h"), "")))
    base = space.complete({"g": True, "h": True})
    one, two, told = mirrored(space, ("a", "b", "c", "d"), base, np.random.default_rng(seed))
    assert {n for n in one if one[n] != two[n]} == set(told)
    assert not any(e.broken(one) or e.broken(two) for e in space.exclusions)
    assert not {"a", "b"} <= set(told)
    assert one["g"] is True
    assert one["h"] is two["h"]


def test_each_coin_is_fair_and_its_own() -> None:
    space = patch_space(*NAMES)
    sides = []
    for seed in range(400):
        one, _, _ = mirrored(space, NAMES, space.defaults(), np.random.default_rng(seed))
        sides.append([one[n] is True for n in NAMES])
    matrix = np.array(sides, dtype=float)
    assert np.abs(matrix.mean(axis=0) - 0.5).max() < 0.1
    assert np.abs(np.corrcoef(matrix.T) - np.eye(8)).max() < 0.2


def test_mirrored_pairs_are_honest_about_a_patch_that_does_nothing() -> None:
    """Whatever the others do, however badly they are predicted: at most 5% of studies may certify it."""
    space, false = patch_space(*NAMES), 0
    effects = {"b": 5.0, "c": -3.0, "d": 2.0, "e": 8.0}
    for seed in range(300):
        rng = np.random.default_rng(seed)
        contrast = Contrast("C", "T", "loss", -1, {"a": False}, {"a": True}, "mirrored")
        pairs = []
        for _ in range(14):
            values = {}
            for point in mirrored(space, NAMES, space.defaults(), rng)[:2]:
                truth = sum(v for n, v in effects.items() if point[n]) + 2.0 * (point["b"] is point["c"])
                predicted = 0.7 * sum(v for n, v in effects.items() if point[n])
                values[point["a"] is True] = truth - predicted + rng.standard_normal()
            pairs.append((values[True], values[False]))
            if evidence.weigh(contrast, pairs).e_value >= 20:
                false += 1
                break
    assert false <= 0.05 * 300 + 8  # four standard errors above 15 would be 30


def test_what_is_expected_of_the_others_is_taken_off() -> None:
    space = patch_space("a", "b")
    contrast = Contrast("C1", "T1", "loss", -1, {"a": False}, {"a": True}, "mirrored")
    sides = [({"a": True, "b": False}, 0.9, 0.95), ({"a": False, "b": True}, 0.5, 0.45)]
    state = state_of(space, [p for p, _, _ in sides], [v for _, v, _ in sides])
    for number, (point, _, expected) in enumerate(sides, start=1):
        trial = state.trials[number]
        arms = (Arm("C1", 1, point["a"], expected),)
        proposal = Proposal(number, trial.proposal.point, 1, "verify", "", arms=arms)
        assert isinstance(trial, Completed)
        state.trials[number] = Completed(proposal, trial.observation, 0.0)
    state.contrasts["C1"] = contrast
    ((treated, control),) = contrast_pairs(state, "C1")
    assert treated == pytest.approx(0.9 - 0.95)
    assert control == pytest.approx(0.5 - 0.45)


def test_a_pair_that_goes_together_stands_out() -> None:
    space, rng = patch_space(*NAMES), np.random.default_rng(3)
    points: list[Point] = [{n: bool(rng.random() < 0.5) for n in NAMES} for _ in range(28)]
    losses = [1 - 0.02 * p["a"] - 0.06 * (p["c"] and p["d"]) + NOISE * rng.standard_normal() for p in points]
    state = state_of(space, points, list(losses))
    assert next(standing_out(state, NAMES)) == ("c", "d")
    flat = state_of(space, points, [1 + NOISE * rng.standard_normal() for _ in points])
    assert list(standing_out(flat, NAMES)) == []


def test_screening_leaves_room_for_the_rest() -> None:
    for switches in (2, 5, 12, 40):
        for trials in (8, 20, 48, 160):
            assert screening_trials(switches, Budget(trials)) <= trials // 2


def test_a_study_without_patches_is_decided_as_before() -> None:
    mind = Mind()
    policy = FactorPolicy(mind.beliefs)
    space = Space((Parameter("fast", Choices((False, True)), False), Parameter("x", Choices((1, 2, 3)), 1)))
    state = state_of(space, [{}, {"fast": True}, {"x": 2}, {"x": 3}], [1.0, 0.9, 1.1, 1.2])
    assert policy.decide(state, Budget(30)) == policy.inner.decide(state, Budget(30))


EFFECTS = {"good": -5.0, "better": -3.0, "bad": 4.0, "idle": 0.0, "idle2": 0.0, "tidy": 0.0}


def test_patches_are_sorted_within_four_trials_each() -> None:
    def train(point: Point, seed: int) -> dict[str, float]:
        change = sum(v for n, v in EFFECTS.items() if point[n])
        return {"loss": 1.0 + NOISE * (change + float(np.random.default_rng(seed).standard_normal()))}

    state, mind = minded(patch_space(*EFFECTS), train, 24, seed=1)
    effects = mind.switches(state, tuple(EFFECTS), "average")
    assert effects["good"].helps > 0.95
    assert effects["bad"].hurts > 0.95
    assert effects["better"].helps > 0.8
    assert max(max(effects[n].helps, effects[n].hurts) for n in ("idle", "idle2", "tidy")) < 0.95
    titles = {t.title for t in state.theories.values()}
    assert "The patch good helps" in titles
    best = mind.incumbent(state)
    assert best is not None
    assert best.point["good"] is True
    assert best.point["bad"] is False


def test_a_patch_that_does_not_run_costs_few_trials() -> None:
    def train(point: Point, seed: int) -> dict[str, float]:
        if point["bad"]:
            raise ImportError("no module of that name")
        return {"loss": 1.0 - 0.05 * bool(point["good"]) + NOISE * float(np.random.default_rng(seed).standard_normal())}

    state, _ = minded(patch_space(*EFFECTS), train, 24)
    failed = [t for t in state.trials.values() if isinstance(t, Failed)]
    assert 1 <= len(failed) <= 4


@pytest.mark.parametrize("seed", range(3))
def test_a_patch_that_breaks_every_run_is_held_off_after_two(seed: int) -> None:
    def train(point: Point, seed: int) -> dict[str, float]:
        if point["bad"]:
            raise ImportError("no module of that name")
        return {"loss": 1.0 - 0.05 * bool(point["good"]) + NOISE * float(np.random.default_rng(seed).standard_normal())}

    state, mind = minded(patch_space("bad", "good"), train, 20, seed)
    assert sum(isinstance(t, Failed) for t in state.trials.values()) == 2
    assert not state.space["bad"].active
    assert [c.reason for _, c in state.changes if c.change == "frozen" and c.parameter.name == "bad"] == [
        "every trial with it failed, and the same without it worked; it stays off"
    ]
    patches = replace(state, patches={n: Patch(n, "because", "", ("train.py",)) for n in ("bad", "good")})
    views = {v.name: v for v in patch_views(patches, mind, {})}
    assert {name: view.verdict for name, view in views.items()} == {"bad": "breaks the run", "good": "helps"}
    assert views["bad"].effect is None
    assert views["good"].effect is not None


def test_a_patch_that_failed_once_or_where_all_fails_may_still_be_tried() -> None:
    space = patch_space(*NAMES)
    a: Point = {"a": True}
    both: Point = {"a": True, "b": True}
    assert not breaks(state_of(space, [{}, a], [1.0, None]), "a")
    assert breaks(state_of(space, [{}, a, a], [1.0, None, None]), "a")
    assert not breaks(state_of(space, [{}, a, a], [None, None, None]), "a")
    assert not breaks(state_of(space, [{}, both, both], [1.0, None, None]), "a")
    assert breaks(state_of(space, [{}, both, both, {"b": True}], [1.0, None, None, 1.0]), "a")
    assert not breaks(state_of(space, [{}, a, a, both], [1.0, None, None, 1.0]), "a")


def test_what_failed_before_a_patch_was_opened_again_is_forgotten() -> None:
    space = patch_space(*NAMES)
    a: Point = {"a": True}
    both: Point = {"a": True, "b": True}
    state = state_of(space, [{}, a, a, both], [1.0, None, None, None])
    state = replace(state, changes=[(1.0, ParameterChanged(space["a"], "opened", "mended", "person"))])
    assert breaking(NAMES, state)["a"] == breaking(NAMES, state)["c"]
    assert breaking(NAMES, state)["b"] == 0.5
    assert not breaks(state, "a")
    again = state_of(space, [{}, a, a, a, a], [1.0, None, None, None, None])
    late = {n: replace(t, ended=2.0) for n, t in again.trials.items() if n > 3}
    again = replace(again, changes=state.changes, trials={**again.trials, **late})
    assert breaks(again, "a")
    assert breaking(NAMES, again)["a"] == 1.0
    assert [c.parameter.name for c in adapt(Mind().beliefs, again)] == ["a"]


def test_a_setting_that_fails_with_a_patch_and_without_says_nothing_of_the_patch() -> None:
    space = Space((*patch_space("a").parameters, Parameter("lr", Choices((0.1, 9.0)), 0.1)))
    high: Point = {"a": True, "lr": 9.0}
    assert not breaks(state_of(space, [{}, high, high], [1.0, None, None]), "a")
    assert breaks(state_of(space, [{}, high, high, {"lr": 9.0}], [1.0, None, None, 1.0]), "a")
