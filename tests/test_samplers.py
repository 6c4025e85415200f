"""The classic strategies: the laws of the port, and what each promises besides."""

from __future__ import annotations

import importlib.util
import itertools
import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.sampler import MIXED, Make, Result, SamplerConformance, Story, loss
from knowhy.errors import SettingsError
from knowhy.model.objective import Constraint, Objective
from knowhy.model.space import Choices, Condition, Interval, Parameter, Point, Space, choice, integer, real, switch
from knowhy.samplers.classic import STRATEGIES, ClassicSampler
from knowhy.samplers.history import Run, runs
from knowhy.samplers.plain import levels

LIGHT = ("random", "grid", "tpe", "cmaes")


class TestRandom(SamplerConformance):
    @pytest.fixture
    def make(self) -> Make:
        return lambda seed: ClassicSampler("random", seed)


class TestGrid(SamplerConformance):
    @pytest.fixture
    def make(self) -> Make:
        return lambda seed: ClassicSampler("grid", seed)


class TestTpe(SamplerConformance):
    @pytest.fixture
    def make(self) -> Make:
        return lambda seed: ClassicSampler("tpe", seed)


class TestCmaes(SamplerConformance):
    @pytest.fixture
    def make(self) -> Make:
        return lambda seed: ClassicSampler("cmaes", seed)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="the Gaussian process needs torch")
class TestGp(SamplerConformance):
    startup = 2
    further = 1

    @pytest.fixture
    def make(self) -> Make:
        import optuna

        from knowhy.samplers.projection import OptunaSampler

        def early(
            seed: int,
        ) -> optuna.samplers.BaseSampler:  # as the strategy gp, but it learns from the third trial on
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=2, warn_independent_sampling=False)

        return lambda seed: OptunaSampler(early, seed, flat=True)


# Points are always in the space, whatever the space.


@st.composite
def parameters(draw: st.DrawFn, index: int) -> Parameter:
    name, kind = (
        f"p{index}",
        draw(st.sampled_from(("real", "log", "integer", "log integer", "power", "choice", "switch"))),
    )
    if kind == "switch":
        return switch(name, draw(st.booleans()))
    if kind == "choice":
        values = draw(
            st.lists(
                st.sampled_from([None, True, False, 0, 1, 1.0, 0.5, "a", "b", ""]),
                min_size=2,
                max_size=5,
                unique_by=lambda v: (type(v), v),
            )
        )
        return choice(name, values, draw(st.sampled_from(values)))
    if kind == "power":
        low = draw(st.integers(0, 8))
        high = low + draw(st.integers(1, 8))
        return Parameter(name, Interval(2**low, 2**high, "log", True, True), 2 ** draw(st.integers(low, high)))
    if kind in ("integer", "log integer"):
        low = draw(st.integers(1 if kind == "log integer" else -50, 100))
        high = low + draw(st.integers(1, 1000))
        domain = Interval(low, high, "log" if kind == "log integer" else "linear", integer=True)
        return Parameter(name, domain, draw(st.integers(low, high)))
    if kind == "log":
        low_real = draw(st.floats(1e-9, 1e3))
        return real(name, low_real, low_real * draw(st.floats(1.001, 1e6)), low_real, log=True)
    low_real = draw(st.floats(-1e6, 1e6))
    return real(name, low_real, low_real + draw(st.floats(1e-3, 1e6)), low_real)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    members = [draw(parameters(i)) for i in range(draw(st.integers(1, 5)))]
    for i in range(1, len(members)):
        parent = members[i - 1].domain
        if isinstance(parent, Choices) and draw(st.booleans()):
            members[i] = replace(members[i], condition=Condition(f"p{i - 1}", parent.values[:1]))
        elif draw(st.integers(0, 4)) == 0:
            members[i] = replace(members[i], active=False)
    return Space(tuple(draw(st.permutations(members))))


@pytest.mark.parametrize("strategy", LIGHT)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    space=spaces(), seed=st.integers(-(2**70), 2**70), values=st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=9)
)
def test_points_are_in_any_space(strategy: str, space: Space, seed: int, values: list[float]) -> None:
    rest = itertools.cycle(values)

    def result(point: Point) -> Result:
        value = next(rest)
        return None if value < -1e11 else {"loss": value}

    story = Story(space, trials=20)
    story.default(result)
    for point in story.run(ClassicSampler(strategy, seed), 14, result, workers=2):
        assert dict(point) == space.check(point)
        assert all(type(point[p.name]) is type(p.default) for p in space if p.numeric)


# What each strategy promises.


def bowl(point: Point) -> Result:
    x, y, z = (float(str(point[name])) for name in "xyz")
    return {"loss": (x - 0.2) ** 2 + (y - 0.8) ** 2 + (z - 0.35) ** 2}


BOWL = Space((real("x", 0.0, 1.0, 0.9), real("y", 0.0, 1.0, 0.1), real("z", 0.0, 1.0, 0.9)))


def best(strategy: str, seed: int, trials: int = 60) -> float:
    story = Story(BOWL)
    story.default(bowl)
    story.run(ClassicSampler(strategy, seed), trials, bowl)
    return min(trial.observation.metrics["loss"] for trial in story.state.completed)


@pytest.mark.parametrize("strategy", ["tpe", "cmaes"])
def test_those_that_learn_beat_random_search(strategy: str) -> None:
    seeds = range(5)
    learned, blind = (np.median([best(name, seed) for seed in seeds]) for name in (strategy, "random"))
    assert learned < blind / 2


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="the Gaussian process needs torch")
def test_the_gaussian_process_finds_the_bottom_of_a_bowl() -> None:
    assert best("gp", 1, 16) < 0.01


