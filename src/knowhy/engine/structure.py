"""Combinations of two parameters through which alone a metric may depend on them."""

from __future__ import annotations

import numpy as np

from knowhy.engine.encoding import Array, Encoder
from knowhy.engine.kernels import Ard, Family
from knowhy.model.space import Interval
from knowhy.model.theory import OnlyThrough


def structure_name(claim: OnlyThrough) -> str:
    """The name of the family that stands for a structural claim."""
    return f"{claim.parameter}{claim.op}{claim.other}"


def exponent(op: str) -> float:
    """The power of the second parameter in a combination."""
    return {"/": -1.0, "*": 1.0, "/sqrt": -0.5}[op]


def log_line(encoder: Encoder, group: int) -> tuple[float, float] | None:
    """Log of a parameter as ``start + length * unit``; None where it is not positive on a log scale."""
    domain = encoder.parameters[group].domain
    if not isinstance(domain, Interval) or domain.scale != "log":
        return None
    return float(np.log(domain.low)), float(np.log(domain.high / domain.low))


def isoline(encoder: Encoder, claim: OnlyThrough, rows: Array) -> Array | None:
    """``rows`` moved along lines on which the combination is constant (steps by rows by columns)."""
    g, h = encoder.index(claim.parameter), encoder.index(claim.other)
    if g < 0 or h < 0:
        return None
    one, two = log_line(encoder, g), log_line(encoder, h)
    if one is None or two is None:
        return None
    a, b = encoder.slices[g].start, encoder.slices[h].start
    # combination = log A + e * log B: moving log B by t moves log A by -e t.
    ratio = -exponent(claim.op) * two[1] / one[1]
    out = np.repeat(rows[None], 5, axis=0)
    for i, row in enumerate(rows):
        # the range of shifts of B that keeps both in range
        low, high = -row[b], 1.0 - row[b]
        ends = sorted([-row[a] / ratio, (1.0 - row[a]) / ratio])
        low, high = max(low, ends[0]), min(high, ends[1])
        shifts = np.linspace(low, high, 5)
        out[:, i, b] = row[b] + shifts
        out[:, i, a] = np.clip(row[a] + ratio * shifts, 0, 1)
    return np.asarray(out)


def structural_family(encoder: Encoder, claim: OnlyThrough) -> Family | None:
    """The model in which two parameters count only through one combination; None where it cannot be formed."""
    g, h = encoder.index(claim.parameter), encoder.index(claim.other)
    if g < 0 or h < 0:
        return None
    one, two = log_line(encoder, g), log_line(encoder, h)
    if one is None or two is None:
        return None
    e = exponent(claim.op)
    low = min(0.0, e * two[1])
    length = one[1] + abs(e) * two[1]
    a, b = encoder.slices[g].start, encoder.slices[h].start
    rest = [c for c in range(encoder.columns) if c not in (a, b)]
    slices, at = [slice(0, 1)], 1
    for i, s in enumerate(encoder.slices):
        if i not in (g, h):
            slices.append(slice(at, at + s.stop - s.start))
            at = slices[-1].stop

    def transform(rows: Array) -> Array:
        combined = (one[1] * rows[:, a] + e * two[1] * rows[:, b] - low) / length
        return np.concatenate([combined[:, None], rows[:, rest]], axis=1)

    return Ard(structure_name(claim), tuple(slices), transform)
