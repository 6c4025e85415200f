"""THE LOOP: journal -> state -> beliefs -> decision -> job -> event -> journal.

Everything that happens is appended to the journal before anything rests on it, and the state is only ever
the fold of what was appended. Thinking goes on beside the trials (see ``thinking``); this thread alone writes.
A run that is killed at any point goes on from there: trials that were proposed are run, trials that were running
are run again under their own number, and what had ended is never run again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from knowhy import retries
from knowhy.baseline import metric_error
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.diagnostics import derive
from knowhy.engine.policy import MENDABLE
from knowhy.errors import JournalError, PatchError, StorageError, SubjectError, can_pass
from knowhy.ledger import Ledger
from knowhy.model.decision import Budget
from knowhy.model.events import (
    RunEnded,
    RunStarted,
    TrialCompleted,
    TrialFailed,
    TrialStarted,
    TrialWithdrawn,
)
from knowhy.model.observation import Failure, Observation, Outcome
from knowhy.model.space import same_point
from knowhy.model.state import State
from knowhy.model.trial import Running
from knowhy.ports import Executor, Journal, Policy, Subject, Theorist
from knowhy.thinking import Conclusion, Thinker
from knowhy.watching import Watch

INSTANT, SLOW = 0.2, 20.0  # seconds: a single worker whose trials are shorter or longer waits, and decides knowing more
HEARING = 0.25  # seconds between two looks at what others have written
UNLUCKY = 3
DONE = "the budget is spent"
STOPPED = "stopped by the person"
MEND = "free some space, or mend the permissions; the same command goes on, and nothing that ended is lost"


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
    judged: Callable[[State], None] = lambda state: None,
    stop: Callable[[], bool] = lambda: False,
    stopping: Watch | None = None,
) -> State:
    """Run a study until its budget is spent, ``stop`` says so, or nothing is left to decide; returns its state.

    ``folder`` is where trials get theirs. ``watch`` sees every new state; ``judged`` those whose beliefs are new,
    on the thread that thinks, where the engine can be asked at no one's cost. ``stopping`` decides which trials are not
    worth their end (None: all run to it). Raises SubjectError or
    MetricError when the default configuration itself does not work, JournalError when nothing more can be written,
    StorageError when trials cannot be laid out or logged; after the last two, the same call goes on.
    """
    # A single worker takes turns with the thinking, so that what is proposed never hangs on how long a thought took.
    thinker = Thinker(policy, theorists, beliefs, judged, aside=limits.workers > 1)
    loop = Loop(journal, subject, executor, policy, thinker, limits, folder, watch, stopping)
    with journal.lease():
        try:
            return loop.run(stop)
        finally:
            executor.close()
            thinker.close()


class Loop:
    """The state of a study that goes on, and the steps by which it does; ``run`` is the whole of it."""

    def __init__(
        self,
        journal: Journal,
        subject: Subject,
        executor: Executor,
        policy: Policy,
        thinker: Thinker,
        limits: Limits,
        folder: str,
        watch: Callable[[State], None],
        stopping: Watch | None = None,
    ) -> None:
        self.stopping = stopping
        self.journal, self.subject, self.executor = journal, subject, executor
        self.policy, self.thinker = policy, thinker
        self.limits, self.folder = limits, folder
        self.ledger = Ledger(journal, watch)
        self.running: set[int] = set()
        self.retries = retries.Retries()
        self.began = time.monotonic()
        self.places: dict[int, str] = {}  # where the trials that were started here have their folders
        self.due = not self.state.theories or self.behind  # whether beliefs are to be updated
        self.idle = ""  # why the policy proposes nothing more
        self.pace = 0.0  # seconds that the last thoughts took
        self.heard = 0.0  # when others were listened to

    @property
    def state(self) -> State:
        """The study as the journal has it."""
        return self.ledger.state

    @property
    def behind(self) -> bool:
        """Whether the trial that ended last has not been thought about."""
        order, updates = self.state.order, self.state.updates
        return bool(order) and (not updates or updates[-1].trial != order[-1])

    def run(self, stop: Callable[[], bool]) -> State:
        """Launch, think, collect; until there is nothing more to do."""
        limits = self.limits
        self.ledger.catch_up()  # the lease is held from here on
        again = [] if self.state.ended else retries.cut_off(self.state)
        self.ledger.append(RunStarted(limits.trials, limits.budget, limits.workers, self.policy.name), *again)
        self.began = time.monotonic()
        try:
            self.end_run(self.work(stop))
        except StorageError as error:
            with suppress(JournalError):
                self.end_run(f"paused: {error.message}")
            raise
        return self.state

    def work(self, stop: Callable[[], bool]) -> str:
        """The run itself; why it ends."""
        reason = STOPPED
        while not stop():
            self.hear()
            self.launch()
            self.think()
            if not self.running and not self.thinker.busy:
                if self.due or self.behind:
                    # A thought was dropped, or beliefs lack their last word, whatever the policy's pace.
                    self.due = True
                    continue
                reason = self.idle or DONE
                break
            self.journal.refresh()
            if self.running:
                ended = self.executor.wait(0.02 if self.thinker.busy else 0.25)
                # What completed is written down before anything that may end the run.
                for trial, outcome in sorted(ended, key=lambda item: isinstance(item[1], Failure)):
                    self.running.discard(trial)
                    self.end(trial, outcome)
                if not ended:  # a worker that has become free comes first
                    self.stop_hopeless()
        if reason == STOPPED:
            self.write(self.thinker.take(None))
        else:
            self.ledger.append(*(TrialWithdrawn(t.proposal.trial, reason) for t in self.state.pending))
        return reason

    def end_run(self, reason: str) -> None:
        """Write down why the run ends, and how long it took by a clock that nobody sets."""
        self.ledger.append(RunEnded(reason, round(time.monotonic() - self.began, 3)))

    def hear(self) -> None:
        """Take in what others have written, every now and then: theories, parameters, requests for trials."""
        now = time.monotonic()
        if now - self.heard >= HEARING:
            self.heard, known = now, self.state.seq
            self.ledger.catch_up()
            if self.state.seq != known:
                self.idle = ""

    def launch(self) -> None:
        """Start what is proposed, and again what was running when an earlier run ended."""
        if len(self.running) >= self.limits.workers:
            return
        for trial in self.state.pending:
            number = trial.proposal.trial
            if len(self.running) >= self.limits.workers or number in self.running:
                continue
            before = trial.attempt if isinstance(trial, Running) else 0
            if (self.spent() and not before) or self.retries.holds_back(number, self.running):
                continue
            failure = retries.poisonous(number, before)
            if failure is None:
                self.ledger.append(TrialStarted(number, before + 1))
                self.places[number] = retries.fresh_folder(self.folder, number)
                try:
                    metrics = tuple(o.metric for o in self.state.objectives)
                    self.executor.submit(self.subject.prepare(trial.proposal, metrics, self.places[number]))
                    self.running.add(number)
                    continue
                except (SubjectError, OSError) as error:
                    if isinstance(error, OSError) and can_pass(error):
                        raise StorageError(f"trial {number} cannot be started: {error}", MEND) from error
                    failure = Failure("patch" if isinstance(error, PatchError) else "setup", str(error), 0.0)
            self.ledger.append(TrialFailed(number, failure))
            self.due, self.idle = True, ""
            self.refuse_broken(failure, number)

    def think(self) -> None:
        """Write down a thought that is there, start what it proposes, and begin the next where there is a reason to."""
        self.write(self.thinker.take(0.0 if self.running else 0.25))
        self.launch()
        if self.thinker.busy:
            return
        ready = 0 if self.spent() else self.ready()
        if self.due or (not self.idle and len(self.state.pending) < ready):
            budget = Budget(self.limits.trials, self.limits.budget)
            self.thinker.start(self.state, budget, ready, reflect=self.due)
            self.due, self.idle = False, ""
            if not self.thinker.aside:
                self.write(self.thinker.take())
                self.launch()

    def write(self, conclusion: Conclusion | None) -> None:
        """Write down what a thought came to, unless others have gone on in a way that it could not know of."""
        if conclusion is None:
            return
        self.pace = max(conclusion.seconds, 0.7 * self.pace)
        self.ledger.catch_up()
        if conclusion.holds(self.state):
            self.idle = conclusion.idle
            self.ledger.append(*conclusion.events)
        else:
            self.due = True

    def ready(self) -> int:
        """How many trials are to be pending, those that run included: as few as keep the workers busy.

        Each is chosen without what the trials before it will have shown. While one of several workers waits, no more
        than they can take, so that it does not wait for what is decided ahead.
        """
        workers = self.limits.workers
        last = sorted(t.observation.duration for t in self.state.completed[-9:])
        usual = last[len(last) // 2] if last else 0.0
        if workers == 1:
            return workers + int(INSTANT < usual < SLOW)
        if len(self.state.pending) < workers:
            return workers
        return workers + (workers if usual < 2 * workers * self.pace else (workers + 1) // 2)

    def spent(self) -> bool:
        """Whether the time is over."""
        budget = self.limits.budget
        return budget is not None and self.state.spent + time.monotonic() - self.began >= budget

    def end(self, number: int, outcome: Outcome) -> None:
        """Write down how a trial ended; it is to be thought about, and the workers are kept busy first."""
        self.retries.alone.discard(number)
        if self.stopping is not None:
            self.stopping.forget(number)
        if isinstance(outcome, Observation):
            derived = derive(outcome.metrics, outcome.curves, outcome.duration)
            outcome = replace(outcome, metrics={**derived, **outcome.metrics})
            absent = [c.metric for c in self.state.constraints if c.metric not in outcome.metrics]
            if absent and not self.state.completed:  # a bound on nothing would rule every trial out
                lacking = f"no number for {', '.join(absent)}, which is to be bounded"
                outcome = Failure("no_metric", lacking, outcome.duration, metrics=outcome.metrics)
        if isinstance(outcome, Observation):
            self.ledger.append(TrialCompleted(number, outcome))
        elif note := self.retries.again(number, outcome, self.attempts(number)):
            self.ledger.append(note)  # it still runs as far as the journal knows, and is launched again
            return
        elif outcome.can_pass and outcome.kind == "setup":
            raise StorageError(f"trial {number} cannot be run: {outcome.message}", MEND)
        else:
            self.ledger.append(TrialFailed(number, outcome))
            self.refuse_broken(outcome, number)
        self.due = self.due or self.policy.reflects(self.state)
        self.idle = ""

    def stop_hopeless(self) -> None:
        """Stop trials that can neither win nor teach any more; while nobody thinks, as the beliefs are asked."""
        if self.stopping is None or self.thinker.busy:
            return
        while (stopped := self.stopping.look(self.state, self.executor, self.running)) is not None:
            self.ledger.append(stopped)  # a run that is cut off here goes on with the trial stopped
            self.executor.cancel(stopped.trial)
            self.running.discard(stopped.trial)
            self.due, self.idle = True, ""

    def attempts(self, number: int) -> int:
        """How often a running trial was started."""
        trial = self.state.trials[number]
        return trial.attempt if isinstance(trial, Running) else 0

    def refuse_broken(self, failure: Failure, number: int) -> None:
        """Stop at once where the subject does not even work as it is: more trials would teach nothing."""
        default = same_point(self.state.trials[number].proposal.point, self.state.space.defaults())
        if any(t.proposal.purpose != "observe" for t in self.state.completed) or failure.kind not in MENDABLE:
            return
        # With a history the default may never run: several trials that all fail say the same.
        if not default and (not self.state.observed or self.state.planned - len(self.state.pending) < UNLUCKY):
            return
        what = "the default configuration failed" if default else "every trial failed"
        self.end_run(f"{what}: {failure.message}")
        if failure.kind == "no_metric":
            wanted = tuple(o.metric for o in self.state.objectives)
            raise metric_error(tuple(failure.metrics), wanted, tuple(c.metric for c in self.state.constraints))
        raise SubjectError(
            f"the subject fails as it is, with its default configuration: {failure.message}",
            f"run it by hand until it works, then again; the log is in {self.places.get(number, self.folder)}",
        )
