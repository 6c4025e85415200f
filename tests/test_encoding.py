"""Encoding: round trips, and rows that stay in the space."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhy.engine.encoding import Encoder
from knowhy.model.space import (
    Choices,
    Condition,
    Interval,
    Parameter,
    Point,
    Space,
    choice,
    integer,
    power_of_two,
    real,
    same_point,
    switch,
)

fast = settings(max_examples=60, deadline=None)


@st.composite
def _parameters(draw: st.DrawFn, name: str) -> Parameter:
    kind = draw(st.sampled_from(["linear", "log", "integer", "log integer", "power", "two", "many", "mixed"]))
    unit = draw(st.floats(0.0, 1.0))
    low = draw(st.integers(1, 40))
    width = draw(st.integers(2, 300))
    match kind:
        case "linear":
            shift = draw(st.integers(-50, 50))
            domain = Interval(float(shift), float(shift + width))
            return Parameter(name, domain, domain.from_unit(unit))
        case "log":
            domain = Interval(low * 1e-4, low * 1e-4 * width, "log")
            return Parameter(name, domain, domain.from_unit(unit))
        case "integer" | "log integer":
            domain = Interval(low, low + width, "log" if kind == "log integer" else "linear", integer=True)
            return Parameter(name, domain, domain.from_unit(unit))
        case "power":
            domain = Interval(low, 2 * low + width, "log", integer=True, power_of_two=True)
            return Parameter(name, domain, domain.from_unit(unit))
        case "two":
            return switch(name, draw(st.booleans()))
        case "many":
            values = ["a", "b", "c", "d"][: draw(st.integers(3, 4))]
            return choice(name, values, draw(st.sampled_from(values)))
        case _:
            return choice(name, [None, 1, True, "x"], draw(st.sampled_from([None, 1, "x"])))


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Spaces with every kind of parameter, some held, some under conditions (chains in any order too)."""
    made = [draw(_parameters(f"p{i}")) for i in range(draw(st.integers(1, 6)))]
    order = draw(st.permutations(range(len(made))))
    parameters = []
    for i, p in enumerate(made):
        earlier = [made[k] for k in order[: order.index(i)] if isinstance(made[k].domain, Choices)]
        if earlier and draw(st.integers(0, 1)) == 0:
            parent = draw(st.sampled_from(earlier))
            p = replace(p, condition=Condition(parent.name, (draw(st.sampled_from(parent.domain.values)),)))
        parameters.append(replace(p, active=draw(st.integers(0, 3)) > 0))
    return Space(tuple(parameters))


def _inside(space: Space, point: Point) -> None:
    assert same_point(space.check(point), point)


def _close(space: Space, one: Point, two: Point) -> bool:
    """Equal; real numbers to the six digits that they are shown with."""
    for p in space:
        a, b = one[p.name], two[p.name]
        if isinstance(p.domain, Interval) and not p.domain.integer and not p.domain.power_of_two:
            if not np.isclose(float(a), float(b), rtol=2e-6, atol=2e-6 * (p.domain.high - p.domain.low)):
                return False
        elif a != b or type(a) is not type(b):
            return False
    return True


@fast
@given(spaces(), st.integers(0, 10_000))
def test_a_point_that_is_encoded_and_decoded_is_the_same(space: Space, seed: int) -> None:
    encoder = Encoder(space, tuple(p.name for p in space))
    points = encoder.decode(encoder.sample(8, seed, active_only=False))
    for point in points:
        _inside(space, point)
    for one, two in zip(points, encoder.decode(encoder.encode(points)), strict=True):
        assert _close(space, one, two)


@fast
@given(spaces(), st.integers(0, 10_000))
def test_snap_is_what_encoding_the_decoded_rows_gives(space: Space, seed: int) -> None:
    encoder = Encoder(space, tuple(p.name for p in space))
    rows = encoder.sample(8, seed, active_only=False)
    snapped = encoder.snap(rows)
    assert snapped == pytest.approx(encoder.encode(encoder.decode(rows)), abs=1e-4)
    assert encoder.snap(snapped) == pytest.approx(snapped, abs=1e-9)


