"""What the policy decides, with its reasons."""

from __future__ import annotations

from dataclasses import dataclass

from knowhy.model.space import Point
from knowhy.model.trial import Contrast, Proposal, Purpose


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent: trials in all, seconds of wall time in all (None: no limit)."""

    trials: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """An experiment that was considered: its value to each purpose, for people who ask "what next?".

    Options with the same ``together`` (not 0) are the arms of one experiment, to be run on one seed.
    """

    purpose: Purpose
    point: Point
    reason: str
    bits: float
    gain: float
    cost: float
    together: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """The next trials, contrasts to register before them, and what else was considered.

    No proposals means: stop, for the reason given.
    """

    proposals: tuple[Proposal, ...]
    reason: str
    contrasts: tuple[Contrast, ...] = ()
    considered: tuple[Option, ...] = ()
