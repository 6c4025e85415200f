"""Spaces of few configurations: all of them run twice, are judged, and the rest of the budget verifies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhy.engine.encoding import places
from knowhy.engine.factorial import TWICE, all_known, enough, every, next_run
from knowhy.model.exclusion import Exclusion
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import Choices, Parameter, Point, Space, choice, integer, real, switch
from knowhy.model.state import State
from knowhy.model.trial import Failed
from planted import minded

PATCH = Space((Parameter("fix", Choices((False, True)), False, PATCH_ROLE),))
SOLVER = Space((choice("solver", ("adam", "sgd", "lbfgs"), "adam"),))


def noisy(effect: Callable[[Point], float]) -> Callable[[Point, int], dict[str, float]]:
    return lambda point, seed: {"loss": 1.0 + effect(point) + 0.01 * float(np.random.default_rng(seed).normal())}


def ran(state: State, purpose: str, name: str) -> Counter[object]:
    return Counter(t.proposal.point[name] for t in state.trials.values() if t.proposal.purpose == purpose)


@pytest.mark.parametrize("seed", range(3))
def test_a_single_patch_that_helps_is_believed_and_certified_within_fourteen_trials(seed: int) -> None:
    state, _ = minded(PATCH, noisy(lambda p: -0.05 * bool(p["fix"])), 14, seed)
    assert ran(state, "learn", "fix") == {False: 2, True: 2}
    assert ran(state, "verify", "fix") == {False: 5, True: 5}
    assert {t.title for t in state.theories.values() if state.beliefs[t.id] > 0.95} == {"The patch fix helps"}
    assert all(found.certified for found in state.evidence.values())
    assert len(state.evidence) == 2


def test_a_single_patch_that_does_nothing_is_not_believed_to_do_something() -> None:
    believed = 0
    for seed in range(6):
        state, _ = minded(PATCH, noisy(lambda p: 0.0), 12, seed)
        titles = {t.id: t.title for t in state.theories.values()}
        believed += any(b > 0.95 for i, b in state.beliefs.items() if "no difference" not in titles[i])
        assert not any(found.certified for found in state.evidence.values())
    assert believed <= 1


def test_each_value_of_a_single_choice_runs_twice_before_the_rest_verifies() -> None:
    state, _ = minded(SOLVER, noisy(lambda p: {"adam": 0.0, "sgd": 0.1, "lbfgs": -0.1}[str(p["solver"])]), 24)
    first = [t.proposal.point["solver"] for t in state.trials.values()][:6]
    assert Counter(first) == {"adam": 2, "sgd": 2, "lbfgs": 2}
    assert ran(state, "verify", "solver")["lbfgs"] >= 5
    assert any(found.certified for found in state.evidence.values())


def test_a_value_that_always_fails_runs_twice_and_no_more() -> None:
    def train(point: Point, seed: int) -> dict[str, float]:
        if point["solver"] == "sgd":
            raise ValueError("no such solver")
        return {"loss": float(np.random.default_rng(seed).normal())}

    state, _ = minded(SOLVER, train, 20)
    assert sum(isinstance(t, Failed) for t in state.trials.values()) <= 2


small = st.lists(st.integers(1, 5), min_size=1, max_size=5)


@given(small, st.booleans())
def test_every_configuration_is_there_once(sizes: list[int], excluded: bool) -> None:
    parameters = tuple(Parameter(f"p{i}", Choices(tuple(range(n + 1))), 0) for i, n in enumerate(sizes))
    points = every(Space(parameters))
    count = int(np.prod([n + 1 for n in sizes]))
    if count > 64:
        assert points is None
        assert enough(Space(parameters)) == 3
        return
    assert points is not None
    assert len({tuple(p.values()) for p in points}) == len(points) == count
    assert enough(Space(parameters)) == min(3, count)


def test_conditions_exclusions_and_what_is_held_make_fewer() -> None:
    nested = Space((switch("a", False), switch("b", False).when("a", True)))
    assert len(every(nested) or []) == 3
    patches = (Parameter("a", Choices((False, True)), False), Parameter("b", Choices((False, True)), False))
    assert len(every(Space(patches, (Exclusion(("a", "b"), "same line"),))) or []) == 3
    assert every(Space((switch("a", False), real("x", 0, 1, 0.5)))) is None
    assert every(Space((switch("a", False), integer("n", 1, 3, 2)))) is None


def test_the_next_run_is_of_what_ran_least() -> None:
    rows = np.array([[0.0], [1.0]])
    assert next_run(rows, np.zeros((0, 1))) == 0
    assert next_run(rows, rows[[0, 0]]) == 1
    assert next_run(rows, rows[[0, 0, 1, 1]]) is None
    zero, one = places(rows)
    assert all_known(rows, {zero: 2, one: 2}, rows[:0], TWICE)
    assert not all_known(rows, {zero: 2, one: 1}, rows[1:], TWICE)
    assert all_known(rows, {zero: 2}, rows[1:], TWICE)
