"""The state of a study: a fold of its journal, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from knowhy.model.events import (
    BeliefsUpdated,
    ContrastRegistered,
    Event,
    EvidenceUpdated,
    ExclusionAdded,
    NoteAdded,
    ParameterChanged,
    PatchAdded,
    Record,
    RequestWithdrawn,
    RunEnded,
    RunStarted,
    StudyCreated,
    SubjectAttached,
    TheoryProposed,
    ThoughtEnded,
    TrialCompleted,
    TrialFailed,
    TrialObserved,
    TrialProposed,
    TrialsRequested,
    TrialStarted,
    TrialStopped,
    TrialWithdrawn,
    TrustSet,
)
from knowhy.model.objective import Constraint, Objective
from knowhy.model.observation import Observation
from knowhy.model.patch import Patch
from knowhy.model.space import Parameter, Scalar, Space
from knowhy.model.theory import Theory
from knowhy.model.thought import Thought
from knowhy.model.trial import Completed, Contrast, Evidence, Failed, Running, Stopped, Trial, Waiting
from knowhy.model.trust import OPEN, Trust


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is known of a study after ``seq`` records.

    Mappings keep the order in which their members came. They are never changed after the fold.
    ``requests`` are those that wait for an answer, by the number of their record; ``answers`` the trials that
    answered one, ``declined`` why one was withdrawn. ``order`` lists the trials that ended, in the order of the
    journal; ``time`` is that of the last record.
    ``observed`` maps the keys of imported trials to their numbers, ``commits`` their numbers to the commits that they
    ran at, where that is known. ``begun`` is the kind of subject it began with,
    ``trust`` how its trials run and are measured.
    """

    name: str = ""
    objectives: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    space: Space = field(default_factory=lambda: Space(()))
    seed: int = 0
    subject: Mapping[str, Scalar] = field(default_factory=dict)
    version: str = ""
    created: float = 0.0
    seq: int = 0
    run: RunStarted | None = None
    run_started: float = 0.0
    ended: str = ""
    spent: float = 0.0
    time: float = 0.0
    trials: dict[int, Trial] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    next_trial: int = 1
    theories: dict[str, Theory] = field(default_factory=dict)
    priors: dict[str, float] = field(default_factory=dict)
    beliefs: dict[str, float] = field(default_factory=dict)
    updates: list[BeliefsUpdated] = field(default_factory=list)
    fits: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    contrasts: dict[str, Contrast] = field(default_factory=dict)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    changes: list[tuple[float, ParameterChanged]] = field(default_factory=list)
    notes: list[tuple[float, NoteAdded]] = field(default_factory=list)
    requests: dict[int, TrialsRequested] = field(default_factory=dict)
    answers: dict[int, tuple[int, ...]] = field(default_factory=dict)
    declined: dict[int, str] = field(default_factory=dict)
    observed: dict[str, int] = field(default_factory=dict)
    commits: dict[int, str] = field(default_factory=dict)
    begun: str = ""
    patches: dict[str, Patch] = field(default_factory=dict)
    thoughts: list[Thought] = field(default_factory=list)
    trust: Trust = OPEN

    @property
    def completed(self) -> tuple[Completed, ...]:
        """Trials that ended with numbers, by number."""
        return tuple(t for t in map(self.trials.__getitem__, sorted(self.trials)) if isinstance(t, Completed))

    @property
    def failed(self) -> tuple[Failed, ...]:
        """Trials that failed, by number."""
        return tuple(t for t in map(self.trials.__getitem__, sorted(self.trials)) if isinstance(t, Failed))

    @property
    def stopped(self) -> tuple[Stopped, ...]:
        """Trials that were stopped early, by number."""
        return tuple(t for t in map(self.trials.__getitem__, sorted(self.trials)) if isinstance(t, Stopped))

    @property
    def pending(self) -> tuple[Waiting | Running, ...]:
        """Trials that are proposed or running, by number."""
        return tuple(t for t in map(self.trials.__getitem__, sorted(self.trials)) if isinstance(t, (Waiting, Running)))

    @property
    def finished(self) -> int:
        """How many trials have ended, one way or the other."""
        return sum(isinstance(t, (Completed, Failed, Stopped)) for t in self.trials.values())

    @property
    def planned(self) -> int:
        """How many trials were planned here, in whatever stage: those that were imported cost no budget."""
        return len(self.trials) - len(self.observed)

    @property
    def objective(self) -> Objective:
        """The first objective."""
        return self.objectives[0]

    @property
    def certified(self) -> tuple[str, ...]:
        """Ids of certified theories: all their contrasts are."""
        found: dict[str, bool] = {}
        for contrast in self.contrasts.values():
            evidence = self.evidence.get(contrast.id)
            done = evidence is not None and evidence.certified
            found[contrast.theory] = found.get(contrast.theory, True) and done
        return tuple(theory for theory, done in found.items() if done and theory)


def fold(records: Iterable[Record], state: State | None = None) -> State:
    """``state`` (or the empty one) after ``records``; the state passed in is left as it was."""
    if state is None:
        state = State()
    else:
        state = replace(
            state,
            trials=dict(state.trials),
            order=list(state.order),
            theories=dict(state.theories),
            priors=dict(state.priors),
            beliefs=dict(state.beliefs),
            updates=list(state.updates),
            contrasts=dict(state.contrasts),
            evidence=dict(state.evidence),
            changes=list(state.changes),
            notes=list(state.notes),
            requests=dict(state.requests),
            answers=dict(state.answers),
            declined=dict(state.declined),
            observed=dict(state.observed),
            commits=dict(state.commits),
            patches=dict(state.patches),
            thoughts=list(state.thoughts),
        )
    for record in records:
        state = replace(_apply(state, record), seq=record.seq, time=record.time)
    return state


