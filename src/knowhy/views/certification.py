"""Certifying one theory: what it will cost, and where it stands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from knowhy.model.state import State
from knowhy.model.trial import Contrast
from knowhy.views.mind import Mind
from knowhy.views.theories import CertificateView, TheoryView, certificates, theories
from knowhy.views.trials import Setting
from knowhy.views.words import number, percent, plural, scalar, seconds


@dataclass(frozen=True, slots=True)
class CertificationView:
    """A theory on its way to a certificate.

    ``standing`` is "certified" (all its contrasts are), "refuted" (the pairs of one certify the opposite) or "open".
    Of ``allowance`` trials ``used`` are spent. What is ahead: at ``least`` so many more trials, ``expected`` so many,
    at most ``most``; ``certified`` and ``refuted`` are the chances of ending so. ``seconds`` and ``seconds_most`` are
    the trials' own time, one worker. ``repeats`` where the subject gives the same number on every seed. ``reason`` is
    why the last run ended, empty before one.
    """

    theory: TheoryView
    standing: Literal["certified", "refuted", "open"]
    tests: tuple[str, ...]
    certificates: tuple[CertificateView, ...]
    allowance: int
    used: int
    arms: int
    least: int
    expected: float
    most: int
    certified: float
    refuted: float
    seconds: float
    seconds_most: float
    repeats: bool
    reason: str = ""


def certification(state: State, mind: Mind, theory: str, trials: int, reason: str = "") -> CertificationView:
    """Where ``theory`` stands and what certifying it with at most ``trials`` in all takes; raises UsageError."""
    found = mind.certification(state, theory, trials)
    view = next(v for v in theories(state) if v.id == found.theory)
    left = max(0, found.allowance - found.used)
    most = 0 if found.standing != "open" else left // found.arms * found.arms
    return CertificationView(
        theory=view,
        standing=found.standing,
        tests=tuple(sentence(state, c) for c in found.contrasts),
        certificates=certificates(state, view.id),
        allowance=found.allowance,
        used=found.used,
        arms=found.arms,
        least=found.least,
        expected=found.expected,
        most=most,
        certified=found.certified,
        refuted=found.refuted,
        seconds=found.expected * found.seconds,
        seconds_most=most * found.seconds,
        repeats=found.repeats,
        reason=reason,
    )


def sentence(state: State, contrast: Contrast) -> str:
    """What the pairs of ``contrast`` compare, and what is claimed of them, in words."""
    differing = [
        Setting(name, contrast.control.get(name), value)
        for name, value in contrast.treatment.items()
        if contrast.control.get(name) != value
    ]
    change = ", ".join(f"{s.parameter} = {scalar(s.value)} instead of {scalar(s.default)}" for s in differing)
    toward = "higher" if contrast.direction > 0 else "lower"
    by = f" by more than {number(contrast.margin)}" if contrast.margin else ""
    if contrast.background == "random":
        where = "the other parameters drawn anew for each pair"
    else:
        shared = {k: v for k, v in contrast.control.items() if k not in {s.parameter for s in differing}}
        defaults = state.space.defaults()
        where = "the others at their defaults"
        if any(defaults.get(k) != v for k, v in shared.items()):
            where = "the others as in the best configuration when this was registered"
    return f"{contrast.metric} is {toward}{by} with {change}; {where}"


def cost_words(view: CertificationView, workers: int = 1) -> str:
    """What it will take, in a sentence."""
    if view.standing != "open":
        return f"{view.theory.id} is {view.standing}: no more trials are needed"
    if view.repeats:
        return "the subject gives the same number on every seed: pairs of trials cannot certify anything here"
    if view.most < view.least:
        return (
            f"{plural(view.allowance, 'trial')} are too few: {view.used} are used, and at least {view.least} more are "
            "needed even if each pair comes out as claimed"
        )
    sides = max(1, min(workers, view.arms))
    return (
        f"at least {view.least} and at most {view.most} more trials ({view.arms} a round), about "
        f"{5 * math.ceil(view.expected / 5) if view.expected > 20 else math.ceil(view.expected)} expected, which is "
        f"{seconds(view.seconds / sides)} (at most {seconds(view.seconds_most / sides)}); by what is believed now the "
        f"chance that it is certified is {percent(view.certified)}, that it is refuted {percent(view.refuted)}"
    )
