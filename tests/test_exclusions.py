"""Switches that are never on together: in the space, on encoded rows, and in what every strategy proposes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhy.engine.beliefs import Beliefs
from knowhy.engine.encoding import Encoder
from knowhy.engine.policy import TheoryPolicy
from knowhy.engine.verification import _arms
from knowhy.errors import SpaceError
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.events import ExclusionAdded, ParameterChanged, Record, StudyCreated
from knowhy.model.exclusion import Exclusion
from knowhy.model.objective import Objective
from knowhy.model.space import Point, Space, real, switch
from knowhy.model.state import State, fold
from knowhy.model.trial import Contrast
from knowhy.ports import Policy
from knowhy.samplers.classic import ClassicSampler
from knowhy.samplers.policy import SamplerPolicy
from knowhy.theorists.builtin import Builtin

NAMES = ("a", "b", "c", "d")
SPACE = Space(
    (*(switch(name, False, role="patch") for name in NAMES), real("lr", 1e-3, 1.0, 0.1, log=True)),
    (Exclusion(("a", "b"), "both change line 3"), Exclusion(("b", "c"), "both change line 7")),
)


def broken(space: Space, point: Point) -> bool:
    return any(e.broken(point) for e in space.exclusions)


@given(st.dictionaries(st.sampled_from(NAMES), st.booleans()), st.sampled_from([(), ("a",), ("b",), ("c", "d")]))
def test_a_complete_point_breaks_no_exclusion_and_stays_as_it_is(point: dict[str, bool], keep: tuple[str, ...]) -> None:
    full = SPACE.complete(point, keep)
    assert not broken(SPACE, full)
    assert SPACE.complete(full, keep) == full
    assert all(full[name] == point.get(name, False) for name in keep if name in point)


def test_no_switch_is_favoured() -> None:
    space = Space(tuple(switch(f"s{i}", False) for i in range(10)), (Exclusion(("s0", "s1"), ""),))
    rng = np.random.default_rng(0)
    points = [
        space.complete({"s0": True, "s1": True, **{f"s{i}": bool(rng.integers(2)) for i in range(2, 10)}})
        for _ in range(300)
    ]
    assert 0.3 < np.mean([p["s0"] is True for p in points]) < 0.7
    encoder = Encoder(space, tuple(p.name for p in space))
    rows = encoder.snap(encoder.sample(512, 3))
    shares = rows.mean(axis=0)
    assert 0.25 < shares[0] < 0.5
    assert 0.25 < shares[1] < 0.5


def test_rows_and_points_agree() -> None:
    encoder = Encoder(SPACE, tuple(p.name for p in SPACE))
    rows = encoder.snap(encoder.sample(256, 1))
    points = encoder.decode(rows)
    assert not any(broken(SPACE, p) for p in points)
    assert np.allclose(encoder.encode(points), rows, atol=1e-6)


def test_a_person_is_told() -> None:
    with pytest.raises(SpaceError, match="cannot be on together: both change line 3"):
        SPACE.check({"a": True, "b": True})
    with pytest.raises(SpaceError, match="no switch"):
        Space(SPACE.parameters, (Exclusion(("a", "lr"), ""),))
    with pytest.raises(SpaceError, match="two or more"):
        Space(SPACE.parameters, (Exclusion(("a",), ""),))


def test_the_fold_adds_exclusions_and_spaces_keep_them() -> None:
    plain = Space(SPACE.parameters)
    events = [
        StudyCreated("s", (Objective("loss"),), plain, 0, {}, "0"),
        ExclusionAdded(SPACE.exclusions[0]),
        ExclusionAdded(SPACE.exclusions[0]),
        ParameterChanged(switch("e", False), "added", "", "person"),
    ]
    state = fold(Record(i + 1, 0.0, e, "") for i, e in enumerate(events))
    assert state.space.exclusions == SPACE.exclusions[:1]
    assert state.space.activate(["a"], active=False).exclusions == SPACE.exclusions[:1]
    assert hash(state.space) != hash(plain.with_parameter(switch("e", False)))


def test_the_arms_of_a_contrast_differ_in_its_switch_alone() -> None:
    state = State(space=SPACE)
    contrast = Contrast("C1", "T1", "loss", -1, {"b": False}, {"b": True}, "random")
    base = SPACE.complete({"a": True, "c": True, "d": True})
    (off, _), (on, _) = _arms(state, [contrast], base, 1)
    assert {name for name in off if off[name] != on[name]} == {"b"}
    assert not broken(SPACE, on)
    assert on["d"] is True


@pytest.mark.parametrize(("name", "trials"), [("theory", 22), ("random", 40), ("grid", 30), ("tpe", 30)])
def test_no_strategy_proposes_what_is_excluded(name: str, trials: int) -> None:
    """Together the two would be by far the best: every strategy would like to."""

    def train(point: Point, seed: int) -> dict[str, float]:
        gain = 0.3 * bool(point["a"]) + 0.3 * bool(point["b"]) + 0.2 * bool(point["c"])
        return {"loss": 2.0 - gain + 0.02 * float(np.random.default_rng(seed).standard_normal())}

    beliefs = Beliefs()
    policy: Policy = TheoryPolicy(beliefs) if name == "theory" else SamplerPolicy(name, ClassicSampler(name, 0))
    journal = MemoryJournal()
    journal.append([StudyCreated("s", (Objective("loss"),), SPACE, 0, {}, "0")])
    state = run(
        journal, InlineSubject(), InlineExecutor(train), policy, [Builtin()], beliefs,
        limits=Limits(trials), folder="",
    )  # fmt: skip
    points = [t.proposal.point for t in state.trials.values()]
    assert len(points) >= 10
    assert not any(broken(SPACE, p) for p in points)
    assert sum(p["a"] is True for p in points) > 1
    assert sum(p["b"] is True for p in points) > 1
