"""How long a run still takes, as a range."""

from __future__ import annotations

import math
from collections.abc import Sequence


def time_left(
    elapsed: float, ended: int, durations: Sequence[float], remaining: int, budget_left: float | None
) -> tuple[float, float] | None:
    """A rough 90% range of the seconds left; None while fewer than two trials of this run have ended.

    ``elapsed`` is the wall time of this run and ``ended`` the trials that ended in it, so that waiting and deciding
    are counted; ``durations`` of trials tell how much they differ. ``budget_left`` bounds it from above.
    """
    if remaining <= 0:
        return 0.0, 0.0
    if ended < 2 or len(durations) < 2:
        return None
    each = elapsed / ended
    mean = sum(durations) / len(durations)
    spread = math.sqrt(sum((d - mean) ** 2 for d in durations) / (len(durations) - 1)) / mean if mean > 0 else 0.0
    # What is left varies by itself, and the mean that it is reckoned from is uncertain as well.
    relative = 1.64 * max(spread, 0.1) * math.sqrt(1 / remaining + 1 / ended)
    low, high = each * remaining * max(0.0, 1 - relative), each * remaining * (1 + relative)
    if budget_left is not None:
        low, high = min(low, max(0.0, budget_left)), min(high, max(0.0, budget_left))
    return low, high


def words(left: tuple[float, float] | None) -> str:
    """A range in words: ``40 to 55 s left``, ``3 to 5 min left``."""
    if left is None:
        return ""
    low, high = left
    for unit, name in ((3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if high >= 1.5 * unit or unit == 1.0:
            one, two = _rounded(low / unit), _rounded(high / unit)
            return f"{one} to {two} {name} left" if one != two else f"{two} {name} left"
    return ""


def _rounded(value: float) -> str:
    if value < 3:
        return f"{value:.1f}".removesuffix(".0")
    return f"{5 * round(value / 5) if value >= 20 else round(value)}"
