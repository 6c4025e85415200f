"""What views ask of the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from knowhy.model.belief import (
    Calibration,
    CertificationForecast,
    Incumbent,
    Judgement,
    MainEffect,
    Placed,
    Structure,
    Swayed,
)
from knowhy.model.decision import Option
from knowhy.model.space import Point
from knowhy.model.state import State
from knowhy.model.trial import Proposal


class Mind(Protocol):
    """Answers about a state, computed from its data; the engine's ``mind`` is one."""

    def judge(self, state: State, sentence: str) -> Judgement:
        """The claim ``sentence``, judged; raises SentenceError where it does not parse."""
        ...

    def certification(self, state: State, theory: str, trials: int) -> CertificationForecast:
        """What it takes to certify ``theory`` with at most ``trials`` trials; raises UsageError."""
        ...

    def effects(self, state: State, metric: str) -> tuple[MainEffect, ...]:
        """How ``metric`` responds to each active parameter, most important first."""
        ...

    def structure(self, state: State) -> Structure:
        """How noisy and how entangled the first objective is."""
        ...

    def placed(self, state: State, weights: Mapping[str, float] | None = None) -> tuple[Placed, ...]:
        """Tried configurations among several objectives, the likeliest on the front (or best by ``weights``) first."""
        ...

    def incumbent(self, state: State) -> Incumbent | None:
        """The best configuration known, None before the first completed trial."""
        ...

    def calibration(self, state: State) -> Calibration:
        """Predictions against outcomes, so far."""
        ...

    def foresee(self, state: State, points: Sequence[Point]) -> tuple[Proposal, ...]:
        """What is expected of trials at ``points`` (complete)."""
        ...

    def options(self, state: State) -> tuple[Option, ...]:
        """What the next trial could be, the best first."""
        ...

    def swayed(self, state: State) -> tuple[Swayed, ...]:
        """Every opinion that was given, and what it would do to the belief in its claims."""
        ...
