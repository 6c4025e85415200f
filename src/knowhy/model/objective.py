"""What a study is after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric to be made small or large."""

    metric: str
    direction: Direction = "minimize"

    @property
    def sign(self) -> float:
        """+1 where smaller is better, -1 where larger is better: ``sign * value`` is a cost."""
        return 1.0 if self.direction == "minimize" else -1.0

    def better(self, one: float, two: float) -> bool:
        """Whether ``one`` is strictly better than ``two``."""
        return self.sign * one < self.sign * two


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound that a metric must keep: ``metric <= bound`` or ``metric >= bound``."""

    metric: str
    op: Literal["<=", ">="]
    bound: float

    def holds(self, value: float) -> bool:
        """Whether ``value`` keeps the bound."""
        return value <= self.bound if self.op == "<=" else value >= self.bound
