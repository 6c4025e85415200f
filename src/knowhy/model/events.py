"""Everything that can happen in a study: a closed union, and the record that carries one in a journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from knowhy.model.exclusion import Exclusion
from knowhy.model.objective import Constraint, Objective
from knowhy.model.observation import Failure, Observation, Outcome
from knowhy.model.patch import Patch
from knowhy.model.space import Parameter, Point, Scalar, Space
from knowhy.model.theory import Theory
from knowhy.model.thought import Thought
from knowhy.model.trial import Contrast, Evidence, Proposal, Stop
from knowhy.model.trust import Trust

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
    """A controller stops in good order, and says why; what still ran was ended, and is to be run again.

    ``seconds`` is how long it ran by a clock that nobody sets (None: journals of before, which have the times only).
    """

    reason: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class TrustSet:
    """From here on trials run, and are measured, as ``trust`` says; before the first one nothing was asked."""

    trust: Trust


@dataclass(frozen=True, slots=True)
class ParameterChanged:
    """A parameter is added, opened, widened, frozen, or bound to a condition; ``parameter`` is how it stands now.

    Trials that ran before count at the default of a parameter that is added. ``by`` is who asked: "person",
    "settings" (a file or a call that declares the space), "engine", or a theorist's name. Where the data decided,
    ``claim`` is what was judged and ``belief`` how far it was believed.
    "bound" says that it was known from a history, and is found in the subject that the study goes on with.
    """

    parameter: Parameter
    change: Literal["added", "opened", "widened", "frozen", "bound"]
    reason: str
    by: str
    claim: str = ""
    belief: float | None = None


@dataclass(frozen=True, slots=True)
class PatchAdded:
    """A change of code joins; its switch is the parameter of the same name."""

    patch: Patch


@dataclass(frozen=True, slots=True)
class ExclusionAdded:
    """Switches are found that cannot be on together."""

    exclusion: Exclusion


@dataclass(frozen=True, slots=True)
class TheoryProposed:
    """A theory joins. ``prior`` is the share of prior draws in which it holds, ``belief`` that of posterior ones.

    The latter is None where no trial has ended yet, or none has told anything about it.
    """

    theory: Theory
    prior: float
    belief: float | None = None


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
class TrialStopped:
    """A trial that runs is not run to its end: it can neither win nor teach any more."""

    trial: int
    stop: Stop


@dataclass(frozen=True, slots=True)
class TrialWithdrawn:
    """A trial that was proposed is not run after all."""

    trial: int
    reason: str


@dataclass(frozen=True, slots=True)
class TrialObserved:
    """A trial that others ran joins as evidence: its purpose is "observe", nothing was predicted of it.

    ``key`` says which trial of which history it is, so that importing the same history again adds nothing.
    ``commit`` is what the history says it ran at, "" where it says nothing.
    """

    proposal: Proposal
    outcome: Outcome
    key: str
    commit: str = ""


@dataclass(frozen=True, slots=True)
class SubjectAttached:
    """A study that began with a history goes on with this subject (as in ``StudyCreated``)."""

    subject: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one trial said about one theory: the Bayes factor of its two predictions."""

    theory: str
    bayes_factor: float


@dataclass(frozen=True, slots=True)
class TrialsRequested:
    """Somebody asks for trials; whoever runs the study decides them next, with their predictions and numbers.

    "points": each of ``points`` (complete), on one seed. "test": a fresh pair for the contrasts of ``theory`` ("" for
    the best configuration against the default). "choice": what knowhy itself would run next. The record's number is
    that of the request: anybody may append one while a run goes on.
    """

    kind: Literal["points", "test", "choice"]
    points: tuple[Point, ...] = ()
    theory: str = ""
    reason: str = ""
    by: str = "person"


@dataclass(frozen=True, slots=True)
class RequestWithdrawn:
    """A request that was not answered is not answered any more."""

    request: int
    reason: str


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


@dataclass(frozen=True, slots=True)
class ThoughtEnded:
    """A theorist that was asked has answered, or not; what it proposed that is new follows as events of its own."""

    thought: Thought


Event = (
    StudyCreated
    | RunStarted
    | RunEnded
    | ParameterChanged
    | PatchAdded
    | ExclusionAdded
    | TheoryProposed
    | ContrastRegistered
    | TrialProposed
    | TrialStarted
    | TrialCompleted
    | TrialFailed
    | TrialStopped
    | TrialWithdrawn
    | TrialsRequested
    | RequestWithdrawn
    | TrialObserved
    | SubjectAttached
    | BeliefsUpdated
    | EvidenceUpdated
    | NoteAdded
    | ThoughtEnded
    | TrustSet
)


@dataclass(frozen=True, slots=True)
class Record:
    """An event in its place: ``seq`` counts from 1, ``time`` is seconds since 1970, ``hash`` covers the one before."""

    seq: int
    time: float
    event: Event
    hash: str
