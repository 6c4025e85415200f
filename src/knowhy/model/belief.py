"""What the engine says when it is asked: judgements, effects, the best configuration."""

from __future__ import annotations

from dataclasses import dataclass

from knowhy.model.space import Point, Scalar
from knowhy.model.thought import Opinion


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
