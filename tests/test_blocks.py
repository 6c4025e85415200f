"""Runs on one seed err alike: how far is found from the data, and the search returns to its seeds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhy.engine.blocks import Blocks, blocks
from knowhy.engine.encoding import Array, Encoder
from knowhy.engine.fitting import Data, fit
from knowhy.engine.kernels import Ard
from knowhy.engine.surrogate import condition, moments
from knowhy.model.observation import Observation
from knowhy.model.space import Point, Space, real
from planted import minded

SPACE = Space((real("x", 0.0, 1.0, 0.5), real("y", 0.0, 1.0, 0.5)))
ENCODER = Encoder(SPACE, ("x", "y"))
SMOOTH = Ard("smooth", ENCODER.slices)


def truth(rows: Array) -> Array:
    return np.asarray(np.sin(4.0 * rows[:, 0]) + rows[:, 1] ** 2 - 0.6)


def trials(share: float, seeds: int, draw: int, count: int = 36, noise: float = 0.4) -> Data:
    """Random configurations on ``seeds`` in turn; ``share`` of the variance of the noise is that of the seed."""
    rng = np.random.default_rng(draw)
    rows, labels = rng.random((count, 2)), np.arange(count) % seeds
    luck = np.sqrt(share) * rng.standard_normal(seeds)[labels] + np.sqrt(1 - share) * rng.standard_normal(count)
    return Data(rows, truth(rows) + noise * luck, seeds=labels)


def found(data: Data) -> Blocks:
    return blocks(fit(SMOOTH, data, None, np.random.default_rng(0)), data)


@pytest.mark.parametrize("seeds", [4, 6])
def test_what_seeds_share_is_found(seeds: int) -> None:
    much = [found(trials(0.85, seeds, draw)) for draw in range(12)]
    nothing = [found(trials(0.0, seeds, draw)) for draw in range(12)]
    assert np.mean([b.everywhere for b in much]) > 0.45
    assert np.mean([b.nearby for b in much]) < 0.25
    assert np.mean([b.everywhere + b.nearby for b in nothing]) < 0.15


def test_what_a_seed_does_to_configurations_that_are_alike_is_found() -> None:
    near = []
    for draw in range(12):
        data = trials(0.0, 5, draw, count=60, noise=0.1)
        assert data.seeds is not None
        rng = np.random.default_rng([draw, 1])
        tilt = rng.standard_normal((5, 2))[data.seeds]
        near.append(found(replace(data, values=data.values + 0.7 * np.sum(tilt * (data.rows - 0.5), axis=1))))
    assert np.mean([b.nearby for b in near]) > 0.3
    assert np.mean([b.everywhere for b in near]) < 0.2


def test_trials_that_each_have_a_seed_of_their_own_are_independent() -> None:
    data = trials(0.8, 36, 1)
    made = found(data)
    assert (made.everywhere, made.nearby) == (0.0, 0.0)
    sure = Blocks(made.plain, 0.4, 0.4)
    assert sure(data) is data
    assert sure.left(data) == 1.0


@given(st.floats(0.05, 0.5), st.floats(0.0, 0.45), st.integers(1, 12), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_correlations_are_those_of_some_noise(everywhere: float, nearby: float, seeds: int, draw: int) -> None:
    data = trials(everywhere, seeds, draw, count=24)
    data = Data(np.round(data.rows, 1), data.values, seeds=data.seeds)  # some configurations run more than once
    made = Blocks(fit(SMOOTH, data, None, np.random.default_rng(0), polish=False), everywhere, nearby)
    correlation = made(data).alike
    assert correlation is not None
    assert np.linalg.eigvalsh(correlation).min() > 0.0
    assert np.allclose(np.diag(correlation), 1.0)
    assert data.seeds is not None
    assert not correlation[data.seeds[:, None] != data.seeds[None]].any()
    assert np.sqrt(1.0 - everywhere) <= made.left(data) <= 1.0


def test_models_that_know_what_seeds_share_are_nearer_to_the_truth() -> None:
    rows = np.random.default_rng(9).random((200, 2))
    errors: list[list[float]] = []
    for draw in range(8):
        data = trials(0.85, 5, draw)
        knowing = found(data)(data)
        each = []
        for used in (data, knowing):
            made = fit(SMOOTH, used, None, np.random.default_rng(0))
            particles = condition([made], [1.0], len(used), used)
            w, mean, _ = moments(particles, used, rows)
            left = w @ mean - truth(rows)
            each.append(float(np.std(left)))  # how configurations compare; all at once may be off by the luck of seeds
        errors.append(each)
    ignorant, knowing_ = np.mean(errors, axis=0)
    assert knowing_ < 0.8 * ignorant


def test_a_study_returns_to_its_seeds_and_never_repeats_a_run() -> None:
    def evaluate(point: Point, seed: int) -> Observation:
        rng = np.random.default_rng(seed)
        row = ENCODER.encode([point])
        return Observation({"loss": float(truth(row)[0] + 0.3 * rng.standard_normal())}, 1.0)

    state = minded(SPACE, evaluate, 30, seed=3)[0]
    runs = [t.proposal for t in state.trials.values()]
    assert len({(p.seed, tuple(sorted(p.point.items()))) for p in runs}) == len(runs)
    search = Counter(p.seed for p in runs if p.purpose != "verify")
    assert sum(search.values()) / 4 <= len(search) <= sum(search.values()) / 2
    assert max(search.values()) <= 4
    assert not search.keys() & {p.seed for p in runs if p.purpose == "verify"}
