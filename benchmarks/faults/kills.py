"""Kills at random times and at named failpoints: what was acknowledged is there, once, and the study ends."""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.faults import controller
from benchmarks.faults.controller import DONE, FAILPOINTS, Child, Plan
from benchmarks.faults.promises import Promise, Round
from benchmarks.studies import Result
from knowhy.execution import leftovers
from knowhy.journal import SqliteJournal, check
from knowhy.model.events import TrialCompleted, TrialFailed, TrialProposed
from knowhy.model.state import State

KILLS = 5
_ENDLESS = 10_000


class Account:
    """What is held against the study in ``home``."""

    def __init__(self, home: Path, name: str) -> None:
        self.home, self.name = home, name
        self.counts: Counter[str] = Counter()
        self.notes: list[str] = []
        self.acknowledged: dict[int, str] = {}

    def fault(self, kind: str, text: str, amount: int = 1) -> None:
        """Count something that must not be."""
        self.counts[kind] += amount
        self.notes.append(f"{self.name}: {text}")

    def after_kill(self, child: Child) -> None:
        """What a killed controller had acknowledged must be in the journal."""
        self.acknowledged |= {seq: hash for seq, hash, _ in child.read()}
        with SqliteJournal(self.home / "study" / "journal.db", create=False) as journal:
            there = {record.seq: record.hash for record in journal.read()}
        lost = [seq for seq, hash in self.acknowledged.items() if there.get(seq) != hash]
        if lost:
            self.fault("lost", f"records {lost[:5]} were acknowledged and are gone", len(lost))

    def survivors(self, seconds: float = 5.0) -> None:
        """Nothing of the study's trials may run ``seconds`` after the controller's end."""
        start = f"{leftovers.place(str(self.home / 'study' / 'trials' / '00001'))}-"
        began = time.monotonic()
        while left := [p for p in leftovers.psutil.process_iter() if leftovers._token(p).startswith(start)]:
            if time.monotonic() - began > seconds:
                self.fault("survivors", f"{len(left)} processes outlived their controller", len(left))
                return
            time.sleep(0.05)

    def at_the_end(self, state: State, trials: int) -> None:
        """Every trial ended once, with the number of its own configuration and seed."""
        with SqliteJournal(self.home / "study" / "journal.db", create=False) as journal:
            events = [record.event for record in journal.read()]
        ends = Counter(e.trial for e in events if isinstance(e, (TrialCompleted, TrialFailed)))
        proposed = [e.proposal.trial for e in events if isinstance(e, TrialProposed)]
        for number, count in ends.items():
            if count != 1:
                self.fault("double", f"trial {number} ended {count} times", count - 1)
        if len(proposed) != len(set(proposed)):
            self.fault("double", "a trial was proposed twice")
        if state.pending or not state.ended or len(ends) != trials:
            stuck = max(1, len(state.pending))
            self.fault("stuck", f"{len(ends)} of {trials} ended, {stuck} pending: {state.ended}", stuck)
        for trial in state.failed:
            self.fault("lost", f"trial {trial.proposal.trial} failed: {trial.failure.message}")
        for done in state.completed:
            found = done.observation.metrics["val_loss"]
            if abs(found - controller.expected(done)) > 1e-9:
                self.fault("mixed", f"trial {done.proposal.trial} has {found}, not {controller.expected(done)}")
        if not check(self.home / "study" / "journal.db").ok:
            self.fault("damaged", "the hash chain does not hold")
        self.counts["trials"] += len(ends)
        self.counts["runs_again"] += sum(
            1 for line in (self.home / "study" / "ran.txt").read_text().splitlines() if " start " in line
        ) - len(ends)

    def result(self) -> Result:
        """The counts, as a result of the harness."""
        kinds = ("lost", "double", "stuck", "mixed", "damaged", "survivors")
        return {**{kind: self.counts[kind] for kind in kinds}, **self.counts, "notes": self.notes}


def random_kills(task: Round) -> Result:
    """Five kills at random times of a study with two workers, then its end."""
    rng = random.Random(task.number)
    with tempfile.TemporaryDirectory(prefix="knowhy-kills-") as folder:
        home = Path(folder) / "home"
        controller.begin(home, seed=task.number)
        account = Account(home, task.name)
        for _ in range(KILLS):
            child = controller.start(home, Plan(_ENDLESS))
            time.sleep(rng.choice((rng.uniform(0.0, 0.3), rng.uniform(0.2, 1.5))))
            child.kill()
            if child.join() != -9:
                account.fault("stuck", "it ended by itself")
            account.after_kill(child)
            account.counts["kills"] += 1
            if rng.random() < 0.5:  # else the next controller meets what the last one left running
                account.survivors()
        return _finish(account)


