"""One trial at a time, for people with a loop of their own: the same engine, the same journal."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import get_args

from knowhy.engine.beliefs import Beliefs
from knowhy.engine.diagnostics import derive
from knowhy.errors import MetricError, UsageError
from knowhy.ledger import Ledger
from knowhy.model.decision import Budget
from knowhy.model.events import (
    RunStarted,
    TrialCompleted,
    TrialFailed,
    TrialStarted,
)
from knowhy.model.observation import LARGEST, Failure, FailureKind, Observation, Outcome
from knowhy.model.state import State
from knowhy.model.trial import Proposal, Running, Waiting
from knowhy.ports import Journal, Policy, Theorist
from knowhy.thinking import Thinker


class Dialogue:
    """Asks the policy, and tells the journal."""

    def __init__(self, journal: Journal, policy: Policy, theorists: Sequence[Theorist], beliefs: Beliefs) -> None:
        """Read the journal as it stands; the caller holds its lease."""
        self._thinker = Thinker(policy, theorists, beliefs, aside=False)
        self._strategy = policy.name
        self._ledger = Ledger(journal)

    @property
    def state(self) -> State:
        """The study after what was asked and told."""
        return self._ledger.state

    def ask(self, trials: int) -> Proposal | None:
        """The next trial to run, its predictions written down; None when ``trials`` are spent or nothing is left."""
        run = self.state.run
        if run is None or run.trials != trials:
            self._ledger.append(RunStarted(trials, None, 1, self._strategy))
        waiting = self._waiting()
        if not waiting:
            running = sum(isinstance(t, Running) for t in self.state.pending)
            self._think(Budget(trials), running + 1, reflect=not self.state.theories)
            waiting = self._waiting()
        if not waiting:
            return None
        self._ledger.append(TrialStarted(waiting[0].trial, 1))
        return waiting[0]

    def _waiting(self) -> list[Proposal]:
        return [t.proposal for t in self.state.pending if isinstance(t, Waiting)]

    def _think(self, budget: Budget, ready: int, *, reflect: bool) -> None:
        self._thinker.start(self.state, budget, ready, reflect=reflect)
        thought = self._thinker.take()
        assert thought is not None  # it was had within start
        self._ledger.append(*thought.events)

    def tell(self, trial: int, outcome: Outcome) -> None:
        """Write down how ``trial`` ended and update the beliefs; raises UsageError."""
        running = self.state.trials.get(trial)
        if not isinstance(running, Running):
            asked = ", ".join(str(t.proposal.trial) for t in self.state.pending if isinstance(t, Running))
            raise UsageError(
                f"trial {trial} is not waiting for a result", f"those that are: {asked}" if asked else "ask first"
            )
        if isinstance(outcome, Observation):
            duration = outcome.duration or max(0.0, time.time() - running.started)
            derived = derive(outcome.metrics, outcome.curves, duration)
            self._ledger.append(
                TrialCompleted(trial, Observation({**derived, **outcome.metrics}, duration, outcome.curves))
            )
        else:
            self._ledger.append(TrialFailed(trial, outcome))
        self._think(Budget(0), 0, reflect=True)


def outcome_of(
    metrics: Mapping[str, float] | None, failure: str | None, duration: float | None, required: Sequence[str]
) -> Outcome:
    """What a person tells, as an outcome; numbers that are not finite (or beyond ``LARGEST``) make a failure.

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
    finite = {name: value for name, value in numbers.items() if abs(value) <= LARGEST}
    for name in required:
        if name not in finite:
            broken: FailureKind = "nan" if math.isnan(numbers[name]) else "inf"
            return Failure(broken, f"{name} is {numbers[name]}", spent, metrics=finite)
    return Observation(finite, spent)
