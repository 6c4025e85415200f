"""The range to search for a number, from its role and its default.

| role | range |
| --- | --- |
| learning_rate | log, two decades either side (at most 1 for boosted models) |
| batch_size | powers of two, 1/8 to 8 times (whole numbers on a log scale where the default is no power of two) |
| dropout | 0 to 0.8 |
| weight_decay | log, three decades either side within 1e-6 to 1; from 0, which no log scale holds: linear, 0 to 0.1 |
| momentum, beta1, beta2 | 0 to 0.99, 0.5 to 0.99, 0.9 to 0.9999 |
| epochs, width, trees, context | 1/4 to 4 times: powers of two where the default is one, else whole numbers, log |
| depth, tree_depth | 1 to twice the default (at least 3 more), whole numbers |
| regularization, gamma | log, three decades either side |
| other | shares: 0 to 1; else a decade either side, log |

Every range holds its default: bounds move outwards where they must.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from knowhy.model.space import Choices, Domain, Interval, Scalar
from knowhy.subjects.roles import Role

Number = int | float


def domain_of(role: Role, value: Number, call: str = "", *, whole: bool | None = None, name: str = "") -> Domain:
    """Where to search a parameter of ``role`` whose default is the number ``value``.

    ``call`` is what it is passed to; ``whole`` says whether only whole numbers will do (None: judge by
    role and value).
    """
    if whole is None:
        whole = isinstance(value, int) and not _is_real(role, value, name)
    if role in ("leaf", "tree_depth") and isinstance(value, int) and value < 0:
        return Choices((value, 4, 8, 16))  # a negative depth means: no limit
    if whole:
        return _whole(role, int(value), name)
    return _real(role, float(value), call)


def default_in(domain: Domain, value: Scalar) -> Scalar:
    """``value`` in the type that ``domain`` gives: 1 is 1.0 among real numbers."""
    if isinstance(domain, Interval) and not isinstance(value, (bool, str)) and value is not None:
        return int(value) if domain.integer else float(value)
    return value


_REAL_ROLES = frozenset(
    (
        *("learning_rate", "dropout", "weight_decay", "momentum", "beta1", "beta2", "epsilon", "label_smoothing"),
        *("gradient_clip", "temperature", "regularization", "gamma", "init_scale"),
    )
)


def _is_real(role: Role, value: int, name: str) -> bool:
    """Whether a default written as a whole number is meant as a real one (C=1, gamma=0, dropout=0)."""
    plain = name.lower()
    share = 0 <= value <= 1 and any(part in plain for part in ("ratio", "frac", "rate", "prob", "scale", "weight"))
    return role in _REAL_ROLES or share


def _interval(low: float, high: float, value: float, *, log: bool = False) -> Interval:
    low, high = float(f"{low:.6g}"), float(f"{high:.6g}")
    return Interval(min(low, value), max(high, value), "log" if log else "linear")


def _decades(value: float, below: float, above: float) -> Interval:
    return _interval(value / 10**below, value * 10**above, value, log=True)


def _times(value: int, factor: int, least: int = 1) -> Interval:
    """Whole numbers from 1/factor to factor times ``value``, powers of two where it is one."""
    least = min(least, value)
    power = value & (value - 1) == 0 and value >= 4
    low, high = max(least, value // factor), max(value * factor, value + 2)
    return Interval(low, high, "log", integer=True, power_of_two=power)


def _steps(low: int, high: int, value: int) -> Interval:
    return Interval(min(low, value), max(high, value), "linear", integer=True)


def _whole(role: Role, value: int, name: str) -> Interval:
    if value <= 0:
        if value == 0 and role == "warmup":
            return _steps(0, 500 if "step" in name.lower() or "iter" in name.lower() else 10, 0)
        return _steps(0, 4, 0) if value == 0 else _steps(2 * value, 0, value)
    match role:
        case "batch_size":
            return _times(value, 8)
        case "depth" | "tree_depth":
            return _steps(1, max(2 * value, value + 3), value)
        case "leaf" | "min_samples":
            return _times_of_leaf(value, name.lower())
        case "warmup":
            return _steps(0, 4 * value, value)
        case "augmentation" | "kernel":
            return _steps(0 if role == "augmentation" else 1, max(3 * value, value + 3), value)
        case "other" if value <= 4:
            return _steps(1, value + 4, value)
        case _:
            return _times(value, 4)


def _times_of_leaf(value: int, name: str) -> Interval:
    if "leaves" in name or "nodes" in name:
        return Interval(min(value, max(2, value // 4)), 4 * value, "log", integer=True)
    least = 2 if "split" in name else 1
    return Interval(min(value, max(least, value // 8)), max(8 * value, 16), "log", integer=True)


def _real(role: Role, value: float, call: str) -> Interval:
    if value < 0:
        return _interval(2 * value, 0.0, value)
    if value < 1e-30:  # a log scale from here would reach below the smallest float
        return _interval(0.0, _HIGH_FROM_ZERO.get(role, 1.0), value)
    build = _BUILDERS.get(role)
    if build is not None:
        found = build(value)
    elif role in ("warmup", "schedule") and 0.02 < value <= 1:
        found = _interval(0.0, 1.0 if role == "schedule" else max(0.5, min(2 * value, 1.0)), value)
    elif role in ("warmup", "epochs", "width", "batch_size", "depth", "trees"):
        found = _interval(value / 4, value * 4, value, log=True)
    else:
        found = _plain(value)
    if role == "learning_rate" and re.search(r"(?i)boost|xgb|lgbm|lightgbm", call):
        return Interval(found.low, max(min(found.high, 1.0), value), found.scale)
    return found


def _plain(value: float) -> Interval:
    """A number of which nothing is known: a small one may be anything small, a share stays a share."""
    if value <= 0.02:
        return _decades(value, 2, 2)
    if value < 1:
        return _interval(0.0, 1.0, value)
    return _decades(value, 1, 1)


def _near_one(low: float, high: float) -> Callable[[float], Interval]:
    return lambda value: _interval(low, high, value)


def _gamma(value: float) -> Interval:
    """A discount or a decay is just below 1; the width of a kernel can be anything."""
    if 0.8 < value < 1:
        return _interval(0.8, 0.999, value)
    return _interval(0.1, 0.999, value) if 0.5 <= value < 1 else _decades(value, 3, 3)


def _weight_decay(value: float) -> Interval:
    return _interval(max(value / 1e3, 1e-6), min(value * 1e3, 1.0), value, log=True)


def _share(value: float) -> Interval:
    return _interval(min(0.3, value / 2), 1.0, value) if value <= 1 else _decades(value, 1, 1)


_HIGH_FROM_ZERO: dict[Role, float] = {
    "learning_rate": 0.1,
    "dropout": 0.8,
    "weight_decay": 0.1,
    "momentum": 0.99,
    "beta1": 0.99,
    "beta2": 0.999,
    "epsilon": 1e-3,
    "warmup": 0.5,
    "min_samples": 0.1,
    "label_smoothing": 0.3,
    "gradient_clip": 5.0,
    "gamma": 5.0,
}

_BUILDERS: dict[Role, Callable[[float], Interval]] = {
    "learning_rate": lambda value: _decades(value, 2, 2),
    "dropout": _near_one(0.0, 0.8),
    "weight_decay": _weight_decay,
    "momentum": _near_one(0.0, 0.99),
    "beta1": _near_one(0.5, 0.99),
    "beta2": _near_one(0.9, 0.9999),
    "epsilon": lambda value: _decades(value, 3, 3),
    "label_smoothing": _near_one(0.0, 0.3),
    "gradient_clip": lambda value: _decades(value, 1, 1),
    "regularization": lambda value: _decades(value, 3, 3),
    "gamma": _gamma,
    "subsample": _share,
    "init_scale": lambda value: _decades(value, 1.5, 1.5),
    "temperature": lambda value: _decades(value, 1, 1),
    "min_samples": lambda value: _decades(value, 2, 2) if not math.isclose(value, 0) else _plain(value),
}