def named_kills(task: Round) -> Result:
    """Two kills at one named failpoint, at different times of its study."""
    rng = random.Random(task.number)
    point = FAILPOINTS[task.number % len(FAILPOINTS)]
    with tempfile.TemporaryDirectory(prefix="knowhy-kills-") as folder:
        home = Path(folder) / "home"
        controller.begin(home, seed=task.number)
        account = Account(home, f"{task.name} ({point})")
        last = point in ("before close", "before RunEnded", "after RunEnded")
        for _ in range(2):
            # What happens once a run is met at the end of a short one; the rest somewhere in a long one.
            once = last or point.endswith("RunStarted")
            there = controller.state_of(home).next_trial - 1
            plan = Plan(there + 4 if last else _ENDLESS, point=point, count=1 if once else rng.randint(1, 12))
            if "BeliefsUpdated" in point:
                plan = Plan(_ENDLESS, strategy="theory", point=point, count=rng.randint(1, 3))
            child = controller.start(home, plan)
            if child.join() != -9:
                account.fault("unreached", "the failpoint was not reached")
            else:
                account.after_kill(child)
                account.counts["kills"] += 1
        return _finish(account)


def exact(task: Round) -> Result:
    """One worker, the theory strategy, durations made equal: six kills, and the proposals of an uninterrupted run."""
    rng = random.Random(task.number)
    trials = 12
    with tempfile.TemporaryDirectory(prefix="knowhy-exact-") as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        plan = Plan(trials, workers=1, strategy="theory", steady=True)
        for home in (whole, killed):
            controller.begin(home, pause=0.0, seed=task.number)
        account = Account(killed, task.name)
        began = time.monotonic()
        if controller.start(whole, plan).join(600) != DONE:
            account.fault("stuck", "the uninterrupted run did not end")
        seconds = time.monotonic() - began
        for _ in range(6):
            child = controller.start(killed, plan)
            time.sleep(rng.uniform(0.0, seconds / 4))
            child.kill()
            if child.join() == -9:
                account.after_kill(child)
                account.counts["kills"] += 1
        if controller.start(killed, plan).join(600) != DONE:
            account.fault("stuck", "it did not end")
        one, two = controller.state_of(whole), controller.state_of(killed)
        account.at_the_end(two, trials)
        for number, trial in one.trials.items():
            a, b = trial.proposal, two.trials[number].proposal if number in two.trials else None
            if b is None or (dict(a.point), a.seed, a.purpose) != (dict(b.point), b.seed, b.purpose):
                account.fault("differing", f"trial {number} is {b and dict(b.point)}, uninterrupted {dict(a.point)}")
        return {**account.result(), "differing": account.counts["differing"]}


def _finish(account: Account) -> Result:
    """Let the study run to its end, and look at all of it."""
    trials = controller.state_of(account.home).next_trial - 1 + 4
    child = controller.start(account.home, Plan(trials))
    code = child.join(300)
    if code is None:
        child.kill()
        child.join()
    if code != DONE:
        told = " ".join(path.read_text() for path in account.home.glob("error-*.txt"))
        account.fault("stuck", f"the last run ended with {code}: {told[-300:]}")
    account.after_kill(child)
    account.at_the_end(controller.state_of(account.home), trials)
    account.survivors()
    return account.result()


def _clean(counts: object) -> bool:
    assert isinstance(counts, dict)
    wrong = ("lost", "double", "stuck", "mixed", "damaged", "survivors", "unreached", "differing")
    return not any(counts.get(kind) for kind in wrong) and counts.get("kills", 0) > 0


PROMISES = (
    Promise("kills at random times", "0 lost, 0 double, 0 stuck", random_kills, full=40, short=2, bar=_clean),
    Promise(
        "kills at named failpoints", "0 lost, 0 double, 0 stuck", named_kills, full=len(FAILPOINTS), short=4, bar=_clean
    ),
    Promise("exact resume", "the proposals of an uninterrupted run", exact, full=5, short=1, bar=_clean),
)
