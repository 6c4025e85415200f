"""THE LOOP: journal -> state -> beliefs -> decision -> job -> event -> journal.

Everything that happens is appended to the journal before anything rests on it, and the state is only ever
the fold of what was appended. A run that is killed at any point goes on from there: trials that were proposed are
run, trials that were running are run again under their own number, and what had ended is never run again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from knowhy import reflection
from knowhy.baseline import metric_error
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.diagnostics import derive
from knowhy.engine.policy import MENDABLE
from knowhy.errors import SubjectError
from knowhy.model.decision import Budget, Decision
from knowhy.model.events import (
    ContrastRegistered,
    Event,
    RunEnded,
    RunStarted,
    TrialCompleted,
    TrialFailed,
    TrialProposed,
    TrialStarted,
    TrialWithdrawn,
)
from knowhy.model.observation import Failure, Observation, Outcome
from knowhy.model.space import same_point
from knowhy.model.state import State, fold
from knowhy.model.trial import Running
from knowhy.ports import Executor, Journal, Policy, Subject, Theorist

SLOW = 20.0  # seconds: trials longer than this are not worth deciding ahead of
ATTEMPTS = 3
DONE = "the budget is spent"
STOPPED = "stopped by the person"


@dataclass(frozen=True, slots=True)
class Limits:
    """Totals over all runs of a study: ``trials``, and ``budget`` in seconds of wall time (None: no limit)."""

    trials: int
    budget: float | None = None
    workers: int = 1


def run(
    journal: Journal,
    subject: Subject,
    executor: Executor,
    policy: Policy,
    theorists: Sequence[Theorist],
    beliefs: Beliefs,
    *,
    limits: Limits,
    folder: str,
    watch: Callable[[State], None] = lambda state: None,
    stop: Callable[[], bool] = lambda: False,
) -> State:
    """Run a study until its budget is spent, ``stop`` says so, or nothing is left to decide; returns its state.

    ``folder`` is where trials get theirs. ``watch`` sees every new state. Raises SubjectError or
    MetricError when the default configuration itself does not work, JournalError when nothing more can be written.
    """
    loop = Loop(journal, subject, executor, policy, theorists, beliefs, limits, folder, watch)
    with journal.lease():
        try:
            return loop.run(stop)
        finally:
            executor.close()


class Loop:
    """The state of a study that goes on, and the steps by which it does; ``run`` is the whole of it."""

    def __init__(
        self,
        journal: Journal,
        subject: Subject,
        executor: Executor,
        policy: Policy,
        theorists: Sequence[Theorist],
        beliefs: Beliefs,
        limits: Limits,
        folder: str,
        watch: Callable[[State], None],
    ) -> None:
        self.journal, self.subject, self.executor = journal, subject, executor
        self.policy, self.theorists, self.beliefs = policy, theorists, beliefs
        self.limits, self.folder, self.watch = limits, folder, watch
        self.state = fold(journal.read())
        self.running: set[int] = set()
        self.idle = ""  # why the policy proposes nothing more

    def run(self, stop: Callable[[], bool]) -> State:
        """Decide, launch, wait, think; until there is nothing more to do."""
        limits = self.limits
        self.append(RunStarted(limits.trials, limits.budget, limits.workers, self.policy.name))
        if not self.state.theories:
            self.append(*reflection.theories(self.beliefs, self.theorists, self.state))
        if len(self.state.order) > len(self.state.updates):
            self.reflect()
        reason = STOPPED
        while not stop():
            self.launch()
            self.decide()
            self.launch()
            if not self.running:
                reason = self.idle or DONE
                break
            self.journal.refresh()
            for trial, outcome in self.executor.wait(0.25):
                self.running.discard(trial)
                self.end(trial, outcome)
        if reason != STOPPED:
            self.append(*(TrialWithdrawn(t.proposal.trial, reason) for t in self.state.pending))
            if self.state.order and (not self.state.updates or self.state.updates[-1].trial != self.state.order[-1]):
                self.reflect()
        self.append(RunEnded(reason))
        return self.state

    def append(self, *events: Event) -> None:
        """Write events, then let the state be their fold. The state is refolded where others have written too."""
        if not events:
            return
        records = self.journal.append(events)
        if records[0].seq != self.state.seq + 1:
            records = [*self.journal.read(self.state.seq)]
        self.state = fold(records, self.state)
        self.watch(self.state)

    def launch(self) -> None:
        """Start what is proposed, and again what was running when an earlier run ended."""
        for trial in self.state.pending:
            number = trial.proposal.trial
            if len(self.running) >= self.limits.workers or number in self.running:
                continue
            attempt = trial.attempt + 1 if isinstance(trial, Running) else 1
            if self.spent() and attempt == 1:
                continue
            folder = os.path.join(self.folder, f"{number:05d}")
            self.append(TrialStarted(number, attempt))
            try:
                job = self.subject.prepare(trial.proposal, tuple(o.metric for o in self.state.objectives), folder)
                self.executor.submit(job)
            except (SubjectError, OSError) as error:
                self.append(TrialFailed(number, Failure("setup", str(error), 0.0)))
                self.reflect()
                self.refuse_broken(Failure("setup", str(error), 0.0), number)
                continue
            self.running.add(number)

    def decide(self) -> None:
        """Decide until every worker has a trial, and one is ready for whoever is free next."""
        slow = [t.observation.duration for t in self.state.completed[-9:]]
        ahead = 0 if slow and sorted(slow)[len(slow) // 2] > SLOW else (self.limits.workers + 1) // 2
        self.idle = ""
        while not self.spent() and len(self.state.pending) < self.limits.workers + ahead:
            decision: Decision = self.policy.decide(self.state, Budget(self.limits.trials, self.limits.budget))
            if not decision.proposals:
                self.idle = decision.reason
                return
            events: list[Event] = [ContrastRegistered(c) for c in decision.contrasts]
            self.append(*events, *(TrialProposed(p) for p in decision.proposals))
            self.launch()

    def spent(self) -> bool:
        """Whether the time is over."""
        budget = self.limits.budget
        return budget is not None and self.state.spent + time.time() - self.state.run_started >= budget

    def end(self, number: int, outcome: Outcome) -> None:
        """Write down how a trial ended, keep the workers busy, then think about it."""
        if isinstance(outcome, Observation):
            derived = derive(outcome.metrics, outcome.curves, outcome.duration)
            outcome = replace(outcome, metrics={**derived, **outcome.metrics})
            absent = [c.metric for c in self.state.constraints if c.metric not in outcome.metrics]
            if absent and not self.state.completed:  # a bound on nothing would rule every trial out
                lacking = f"no number for {', '.join(absent)}, which is to be bounded"
                outcome = Failure("no_metric", lacking, outcome.duration, metrics=outcome.metrics)
        if isinstance(outcome, Observation):
            self.append(TrialCompleted(number, outcome))
        elif outcome.kind == "lost" and self.attempts(number) < ATTEMPTS:
            return  # still running as far as the journal knows: launched again, a bounded number of times
        else:
            self.append(TrialFailed(number, outcome))
            self.refuse_broken(outcome, number)
        self.launch()
        if self.policy.reflects(self.state):
            self.reflect()

    def attempts(self, number: int) -> int:
        """How often a running trial was started."""
        trial = self.state.trials[number]
        return trial.attempt if isinstance(trial, Running) else 0

    def reflect(self) -> None:
        """Evidence, beliefs and new theories after the trial that ended last, in one write."""
        self.append(*reflection.after_trial(self.beliefs, self.theorists, self.state))

    def refuse_broken(self, failure: Failure, number: int) -> None:
        """Stop at once where the subject does not even work as it is: more trials would teach nothing."""
        default = same_point(self.state.trials[number].proposal.point, self.state.space.defaults())
        if self.state.completed or not default or failure.kind not in MENDABLE:
            return
        self.append(RunEnded(f"the default configuration failed: {failure.message}"))
        if failure.kind == "no_metric":
            wanted = tuple(o.metric for o in self.state.objectives)
            raise metric_error(tuple(failure.metrics), wanted, tuple(c.metric for c in self.state.constraints))
        raise SubjectError(
            f"the subject fails as it is, with its default configuration: {failure.message}",
            f"run it by hand until it works, then again; the log is in {os.path.join(self.folder, f'{number:05d}')}",
        )
