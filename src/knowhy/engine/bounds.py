"""How far a range may widen: what a role or the range itself rules out, and the next wider range within that."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from knowhy.model.space import Interval, Parameter

Side = Literal["low", "high"]

# By role: the lowest and the highest value that can mean anything, and why.
_BY_ROLE: dict[str, tuple[float, float, str]] = {
    "dropout": (0.0, 0.95, "something must be left of each layer"),
    "momentum": (0.0, 0.999, "at 1 the past never fades"),
    "beta1": (0.0, 0.999, "at 1 the past never fades"),
    "beta2": (0.0, 0.99999, "at 1 the past never fades"),
    "label_smoothing": (0.0, 0.9, "the true label keeps a share"),
    "subsample": (1e-3, 1.0, "there is no more than all of the data"),
    "warmup": (0.0, math.inf, "it cannot be negative"),
    "learning_rate": (1e-9, 10.0, "steps beyond it are senseless"),
}
_FACTOR = 10.0
_LEAST_FACTOR = 3.0


def hard(parameter: Parameter) -> tuple[float, float, str]:
    """The lowest and highest value that ``parameter`` may ever have, and why (empty where nothing is known).

    A range of whole numbers from 1 never goes below 1, one from 0 never below 0, and a range that ends at exactly 1 is
    taken for a share.
    """
    domain = parameter.domain
    if not isinstance(domain, Interval):
        raise TypeError(f"{parameter.name} is no number")
    low, high, why = _BY_ROLE.get(parameter.role, (-math.inf, math.inf, ""))
    whole = domain.integer or domain.power_of_two
    if parameter.role == "subsample" and whole:
        low, high, why = 1.0, math.inf, ""
    if domain.scale == "log" or domain.low >= 1:
        low = max(low, 1.0 if whole else 0.0)
    elif domain.low >= 0:
        low = max(low, 0.0)
    if domain.high == 1 and not whole:
        high, why = min(high, 1.0), why or "it looks like a share"
    elif domain.high <= 0:
        high = min(high, 0.0)
    return min(low, domain.low), max(high, domain.high), why


def wider(parameter: Parameter, side: Side) -> tuple[Interval, str] | None:
    """The range of ``parameter`` widened on one side, and the bound that it met (""); None where there is no room.

    A log range grows by a third of its decades (by a factor of 3 to 10), powers of two by 4, a linear range by half.
    """
    domain = parameter.domain
    if not isinstance(domain, Interval):
        return None
    if domain.zero and side == "low":
        return None  # 0 is there already
    least, most, why = hard(parameter)
    ratio = domain.high / domain.low if domain.scale == "log" else 1.0
    factor = 4.0 if domain.power_of_two else min(_FACTOR, max(_LEAST_FACTOR, ratio ** (1 / 3)))
    step = 0.5 * (domain.high - domain.low)
    if domain.integer:
        step = max(1.0, math.ceil(step))
    if side == "high":
        wanted = domain.high * factor if domain.scale == "log" else domain.high + step
        end = min(wanted, most)
    else:
        wanted = domain.low / factor if domain.scale == "log" else domain.low - step
        end = max(wanted, least)
    if domain.integer:
        end = float(math.floor(end) if side == "high" else math.ceil(end))
    end = float(f"{end:.6g}")
    if domain.scale == "log" and end <= 0:
        return None
    grown = domain.to_unit(end) - 1.0 if side == "high" else -domain.to_unit(end)
    if grown < 0.05:  # a sliver more is not worth a new space
        return None
    found = replace(domain, high=end) if side == "high" else replace(domain, low=end)
    return found, (why if end != float(f"{wanted:.6g}") else "")
