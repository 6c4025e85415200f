"""Certification: evidence from fresh contrast pairs that may be watched all the time and stopped at will.

The sign process bets on the direction that was fixed in advance. Under the null hypothesis (the treatment
is no better in more than half of the pairs, whatever the noise looks like) it is a nonnegative supermartingale, so it
exceeds 1/alpha with probability at most alpha (Ville). The size of the difference has a confidence sequence from
the right-Haar t e-process.

Sources: Ramdas et al. 2023 (e-values, testing by betting); Gruenwald et al. 2024 (safe testing, right-Haar
priors); Wang and Ramdas 2022 (e-BH).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from knowhy.model.trial import Contrast, Evidence

ALPHA = 0.05
OWN = 6  # contrasts that a study registers for its own ends: the best configuration, and theories beside it
BOLD = 0.6  # five wins of five certify; within ten pairs it is likelier to certify whatever the chance of a win
_BETS = np.linspace(0.6, 0.97, 12)
_TAU2 = 1.0  # prior variance of the standardised effect in the t process


def sign_e_value(wins: int, losses: int, bold: float = 0.0) -> float:
    """Betting e-value of ``wins`` against ``losses``, mixed over win probabilities 0.6 to 0.97.

    A share ``bold`` (0 to 1, fixed before the first pair) is on the last of these, the rest is spread evenly.
    """
    values = np.exp(wins * np.log(2.0 * _BETS) + losses * np.log(2.0 * (1.0 - _BETS)))
    return float(bold * values[-1] + (1.0 - bold) * np.mean(values))


def interval(differences: Sequence[float], alpha: float = ALPHA) -> tuple[float | None, float | None]:
    """A (1 - alpha) confidence sequence for the mean of ``differences``; None where it is unbounded.

    It inverts the t e-process with a normal prior on the standardised effect and the right-Haar prior on
    the scale: m is excluded where the Bayes factor against "mean m" reaches 1/alpha.
    """
    n = len(differences)
    if n < 3:
        return None, None
    values = np.asarray(differences, dtype=float)
    mean, error = float(values.mean()), float(values.std(ddof=1) / math.sqrt(n))
    nu, g = n - 1, 1.0 + n * _TAU2
    # log BF = -log(g)/2 + (n/2) [log(1 + t2/nu) - log(1 + t2/(nu g))]; solve for the t2 at which it is log(1/alpha).
    level = math.exp((2.0 / n) * (math.log(1.0 / alpha) + 0.5 * math.log(g)))
    if level >= g:
        return None, None
    t2 = nu * (level - 1.0) / (1.0 - level / g)
    reach = math.sqrt(t2) * error
    return mean - reach, mean + reach


def weigh(contrast: Contrast, pairs: Sequence[tuple[float | None, float]]) -> Evidence:
    """Evidence of ``pairs`` of (treatment, control) values of the contrast's metric, not yet certified.

    A treatment that failed (None) counts against the claim, and has no difference. Where small wins are
    outweighed by large losses the signs say nothing for a claim about the average.
    """
    differences = tuple(t - c for t, c in pairs if t is not None)
    signed = [contrast.direction * d - contrast.margin for d in differences]
    wins, losses = sum(s > 0 for s in signed), sum(s < 0 for s in signed)
    losses += len(pairs) - len(differences)
    low, high = interval(differences)
    mean = float(np.mean(differences)) if differences else 0.0
    e_value = sign_e_value(wins, losses, contrast.bold)
    if contrast.direction * mean <= contrast.margin:
        e_value = min(e_value, 1.0)
    return Evidence(contrast.id, len(pairs), wins, e_value, mean, low, high, False, differences)


def weight(order: int) -> float:
    """The share of alpha for the contrast that was registered as number ``order`` (from 1).

    The first six, which a study needs for its own ends (the best configuration, and two theories of up to two claims,
    once each), count as in plain e-BH. For those that follow the shares sum to a seventh, so that asking for one
    certificate after another does not wear the guarantee down.
    """
    return 1.0 / order if order <= OWN else 1.0 / (order * (order + 1))


def bars(evidence: Mapping[str, Evidence], order: Sequence[str] = ()) -> dict[str, float]:
    """For each contrast of ``evidence`` how many times 1/alpha its e-value must reach on its own.

    ``order`` are the contrasts of the study as they were registered.
    """
    places = {name: place for place, name in enumerate(order, 1)}
    return {name: max(float(len(evidence)), 1.0 / weight(places.get(name, 1))) for name in evidence}


def certify(evidence: Mapping[str, Evidence], alpha: float = ALPHA, order: Sequence[str] = ()) -> dict[str, Evidence]:
    """Evidence with ``certified`` set by e-BH over all contrasts that were tested in the study.

    The k contrasts with the largest e-values, each divided by its bar, are certified for the largest k whose k-th is at
    least 1 / (alpha k). What was certified at an earlier look stays certified. ``order`` is that of registration:
    weights by it bound the expected share of false certificates however many contrasts a person asks for.
    """
    bar = bars(evidence, order)
    ranked = sorted(evidence.values(), key=lambda e: -e.e_value / bar[e.contrast])
    count = max((k for k, e in enumerate(ranked, 1) if e.e_value / bar[e.contrast] >= 1 / (alpha * k)), default=0)
    passed = {e.contrast for e in ranked[:count]}
    return {i: replace(e, certified=e.certified or i in passed) for i, e in evidence.items()}


def threshold(name: str, evidence: Mapping[str, Evidence], order: Sequence[str], alpha: float = ALPHA) -> float:
    """The e-value that certifies contrast ``name`` beside the others as they stand."""
    known = {name: Evidence(name, 0, 0, 1.0, 0.0, None, None, False), **evidence}
    bar = bars(known, order)
    others = sorted((e.e_value / bar[i] for i, e in known.items() if i != name), reverse=True)
    # With k - 1 others at the level that k of them need, this one needs no more than that.
    k = max((k for k in range(1, len(others) + 2) if k == 1 or others[k - 2] >= 1 / (alpha * k)), default=1)
    return bar[name] / (alpha * k)


def e_against(contrast: Contrast, found: Evidence) -> float:
    """The e-value of the same pairs for the opposite: that the treatment does not do what is claimed in most pairs."""
    signed = [contrast.direction * d - contrast.margin for d in found.differences]
    losses = sum(s < 0 for s in signed) + found.pairs - len(signed)
    value = sign_e_value(losses, sum(s > 0 for s in signed))
    return min(value, 1.0) if signed and contrast.direction * found.mean > contrast.margin else value


def needed(evidence: Evidence | None, others: int, alpha: float = ALPHA, *, bold: float = 0.0) -> int:
    """How many more winning pairs would certify a contrast beside ``others`` uncertified ones."""
    wins = evidence.wins if evidence else 0
    losses = (evidence.pairs - evidence.wins) if evidence else 0
    return in_a_row(wins, losses, (1 + others) / alpha, bold)


def in_a_row(wins: int, losses: int, bar: float, bold: float, most: int = 1000) -> int:
    """How many wins in a row after ``wins`` and ``losses`` bring the e-value to ``bar``; ``most`` where more."""
    return next((more for more in range(most) if sign_e_value(wins + more, losses, bold) >= bar), most)
