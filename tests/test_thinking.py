"""Thinking beside the trials: what a thought may miss, and when it must be dropped."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from knowhy.engine.beliefs import Beliefs
from knowhy.engine.policy import TheoryPolicy
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.decision import Budget, Decision
from knowhy.model.events import BeliefsUpdated, TheoryProposed, TrialCompleted, TrialProposed, TrialStarted
from knowhy.model.job import Job
from knowhy.model.observation import Outcome, Progress
from knowhy.model.space import Space
from knowhy.model.state import State, fold, foreseen
from knowhy.model.theory import Theory
from knowhy.model.trial import Proposal
from knowhy.theorists.builtin import Builtin
from knowhy.thinking import Thinker
from planted import SPACE, created, trial

SMALL = Space(SPACE.parameters[:3])
SAID = Theory("T900", "a person's own", "seen before", ("dropout does not matter for val_loss",), "person")


class Laid:
    """A subject that leaves the point with the executor below."""

    def __init__(self) -> None:
        self.proposals: dict[int, Proposal] = {}

    def prepare(self, proposal: Proposal, required: Sequence[str], folder: str) -> Job:
        self.proposals[proposal.trial] = proposal
        return Job(proposal.trial, (), folder, "", "", tuple(required))


class Hurried:
    """An executor whose trials end as soon as somebody waits: always faster than any thought."""

    def __init__(self, laid: Laid) -> None:
        self._laid = laid
        self._submitted: list[int] = []

    def submit(self, job: Job) -> None:
        self._submitted.append(job.trial)

    def wait(self, timeout: float) -> list[tuple[int, Outcome]]:
        ended, self._submitted = self._submitted, []
        points = [self._laid.proposals[n] for n in ended]
        return [(p.trial, trial({**SPACE.defaults(), **p.point}, p.seed)) for p in points]

    def progress(self, trial: int) -> Progress | None:
        return None

    def cancel(self, trial: int) -> None:
        self._submitted.remove(trial)

    def close(self) -> None:
        self._submitted.clear()


def studied(journal: MemoryJournal, trials: int, workers: int) -> State:
    beliefs, laid = Beliefs(), Laid()
    journal.append([created(space=SMALL)])
    limits = Limits(trials, None, workers)
    return run(journal, laid, Hurried(laid), TheoryPolicy(beliefs), [Builtin()], beliefs, limits=limits, folder="")


def test_trials_that_end_within_one_thought_share_what_it_taught() -> None:
    journal = MemoryJournal()
    state = studied(journal, 16, 3)
    events = [r.event for r in journal.read()]
    assert sorted(state.order) == list(range(1, 17))
    updates = [e for e in events if isinstance(e, BeliefsUpdated)]
    predicted = [n for n in state.order if state.trials[n].proposal.predictions]
    assert [u.trial for u in updates if u.surprise is not None] == predicted
    whole = [u for u in updates if u.beliefs]
    assert len(whole) < len(updates)
    assert updates[-1] is whole[-1]
    assert updates[-1].trial == state.order[-1]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_trial_is_predicted_before_it_starts_and_starts_once(workers: int) -> None:
    journal = MemoryJournal()
    studied(journal, 12, workers)
    events = [r.event for r in journal.read()]
    for number in range(1, 13):
        proposed = [i for i, e in enumerate(events) if isinstance(e, TrialProposed) and e.proposal.trial == number]
        started = [i for i, e in enumerate(events) if isinstance(e, TrialStarted) and e.trial == number]
        ended = [i for i, e in enumerate(events) if isinstance(e, TrialCompleted) and e.trial == number]
        assert len(proposed) == len(started) == len(ended) == 1
        assert proposed < started < ended


class Interrupted(TheoryPolicy):
    """While the fifth trial is decided for the first time, a person adds a theory."""

    def __init__(self, beliefs: Beliefs, journal: MemoryJournal) -> None:
        super().__init__(beliefs)
        self._journal = journal
        self.said = threading.Event()
        self.numbers: list[int] = []

    def decide(self, state: State, budget: Budget) -> Decision:
        if state.next_trial == 5 and not self.said.is_set():
            self._journal.append([TheoryProposed(replace(SAID, after=len(state.order)), 0.3)])
            self.said.set()
        self.numbers.append(state.next_trial)
        return super().decide(state, budget)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_thought_that_a_person_overtook_is_dropped_and_had_again(workers: int) -> None:
    journal, beliefs, laid = MemoryJournal(), Beliefs(), Laid()
    journal.append([created(space=SMALL)])
    policy = Interrupted(beliefs, journal)
    limits = Limits(12, None, workers)
    state = run(journal, laid, Hurried(laid), policy, [Builtin()], beliefs, limits=limits, folder="")
    assert policy.numbers.count(5) == 2
    assert sorted(state.order) == list(range(1, 13))
    assert "T900" in state.beliefs
    assert len({t.id for t in state.theories.values()}) == len(state.theories)


class Broken(TheoryPolicy):
    def decide(self, state: State, budget: Budget) -> Decision:
        raise ZeroDivisionError("a defect")


def test_a_defect_in_a_thought_reaches_whoever_takes_it() -> None:
    beliefs = Beliefs()
    thinker = Thinker(Broken(beliefs), [], beliefs, aside=True)
    state = foreseen(fold([]), [created(space=SMALL)])
    thinker.start(state, Budget(5), 1, reflect=False)
    with pytest.raises(ZeroDivisionError):
        thinker.take(None)
    assert not thinker.busy
    thinker.close()
