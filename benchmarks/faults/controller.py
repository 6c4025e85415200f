"""A study of a small script, run by a forked controller whose ports may kill it at a named moment.

Nothing in the package knows of failpoints: they are in the ports that stand here around the real ones.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.faults.disk import Op, tapped
from knowhy import compose
from knowhy.engine.mind import Mind
from knowhy.engine.policy import TheoryPolicy
from knowhy.errors import KnowhyError, StudyLockedError
from knowhy.execution.local import LocalExecutor
from knowhy.journal import SqliteJournal
from knowhy.loop import Limits, run
from knowhy.model.controller import Controller
from knowhy.model.events import Event, Record, StudyCreated
from knowhy.model.job import Job
from knowhy.model.objective import Objective
from knowhy.model.observation import Outcome, Progress
from knowhy.model.state import State, fold
from knowhy.model.trial import Completed, Proposal
from knowhy.ports import Executor, Journal, Policy, Subject
from knowhy.samplers.classic import ClassicSampler
from knowhy.samplers.policy import SamplerPolicy
from knowhy.theorists.builtin import Builtin

SCRIPT = """\
import os, random, time
LEARNING_RATE = 0.01
DROPOUT = 0.1
random.seed(7)
noise = random.random()
def tell(word):
    file = os.open(os.path.join("..", "..", "ran.txt"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{os.path.basename(os.getcwd())} {os.getpid()} {word} {time.monotonic()}\\n".encode())
    os.close(file)
tell("start")
for step in range(1, 5):
    print(f"step {step} val_loss: {9.0 / step + LEARNING_RATE}", flush=True)
    time.sleep(PAUSE)
    tell("tick")
print(f"val_loss: {LEARNING_RATE + DROPOUT + noise / 100:.12f}", flush=True)
tell("end")
"""
LOCKED, FAILED, DONE = 7, 8, 0


@dataclass(frozen=True)
class Plan:
    """How a controller runs, and where it is to die: at the ``count``-th time that ``point`` is reached."""

    trials: int
    workers: int = 2
    strategy: str = "random"
    point: str = ""
    count: int = 1
    stale_after: float = 900.0
    steady: bool = False


class Deadly:
    """Knows when to die."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._seen = plan, Counter[str]()

    def reach(self, *points: str) -> None:
        """Be at these points, and die where the plan says so."""
        for point in points:
            self._seen[point] += 1
            if point == self._plan.point and self._seen[point] == self._plan.count:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)

    def tap(self, op: Op) -> int:
        """Die in the middle of a commit."""
        self.reach(f"before {op.kind} of file")
        return 0


class DeadlyJournal:
    """The journal ``inner``; says through ``told`` what it acknowledged."""

    def __init__(self, inner: Journal, deadly: Deadly, told: Callable[[str], None]) -> None:
        self._inner, self._deadly, self._told = inner, deadly, told

    def append(self, events: Iterable[Event]) -> list[Record]:
        batch = list(events)
        names = [type(event).__name__ for event in batch]
        self._deadly.reach("before write", *(f"before {name}" for name in names))
        records = self._inner.append(batch)
        for record in records:
            self._told(f"{record.seq} {record.hash} {time.monotonic()}\n")
        self._deadly.reach("after write", *(f"after {name}" for name in names))
        return records

    def read(self, after: int = 0) -> Iterator[Record]:
        return self._inner.read(after)

    def refresh(self) -> None:
        self._deadly.reach("refresh")
        self._inner.refresh()

    def holder(self) -> Controller | None:
        return self._inner.holder()

    def lease(self) -> AbstractContextManager[None]:
        return self._inner.lease()


class DeadlySubject:
    """The subject ``inner``."""

    def __init__(self, inner: Subject, deadly: Deadly) -> None:
        self._inner, self._deadly = inner, deadly

    def prepare(self, proposal: Proposal, required: Sequence[str], folder: str) -> Job:
        self._deadly.reach("before layout")
        job = self._inner.prepare(proposal, required, folder)
        self._deadly.reach("after layout")
        return job


class DeadlyExecutor:
    """The executor ``inner``; ``steady`` gives all trials one and the same duration."""

    def __init__(self, inner: Executor, deadly: Deadly, *, steady: bool) -> None:
        self._inner, self._deadly, self._steady = inner, deadly, steady

    def submit(self, job: Job) -> None:
        self._deadly.reach("before launch")
        self._inner.submit(job)
        self._deadly.reach("after launch")

    def wait(self, timeout: float) -> list[tuple[int, Outcome]]:
        ended = self._inner.wait(timeout)
        if ended:
            self._deadly.reach("before collect")
        return [(n, replace(o, duration=1.0)) if self._steady else (n, o) for n, o in ended]

    def progress(self, trial: int) -> Progress | None:
        return self._inner.progress(trial)

    def cancel(self, trial: int) -> None:
        self._inner.cancel(trial)

    def close(self) -> None:
        self._deadly.reach("before close")
        self._inner.close()


_SIDES = ("RunStarted", "TrialProposed", "TrialStarted", "TrialCompleted", "BeliefsUpdated", "RunEnded", "write",
          "layout", "launch")  # fmt: skip
_OTHERS = ("collect", "close", "create of file", "write of file", "sync of file", "delete of file")
FAILPOINTS = (
    *(f"{side} {name}" for name in _SIDES for side in ("before", "after")),
    *(f"before {name}" for name in _OTHERS),
    "refresh",
)


def begin(home: Path, *, pause: float = 0.02, seed: int = 0) -> None:
    """Lay out the script and begin its study in ``home``."""
    home.mkdir(parents=True)
    (home / "train.py").write_text(SCRIPT.replace("PAUSE", repr(pause)))
    space = compose.script(str(home / "train.py")).space
    with SqliteJournal(home / "study" / "journal.db") as journal:
        created = StudyCreated("faults", (Objective("val_loss"),), space, seed, {"kind": "script"}, "test")
        journal.append([created])


@dataclass
class Child:
    """A controller that was forked, and the end of a pipe on which it tells what it acknowledged."""

    pid: int
    pipe: int
    told: str = ""

    def read(self) -> list[tuple[int, str, float]]:
        """Everything acknowledged so far: number, hash and the moment (monotonic)."""
        while self.pipe >= 0 and select.select([self.pipe], [], [], 0)[0] and (data := os.read(self.pipe, 1 << 16)):
            self.told += data.decode()
        whole = self.told.rpartition("\n")[0]
        return [(int(a), b, float(c)) for a, b, c in (line.split() for line in whole.splitlines())]

    def kill(self) -> None:
        """SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)

    def join(self, seconds: float = 120.0) -> int | None:
        """Its exit code (negative for a signal); None where it still runs after ``seconds``."""
        deadline = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.read()
                os.close(self.pipe)
                self.pipe = -1
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > deadline:
                return None
            self.read()
            time.sleep(0.005)


def start(home: Path, plan: Plan) -> Child:
    """Fork a controller of the study in ``home``."""
    sys.stdout.flush()
    sys.stderr.flush()
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write_end)
        return Child(pid, read_end)
    code = FAILED
    try:
        os.close(read_end)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        control(home, plan, lambda text: os.write(write_end, text.encode()) and None)
        code = DONE
    except StudyLockedError as error:
        code = LOCKED
        (home / f"locked-{os.getpid()}.txt").write_text(error.message)
    except KnowhyError as error:
        (home / f"error-{os.getpid()}.txt").write_text(f"{type(error).__name__}: {error.message}")
    except BaseException:
        (home / f"error-{os.getpid()}.txt").write_text(traceback.format_exc())
    os._exit(code)


def control(home: Path, plan: Plan, told: Callable[[str], None]) -> State:
    """Run the study in ``home`` as ``plan`` says."""
    deadly = Deadly(plan)
    mind = Mind()
    policy: Policy = TheoryPolicy(mind.beliefs)
    if plan.strategy != "theory":
        policy = SamplerPolicy(plan.strategy, ClassicSampler(plan.strategy, 0))
    files = tapped(deadly.tap) if plan.point.endswith("of file") else nullcontext()
    with files, SqliteJournal(home / "study" / "journal.db", stale_after=plan.stale_after) as journal:
        return run(
            DeadlyJournal(journal, deadly, told),
            DeadlySubject(compose.script(str(home / "train.py"), timeout=60.0), deadly),
            DeadlyExecutor(LocalExecutor(plan.workers), deadly, steady=plan.steady),
            policy,
            [Builtin()] if plan.strategy == "theory" else [],
            mind.beliefs,
            limits=Limits(plan.trials, None, plan.workers),
            folder=str(home / "study" / "trials"),
        )


def state_of(home: Path) -> State:
    """The study as its journal tells."""
    with SqliteJournal(home / "study" / "journal.db", create=False) as journal:
        return fold(journal.read())


def expected(trial: Completed) -> float:
    """What the script prints for the configuration and seed of ``trial``."""
    import random

    point = trial.proposal.point
    noise = random.Random(trial.proposal.seed % 2**32).random()
    return float(f"{float(point['LEARNING_RATE'] or 0) + float(point['DROPOUT'] or 0) + noise / 100:.12f}")
