"""The values that a parameter may have: ranges of numbers, and choices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from knowhy.errors import SpaceError

Scalar = bool | int | float | str | None

Scale = Literal["linear", "log"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers from ``low`` to ``high``, both included.

    ``scale`` says on which axis distances count. ``integer`` keeps whole numbers only,
    ``power_of_two`` keeps 1, 2, 4, 8, ... only (then ``scale`` is "log"). With ``zero``, a log range also holds 0, in
    the place of its low end: a weight decay of nothing, beside those from 1e-6 to 0.1.
    """

    low: float
    high: float
    scale: Scale = "linear"
    integer: bool = False
    power_of_two: bool = False
    zero: bool = False

    def __post_init__(self) -> None:
        """Refuse ranges that no number fits."""
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise SpaceError(f"a range must be finite, not {self.low} to {self.high}", "give two finite numbers")
        if self.low >= self.high:
            raise SpaceError(
                f"the range {self.low:g} to {self.high:g} is empty or inverted", "give a low bound below the high bound"
            )
        if self.scale == "log" and self.low <= 0:
            raise SpaceError(
                f"a log scale needs a positive low bound, not {self.low:g}", "raise the low bound or use a linear scale"
            )
        if self.zero and self.scale != "log":
            raise SpaceError("only a log range has a 0 beside it", "begin a linear range at 0")
        if self.power_of_two and self.low <= 0:
            raise SpaceError(f"powers of two are positive: {self.low:g} is no low bound", "begin at 1")
        if self.power_of_two and math.ceil(math.log2(self.low) - 1e-9) > math.floor(math.log2(self.high) + 1e-9):
            raise SpaceError(
                f"there is no power of two from {self.low:g} to {self.high:g}",
                "widen the range to hold one of 1, 2, 4, 8",
            )
        if self.integer and math.ceil(self.low) > math.floor(self.high):
            raise SpaceError(
                f"there is no whole number from {self.low:g} to {self.high:g}", "widen the range, or allow real numbers"
            )

    def contains(self, value: Scalar) -> bool:
        """Whether ``value`` is a number of this range (to rounding)."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return False
        if self.zero and value == 0:
            return True
        slack = 1e-9 * max(abs(self.low), abs(self.high), 1e-12)
        return self.low - slack <= value <= self.high + slack

    def to_unit(self, value: float) -> float:
        """Position of ``value`` in [0, 1] (outside for values out of range)."""
        if self.scale == "log":
            if self.zero and value <= 0:
                return 0.0
            value = max(value, self.low * 1e-6)
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def from_unit(self, unit: float) -> int | float:
        """The member of the range nearest to position ``unit``."""
        unit = min(1.0, max(0.0, unit))
        if self.zero and unit < 1e-9:
            return 0 if self.integer else 0.0
        if self.scale == "log":
            value = self.low * math.exp(unit * math.log(self.high / self.low))
        else:
            value = self.low + unit * (self.high - self.low)
        if self.power_of_two:
            exponent = round(math.log2(value))
            lowest, highest = math.ceil(math.log2(self.low) - 1e-9), math.floor(math.log2(self.high) + 1e-9)
            return int(2 ** min(max(exponent, lowest), highest))
        if self.integer:
            return int(min(max(round(value), math.ceil(self.low)), math.floor(self.high)))
        return float(min(max(float(f"{value:.6g}"), self.low), self.high))


@dataclass(frozen=True, slots=True)
class Choices:
    """A finite set of alternatives without order."""

    values: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        """Refuse sets with fewer than two members or with repeats."""
        if len(self.values) < 2:
            raise SpaceError("a choice needs at least two values", "add a value, or leave the parameter out")
        if len({(type(value), value) for value in self.values}) != len(self.values):
            raise SpaceError(f"a choice repeats a value: {self.values}", "give each value once")

    def contains(self, value: Scalar) -> bool:
        """Whether ``value`` is one of the alternatives."""
        return any(type(value) is type(v) and value == v for v in self.values)


Domain = Interval | Choices
