"""Proposed experiments, and trials at each stage of their life (each its own type)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from knowhy.model.observation import Curve, Failure, Observation
from knowhy.model.space import Point

Purpose = Literal["learn", "improve", "verify", "observe"]
"""What a trial is for; "observe" is one that others ran and that was imported: evidence, planned by nobody here."""


@dataclass(frozen=True, slots=True)
class Predictive:
    """A normal predictive distribution of a metric; on the log of it where ``log``."""

    metric: str
    mean: float
    sd: float
    log: bool = False

    def quantile_at(self, z: float) -> float:
        """The value ``z`` standard deviations from the middle, in the metric's units."""
        value = self.mean + z * self.sd
        return math.exp(min(value, 700.0)) if self.log else value

    def log_density(self, value: float) -> float:
        """Log density of ``value`` (of its log where ``log``); -inf for a value that the log excludes."""
        if self.log and value <= 0:
            return -math.inf
        z = ((math.log(value) if self.log else value) - self.mean) / self.sd
        return -0.5 * z * z - math.log(self.sd) - 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True, slots=True)
class Stake:
    """What a theory has riding on a trial: its belief before, and what it predicts if it holds and if not."""

    theory: str
    belief: float
    bits: float
    if_true: Predictive
    if_false: Predictive


@dataclass(frozen=True, slots=True)
class Arm:
    """Half of the fresh pair number ``pair`` of a contrast; one trial may be control to several contrasts.

    ``expected`` is what was predicted, before the pair ran, for this half without the treatment: it is taken off where
    the two halves differ in more than the treatment (0: they do not).
    """

    contrast: str
    pair: int
    treatment: bool
    expected: float = 0.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A trial that somebody decided to run, and why.

    ``point`` is complete (every parameter of the space). ``expected_bits`` is the information that
    the trial is expected to give about open theories. ``success`` is the probability that it does not fail.
    ``request`` is the record of the request that it answers, 0 where nobody asked for it.
    """

    trial: int
    point: Point
    seed: int
    purpose: Purpose
    reason: str
    proposer: str = "engine"
    expected_bits: float = 0.0
    success: float = 1.0
    predictions: tuple[Predictive, ...] = ()
    stakes: tuple[Stake, ...] = ()
    arms: tuple[Arm, ...] = ()
    request: int = 0

    @property
    def seed_known(self) -> bool:
        """Whether the trial ran on ``seed``; not so where it is 0: what was imported, or ran elsewhere, without one."""
        return self.seed != 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Proposed, not started."""

    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Running:
    """Started, not ended as far as the journal knows."""

    proposal: Proposal
    started: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Completed:
    """Ended with numbers."""

    proposal: Proposal
    observation: Observation
    ended: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Ended with a failure."""

    proposal: Proposal
    failure: Failure
    ended: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a trial was stopped before its end, and what its curve tells of the end that it did not come to.

    ``step`` of ``course`` were seen. ``predicted`` is the end of the objective by its curve and the response model
    together, ``target`` what it would have had to beat (the posterior mean of the best), ``winning`` the probability
    that it does, ``bits`` what the end would still have told about open theories. ``ends`` are the ends by the curves
    alone: the evidence that is kept of the trial, to be weighed by their own spread. ``duration`` is in seconds.
    """

    step: float
    course: float
    predicted: Predictive
    target: float
    winning: float
    bits: float
    reason: str
    duration: float
    ends: tuple[Predictive, ...] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)

    @property
    def saved(self) -> float:
        """Seconds that the rest would have taken, at the pace of what was seen."""
        return self.duration * max(0.0, self.course / self.step - 1.0) if self.step > 0 else 0.0

    def outcome(self) -> Failure:
        """As those see it who know results and failures only."""
        return Failure("pruned", self.reason, self.duration, curves=self.curves)


@dataclass(frozen=True, slots=True)
class Stopped:
    """Stopped early, as it could neither win nor teach any more: no result, and no failure."""

    proposal: Proposal
    stop: Stop
    ended: float


Trial = Waiting | Running | Completed | Failed | Stopped


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two settings to be compared on fresh pairs of trials, registered before the first pair runs.

    ``theory`` is the theory that it can certify, or "" where it confirms the best configuration
    against the default. ``direction`` is +1 where the treatment is claimed to have the larger
    ``metric``, -1 the smaller. ``control`` and ``treatment`` are complete points, or overrides of a
    background that is drawn anew for each pair where ``background`` is "random"; where it is "mirrored", other switches
    change sides as well, each by a coin of its own (see ``engine.screening``). ``bold`` is the share of the bet that
    is on winning nearly every pair (see ``engine.evidence``).
    """

    id: str
    theory: str
    metric: str
    direction: int
    control: Point
    treatment: Point
    background: Literal["fixed", "random", "mirrored"] = "fixed"
    margin: float = 0.0
    bold: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the pairs of a contrast show so far.

    ``e_value`` is the betting e-process on the signs; ``low`` and ``high`` bound the mean difference
    (a 95% confidence sequence, valid at every look; None while it is unbounded).
    """

    contrast: str
    pairs: int
    wins: int
    e_value: float
    mean: float
    low: float | None
    high: float | None
    certified: bool
    differences: tuple[float, ...] = field(default_factory=tuple)
