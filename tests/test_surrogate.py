"""The posterior over response functions: exact moments, faithful draws, evidence that prefers what is true."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from knowhy.engine import fitting, surrogate
from knowhy.engine.encoding import Array, Encoder
from knowhy.engine.finite import Quadratic
from knowhy.engine.fitting import CONSTANT, Data, Fit, Target, fit
from knowhy.engine.kernels import Additive, Ard, Distances, Family, covariance
from knowhy.engine.structure import structural_family
from knowhy.engine.surrogate import Particle, believe, condition, draw, leading, moments
from knowhy.model.space import Space, real
from knowhy.model.theory import OnlyThrough

SPACE = Space(tuple(real(f"x{i}", 0, 1, 0.5) for i in range(4)))
ENCODER = Encoder.covering(SPACE, [])
FAMILIES: list[tuple[Family, float]] = [
    (Ard("smooth", ENCODER.slices), 0.3),
    (Ard("sparse", ENCODER.slices, sparse=True), 0.2),
    (Additive(ENCODER.slices), 0.3),
    (Quadratic(ENCODER.slices), 0.2),
]


def _data(function: object, n: int, noise: float, seed: int) -> Data:
    rows = ENCODER.sample(n, seed)
    values = np.array([function(r) for r in rows])  # type: ignore[operator]
    values = (values - values.mean()) / values.std()
    return Data(rows, values + noise * np.random.default_rng(seed).standard_normal(n))


def _fits(data: Data, families: Sequence[tuple[Family, float]] = FAMILIES, seed: int = 0) -> list[Fit]:
    return [fit(f, data, None, np.random.default_rng([seed, i])) for i, (f, _) in enumerate(families)]


def _bowl(r: Array) -> float:
    return float(2.0 * (r[0] - 0.3) ** 2 + np.sin(3.0 * r[1]) * r[0])


@cache
def _fitted() -> tuple[Data, tuple[Particle, ...]]:
    data = _data(_bowl, 24, 0.15, 3)
    return data, condition(_fits(data), [s for _, s in FAMILIES], len(data), data)


def _mixture(particles: Sequence[Particle], data: Data, at: Array) -> tuple[Array, Array]:
    w, mean, var = moments(particles, data, at)
    middle = w @ mean
    return middle, np.sqrt(w @ (var + mean**2) - middle**2)


def test_moments_agree_with_a_dense_computation() -> None:
    data, particles = _fitted()
    at = ENCODER.sample(7, 9)
    kept = leading(particles)
    w, means, variances = moments(particles, data, at)
    assert w.sum() == pytest.approx(1.0)
    for p, mean, variance in zip(kept, means, variances, strict=True):
        t = p.theta[1:]
        k = covariance(p.family, t, p.family.distances(data.rows, data.rows)) + CONSTANT
        k += (np.exp(2 * p.theta[0]) + 1e-8) * np.eye(len(data))
        cross = covariance(p.family, t, p.family.distances(data.rows, at)) + CONSTANT
        own = covariance(p.family, t, p.family.distances(at, at)) + CONSTANT
        assert mean == pytest.approx(cross.T @ np.linalg.solve(k, data.values), rel=1e-6, abs=1e-8)
        dense = np.diag(own - cross.T @ np.linalg.solve(k, cross))
        assert variance == pytest.approx(np.maximum(dense, 1e-10), rel=1e-4, abs=1e-7)


def test_draws_have_the_mean_and_spread_of_the_moments() -> None:
    """Draws of 12 seeds: Monte Carlo error of a mean about sd / 78, features err by 1/8 of a bump at most."""
    data, particles = _fitted()
    at = ENCODER.sample(30, 11)
    middle, sd = _mixture(particles, data, at)
    values = np.concatenate([draw(particles, data, 512, seed)(at) for seed in range(12)])
    assert np.abs(values.mean(axis=0) - middle).max() < 0.1 * sd.max()
    assert np.median(values.std(axis=0) / sd) == pytest.approx(1.0, abs=0.08)
    assert (values.std(axis=0) / sd).max() < 1.35
    assert (values.std(axis=0) / sd).min() > 0.7


def test_prior_draws_have_the_prior_covariance() -> None:
    family = FAMILIES[0][0]
    theta = np.r_[-2.0, family.prior_mean]
    empty = Data(np.zeros((0, 4)), np.zeros(0))
    particle = Particle(family, theta, 0.0, np.zeros((0, 0)), np.zeros(0))
    at = ENCODER.sample(10, 1)
    values = np.concatenate([draw([particle], empty, 512, seed)(at) for seed in range(16)])
    k = covariance(family, theta[1:], family.distances(at, at)) + CONSTANT
    assert np.abs(np.cov(values.T) - k).max() < 0.15 * k.max()
    assert np.abs(values.mean(axis=0)).max() < 0.1


def test_draws_pass_through_data_without_noise() -> None:
    data = _data(_bowl, 12, 0.0, 5)
    family = Ard("smooth", ENCODER.slices)
    theta = np.r_[np.log(1e-4), family.prior_mean]
    ((low, alpha),) = surrogate._factors(family, theta[None], data, Distances(data.rows, data.rows))
    particle = Particle(family, theta, 0.0, low, alpha)
    values = draw([particle], data, 64, 1)(data.rows)
    assert np.abs(values - data.values).max() < 0.01


def test_the_same_seed_gives_the_same_draws_and_another_gives_others() -> None:
    data, particles = _fitted()
    at = ENCODER.sample(5, 2)
    one, two, other = (draw(particles, data, 64, seed) for seed in (7, 7, 8))
    assert np.array_equal(one(at), two(at))
    assert one.origin == two.origin
    assert not np.allclose(one(at), other(at))
    assert len(one) == 64
    assert one(at).shape == (64, 5)


def test_draws_come_from_each_family_in_proportion_to_its_weight() -> None:
    data, particles = _fitted()
    origin = draw(particles, data, 512, 0).origin
    for f, _ in FAMILIES:
        weight = sum(np.exp(p.log_weight) for p in particles if p.family.name == f.name)
        assert origin.count(f.name) / 512 == pytest.approx(weight, abs=0.02)


def test_the_gradient_of_the_fit_equals_finite_differences() -> None:
    data = _data(_bowl, 14, 0.2, 8)
    for family, _ in FAMILIES:
        target = Target(family, data)
        theta = target.mean + 0.4 * target.sd * np.random.default_rng(1).standard_normal(len(target.mean))
        _, gradient = target(theta)
        numeric = [(target(theta + 1e-5 * e)[0] - target(theta - 1e-5 * e)[0]) / 2e-5 for e in np.eye(len(theta))]
        assert gradient == pytest.approx(numeric, rel=1e-4, abs=1e-5)


def test_the_expected_curvature_is_that_of_data_drawn_from_the_model() -> None:
    """The second derivative averaged over 400 data sets of the model itself; its error falls with their root."""
    rows = ENCODER.sample(14, 8)
    for family, _ in FAMILIES:
        theta = np.r_[np.log(0.3), family.prior_mean]
        k = covariance(family, theta[1:], family.distances(rows, rows)) + CONSTANT + 0.09 * np.eye(14)
        values = np.linalg.cholesky(k) @ np.random.default_rng(3).standard_normal((14, 400))
        total = np.zeros((len(theta), len(theta)))
        for one in values.T:
            target = Target(family, Data(rows, one))
            total += [(target(theta + 1e-4 * e)[1] - target(theta - 1e-4 * e)[1]) / 2e-4 for e in np.eye(len(theta))]
        expected = Target(family, Data(rows, values[:, 0])).curvature(theta)
        assert np.abs(total / 400 - expected).max() < 0.15 * np.abs(expected).max()
        assert np.linalg.eigvalsh(expected).min() > 0


def test_nearly_all_of_the_mixture_leads() -> None:
    _, particles = _fitted()
    led = leading(particles)
    weights = np.exp([p.log_weight for p in led])
    assert weights.sum() >= surrogate.LEADING
    assert weights.sum() - weights.min() < surrogate.LEADING
    assert max(p.log_weight for p in particles) == max(p.log_weight for p in led)


def test_to_believe_the_data_themselves_changes_nothing() -> None:
    data, particles = _fitted()
    again = believe(particles, data)
    for family in {p.family.name for p in particles}:
        old, new = ([p for p in ps if p.family.name == family] for ps in (particles, again))
        for a, b in zip(old, new, strict=True):
            assert b.log_weight == a.log_weight
            assert b.alpha == pytest.approx(a.alpha)


@pytest.mark.parametrize("noise", [0.05, 0.4])
def test_a_fit_finds_the_noise(noise: float) -> None:
    data = _data(_bowl, 36, noise, 20)
    families = FAMILIES[::2]
    particles = condition(_fits(data, families), [s for _, s in families], len(data), data)
    found = np.sqrt(sum(np.exp(p.log_weight) * p.noise**2 for p in particles))
    assert noise / 1.7 < found < 1.7 * noise


def test_a_fit_finds_which_inputs_matter() -> None:
    """Moving an input that matters moves the mean by far more than moving one that does not."""
    data, particles = _fitted()
    base = ENCODER.sample(24, 4)
    ranges = []
    for g in range(4):
        levels = []
        for u in np.linspace(0, 1, 5):
            rows = base.copy()
            rows[:, g] = u
            levels.append(_mixture(particles, data, rows)[0])
        ranges.append(np.sqrt(np.mean(np.var(levels, axis=0))))
    assert min(ranges[:2]) > 3.0 * max(ranges[2:])


def test_reweighting_by_new_data_equals_the_evidence_of_all_data() -> None:
    """Weights since the fit move by exactly the predictive density of the new values."""
    data = _data(_bowl, 16, 0.2, 6)
    head = Data(data.rows[:12], data.values[:12])
    fits, shares = _fits(head), [s for _, s in FAMILIES]
    before, after = condition(fits, shares, 12, head), condition(fits, shares, 12, data)
    change = []
    for p in before:
        t = p.theta[1:]
        k = covariance(p.family, t, p.family.distances(data.rows, data.rows)) + CONSTANT
        k += (np.exp(2 * p.theta[0]) + 1e-8) * np.eye(16)
        old, new = slice(0, 12), slice(12, 16)
        mean = k[new, old] @ np.linalg.solve(k[old, old], data.values[old])
        cov = k[new, new] - k[new, old] @ np.linalg.solve(k[old, old], k[old, new])
        gap = data.values[new] - mean
        change.append(-0.5 * gap @ np.linalg.solve(cov, gap) - 0.5 * np.linalg.slogdet(cov)[1])
    moved = np.array([a.log_weight - b.log_weight for a, b in zip(after, before, strict=True)])
    assert moved - moved[0] == pytest.approx(np.array(change) - change[0], abs=1e-6)
    assert sum(np.exp(p.log_weight) for p in after) == pytest.approx(1.0)


def test_the_evidence_is_that_of_a_quadrature_over_the_hyperparameters() -> None:
    """One input, 12 values: Laplace against a dense grid over the three hyperparameters, to half a nat."""
    rows = np.linspace(0, 1, 12)[:, None]
    values = np.sin(5 * rows[:, 0]) + 0.2 * np.random.default_rng(0).standard_normal(12)
    family = Ard("smooth", (slice(0, 1),))
    data = Data(rows, values)
    found = fit(family, data, None, np.random.default_rng(0)).log_evidence
    mean, sd = fitting.prior(family)
    distances = family.distances(rows, rows)
    z = np.linspace(-4, 4, 25)
    step = z[1] - z[0]
    grid = np.array(np.meshgrid(z, z, z)).reshape(3, -1).T
    logs = fitting._log_likelihoods(family, mean + sd * grid, distances, data) - 0.5 * np.sum(grid**2, axis=1)
    dense = np.log(np.sum(np.exp(logs - logs.max()))) + logs.max() + 3 * np.log(step / np.sqrt(2 * np.pi))
    assert found == pytest.approx(dense, abs=0.5)


def _weights(data: Data, families: Sequence[tuple[Family, float]]) -> dict[str, float]:
    particles = condition(_fits(data, families), [s for _, s in families], len(data), data)
    return {f.name: sum(np.exp(p.log_weight) for p in particles if p.family.name == f.name) for f, _ in families}


def test_the_evidence_prefers_sums_when_the_truth_is_a_sum_and_not_otherwise() -> None:
    def total(r: Array) -> float:
        return float(np.sin(9 * r[0]) + np.cos(8 * r[1]) + 2 * abs(r[2] - 0.5) + np.sin(7 * r[3]))

    def joint(r: Array) -> float:
        return float(np.sin(6 * r[0] * r[1] + 3 * r[2]) + np.cos(5 * r[1] * r[2]))

    assert _weights(_data(total, 32, 0.1, 1), FAMILIES)["additive"] > 0.8
    assert _weights(_data(joint, 32, 0.1, 1), FAMILIES)["additive"] < 0.1


def test_the_evidence_prefers_the_response_surface_when_the_truth_is_quadratic() -> None:
    def surface(r: Array) -> float:
        u = 2 * r - 1
        return float(u[0] + 0.7 * u[1] * u[0] - u[2] ** 2)

    assert _weights(_data(surface, 24, 0.1, 2), FAMILIES)["quadratic"] > 0.6


def test_the_evidence_prefers_a_combination_when_only_it_counts() -> None:
    space = Space((real("lr", 1e-4, 1e-1, 1e-2, log=True), real("batch", 8, 512, 64, log=True), real("z", 0, 1, 0.5)))
    encoder = Encoder.covering(space, [])
    rows = encoder.sample(24, 3)
    ratio = np.array([np.log(float(p["lr"]) / float(p["batch"])) for p in encoder.decode(rows)])
    rng = np.random.default_rng(0)
    through = 0.15 * (ratio + 9.0) ** 2
    apart = np.sin(6 * rows[:, 0]) + np.cos(6 * rows[:, 1])
    families: list[tuple[Family, float]] = [(Ard("smooth", encoder.slices), 0.25), (Additive(encoder.slices), 0.6)]
    structural = structural_family(encoder, OnlyThrough("loss", "lr", "batch", "/"))
    assert structural is not None
    families.append((structural, 0.15))
    for truth, low, high in ((through, 0.9, 1.0), (apart, 0.0, 0.05)):
        values = (truth - truth.mean()) / truth.std() + 0.1 * rng.standard_normal(24)
        weight = _weights(Data(rows, values), families)["lr/batch"]
        assert low <= weight <= high + 1e-9


@pytest.mark.parametrize(("studies", "slack"), [(6, 0.1), pytest.param(40, 0.05, marks=pytest.mark.slow)])
def test_intervals_hold_as_often_as_they_say_on_functions_drawn_from_the_prior(studies: int, slack: float) -> None:
    """Truth from the prior with its hyperparameters; 40 places in each study: 90% and 50% intervals."""
    inside_90, inside_50 = [], []
    shares = [s for _, s in FAMILIES]
    for seed in range(studies):
        rng = np.random.default_rng([seed, 77])
        prior = surrogate.prior_particles([f for f, _ in FAMILIES], shares, 1000 + seed)
        chances = np.exp([p.log_weight for p in prior])
        p = prior[int(rng.choice(len(prior), p=chances / chances.sum()))]
        rows = ENCODER.sample(64, seed)
        truth = draw([p], Data(np.zeros((0, 4)), np.zeros(0)), 1, seed)(rows)[0]
        values = truth[:20] + p.noise * rng.standard_normal(20)
        centre, scale = values.mean(), values.std()
        data = Data(rows[:20], (values - centre) / scale)
        middle, sd = _mixture(condition(_fits(data, seed=seed), shares, 20, data), data, rows[20:60])
        z = np.abs((truth[20:60] - centre) / scale - middle) / sd
        inside_90.append(np.mean(z < 1.645))
        inside_50.append(np.mean(z < 0.674))
    print(f"inside 90%: {np.mean(inside_90):.3f}, inside 50%: {np.mean(inside_50):.3f}")
    assert np.mean(inside_90) == pytest.approx(0.9, abs=slack)
    assert np.mean(inside_50) == pytest.approx(0.5, abs=2 * slack)


def test_a_recorded_fit_is_restored_as_it_was() -> None:
    data = _data(_bowl, 14, 0.2, 8)
    for family, _ in FAMILIES:
        once = fit(family, data, None, np.random.default_rng(4))
        again = fit(family, data, np.array([float(v) for v in once.mode]), np.random.default_rng(4), polish=False)
        assert np.array_equal(once.thetas, again.thetas)
        assert once.log_evidence == again.log_evidence


def test_one_observation_is_enough_for_a_posterior() -> None:
    data = Data(np.full((1, 4), 0.5), np.zeros(1))
    particles = condition(_fits(data), [s for _, s in FAMILIES], 1, data)
    values = draw(particles, data, 128, 0)(ENCODER.sample(6, 1))
    assert np.isfinite(values).all()
    assert values.std(axis=0).min() > 0.3


def test_replicates_that_are_equal_and_values_that_never_move_do_no_harm() -> None:
    rows = np.repeat(ENCODER.sample(2, 1), 6, axis=0)
    data = Data(rows, np.zeros(12))
    particles = condition(_fits(data), [s for _, s in FAMILIES], 12, data)
    assert np.isfinite(draw(particles, data, 64, 0)(ENCODER.sample(6, 1))).all()
