"""What the engine says when it is asked: judgements, effects, the best configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from knowhy.model.space import Point, Scalar
from knowhy.model.thought import Opinion
from knowhy.model.trial import Contrast


@dataclass(frozen=True, slots=True)
class Judgement:
    """A claim, judged by the data of a study.

    ``quantity`` says in words what number the claim is about (for an effect: the change of the
    metric); ``middle``, ``low`` and ``high`` are its posterior median and 90% interval in the
    metric's units, None where the claim is not about one number. ``margin`` is the smallest change
    that counts, in the same units. ``supporting`` and ``opposing`` are trial numbers with the
    largest Bayes factors each way. ``settle`` is the experiment that would teach most about it.
    """

    claim: str
    prior: float
    belief: float
    bayes_factor: float
    quantity: str = ""
    middle: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    supporting: tuple[int, ...] = ()
    opposing: tuple[int, ...] = ()
    settle: str = ""
    settle_bits: float = 0.0


@dataclass(frozen=True, slots=True)
class MainEffect:
    """How a metric responds to one parameter, the others averaged over typical settings.

    ``values`` are settings of the parameter; ``mean``, ``low`` and ``high`` (90%) the metric there, in its
    units. ``importance`` is the share of the metric's variation that involves the parameter (median and 90% interval).
    """

    parameter: str
    metric: str
    values: tuple[Scalar, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    importance: float
    importance_low: float
    importance_high: float


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The best configuration known.

    ``trial`` is the first trial that ran it. ``expected``, ``low``, ``high``: the posterior of its
    objective (90%). ``fresh`` are results on seeds run after it was selected, ``default_fresh`` the
    default's on the same seeds: only these are free of the luck by which it was selected.
    ``better`` is the belief that it truly beats the default; ``certified`` whether that is certified
    by fresh pairs.
    """

    trial: int
    point: Point
    metric: str
    expected: float
    low: float
    high: float
    default_expected: float
    fresh: tuple[float, ...]
    default_fresh: tuple[float, ...]
    better: float
    certified: bool
    noise: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether the engine is fooling itself.

    Shares of outcomes inside the 50% and 90% predictive intervals of the objective, over ``trials``
    predictions; information expected and gained, in bits.
    """

    trials: int
    inside_50: float
    inside_90: float
    expected_bits: float
    gained_bits: float


@dataclass(frozen=True, slots=True)
class Swayed:
    """An opinion and what it would do: prior and belief of its claims without opinions, and with all of them."""

    opinion: Opinion
    prior: float
    prior_with: float
    belief: float
    belief_with: float


@dataclass(frozen=True, slots=True)
class CertificationForecast:
    """What it takes to certify a theory, before (or between) its pairs of trials.

    ``allowance`` trials in all may be spent on ``contrasts`` and ``used`` are; a round of pairs takes ``arms`` trials.
    ``least`` more trials certify it if every pair comes out as claimed, ``expected`` are expected until it is settled
    either way or the allowance is spent. ``certified`` and ``refuted`` are the chances of that, by the posterior.
    ``seconds`` is what a trial is expected to take. ``repeats``: the subject gives the same number on every
    seed, so that no number of pairs can certify.
    """

    theory: str
    contrasts: tuple[Contrast, ...]
    standing: Literal["certified", "refuted", "open"]
    allowance: int
    used: int
    arms: int
    least: int
    expected: float
    certified: float
    refuted: float
    seconds: float
    repeats: bool


@dataclass(frozen=True, slots=True)
class Structure:
    """What the first objective is like, by the posterior (medians over its draws).

    ``noise`` is the share of its variation over typical settings that is noise, ``joint`` the share of the rest that no
    parameter explains on its own, ``matter`` how many of ``parameters`` carry 90% of the effects.
    """

    noise: float
    joint: float
    matter: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric at a configuration by the posterior, which takes back the luck of single runs (90% interval)."""

    metric: str
    middle: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Placed:
    """A configuration that was tried, among the others and several objectives.

    ``trial`` is the first that ran it, ``runs`` how many did. ``front`` is the probability that no other tried
    configuration is at least as good in every objective and better in one, and that it keeps the constraints.
    ``chosen`` is the probability that it is the best by the weights that were asked for (None: none were).
    ``estimates`` has one for each objective, ``against_default`` the changes from the default.
    """

    trial: int
    point: Point
    runs: int
    front: float
    chosen: float | None
    estimates: tuple[Estimate, ...]
    against_default: tuple[Estimate, ...]
