"""Everything that can happen in a study: a closed union, and the record that carries one in a journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from knowhy.model.objective import Constraint, Objective
from knowhy.model.observation import Failure, Observation
from knowhy.model.space import Parameter, Scalar, Space
from knowhy.model.theory import Theory
from knowhy.model.trial import Contrast, Evidence, Proposal

FORMAT = 1


@dataclass(frozen=True, slots=True)
class StudyCreated:
    """A study begins. ``subject`` describes what is experimented on (kind, path, command, hash)."""

    name: str
    objectives: tuple[Objective, ...]
    space: Space
    seed: int
    subject: Mapping[str, Scalar]
    version: str
    constraints: tuple[Constraint, ...] = ()


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A controller begins or goes on. ``budget`` is in seconds of wall time (None: no limit), ``trials`` a total."""

    trials: int
    budget: float | None
    workers: int
    strategy: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A controller stops, and says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class ParameterChanged:
    """A parameter is added, opened, widened or frozen; ``parameter`` is how it stands from now on.

    Trials that ran before count at the default of a parameter that is added. ``by`` is who asked: "person",
    "settings" (a file or a call that declares the space), "engine", or a theorist's name. Where the data decided,
    ``claim`` is what was judged and ``belief`` how far it was believed.
    """

    parameter: Parameter
    change: Literal["added", "opened", "widened", "frozen"]
    reason: str
    by: str
    claim: str = ""
    belief: float | None = None


@dataclass(frozen=True, slots=True)
class TheoryProposed:
    """A theory joins. ``prior`` is the share of prior draws in which it holds."""

    theory: Theory
    prior: float


@dataclass(frozen=True, slots=True)
class ContrastRegistered:
    """A contrast is fixed in advance, with its direction."""

    contrast: Contrast


@dataclass(frozen=True, slots=True)
class TrialProposed:
    """A trial is decided; its predictions stand here before it starts."""

    proposal: Proposal


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A trial is handed to a worker (``attempt`` counts from 1)."""

    trial: int
    attempt: int


@dataclass(frozen=True, slots=True)
class TrialCompleted:
    """A trial ends with numbers."""

    trial: int
    observation: Observation


@dataclass(frozen=True, slots=True)
class TrialFailed:
    """A trial ends with a failure."""

    trial: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class TrialWithdrawn:
    """A trial that was proposed is not run after all."""

    trial: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one trial said about one theory: the Bayes factor of its two predictions."""

    theory: str
    bayes_factor: float


@dataclass(frozen=True, slots=True)
class BeliefsUpdated:
    """Beliefs after the trials up to and including ``trial``.

    ``beliefs`` maps theory ids to probabilities, ``priors`` to the same shares without data,
    ``bits`` is the information gained from ``trial`` about the theories that were open before it,
    ``surprise`` its standardised residual on the objective, ``fits`` the hyperparameters found (to go on from).
    """

    trial: int
    beliefs: Mapping[str, float]
    priors: Mapping[str, float]
    bits: float
    surprise: float | None = None
    verdicts: tuple[Verdict, ...] = ()
    fits: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvidenceUpdated:
    """A contrast pair is complete."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class NoteAdded:
    """Something worth telling: a diagnosis, a warning, a person's remark."""

    text: str
    by: str
    trial: int | None = None


Event = (
    StudyCreated
    | RunStarted
    | RunEnded
    | ParameterChanged
    | TheoryProposed
    | ContrastRegistered
    | TrialProposed
    | TrialStarted
    | TrialCompleted
    | TrialFailed
    | TrialWithdrawn
    | BeliefsUpdated
    | EvidenceUpdated
    | NoteAdded
)


@dataclass(frozen=True, slots=True)
class Record:
    """An event in its place: ``seq`` counts from 1, ``time`` is seconds since 1970, ``hash`` covers the one before."""

    seq: int
    time: float
    event: Event
    hash: str
