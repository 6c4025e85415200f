"""Costs that do not grow with the study: rows encoded once, the promising of many, parts of large sets of rows."""

import numpy as np
import pytest

from knowhy.engine import improvement, surrogate
from knowhy.engine.encoding import Array, Encoder
from knowhy.engine.fitting import Data, fit, thin
from knowhy.engine.improvement import Acquisition
from knowhy.engine.kernels import Additive, Ard
from knowhy.engine.tried import Rows, Tried, promising
from knowhy.model.observation import Observation
from knowhy.model.space import Point, Space, choice, real
from knowhy.model.trial import Completed, Proposal

SPACE = Space((real("a", 0, 1, 0.5), real("b", 1e-4, 1, 0.01, log=True), choice("c", ("x", "y", "z"), "x")))
ENCODER = Encoder.covering(SPACE, [])


def _points(count: int, seed: int = 0) -> list[Point]:
    rng = np.random.default_rng(seed)
    return [
        {"a": float(rng.random()), "b": float(rng.uniform(0.001, 1)), "c": str(rng.choice(["x", "y"]))}
        for _ in range(count)
    ]


def _ended(points: list[Point], values: tuple[float, ...] | None = None) -> list[Completed]:
    return [
        Completed(
            Proposal(i, p, i, "learn", ""), Observation({"loss": values[i - 1] if values else float(i)}, 1.0), 0.0
        )
        for i, p in enumerate(points, 1)
    ]


def test_rows_are_those_of_the_encoder_whatever_was_asked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, points = Rows(), _points(40)
    encoded: list[int] = []
    encode = Encoder.encode

    def counted(self: Encoder, some: list[Point]) -> Array:
        encoded.append(len(some))
        return encode(self, some)

    expected = encode(ENCODER, points)
    monkeypatch.setattr(Encoder, "encode", counted)
    for asked in ([3, 1, 2], list(range(40)), [39, 0, 39], []):
        assert (rows(ENCODER, [points[i] for i in asked]) == expected[asked]).all()
    assert sum(encoded) == 40
    other = Encoder(SPACE, ("a",))
    assert rows(other, points).shape == (40, 1)
    assert (rows(ENCODER, [dict(p) for p in points]) == expected).all()


def test_rows_of_other_studies_are_let_go() -> None:
    rows = Rows()
    for seed in range(3):
        many = _points(5000, seed)
        assert (rows(ENCODER, many[:9]) == ENCODER.encode(many[:9])).all()
        assert (rows(ENCODER, many) == ENCODER.encode(many)).all()
    few = _points(5, 9)
    assert (rows(ENCODER, few) == ENCODER.encode(few)).all()


def test_configurations_are_counted_once_and_constant_values_are_seen() -> None:
    points = _points(6)
    points += [dict(points[0]), dict(points[1])]
    tried = Tried(_ended(points), ENCODER.encode(points))
    index, trials, rows = tried.distinct(())
    assert index == [0, 1, 2, 3, 4, 5]
    assert [t.proposal.trial for t in trials] == [1, 2, 3, 4, 5, 6]
    assert rows.shape[0] == 6
    assert sorted(tried.runs.values()) == [1, 1, 1, 1, 2, 2]
    assert not tried.deterministic("loss")
    again = [points[0], points[1], points[6]]
    for values, expected in (((1.0, 2.0, 1.0), True), ((1.0, 2.0, 3.0), False)):
        assert Tried(_ended(again, values), ENCODER.encode(again)).deterministic("loss") is expected
    assert not Tried(_ended(again), ENCODER.encode(again)).deterministic("absent")


def test_the_best_by_model_and_by_measurement_are_among_the_promising() -> None:
    rng = np.random.default_rng(1)
    expected, measured = rng.standard_normal((2, 3000, 1))
    kept = promising(expected, measured, 200)
    assert len(kept) <= 200
    assert (np.diff(kept) > 0).all()
    assert set(np.argsort(expected[:, 0])[:150]) <= set(kept)
    assert set(np.argsort(measured[:, 0])[:50]) <= set(kept)
    two = rng.random((2000, 2))
    front = [i for i, c in enumerate(two) if not ((two <= c).all(axis=1) & (two < c).any(axis=1)).any()]
    assert set(front) <= set(promising(two, two, 200))


def test_a_large_set_of_rows_has_the_moments_of_its_parts() -> None:
    rows = ENCODER.sample(30, 1)
    values = np.sin(4 * rows[:, 0]) + 0.1 * np.random.default_rng(2).standard_normal(30)
    data = Data(rows, values)
    families = (Ard("smooth", ENCODER.slices), Additive(ENCODER.slices))
    fits = [fit(f, data, None, np.random.default_rng(3)) for f in families]
    particles = surrogate.condition(fits, [0.5, 0.5], 30, data)
    draws = surrogate.draw(particles, data, 64, 4)
    at = ENCODER.sample(400, 5)
    w, mean, var = surrogate.moments(particles, data, at)
    assert np.allclose(surrogate.means(particles, data, at)[1], mean, rtol=1e-9, atol=1e-9)
    for part in (slice(0, 1), slice(100, 170), slice(399, 400)):
        again = surrogate.moments(particles, data, at[part])
        assert np.allclose(again[0], w)
        assert np.allclose(again[1], mean[:, part])
        assert np.allclose(again[2], var[:, part])
        assert np.allclose(draws(at[part]), draws(at)[:, part], atol=1e-4)
    assert len(surrogate.heaviest(particles, 0.3)) <= len(surrogate.leading(particles))


def test_sifting_keeps_what_the_rough_look_prefers_and_only_then_asks_all_models() -> None:
    asked: list[int] = []

    def exact(rows: Array) -> Array:
        asked.append(len(rows))
        return np.asarray(-((rows[:, 0] - 0.3) ** 2))

    def rough(rows: Array) -> Array:
        return np.asarray(-np.abs(rows[:, 0] - 0.32))

    rows = ENCODER.sample(512, 1)
    kept = improvement._sifted(Acquisition(exact, rough), rows, 64)
    assert len(kept) == 64
    assert not asked
    assert exact(kept).max() == exact(rows).max()
    assert len(improvement._sifted(exact, rows, 64)) == 512


def test_thinned_data_have_the_best_with_all_their_runs_and_the_latest() -> None:
    rng = np.random.default_rng(3)
    rows, values = rng.random((1000, 3)), rng.standard_normal(1000)
    rows[100:110] = rows[5]
    values[5] = -9.0  # one run of eleven was very lucky
    few = thin(Data(rows, values), 300, 1.0, 7)
    assert len(few) == 300
    assert int((few.rows == rows[5]).all(axis=1).sum()) == 11
    assert (few.rows[-75:] == rows[-75:]).all()
    best = np.argsort(values)[:75]
    assert {row.tobytes() for row in rows[best]} <= {row.tobytes() for row in few.rows}
    again = thin(Data(rows, values), 300, 1.0, 7)
    assert (again.values == few.values).all()
    assert len(thin(Data(np.zeros((500, 3)), values[:500]), 300, 1.0, 7)) == 300
