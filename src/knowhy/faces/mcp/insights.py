"""What the tools return about theories and experiments: plain data with a schema."""

from __future__ import annotations

from dataclasses import dataclass

from knowhy.model.space import Scalar


@dataclass
class TheoryRow:
    """A theory and where it stands. ``belief`` is computed from the data; nobody can set it."""

    id: str
    title: str
    claims: list[str]
    status: str
    belief: float | None
    prior: float | None
    bayes_factor: float | None
    question: str
    rivals: list[str]
    by: str
    exploratory: bool


@dataclass
class Theories:
    """Theories, those that matter most first; ``left_out`` more match."""

    theories: list[TheoryRow]
    left_out: int
    next_step: str


@dataclass
class Judged:
    """A claim, judged by the data so far.

    ``middle``, ``low`` and ``high`` (90%) are of ``quantity``; less than ``margin`` would count as no change.
    ``settle`` is the single trial that would teach most about it, ``settle_bits`` how much.
    """

    claim: str
    prior: float
    belief: float
    bayes_factor: float
    strength: str
    quantity: str
    middle: float | None
    low: float | None
    high: float | None
    margin: float | None
    supporting_trials: list[int]
    opposing_trials: list[int]
    settle: str
    settle_bits: float


@dataclass
class Evidence:
    """What one trial said about a theory; the two predictions were written down before it ran."""

    trial: int
    bayes_factor: float
    observed: float | None
    expected_if_true: str
    expected_if_false: str
    settings: dict[str, Scalar]
    failure: str = ""


@dataclass
class Certificate:
    """Fresh pairs run for a claim; ``e_value`` of 20 certifies one. Mean is treatment minus control (95% bounds)."""

    metric: str
    pairs: int
    as_claimed: int
    e_value: float
    mean: float | None
    low: float | None
    high: float | None
    certified: bool


@dataclass
class Explanation:
    """All that is known about one theory."""

    theory: TheoryRow
    because: str
    refuted_by: str
    claims: list[Judged]
    evidence_for: list[Evidence]
    evidence_against: list[Evidence]
    certificates: list[Certificate]


@dataclass
class Supposed:
    """A theory that joined (or said so already), its beliefs, and what would test it."""

    theory: TheoryRow
    is_new: bool
    claims: list[Judged]
    next_step: str


@dataclass
class Stake:
    """What a theory predicts of a trial if it holds and if not, and the bits expected about it."""

    theory: str
    title: str
    belief: float
    bits: float
    if_true: str
    if_false: str


@dataclass
class Foreseen:
    """What is expected of one trial. ``predicted`` are 90% intervals; ``bits`` what it would teach about theories."""

    settings: dict[str, Scalar]
    predicted: dict[str, str]
    chance_to_complete: float
    bits: float
    stakes: list[Stake]


@dataclass
class Foresight:
    """What is expected of each trial asked about."""

    trials: list[Foreseen]


@dataclass
class Suggestion:
    """An experiment that knowhy would run: one configuration, or several arms on one seed."""

    purpose: str
    settings: list[dict[str, Scalar]]
    reason: str
    expected_bits: float
    expected_improvement: float | None
    seconds: float | None


@dataclass
class Suggestions:
    """Experiments, the best first, and questions that are still open."""

    experiments: list[Suggestion]
    open_questions: list[str]
    next_step: str
