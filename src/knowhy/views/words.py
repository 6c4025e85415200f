"""Numbers in words, for people: the one place where they are formatted."""

from __future__ import annotations

import math
from collections.abc import Iterable

from knowhy.model.space import Point, Scalar

NEVER_BEYOND = 1e-3
"""Beliefs are shares of a finite number of draws: Bayes factors are reported no further than this from 0 and 1."""


def number(value: float | None, noise: float | None = None) -> str:
    """``value`` to the digits that its ``noise`` (an uncertainty in the same units) leaves meaningful.

    Two significant digits of the noise are kept; four significant digits where there is no noise to go by.
    """
    if value is None:
        return "–"
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "not a number")
    if noise is None or not math.isfinite(noise) or noise <= 0 or abs(value) >= 1e15:
        return f"{value:.4g}"
    decimals = 1 - math.floor(math.log10(noise))
    if decimals > 7 and abs(value) < 1e-3:
        return f"{value:.3g}"
    return f"{round(value, decimals) + 0.0:.{max(0, min(decimals, 9))}f}"


def plus_minus(value: float, noise: float | None) -> str:
    """``value`` ± ``noise`` in matching digits: 0.1234 ± 0.0021."""
    if noise is None or not math.isfinite(noise) or noise <= 0:
        return number(value)
    exponent = math.floor(math.log10(max(abs(value), noise)))
    if -4 <= exponent <= 5:
        return f"{number(value, noise)} ± {number(noise, noise)}"
    scale = 10.0**exponent
    return f"({number(value / scale, noise / scale)} ± {number(noise / scale, noise / scale)})e{exponent:d}"


def between(low: float, high: float) -> str:
    """An interval, its digits chosen by its width; two significant digits where it spans orders of magnitude."""
    if _spans_magnitudes(low, high):
        return f"{low:.2g} to {high:.2g}"
    width = (high - low) / 3
    return f"{number(low, width)} to {number(high, width)}"


def estimate(middle: float, low: float, high: float, share: str = "90%") -> str:
    """A middle and its interval: 0.346 (90%: 0.320 to 0.373)."""
    shown = f"{middle:.2g}" if _spans_magnitudes(low, high) else number(middle, (high - low) / 3)
    return f"{shown} ({share}: {between(low, high)})"


def _spans_magnitudes(low: float, high: float) -> bool:
    return 0 < 10 * low < high


def percent(share: float | None) -> str:
    """A probability or share as a percentage that never claims 0 or 100."""
    if share is None or not math.isfinite(share):
        return "–"
    if share > 0.995:
        return ">99%"
    if share < 0.005:
        return "<1%"
    return f"{100 * share:.0f}%"


def share(relative: float) -> str:
    """A relative change as a percentage of two digits, its decimals never in powers of ten: 32%, 240%, over 1000%."""
    if not math.isfinite(relative) or abs(relative) >= 10:
        return "over 1000%"
    return f"{100 * relative:.2g}%" if abs(relative) < 1 else f"{100 * relative:.0f}%"


def bits(value: float) -> str:
    """A change in bits with its sign; one that rounds to nothing has none."""
    text = f"{value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def seconds(duration: float | None) -> str:
    """A time span in words: 0.42 s, 12 s, 3 min 20 s, 2 h 05 min."""
    if duration is None or not math.isfinite(duration):
        return "–"
    if duration < 9.95:
        return f"{duration:.1f} s" if duration >= 0.95 else f"{duration:.2g} s"
    whole = round(duration)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def scalar(value: Scalar) -> str:
    """A parameter's value as people write it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def settings(point: Point, names: Iterable[str]) -> str:
    """``names`` and their values at ``point``, in a line; "the default" where there are none."""
    return ", ".join(f"{name} = {scalar(point[name])}" for name in names) or "the default"


def bayes_factor(prior: float, belief: float) -> float:
    """Posterior odds over prior odds, both probabilities kept ``NEVER_BEYOND`` from 0 and 1."""

    def odds(p: float) -> float:
        p = min(max(p, NEVER_BEYOND), 1 - NEVER_BEYOND)
        return p / (1 - p)

    return odds(belief) / odds(prior)


def factor(value: float) -> str:
    """A Bayes factor as "12" or "1/12"."""
    if not math.isfinite(value) or value >= 1000:
        return "over 1000"
    if value <= 0.001:
        return "under 1/1000"
    if value >= 1:
        return f"{value:.3g}" if value >= 10 else f"{value:.1f}"
    return "1/" + (f"{1 / value:.3g}" if value <= 0.1 else f"{1 / value:.1f}")


def strength(value: float) -> str:
    """A Bayes factor in the words of Kass and Raftery (1995)."""
    if not value > 0:
        return "very strong evidence against"
    side = "for" if value >= 1 else "against"
    size = value if value >= 1 else 1 / value
    if size < 3:
        return "not worth more than a bare mention"
    if size < 20:
        return f"positive evidence {side}"
    if size < 150:
        return f"strong evidence {side}"
    return f"very strong evidence {side}"


def entropy(probability: float) -> float:
    """Bits of uncertainty in a yes-or-no question believed with ``probability``."""
    if probability <= 0 or probability >= 1:
        return 0.0
    return -probability * math.log2(probability) - (1 - probability) * math.log2(1 - probability)


def plural(count: int, noun: str, many: str = "") -> str:
    """``count`` and its noun: "1 trial", "2 trials"."""
    return f"{count} {noun if count == 1 else many or noun + 's'}"


def sentence(text: str) -> str:
    """``text`` with a full stop where it has no end of its own."""
    text = text.strip()
    return text if not text or text[-1] in ".!?…" else text + "."


def heading(text: str) -> str:
    """``text`` with a capital first letter, where it begins with a plain word."""
    word = text.split(maxsplit=1)[0] if text.strip() else ""
    return text[:1].upper() + text[1:] if word.isalpha() and word.islower() else text