def foreseen(state: State, events: Sequence[Event]) -> State:
    """``state`` as it will be once ``events`` are in the journal."""
    return fold([Record(state.seq + 1 + i, state.time, e, "") for i, e in enumerate(events)], state)


def _apply(state: State, record: Record) -> State:
    """One step; the containers of ``state`` belong to this fold and are filled in place."""
    match record.event:
        case StudyCreated() as e:
            return replace(
                state,
                name=e.name,
                objectives=e.objectives,
                constraints=e.constraints,
                space=e.space,
                seed=e.seed,
                subject=e.subject,
                version=e.version,
                created=record.time,
                begun=str(e.subject.get("kind", "")),
            )
        case RunStarted() as e:
            # A run that was killed left no RunEnded: its time counts up to the last record.
            spent = (
                state.spent if state.run is None or state.ended else state.spent + _since(state.run_started, state.time)
            )
            return replace(state, run=e, run_started=record.time, ended="", spent=spent)
        case RunEnded() as e:
            for number, trial in state.trials.items():
                if isinstance(trial, Running):
                    state.trials[number] = Waiting(trial.proposal)
            took = _since(state.run_started, record.time) if e.seconds is None else e.seconds
            return replace(state, ended=e.reason, spent=state.spent + took)
        case ParameterChanged() as e:
            state.changes.append((record.time, e))
            if e.parameter.name not in state.space:
                _count_at_default(state, e.parameter)
            # Hyperparameters that were found in one space say nothing about another.
            return replace(state, space=state.space.with_parameter(e.parameter), fits={})
        case PatchAdded() as e:
            state.patches[e.patch.name] = e.patch
        case ExclusionAdded() as e:
            return replace(state, space=state.space.with_exclusion(e.exclusion))
        case TheoryProposed() as e:
            state.theories[e.theory.id] = e.theory
            state.priors[e.theory.id] = e.prior
            if e.belief is not None:
                state.beliefs[e.theory.id] = e.belief
        case ContrastRegistered() as e:
            state.contrasts[e.contrast.id] = e.contrast
        case TrialProposed() as e:
            state.trials[e.proposal.trial] = Waiting(e.proposal)
            if e.proposal.request:
                state.requests.pop(e.proposal.request, None)
                state.answers[e.proposal.request] = (*state.answers.get(e.proposal.request, ()), e.proposal.trial)
            return replace(state, next_trial=max(state.next_trial, e.proposal.trial + 1))
        case TrialStarted() as e:
            state.trials[e.trial] = Running(state.trials[e.trial].proposal, record.time, e.attempt)
        case TrialCompleted() as e:
            state.trials[e.trial] = Completed(state.trials[e.trial].proposal, e.observation, record.time)
            state.order.append(e.trial)
        case TrialFailed() as e:
            state.trials[e.trial] = Failed(state.trials[e.trial].proposal, e.failure, record.time)
            state.order.append(e.trial)
        case TrialStopped() as e:
            state.trials[e.trial] = Stopped(state.trials[e.trial].proposal, e.stop, record.time)
            state.order.append(e.trial)
        case TrialWithdrawn() as e:
            state.trials.pop(e.trial, None)
        case TrialsRequested() as e:
            state.requests[record.seq] = e
        case RequestWithdrawn() as e:
            if state.requests.pop(e.request, None) is not None:
                state.declined[e.request] = e.reason
        case TrialObserved() as e:
            number = e.proposal.trial
            ended = Completed if isinstance(e.outcome, Observation) else Failed
            state.trials[number] = ended(e.proposal, e.outcome, record.time)  # type: ignore[arg-type]
            state.order.append(number)
            state.observed[e.key] = number
            if e.commit:
                state.commits[number] = e.commit
            return replace(state, next_trial=max(state.next_trial, number + 1))
        case SubjectAttached() as e:
            return replace(state, subject=e.subject)
        case BeliefsUpdated() as e:
            state.updates.append(e)
            state.beliefs.update(e.beliefs)
            state.priors.update(e.priors)
            return replace(state, fits=e.fits)
        case EvidenceUpdated() as e:
            state.evidence[e.evidence.contrast] = e.evidence
        case NoteAdded() as e:
            state.notes.append((record.time, e))
        case ThoughtEnded() as e:
            state.thoughts.append(e.thought)
        case TrustSet() as e:
            return replace(state, trust=e.trust)
    return state


def _count_at_default(state: State, parameter: Parameter) -> None:
    """Everything that was run or registered so far, with ``parameter`` at its default: points stay complete."""
    lacking = {parameter.name: parameter.default}
    for number, trial in state.trials.items():
        point = {**lacking, **trial.proposal.point}
        state.trials[number] = replace(trial, proposal=replace(trial.proposal, point=point))
    for name, contrast in state.contrasts.items():
        if contrast.background == "fixed":
            state.contrasts[name] = replace(
                contrast, control={**lacking, **contrast.control}, treatment={**lacking, **contrast.treatment}
            )


def _since(start: float, now: float) -> float:
    return max(0.0, now - start)
