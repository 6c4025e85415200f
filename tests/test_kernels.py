"""Covariance families: gradients, positive definiteness, and features that reproduce the covariance."""

from collections.abc import Callable

import numpy as np
import pytest

from knowhy.engine.encoding import Array, Encoder
from knowhy.engine.finite import Quadratic
from knowhy.engine.kernels import Additive, Ard, Distances, Family, covariance
from knowhy.engine.structure import structural_family
from knowhy.model.space import Space, choice, integer, real
from knowhy.model.theory import OnlyThrough

SPACE = Space(
    (
        real("lr", 1e-4, 1e-1, 1e-2, log=True),
        integer("batch", 8, 512, 64, log=True),
        choice("act", ["relu", "tanh", "gelu"], "relu"),
        choice("norm", [False, True], False),
        real("drop", 0.0, 0.8, 0.1),
    )
)
ENCODER = Encoder.covering(SPACE, [])


def _structural() -> Family:
    family = structural_family(ENCODER, OnlyThrough("loss", "lr", "batch", "/sqrt"))
    assert family is not None
    return family


FAMILIES: dict[str, Callable[[], Family]] = {
    "smooth": lambda: Ard("smooth", ENCODER.slices),
    "sparse": lambda: Ard("sparse", ENCODER.slices, sparse=True),
    "additive": lambda: Additive(ENCODER.slices),
    "quadratic": lambda: Quadratic(ENCODER.slices),
    "structural": _structural,
}
every_family = pytest.mark.parametrize("name", FAMILIES)


def _setup(name: str, seed: int, n: int) -> tuple[Family, Array, Array]:
    family = FAMILIES[name]()
    rng = np.random.default_rng(seed)
    theta = family.prior_mean + 0.5 * family.prior_sd * rng.standard_normal(len(family.prior_mean))
    return family, theta, ENCODER.snap(ENCODER.sample(n, seed))


@every_family
def test_derivatives_equal_finite_differences(name: str) -> None:
    family, theta, rows = _setup(name, 1, 12)
    slopes = family.slopes(family.distances(rows, rows).reshape(-1, 144))
    step = 1e-5
    numeric = [(slopes(theta + step * e)[0] - slopes(theta - step * e)[0]) / (2 * step) for e in np.eye(len(theta))]
    assert slopes(theta)[1]() == pytest.approx(np.array(numeric), rel=1e-5, abs=1e-7)


@every_family
def test_the_covariance_with_slopes_is_the_covariance(name: str) -> None:
    family, theta, rows = _setup(name, 2, 9)
    distances = family.distances(rows, rows)
    found, _ = family.slopes(distances.reshape(-1, 81))(theta)
    assert found.reshape(9, 9) == pytest.approx(covariance(family, theta, distances), rel=1e-9, abs=1e-12)


@every_family
def test_single_precision_is_near_enough(name: str) -> None:
    family, theta, rows = _setup(name, 8, 20)
    exact = covariance(family, theta, family.distances(rows, rows))
    single = rows.astype(np.float32)
    near = covariance(family, theta, family.distances(single, single))
    assert near.dtype == np.float32
    assert near == pytest.approx(exact, abs=1e-5 * float(np.abs(exact).max()))


@every_family
def test_covariance_is_symmetric_positive_and_agrees_with_its_diagonal(name: str) -> None:
    family, theta, rows = _setup(name, 3, 40)
    k = covariance(family, theta, family.distances(rows, rows))
    assert k == pytest.approx(k.T, abs=1e-12)
    assert np.linalg.eigvalsh(k).min() > -1e-9 * np.trace(k)
    assert family.variance(theta, rows) == pytest.approx(np.diag(k), rel=1e-9)


@every_family
def test_cross_covariance_is_a_block_of_the_whole(name: str) -> None:
    family, theta, rows = _setup(name, 4, 20)
    whole = covariance(family, theta, family.distances(rows, rows))
    part = covariance(family, theta, family.distances(rows[:6], rows[6:]))
    assert part == pytest.approx(whole[:6, 6:], abs=1e-12)


@every_family
def test_random_features_reproduce_the_covariance(name: str) -> None:
    """Averaged over 60 bases the error of one entry is about scale / sqrt(60 * features) <= 0.033 scale; 4 sds."""
    family, theta, rows = _setup(name, 5, 15)
    k = covariance(family, theta, family.distances(rows, rows))
    rngs = [np.random.default_rng(i) for i in range(60)]
    bases = family.basis(np.repeat(theta[None], 60, axis=0), rngs)(rows).astype(float)
    mean = np.mean([phi @ phi.T for phi in bases], axis=0)
    assert np.abs(mean - k).max() < 0.13 * float(family.variance(theta, rows).max())


def test_the_features_of_the_response_surface_are_exact() -> None:
    family, theta, rows = _setup("quadratic", 6, 15)
    phi = family.basis(theta[None], [np.random.default_rng(0)])(rows)[0]
    k = covariance(family, theta, family.distances(rows, rows))
    assert phi @ phi.T == pytest.approx(k, rel=1e-9, abs=1e-12)


def test_all_values_of_a_category_are_equally_far_apart() -> None:
    family = Ard("smooth", ENCODER.slices)
    points = [{**SPACE.defaults(), "act": a} for a in ("relu", "tanh", "gelu")]
    distance = family.distances(ENCODER.encode(points), ENCODER.encode(points))[2]
    assert distance == pytest.approx(1.0 - np.eye(3))


@pytest.mark.parametrize(("op", "power"), [("/", -1.0), ("*", 1.0), ("/sqrt", -0.5)])
def test_a_structural_model_hardly_tells_settings_with_the_same_combination_apart(op: str, power: float) -> None:
    family = structural_family(ENCODER, OnlyThrough("loss", "lr", "batch", op))  # type: ignore[arg-type]
    assert family is not None
    start = SPACE.defaults()
    factor = 4.0 ** (-power)
    along = {**start, "batch": 256, "lr": 1e-2 * factor}
    across = {**start, "batch": 256}
    rows = ENCODER.encode([start, along, across])
    k = covariance(family, family.prior_mean, family.distances(rows, rows))
    assert 1.0 - k[0, 1] / k[0, 0] < 0.004
    assert 1.0 - k[0, 2] / k[0, 0] > 5.0 * (1.0 - k[0, 1] / k[0, 0])


def test_a_combination_that_cannot_be_formed_has_no_model() -> None:
    assert structural_family(ENCODER, OnlyThrough("loss", "lr", "drop", "/")) is None  # drop is linear
    assert structural_family(ENCODER, OnlyThrough("loss", "lr", "act", "/")) is None


@every_family
def test_many_covariances_are_those_of_one_after_another(name: str) -> None:
    family, theta, rows = _setup(name, 7, 20)
    thetas = theta + np.linspace(-1.0, 1.0, 5)[:, None]
    distances = family.distances(rows[:8], rows[8:])
    each = np.array([covariance(family, t, distances) for t in thetas])
    assert family.covariances(thetas, distances) == pytest.approx(each, rel=1e-12, abs=1e-14)


def test_families_of_one_measure_share_distances() -> None:
    rows = ENCODER.sample(6, 1)
    distances = Distances(rows, rows[:3])
    smooth, sparse, additive = (FAMILIES[n]() for n in ("smooth", "sparse", "additive"))
    assert distances(smooth) is distances(sparse) is distances(additive)
    for name in FAMILIES:
        family = FAMILIES[name]()
        assert distances(family) == pytest.approx(family.distances(rows, rows[:3]))
