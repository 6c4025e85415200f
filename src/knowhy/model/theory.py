"""Theories, and claims as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from knowhy.model.space import Scalar

Verb = Literal["raises", "lowers", "does not change"]


@dataclass(frozen=True, slots=True)
class Theory:
    """A mechanism that somebody proposes, with the claims by which it can fail.

    ``claims`` are canonical sentences (see ``engine.claims``); the theory holds where all of them
    hold together. ``question`` names what it answers: theories that share a question are rivals.
    ``by`` is the proposer ("builtin", "person", a model's name). ``after`` is the number of trials
    that had finished when it was proposed; one proposed after looking at data is exploratory.
    """

    id: str
    title: str
    because: str
    claims: tuple[str, ...]
    question: str = ""
    refuted_by: str = ""
    by: str = "builtin"
    after: int = 0

    @property
    def exploratory(self) -> bool:
        """Whether data had been seen when it was proposed."""
        return self.after > 0


@dataclass(frozen=True, slots=True)
class ParameterRequest:
    """A theorist asks for a held parameter to be opened, and says why.

    ``low`` and ``high`` are the range that it asks for, where it asks for another than the one found.
    """

    parameter: str
    reason: str
    by: str = "builtin"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """One condition of a scope: ``parameter op value`` (op "=" for categories)."""

    parameter: str
    op: Literal[">=", "<=", "="]
    value: Scalar


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a claim is meant to hold.

    "average": on average over typical settings of the other parameters, half of each range around its
    default (what a sentence without a scope means).
    "best": around the best configuration known. "default": at the default configuration.
    "everywhere": in at least 90% of the space, not only on average. ``bounds`` narrow each of these.
    """

    kind: Literal["average", "best", "default", "everywhere"] = "average"
    bounds: tuple[Bound, ...] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """Raising ``parameter`` from ``start`` to ``end`` raises, lowers or does not change ``metric``.

    ``margin`` is in the metric's units: "by at least" for a change, "by more than" for no change.
    For categories "raising A from x to y" reads "switching A from x to y".
    """

    parameter: str
    start: Scalar
    end: Scalar
    verb: Verb
    metric: str
    margin: float | None = None
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True)
class Better:
    """``winner`` is a better value of ``parameter`` than ``loser`` for ``metric``."""

    parameter: str
    winner: Scalar
    loser: Scalar
    metric: str
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True)
class Optimum:
    """``metric`` is best with ``parameter`` near, below, above or between values."""

    metric: str
    parameter: str
    relation: Literal["near", "below", "above", "between"]
    low: float
    high: float
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True)
class Lies:
    """The configuration that is best for ``metric``, of all there are, keeps ``bounds``."""

    metric: str
    bounds: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class Trades:
    """Raising ``parameter`` from ``start`` to ``end`` makes ``metric`` better and ``against`` worse.

    For categories "raising A from x to y" reads "switching A from x to y".
    """

    parameter: str
    start: Scalar
    end: Scalar
    metric: str
    against: str
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True)
class OptimumMoves:
    """The best ``parameter`` for ``metric`` rises, falls or does not move with ``other``."""

    parameter: str
    metric: str
    verb: Literal["rises", "falls", "does not move"]
    other: str
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True)
class MattersMore:
    """``parameter`` matters more than ``other`` for ``metric``."""

    parameter: str
    other: str
    metric: str
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True)
class Matters:
    """``parameter`` matters, or does not matter, for ``metric``."""

    parameter: str
    metric: str
    positive: bool
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True)
class Interacts:
    """Two parameters interact on ``metric`` (``together``) or act on their own."""

    parameter: str
    other: str
    metric: str
    together: bool
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True)
class OnlyThrough:
    """``metric`` depends on two parameters only through one combination of them.

    ``op`` is "/", "*" or "/sqrt" (a / sqrt(b)).
    """

    metric: str
    parameter: str
    other: str
    op: Literal["/", "*", "/sqrt"]


@dataclass(frozen=True, slots=True)
class FailsWhen:
    """Trials fail when the product of ``parameters`` is above (or below) ``threshold``."""

    parameters: tuple[str, ...]
    side: Literal["above", "below"]
    threshold: float


@dataclass(frozen=True, slots=True)
class KeepsImproving:
    """More of ``parameter`` (training, mostly) keeps improving ``metric`` beyond ``beyond``."""

    parameter: str
    metric: str
    beyond: float
    scope: Scope = Scope()


Claim = (
    Effect
    | Better
    | Trades
    | Optimum
    | Lies
    | OptimumMoves
    | MattersMore
    | Matters
    | Interacts
    | OnlyThrough
    | FailsWhen
    | KeepsImproving
)
