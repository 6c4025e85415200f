"""Patches that saturate, and what is still undecided: each is seen alone, and trials go where they tell most."""

from __future__ import annotations

import numpy as np
import pytest

from knowhy.engine.factors import FactorPolicy
from knowhy.engine.mind import Mind
from knowhy.engine.screening import next_screening
from knowhy.engine.settling import next_settling, undecided
from knowhy.engine.switches import SwitchEffect, switch_claims
from knowhy.model.decision import Budget
from knowhy.model.exclusion import Exclusion
from knowhy.model.objective import Objective
from knowhy.model.observation import Observation
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import Choices, Parameter, Point, Space
from knowhy.model.state import State
from knowhy.model.trial import Completed, Proposal
from knowhy.theorists.patches import Patches
from planted import minded

NAMES = ("a", "b", "c", "d", "e", "f")
NOISE = 0.01


def space(*names: str, exclusions: tuple[Exclusion, ...] = ()) -> Space:
    return Space(tuple(Parameter(n, Choices((False, True)), False, PATCH_ROLE) for n in names), exclusions)


def on(point: Point) -> set[str]:
    return {n for n, value in point.items() if value is True}


def state_of(points: list[set[str]], losses: list[float], pending: int = 0) -> State:
    trials = {
        i: Completed(Proposal(i, {n: n in point for n in NAMES}, i, "learn", ""), Observation({"loss": loss}, 0.1), 0.0)
        for i, (point, loss) in enumerate(zip(points, losses, strict=True), start=1)
    }
    return State(
        "s", (Objective("loss"),), space=space(*NAMES), trials=trials, order=list(trials), next_trial=len(trials) + 1
    )


def effect(name: str, low: float, high: float, *, helps: float = 0.0, hurts: float = 0.0) -> SwitchEffect:
    return SwitchEffect(name, "loss", (low + high) / 2, low, high, helps, hurts, 1 - helps - hurts, NOISE / 2)


def study(losses: dict[str, float], trials: int, seed: int, *, most: float = np.inf) -> tuple[State, Mind]:
    """Patches whose gains add up to ``most`` at most: beside others a gain does not show."""

    def train(point: Point, seed: int) -> dict[str, float]:
        gain = min(sum(-losses[n] for n in on(point) if losses[n] < 0), most)
        loss = sum(losses[n] for n in on(point) if losses[n] > 0)
        return {"loss": 1.0 + NOISE * (loss - gain + float(np.random.default_rng(seed).standard_normal()))}

    return minded(space(*losses), train, trials, seed, [Patches()])


def test_patches_that_cure_the_same_ill_are_all_found_to_help() -> None:
    losses = {"a": -4.0, "b": -4.0, "c": -4.0, "d": 4.0, "e": 0.0, "f": 0.0}
    state, mind = study(losses, 28, 3, most=4.5)
    alone = mind.switches(state, tuple(losses), "default")
    assert min(alone[n].helps for n in "abc") > 0.95
    assert alone["d"].hurts > 0.95
    assert max(max(alone[n].helps, alone[n].hurts) for n in "ef") < 0.95


def test_each_patch_runs_by_itself_before_any_runs_beside_others() -> None:
    state, _ = study(dict.fromkeys(NAMES, 0.0), 18, 1)
    first = [on(state.trials[i].proposal.point) for i in range(1, 9)]
    assert first[:2] == [set(), set()]
    assert sorted(min(p) for p in first[2:] if len(p) == 1) == list(NAMES)


def test_a_short_study_does_not_spend_its_trials_on_single_patches() -> None:
    mind = Mind()
    state = state_of([set(), set()], [1.0, 1.01])
    for trials, alone in ((14, False), (18, True)):
        (proposal, *_) = FactorPolicy(mind.beliefs).decide(state, Budget(trials)).proposals
        assert (len(on(proposal.point)) == 1) is alone


class TestUndecided:
    def test_what_surely_helps_or_hurts_somewhere_is_decided(self) -> None:
        here, there = {"a": effect("a", -0.05, 0.01, helps=0.7)}, {"a": effect("a", -0.05, -0.02, helps=0.99)}
        assert undecided("a", here) == ("a",)
        assert undecided("a", here, there) == ()

    def test_what_is_most_likely_small_is_left_at_that(self) -> None:
        small, large = effect("a", -0.01, 0.01, helps=0.2), effect("b", -0.01, 0.03, hurts=0.6)
        assert undecided("ab", {"a": small, "b": large}) == ("b",)

    def test_what_nothing_is_known_of_is_undecided(self) -> None:
        assert undecided("ab", {}, {}) == ("a", "b")


def test_the_next_trial_tells_about_what_is_undecided() -> None:
    rng = np.random.default_rng(4)
    points = [set(), set(), *({n} for n in NAMES), {"a", "b"}, {"b", "c"}, {"a"}, set()]
    state = state_of(points, [1.0 - 0.05 * ("b" in p) + NOISE * rng.standard_normal() for p in points])
    mind = Mind()
    posterior = mind.beliefs.posterior(state)
    chosen = next_settling(mind.beliefs, state, posterior, NAMES, ("e",))
    assert chosen is not None
    assert next_settling(mind.beliefs, state, posterior, NAMES, ("e",)) == chosen
    assert "e" in on(chosen) or not on(chosen)
    assert len(switch_claims(state, posterior, "e")) == 4


@pytest.mark.parametrize("seed", range(4))
def test_a_screening_among_some_leaves_the_others_off(seed: int) -> None:
    whole = space(*NAMES, exclusions=(Exclusion(("a", "b"), "same line"),))
    state = State("s", (Objective("loss"),), space=whole)
    point = next_screening(state, NAMES, whole.defaults(), np.random.default_rng(seed), ("a", "b", "c"), 0.5)
    assert on(point) <= {"a", "b", "c"}
    assert not {"a", "b"} <= on(point)
