"""Noise that changes over the space, and runs that are wildly unlucky: found where they are, and only there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from knowhy.engine import noise, surrogate
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.encoding import Array
from knowhy.engine.fitting import Data, Fit, fit
from knowhy.engine.kernels import Ard
from knowhy.model.events import StudyCreated, TrialCompleted, TrialProposed, TrialStarted
from knowhy.model.objective import Objective
from knowhy.model.observation import Observation
from knowhy.model.space import Space, real
from knowhy.model.state import State, fold, foreseen
from knowhy.model.trial import Proposal

FAMILY = Ard("smooth", (slice(0, 1), slice(1, 2), slice(2, 3)))
Noises = Callable[[Array, np.random.Generator], Array]


def _truth(rows: Array) -> Array:
    return np.asarray(2.0 * (rows[:, 0] - 0.5) ** 2 + rows[:, 1] - 1.0)


def _fitted(noises: Noises, count: int, seed: int) -> tuple[Fit, Data]:
    rng = np.random.default_rng(seed)
    rows = rng.random((count, 3))
    data = Data(rows, _truth(rows) + noises(rows, rng))
    return fit(FAMILY, data, None, np.random.default_rng(0)), data


def _plain(rows: Array, rng: np.random.Generator) -> Array:
    return 0.2 * rng.standard_normal(len(rows))


def _growing(rows: Array, rng: np.random.Generator) -> Array:
    return np.asarray(0.05 * np.exp(2.5 * rows[:, 2]) * rng.standard_normal(len(rows)))


def _wild(rows: Array, rng: np.random.Generator) -> Array:
    return np.asarray(0.1 * rng.standard_t(1.5, len(rows)))


def test_leave_one_out_residuals_are_those_of_fits_that_left_one_out() -> None:
    found, data = _fitted(_plain, 14, 0)
    left, known, variance = noise.residuals(found, data)
    theta = found.mode
    for i in (0, 5, 13):
        others = np.arange(14) != i
        k = FAMILY.covariances(theta[None, 1:], FAMILY.distances(data.rows, data.rows))[0] + 1.0
        inner = k[np.ix_(others, others)] + (variance + 1e-8) * np.eye(13)
        weights = np.linalg.solve(inner, k[others, i])
        assert left[i] == pytest.approx(data.values[i] - weights @ data.values[others], abs=1e-6)
        assert known[i] == pytest.approx(k[i, i] - weights @ k[others, i], abs=1e-5)


def test_growing_noise_is_seen_along_its_column_and_plain_noise_is_left_alone() -> None:
    slopes, plain = [], []
    for seed in range(6):
        found, data = _fitted(_growing, 40, seed)
        seen = noise.weighed(found, data, data)[2]
        slopes.append(seen.slopes)
        found, data = _fitted(_plain, 40, seed)
        plain.append(noise.weighed(found, data, data)[2])
    mean = np.mean(slopes, axis=0)
    assert mean[2] > 2.5, "the log variance grows by 5"
    assert np.abs(mean[:2]).max() < 0.7
    assert np.mean([p.plain for p in plain]) > 0.7
    assert np.mean([np.abs(p.slopes).max() for p in plain]) < 0.8
    assert np.mean([p.tails for p in plain]) < 1.25


def test_wild_runs_count_for_less() -> None:
    closer = []
    for seed in range(8):
        found, data = _fitted(_wild, 40, seed)
        _, weighed, seen = noise.weighed(found, data, data)
        assert isinstance(weighed.louder, np.ndarray)
        far = int(np.argmax(np.abs(data.values - _truth(data.rows))))
        assert weighed.louder[far] > 1.3 * np.median(weighed.louder)
        rows = np.random.default_rng(99).random((200, 3))
        off = []
        for each in (data, weighed):
            best = fit(FAMILY, each, None, np.random.default_rng(0))
            particles = surrogate.condition([best], [1.0], len(each), each)
            w, means, _ = surrogate.moments(particles, each, rows)
            off.append(float(np.sqrt(np.mean((w @ means - _truth(rows)) ** 2))))
        closer.append(off[1] / off[0])
        assert seen.tails >= 1.0
    assert np.median(closer) < 0.9


def test_factors_are_one_where_nothing_is_louder() -> None:
    found, data = _fitted(_plain, 20, 3)
    same = Data(data.rows, data.values, np.ones(20))
    assert fit(FAMILY, same, None, np.random.default_rng(0)).log_evidence == pytest.approx(found.log_evidence)
    assert fit(FAMILY, same, None, np.random.default_rng(0)).mode == pytest.approx(found.mode)


SPACE = Space((real("x", 0.0, 1.0, 0.5), real("y", 0.0, 1.0, 0.5)))


def _state(sd: Callable[[float], float], count: int, seed: int) -> State:
    rng = np.random.default_rng(seed)
    state = foreseen(fold([]), [StudyCreated("s", (Objective("loss"),), SPACE, 3, {}, "t")])
    for i in range(1, count + 1):
        x, y = (round(float(v), 3) for v in rng.random(2))
        loss = (x - 0.3) ** 2 + 0.5 * y + sd(x) * float(rng.standard_normal())
        ended = TrialCompleted(i, Observation({"loss": loss}, 1.0))
        proposed = TrialProposed(Proposal(i, {"x": x, "y": y}, i, "learn", ""))
        state = foreseen(state, [proposed, TrialStarted(i, 1), ended])
    return state


def test_predictions_are_wider_where_the_noise_is() -> None:
    ends = np.array([[0.05, 0.5], [0.95, 0.5]])

    def ratios(sd: Callable[[float], float]) -> list[float]:
        found = [Beliefs().posterior(_state(sd, 48, seed)).response("loss").louder(ends) for seed in range(5)]
        return [float(f[1] / f[0]) for f in found]

    assert np.median(ratios(lambda x: 0.02 + 0.5 * x**2)) > 4.0
    assert 0.6 < np.median(ratios(lambda x: 0.1)) < 1.6


def test_a_subject_without_noise_is_left_alone() -> None:
    state = _state(lambda x: 0.0, 20, 0)
    again = state.trials[20].proposal
    twice = Proposal(21, again.point, 21, "learn", "")
    loss = state.completed[-1].observation.metrics["loss"]
    state = foreseen(
        state, [TrialProposed(twice), TrialStarted(21, 1), TrialCompleted(21, Observation({"loss": loss}, 1.0))]
    )
    assert Beliefs().posterior(state).response("loss").loudness is None
