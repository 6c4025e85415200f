"""Standard test functions from their published formulas; each starts from a default far from the optimum."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from benchmarks.optimisation.problem import Metrics, Problem
from benchmarks.studies import own_luck
from knowhy.model.objective import Objective
from knowhy.model.space import Point, Space, choice, integer, real

_LOSS = Objective("loss")
_HARTMANN_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_HARTMANN_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
_HARTMANN_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_ACKLEY_SHIFT = np.array([0.31, -0.22, 0.15, 0.38, -0.41, -0.12])  # of the optimum, in halves of the range


def _vector(point: Point) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array([value for name, value in point.items() if name[0] == "x"], dtype=float)


def branin(point: Point) -> float:
    """Dixon and Szego 1978; three global minima of 0.397887."""
    x, y = _vector(point).tolist()
    bowl = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return float(bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)


def hartmann(point: Point) -> float:
    """Dixon and Szego 1978, six dimensions; minimum -3.32237."""
    inner = np.sum(_HARTMANN_A * (_vector(point) - _HARTMANN_P) ** 2, axis=1)
    return float(-_HARTMANN_ALPHA @ np.exp(-inner))


def rosenbrock(point: Point) -> float:
    """Rosenbrock 1960 (De Jong 1975 in more dimensions); minimum 0 at (1, ..., 1), along a bent valley."""
    x = _vector(point)
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def ackley(point: Point) -> float:
    """Ackley 1987 (Baeck 1996 in more dimensions), its optimum moved off the centre; minimum 0, many local ones."""
    x = _vector(point) - 32.768 * _ACKLEY_SHIFT
    flat = -20 * math.exp(-0.2 * math.sqrt(float(np.mean(x**2))))
    return float(flat - math.exp(float(np.mean(np.cos(2 * math.pi * x)))) + 20 + math.e)


def func2c(point: Point) -> float:
    """Ru et al. 2020 (CoCaBO), Func-2C: which two of three functions are added is for two choices to say."""
    x, y = (2.0 * _vector(point)).tolist()
    value: dict[str, float] = {
        "rosenbrock": (100 * (y - x**2) ** 2 + (1 - x) ** 2) / 300,
        "camel": ((4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (-4 + 4 * y**2) * y**2) / 10,
        "beale": ((1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2) / 50,
    }
    return value[str(point["first"])] + value[str(point["second"])]


def pressure_vessel(point: Point) -> float:
    """Kannan and Kramer 1994: cost of a vessel, plates in sixteenths of an inch; raises where a limit is broken.

    Best known 6059.714 (Yang et al. 2013 prove it optimal).
    """
    shell, head = 0.0625 * int(point["shell"]), 0.0625 * int(point["head"])  # type: ignore[arg-type]
    radius, length = float(point["radius"]), float(point["length"])  # type: ignore[arg-type]
    if 0.0193 * radius > shell:
        raise ValueError("the shell is too thin for its radius")
    if 0.00954 * radius > head:
        raise ValueError("the head is too thin for its radius")
    if math.pi * radius**2 * length + 4 / 3 * math.pi * radius**3 < 1_296_000:
        raise ValueError("the vessel is too small")
    return float(
        0.6224 * shell * radius * length
        + 1.7781 * head * radius**2
        + 3.1661 * shell**2 * length
        + 19.84 * shell**2 * radius
    )


def _problem(
    name: str, about: str, source: str, space: Space, value: Callable[[Point], float], best: float, sd: float = 0.0
) -> Problem:
    def evaluate(point: Point, seed: int) -> Metrics:
        if not sd:
            return {"loss": value(point)}
        # Two points on one seed share no luck: a pair of trials must be as noisy as any two.
        return {"loss": value(point) + sd * float(np.random.default_rng([seed, own_luck(point)]).standard_normal())}

    return Problem(name, about, source, space, _LOSS, evaluate, best, value)


def _box(low: float, high: float, defaults: tuple[float, ...]) -> Space:
    return Space(tuple(real(f"x{i}", low, high, d) for i, d in enumerate(defaults, 1)))


_UNIT = _box(0, 1, (0.5, 0.5, 0.5, 0.5, 0.5, 0.5))

FUNCTIONS = (
    _problem(
        "branin",
        "Smooth, two parameters, three equal optima.",
        "Dixon and Szego 1978",
        Space((real("x1", -5, 10, 2.5), real("x2", 0, 15, 7.5))),
        branin,
        0.39788735772973816,
    ),
    _problem(
        "hartmann6", "Smooth, six parameters, some local optima.", "Dixon and Szego 1978", _UNIT, hartmann, -3.32237
    ),
    _problem(
        "rosenbrock5",
        "A bent valley in five parameters, values over five decades.",
        "Rosenbrock 1960",
        _box(-5, 10, (-3.0, 4.0, -2.0, 5.0, 3.0)),
        rosenbrock,
        0.0,
    ),
    _problem(
        "ackley6",
        "Hundreds of local optima on a funnel, six parameters.",
        "Ackley 1987",
        _box(-32.768, 32.768, (-15.0, 20.0, 25.0, -10.0, 12.0, 22.0)),
        ackley,
        0.0,
    ),
    _problem(
        "func2c",
        "Mixed: two choices decide which functions of two numbers are added.",
        "Ru et al. 2020",
        Space(
            (
                choice("first", ("rosenbrock", "camel", "beale"), "rosenbrock"),
                choice("second", ("rosenbrock", "camel", "beale"), "beale"),
                real("x1", -1, 1, 0.8),
                real("x2", -1, 1, -0.5),
            )
        ),
        func2c,
        -0.20632569,
    ),
    _problem(
        "pressure_vessel",
        "Mixed integer; most of the space fails, and the optimum lies on the edge of what works.",
        "Kannan and Kramer 1994",
        Space(
            (
                integer("shell", 1, 99, 30),
                integer("head", 1, 99, 30),
                real("radius", 10, 200, 70.0),
                real("length", 10, 200, 100.0),
            )
        ),
        pressure_vessel,
        6059.714,
    ),
    _problem(
        "hartmann6_noisy",
        "Hartmann-6 under noise of a tenth of its range.",
        "Dixon and Szego 1978",
        _UNIT,
        hartmann,
        -3.32237,
        sd=0.3,
    ),
)