@fast
@given(spaces(), st.integers(0, 10_000))
def test_samples_typical_settings_and_neighbours_stay_in_the_space_and_held_ones_at_their_default(
    space: Space, seed: int
) -> None:
    encoder = Encoder(space, tuple(p.name for p in space))
    rng = np.random.default_rng(seed)
    default = encoder.encode([space.defaults()])[0]
    sets = [encoder.sample(8, seed), encoder.typical(8, seed), encoder.neighbours(default, 8, 0.3, rng)]
    for rows in sets:
        assert rows.shape == (8, encoder.columns)
        assert rows.min() >= 0.0 - 1e-9
        assert rows.max() <= 1.0 + 1e-9
        for p, s in zip(encoder.parameters, encoder.slices, strict=True):
            if not p.active:
                assert np.all(rows[:, s] == default[s])
        for point in encoder.decode(rows):
            _inside(space, point)
            assert all(point[p.name] == p.default for p in space.held)


def test_samples_cover_every_range_evenly() -> None:
    space = Space((real("x", 0, 1, 0.5), choice("c", ["a", "b", "c"], "a"), integer("n", 1, 4, 1)))
    encoder = Encoder.covering(space, [])
    points = encoder.decode(encoder.sample(256, 1))
    assert np.histogram([float(p["x"]) for p in points], 4, (0, 1))[0] == pytest.approx(64, abs=2)
    for value in ("a", "b", "c"):
        assert sum(p["c"] == value for p in points) == pytest.approx(256 / 3, abs=4)


def test_typical_settings_lie_within_half_the_range_around_the_default() -> None:
    space = Space((real("x", 0, 1, 0.6), real("edge", 0, 1, 0.0), choice("c", ["a", "b", "c"], "b")))
    encoder = Encoder.covering(space, [])
    points = encoder.decode(encoder.typical(200, 3))
    x, edge = (np.array([float(p[n]) for p in points]) for n in ("x", "edge"))
    assert x.min() >= 0.35
    assert x.max() <= 0.85
    assert edge.max() <= 0.5
    # the default half of the time, and its third of the other half
    assert np.mean([p["c"] == "b" for p in points]) == pytest.approx(2 / 3, abs=0.12)


def test_covering_encodes_a_held_parameter_that_earlier_trials_moved() -> None:
    space = Space((real("x", 0, 1, 0.5), replace(real("y", 0, 1, 0.5), active=False)))
    assert Encoder.covering(space, [{"x": 0.1}]).names == ("x",)
    assert Encoder.covering(space, [{"x": 0.1, "y": 0.2}]).names == ("x", "y")
    assert Encoder.covering(space, [{"x": 0.1, "y": 0.5}]).names == ("x",)


def test_a_value_outside_a_widened_or_narrowed_range_keeps_its_place_on_the_axis() -> None:
    encoder = Encoder.covering(Space((real("x", 1.0, 10.0, 1.0, log=True),)), [])
    assert encoder.encode([{"x": 100.0}])[0, 0] == pytest.approx(2.0)
    assert encoder.encode([{"x": 0.1}])[0, 0] == pytest.approx(-1.0)


def test_powers_of_two_and_whole_numbers_are_reached_at_both_ends() -> None:
    space = Space((power_of_two("b", 5, 100, 8), integer("n", 2, 7, 3)))
    encoder = Encoder.covering(space, [])
    low, high = encoder.decode(np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert (low["b"], low["n"]) == (8, 2)
    assert (high["b"], high["n"]) == (64, 7)
    assert encoder.levels(0, 7)[0] == (8, 16, 32, 64)


def test_a_chain_of_conditions_is_followed_in_whatever_order_it_stands() -> None:
    grandchild = replace(real("z", 0, 1, 0.0), condition=Condition("y", ("b",)))
    child = replace(choice("y", ["a", "b"], "a"), condition=Condition("x", ("b",)))
    space = Space((grandchild, child, choice("x", ["a", "b"], "a")))
    encoder = Encoder.covering(space, [])
    row = np.array([[0.7, 1.0, 0.0]])
    assert encoder.decode(row)[0] == {"z": 0.0, "y": "a", "x": "a"}
    assert encoder.snap(row) == pytest.approx(np.zeros((1, 3)))


def test_the_ends_of_a_range_with_many_digits_are_members_of_it() -> None:
    domain = Interval(1 / 3, 2 / 3)
    assert domain.contains(domain.from_unit(0.0))
    assert domain.contains(domain.from_unit(1.0))
