"""Information: bounds, limits, agreement with quadrature, and pending trials."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhy.engine.encoding import Array
from knowhy.engine.information import binary_entropy, failure_information, information, pending_weights

DRAWS = 512


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _two_gaussians(p: float, apart: float, noise: float, spread: float) -> float:
    """Dense quadrature of I(bit; y), y = apart * bit + spread * e1 + noise * e2, in bits."""
    sd = np.hypot(noise, spread)
    y = np.linspace(-8 * sd, apart + 8 * sd, 20001)
    one = np.exp(-0.5 * ((y - apart) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    zero = np.exp(-0.5 * (y / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    mix = p * one + (1 - p) * zero
    after = np.trapezoid(mix * binary_entropy(p * one / np.maximum(mix, 1e-300)), y)
    return float(binary_entropy(np.array(p)) - after)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.02, 3.0), st.floats(0.02, 0.98))
def test_information_is_not_negative_and_at_most_the_entropy(seed: int, noise: float, p: float) -> None:
    rng = _rng(seed)
    values = rng.standard_normal((128, 5))
    bits = np.stack([values[:, 0] > np.quantile(values[:, 0], p), rng.random(128) < p])
    found = information(bits, values, noise, rng)
    assert found.shape == (2, 5)
    assert found.min() >= 0.0
    assert np.all(found <= binary_entropy(bits.mean(axis=1))[:, None] + 1e-9)


def test_information_of_what_has_nothing_to_do_with_the_claim_is_about_nothing() -> None:
    rng = _rng(1)
    found = [
        information(rng.random((4, DRAWS)) < 0.4, rng.standard_normal((DRAWS, 20)), 0.3, rng).mean() for _ in range(20)
    ]
    assert np.mean(found) < 0.006


def test_a_look_that_decides_gives_the_whole_entropy() -> None:
    rng = _rng(2)
    for p in (0.5, 0.2):
        bit = np.arange(DRAWS) < p * DRAWS
        found = information(bit[None], np.where(bit, 1.0, -1.0)[:, None], 0.05, rng)[0, 0]
        assert found == pytest.approx(float(binary_entropy(bit.mean())), abs=0.02)


def test_more_noise_teaches_less() -> None:
    rng = _rng(3)
    values = rng.standard_normal((DRAWS, 6))
    bits = (values[:, :3] > 0.3).T
    found = np.array([information(bits, values, noise, _rng(9)).max(axis=1) for noise in (0.1, 0.3, 1.0, 3.0)])
    assert np.all(np.diff(found, axis=0) < 0.0)


@pytest.mark.parametrize(
    ("p", "apart", "noise", "spread"), [(0.5, 2.0, 1.0, 0.3), (0.3, 1.0, 0.5, 0.5), (0.1, 3.0, 0.3, 0.7)]
)
def test_information_agrees_with_quadrature_for_two_gaussians(
    p: float, apart: float, noise: float, spread: float
) -> None:
    found = []
    for seed in range(12):
        rng = _rng(seed)
        bit = rng.permutation(np.arange(DRAWS) < round(p * DRAWS))
        values = apart * bit + spread * rng.standard_normal(DRAWS)
        found.append(information(bit[None], values[:, None], noise, rng)[0, 0])
    assert np.mean(found) == pytest.approx(_two_gaussians(p, apart, noise, spread), abs=0.025)


def test_a_claim_that_is_settled_has_nothing_left_to_teach() -> None:
    rng = _rng(4)
    values = rng.standard_normal((DRAWS, 3))
    bits = np.array([np.ones(DRAWS, bool), np.zeros(DRAWS, bool)])
    assert np.all(information(bits, values, 0.2, rng) == 0.0)


def test_the_answer_does_not_hang_on_the_units() -> None:
    rng = _rng(5)
    values = rng.standard_normal((DRAWS, 4))
    bits = (values[:, :1] > 0).T
    one = information(bits, values, 0.3, _rng(6))
    two = information(bits, 1e3 * values + 7.0, 300.0, _rng(6))
    assert one == pytest.approx(two, abs=1e-6)


def test_weights_tilt_the_draws() -> None:
    """Weight on half of the draws is the same as having only those."""
    rng = _rng(7)
    values = rng.standard_normal((DRAWS, 4))
    bits = (values[:, :2] > 0.2).T
    w = np.r_[np.ones(DRAWS // 2), np.zeros(DRAWS // 2)]
    tilted = information(bits, values, 0.3, _rng(8), w[None])
    alone = information(bits[:, : DRAWS // 2], values[: DRAWS // 2], 0.3, _rng(8))
    assert tilted == pytest.approx(alone, abs=0.05)


def test_a_pending_trial_leaves_its_duplicate_less_to_teach() -> None:
    rng = _rng(10)
    values = rng.standard_normal((DRAWS, 2))
    bits = (values[:, :1] > 0).T
    plain = information(bits, values, 0.3, _rng(11))[0]
    tilted = pending_weights(values[:, :1], 0.3, 8, _rng(12))
    after = information(bits, values, 0.3, _rng(11), tilted)[0]
    assert after[0] < 0.7 * plain[0]
    assert after[1] < plain[1] + 0.05


def test_pending_weights_are_weights_and_keep_enough_draws() -> None:
    values = _rng(13).standard_normal((DRAWS, 6))
    w = pending_weights(values, 0.01, 5, _rng(14))
    assert w.shape == (5, DRAWS)
    assert w.sum(axis=1) == pytest.approx(np.ones(5))
    assert np.all(1.0 / np.sum(w**2, axis=1) >= 0.08 * DRAWS)


def _failures(rng: np.random.Generator) -> Array:
    return np.asarray(rng.random((DRAWS, 3)) < 0.4)


def test_failure_teaches_what_it_decides_and_nothing_else() -> None:
    rng = _rng(15)
    fails = _failures(rng)
    bits = np.stack([fails[:, 0], rng.random(DRAWS) < 0.5]).astype(bool)
    found = failure_information(bits, fails.astype(bool))
    assert found[0, 0] == pytest.approx(float(binary_entropy(fails[:, 0].mean())), abs=0.01)
    assert found[1].max() < 0.02
    assert found.min() >= 0.0
    never = failure_information(bits, np.zeros((DRAWS, 2), bool))
    assert np.all(never < 1e-6)
