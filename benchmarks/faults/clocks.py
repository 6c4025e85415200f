"""Jumps of the wall clock by a day: time-outs, budgets and the lease go by clocks that nobody sets."""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from benchmarks.faults import controller
from benchmarks.faults.promises import Promise, Round
from benchmarks.studies import Result
from knowhy import compose
from knowhy.engine.mind import Mind
from knowhy.errors import StudyLockedError
from knowhy.execution.local import LocalExecutor
from knowhy.journal import SqliteJournal
from knowhy.loop import Limits, run
from knowhy.model.events import Event, Record, TrialStarted
from knowhy.model.state import State
from knowhy.samplers.classic import ClassicSampler
from knowhy.samplers.policy import SamplerPolicy

JUMPS, DAY, TIMEOUT = 5, 86400.0, 15.0  # a trial takes a fraction of a second, on a busy machine some


class Jumping(SqliteJournal):
    """A journal at whose appends of a start the wall clock of this process jumps."""

    jump = 0.0
    jumps = 0

    def append(self, events: Iterable[Event]) -> list[Record]:
        batch = list(events)
        records = super().append(batch)
        if any(isinstance(event, TrialStarted) for event in batch) and type(self).jumps < JUMPS:
            type(self).jumps += 1
            type(self).jump += random.choice((DAY, -DAY))
        return records


def perform(task: Round) -> Result:
    """A study with five jumps, in two runs; its third trial hangs. Budget: an hour. Then the same for its lease."""
    random.seed(task.number)
    counts: Counter[str] = Counter()
    notes: list[str] = []
    real = time.time
    Jumping.jump, Jumping.jumps = 0.0, 0
    time.time = lambda: real() + Jumping.jump
    try:
        with tempfile.TemporaryDirectory(prefix="knowhy-clocks-") as folder:
            home = Path(folder) / "home"
            controller.begin(home, pause=0.0, seed=task.number)
            script = home / "train.py"
            hang = 'if os.path.basename(os.getcwd()) == "00003":\n    time.sleep(600)\n'
            script.write_text(script.read_text().replace('tell("start")\n', f'tell("start")\n{hang}'))
            began = time.monotonic()
            for trials in (4, 8):
                state = _run(home, trials)
            seconds = time.monotonic() - began
            counts["jumps"] = Jumping.jumps
            failed = {t.proposal.trial: t.failure for t in state.failed}
            if len(state.completed) != 7 or list(failed) != [3]:
                notes.append(f"{len(state.completed)} of 7 completed, failed: {failed}; {state.ended}")
            hung = failed.get(3)
            if hung is None or hung.kind != "timeout" or not TIMEOUT <= hung.duration < TIMEOUT + 5:
                notes.append(f"the trial that hangs: {hung}")
            long = [t for t in state.completed if t.observation.duration > TIMEOUT]
            if long or state.spent > seconds + 1:
                notes.append(f"{len(long)} durations and {state.spent:.0f} s in all, of {seconds:.0f} s that passed")
            counts["wrong_durations"] += len(long)
            notes += _lease(home)
    finally:
        time.time = real
    return {**counts, "wrong": len(notes), "notes": [f"{task.name}: {text}" for text in notes]}


def _run(home: Path, trials: int) -> State:
    """Run the study to ``trials`` with two workers."""
    mind = Mind()
    with Jumping(home / "study" / "journal.db") as journal:
        return run(
            journal,
            compose.script(str(home / "train.py"), timeout=TIMEOUT),
            LocalExecutor(2),
            SamplerPolicy("random", ClassicSampler("random", 0)),
            [],
            mind.beliefs,
            limits=Limits(trials, 3600.0, 2),
            folder=str(home / "study" / "trials"),
        )


def _lease(home: Path) -> list[str]:
    """A lease that is held stays so through a jump of a day, and its records keep their order."""
    wrong = []
    path = home / "study" / "journal.db"
    with SqliteJournal(path) as holder, holder.lease():
        for jump in (DAY, -DAY):
            Jumping.jump += jump
            with SqliteJournal(path) as other:
                seen = other.holder()
                if seen is None or not seen.holds or seen.silent > 60:
                    wrong.append(f"after a jump of {jump:g} s the lease is {seen}")
                try:
                    with other.lease():
                        wrong.append("the lease was taken over for a jump of the clock")
                except StudyLockedError:
                    pass
            holder.refresh()
        times = [record.time for record in holder.read()]
    runs = [b - a for a, b in pairwise(times)]
    backward = sum(1 for step in runs if step < -DAY / 2)
    if backward + sum(1 for step in runs if step > DAY / 2) > 2:  # where another process began, at most
        wrong.append(f"{backward} records lie a day before the one before")
    return wrong


PROMISE = Promise(
    "clock jumps",
    "time-outs, budgets and lease unmoved",
    perform,
    full=6,
    short=1,
    bar=lambda counts: counts["wrong"] == 0 and counts["jumps"] > 0,
)