@pytest.mark.parametrize("strategy", ["tpe", "cmaes"])
def test_constraints_count(strategy: str) -> None:
    def result(point: Point) -> Result:
        return {**(bowl(point) or {}), "size": float(str(point["x"]))}

    story = Story(BOWL, constraints=(Constraint("size", ">=", 0.6),))
    story.default(result)
    points = story.run(ClassicSampler(strategy, 3), 60, result)
    assert np.mean([float(str(p["x"])) >= 0.6 for p in points[-20:]]) > 0.6  # the unconstrained optimum is at 0.2


def test_the_grid_covers_each_combination_once_and_ends() -> None:
    space = Space(
        (switch("a", False), choice("b", (1, True, None), 1), integer("c", 1, 2, 1), real("d", 0.0, 1.0, 0.0))
    )
    story = Story(space, trials=40)
    story.default(lambda _: {"loss": 1.0})
    points = story.run(ClassicSampler("grid", 1), 100, lambda p: None if p["a"] else {"loss": 0.0}, workers=2)
    assert len(points) == 2 * 3 * 2 * 3 - 1  # the default was run before
    assert len({repr(sorted(p.items())) for p in points}) == len(points)
    other = Story(space, trials=40)
    assert repr(other.run(ClassicSampler("grid", 2), 5, lambda _: None)) != repr(points[:5])


def test_the_grid_has_as_many_levels_as_the_trials_allow() -> None:
    assert len(levels(Story(BOWL, trials=10).state)["x"]) == 3
    assert [len(v) for v in levels(Story(BOWL, trials=64).state).values()] == [4, 4, 4]
    sizes = [len(v) for v in levels(Story(BOWL, trials=50).state).values()]
    assert sorted(sizes) == [3, 4, 4]
    logs = Space((real("lr", 1e-4, 1.0, 0.1, log=True), integer("n", 1, 2, 1)))
    assert levels(Story(logs, trials=6).state) == {"lr": (1e-4, 0.01, 1.0), "n": (1, 2)}


def test_a_grid_too_large_to_list() -> None:
    space = Space(tuple(real(f"x{i}", 0.0, 1.0, 0.0) for i in range(40)))
    points = Story(space).run(ClassicSampler("grid", 1), 30, lambda _: {"loss": 0.0})
    assert len({repr(p) for p in points}) == 30


def test_random_search_repeats_nothing_while_something_is_left() -> None:
    space = Space((switch("a", False), choice("b", ("x", "y", "z"), "x")))
    story = Story(space)
    points = story.run(ClassicSampler("random", 1), 6, lambda _: None, workers=3)
    assert len({repr(p) for p in points}) == 6
    assert story.run(ClassicSampler("random", 1), 1, lambda _: None)  # used up: repeats, rather than stops


def test_random_search_is_uniform() -> None:
    space = Space((real("x", 1e-4, 1.0, 0.1, log=True), integer("n", 0, 3, 0), switch("a", False)))
    state = Story(space).state
    points = [ClassicSampler("random", 0).suggest(state, t) or {} for t in range(400)]
    assert 0.4 < np.mean([float(str(p["x"])) < 0.01 for p in points]) < 0.6
    counts = np.bincount([int(str(p["n"])) for p in points], minlength=4)
    assert counts.min() > 70


def test_only_trials_of_the_space_that_is_searched_are_told() -> None:
    story = Story(MIXED)
    story.default(loss)
    story.finish(story.propose({"schedule": "cosine"}), {"loss": -9.0})  # a held parameter elsewhere
    story.finish(story.propose({"dropout": 0.2}), None)
    story.propose({"dropout": 0.3})
    story.finish(story.propose({"dropout": 0.4}), {"loss": float("nan")})
    told = list(runs(story.state))
    assert [run.number for run in told] == [1, 3, 5]
    assert told[0].values is not None
    assert told[1].values is told[2].values is None
    assert isinstance(told[0], Run)


def test_strategies_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="no strategy 'genius'"):
        ClassicSampler("genius", 0)
    for package, strategy in (("torch", "gp"), ("cmaes", "cmaes")):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, package, None)
            with pytest.raises(SettingsError) as caught:
                ClassicSampler(strategy, 0)
            assert caught.value.hint == "pip install 'knowhy[classic]'"
    with pytest.raises(SettingsError, match="one objective"):
        ClassicSampler("cmaes", 0).suggest(Story(MIXED, (Objective("loss"), Objective("time"))).state, 1)
    assert STRATEGIES == ("random", "grid", "tpe", "gp", "cmaes")


def test_optuna_is_quiet_and_loaded_only_where_needed(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        Story(MIXED).run(ClassicSampler("tpe", 1), 14, loss, workers=2)
    assert not caplog.records
    out, err = capfd.readouterr()
    assert out == err == ""
    code = "import sys, knowhy.samplers.classic as c; c.ClassicSampler('random', 1); sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_chain_of_conditions_in_any_order_is_completed_in_one_go() -> None:
    child = replace(real("child", 0.0, 1.0, 0.0), condition=Condition("parent", (False,)))
    parent = replace(switch("parent", True), condition=Condition("root", (True,)))
    space = Space((child, parent, switch("root", False)))
    point = space.complete({"child": 0.5, "parent": False, "root": False})
    assert point == space.complete(point) == {"child": 0.0, "parent": True, "root": False}
