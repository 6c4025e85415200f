"""One trial at a time, for people with a loop of their own: the same engine, the same journal."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import get_args

from knowhy import reflection
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.diagnostics import derive
from knowhy.errors import MetricError, UsageError
from knowhy.loop import Limits, Loop
from knowhy.model.decision import Budget
from knowhy.model.events import (
    ContrastRegistered,
    Event,
    RunStarted,
    TrialCompleted,
    TrialFailed,
    TrialProposed,
    TrialStarted,
)
from knowhy.model.job import Job
from knowhy.model.observation import Failure, FailureKind, Observation, Outcome
from knowhy.model.state import State
from knowhy.model.trial import Proposal, Running, Waiting
from knowhy.ports import Journal, Policy, Theorist


class ByHand:
    """Subject and executor where a person runs the trials: nothing is laid out, and nothing is started."""

    def prepare(self, proposal: Proposal, required: Sequence[str], folder: str) -> Job:
        """A job that nobody runs."""
        return Job(proposal.trial, (), folder, "", "", tuple(required))

    def submit(self, job: Job) -> None:
        """Leave it to the person."""

    def wait(self, timeout: float) -> list[tuple[int, Outcome]]:
        """Nothing ends here."""
        return []

    def cancel(self, trial: int) -> None:
        """Nothing runs here."""

    def close(self) -> None:
        """Nothing is open here."""


class Dialogue:
    """Asks the policy, and tells the journal."""

    def __init__(self, journal: Journal, policy: Policy, theorists: Sequence[Theorist], beliefs: Beliefs) -> None:
        """Read the journal as it stands; the caller holds its lease."""
        hand = ByHand()
        self._policy = policy
        self._loop = Loop(journal, hand, hand, policy, theorists, beliefs, Limits(0, None, 0), "", lambda state: None)

    @property
    def state(self) -> State:
        """The study after what was asked and told."""
        return self._loop.state

    def ask(self, trials: int) -> Proposal | None:
        """The next trial to run, its predictions written down; None when ``trials`` are spent or nothing is left."""
        loop = self._loop
        if loop.state.run is None or loop.state.run.trials != trials:
            loop.append(RunStarted(trials, None, 1, self._policy.name))
        if not loop.state.theories:
            loop.append(*reflection.theories(loop.beliefs, loop.theorists, loop.state))
        waiting = [t.proposal for t in loop.state.pending if isinstance(t, Waiting)]
        if not waiting:
            decision = self._policy.decide(loop.state, Budget(trials))
            events: list[Event] = [ContrastRegistered(c) for c in decision.contrasts]
            loop.append(*events, *(TrialProposed(proposal) for proposal in decision.proposals))
            waiting = list(decision.proposals)
        if not waiting:
            return None
        loop.append(TrialStarted(waiting[0].trial, 1))
        return waiting[0]

    def tell(self, trial: int, outcome: Outcome) -> None:
        """Write down how ``trial`` ended and update the beliefs; raises UsageError."""
        loop = self._loop
        running = loop.state.trials.get(trial)
        if not isinstance(running, Running):
            asked = ", ".join(str(t.proposal.trial) for t in loop.state.pending if isinstance(t, Running))
            raise UsageError(
                f"trial {trial} is not waiting for a result", f"those that are: {asked}" if asked else "ask first"
            )
        if isinstance(outcome, Observation):
            duration = outcome.duration or max(0.0, time.time() - running.started)
            derived = derive(outcome.metrics, outcome.curves, duration)
            loop.append(TrialCompleted(trial, Observation({**derived, **outcome.metrics}, duration, outcome.curves)))
        else:
            loop.append(TrialFailed(trial, outcome))
        loop.reflect()


def outcome_of(
    metrics: Mapping[str, float] | None, failure: str | None, duration: float | None, required: Sequence[str]
) -> Outcome:
    """What a person tells, as an outcome; numbers that are not finite make a failure.

    Raises UsageError unless exactly one of ``metrics`` and ``failure`` is given, MetricError where ``metrics`` lacks
    an objective.
    """
    spent = duration or 0.0
    if (metrics is None) == (failure is None):
        raise UsageError("tell either metrics or a failure", "write tell(3, metrics={...}) or tell(3, failure=...)")
    if failure is not None:
        kinds: tuple[FailureKind, ...] = get_args(FailureKind)
        named: FailureKind = next((known for known in kinds if known == failure), "exit")
        return Failure(named, failure, spent)
    numbers = {name: float(value) for name, value in (metrics or {}).items()}
    missing = [name for name in required if name not in numbers]
    if missing:
        raise MetricError(
            f"the metrics lack {', '.join(missing)}", f"they hold {', '.join(numbers) or 'nothing'}; add the objective"
        )
    finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
    for name in required:
        if name not in finite:
            broken: FailureKind = "nan" if math.isnan(numbers[name]) else "inf"
            return Failure(broken, f"{name} is {numbers[name]}", spent, metrics=finite)
    return Observation(finite, spent)
