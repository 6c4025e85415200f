"""Whether the engine's predictions can be trusted, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from knowhy.model.state import State
from knowhy.views.mind import Mind
from knowhy.views.words import number, percent, plural

ENOUGH = 12
"""Predictions below this number are too few to judge by."""


@dataclass(frozen=True, slots=True)
class CalibrationView:
    """Predictions against outcomes. ``verdict`` sums them up; ``sentences`` say so to people.

    "too sure": outcomes fall outside the intervals too often, or far fewer bits were gained than
    expected. "too careful": the intervals are wider than they need be.
    """

    trials: int
    inside_50: float
    inside_90: float
    expected_bits: float
    gained_bits: float
    verdict: Literal["good", "too sure", "too careful", "too early to say"]
    sentences: tuple[str, ...]


def calibration(state: State, mind: Mind) -> CalibrationView:
    """Predictions against outcomes so far.

    Shares are judged by two standard deviations of a binomial share; bits by a factor of two, once 2 are expected.
    """
    c = mind.calibration(state)
    slack_50, slack_90 = (2 * math.sqrt(p * (1 - p) / max(1, c.trials)) for p in (0.5, 0.9))
    shares = (
        f"Of {plural(c.trials, 'outcome')} of the objective, {percent(c.inside_50)} fell inside the predicted "
        f"50% interval and {percent(c.inside_90)} inside the 90% interval."
    )
    bits = (
        f"The trials were expected to tell {number(c.expected_bits, 0.1)} bits about the theories "
        f"and told {number(c.gained_bits, 0.1)}."
    )
    verdict: Literal["good", "too sure", "too careful", "too early to say"]
    if not c.trials:
        shares = "No prediction of the objective has been tested yet."
    if c.trials < ENOUGH:
        verdict, end = "too early to say", "That is too few to judge the engine by."
    elif c.inside_90 < 0.9 - slack_90 or c.inside_50 < 0.5 - slack_50:
        verdict, end = "too sure", "The intervals are too narrow: read the beliefs as less certain than they look."
    elif c.expected_bits > 2 and c.gained_bits < c.expected_bits / 2:
        verdict = "too sure"
        end = "Less than half of the expected information came: the engine overrates what its experiments teach."
    elif c.inside_50 > 0.5 + slack_50:
        verdict, end = (
            "too careful",
            "The intervals are wider than they need be: the engine is more careful than it has to be.",
        )
    else:
        verdict, end = "good", "That is as it should be, within what chance allows."
    return CalibrationView(
        c.trials, c.inside_50, c.inside_90, c.expected_bits, c.gained_bits, verdict, (shares, bits, end)
    )
