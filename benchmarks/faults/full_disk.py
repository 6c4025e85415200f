"""Disk full, read-only, broken: an error at every write of the journal, and at every write of a trial's folder."""

from __future__ import annotations

import builtins
import errno
import io
import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.faults import controller, disk
from benchmarks.faults.controller import Plan
from benchmarks.faults.disk import Op, tapped
from benchmarks.faults.promises import Promise, Round
from benchmarks.studies import Result
from knowhy.engine.mind import Mind
from knowhy.errors import JournalError, KnowhyError, StorageError
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.journal import SqliteJournal, check
from knowhy.loop import Limits, run
from knowhy.model.events import StudyCreated
from knowhy.model.objective import Objective
from knowhy.model.observation import Observation
from knowhy.model.space import Space, real
from knowhy.model.state import State, fold
from knowhy.samplers.classic import ClassicSampler
from knowhy.samplers.policy import SamplerPolicy

TRIALS = 3
STEP = 6  # operations between two errors of a round
ERRORS = ("ENOSPC", "EROFS", "EIO")
_CODES: dict[str, dict[str, int]] = {
    "ENOSPC": {"write": disk.FULL, "sync": disk.FULL, "create": disk.CANTOPEN, "truncate": disk.IOERR_TRUNCATE},
    "EROFS": {"write": disk.READONLY, "sync": disk.IOERR_FSYNC, "create": disk.CANTOPEN, "truncate": disk.READONLY},
    "EIO": {"write": disk.IOERR_WRITE, "sync": disk.IOERR_FSYNC, "create": disk.CANTOPEN},
}


class Failing:
    """Lets ``good`` operations through, and refuses all that follow: a disk stays full."""

    def __init__(self, good: int, kind: str) -> None:
        self.left, self.kind, self.seen, self.refused = good, kind, 0, 0

    def __call__(self, op: Op) -> int:
        """Through, or the code of the error."""
        self.seen += 1
        if self.left > 0:
            self.left -= 1
            return 0
        self.refused += 1
        return _CODES[self.kind].get(op.kind, disk.IOERR_DELETE)


def _study(path: Path, hashes: dict[int, str]) -> State:
    """A study of three trials in this process; what was acknowledged is put into ``hashes``."""
    mind = Mind()
    with SqliteJournal(path) as journal:
        append = journal.append

        def told(events: Any) -> Any:
            records = append(events)
            hashes.update({record.seq: record.hash for record in records})
            return records

        journal.append = told  # type: ignore[method-assign]
        if not list(journal.read()):
            space = Space((real("x", 0.0, 1.0, 0.5),))
            journal.append([StudyCreated("full", (Objective("val_loss"),), space, 0, {"kind": "test"}, "test")])
        return run(
            journal,
            InlineSubject(),
            InlineExecutor(lambda point, seed: Observation({"val_loss": float(point["x"] or 0)}, 1.0)),
            SamplerPolicy("random", ClassicSampler("random", 0)),
            [],
            mind.beliefs,
            limits=Limits(TRIALS),
            folder="unused",
        )


def writes() -> int:
    """How many operations on files a whole study makes."""
    counter = Failing(10**9, "EIO")
    with tempfile.TemporaryDirectory(prefix="knowhy-full-") as folder, tapped(counter):
        _study(Path(folder) / "s" / "journal.db", {})
    return counter.seen


def journal_errors(task: Round) -> Result:
    """One kind of error at every sixth operation, all of them over six rounds: a clear error, and then it goes on."""
    kind, start = ERRORS[task.number % 3], task.number // 3
    counts: Counter[str] = Counter()
    notes: list[str] = []
    for good in range(start, writes(), STEP):
        with tempfile.TemporaryDirectory(prefix="knowhy-full-") as folder:
            path, hashes = Path(folder) / "s" / "journal.db", dict[int, str]()
            failing = Failing(good, kind)
            try:
                with tapped(failing):
                    _study(path, hashes)
            except KnowhyError as error:
                if not isinstance(error, JournalError) or not error.hint:
                    notes.append(f"{kind} at {good}: {type(error).__name__}: {error}")
            except Exception as error:
                notes.append(f"{kind} at {good}: not a named error: {type(error).__name__}: {error}")
            counts["errors"] += 1
            counts["met"] += bool(failing.refused)
            try:
                state = _study(path, {})
                with SqliteJournal(path) as journal:
                    there = {record.seq: record.hash for record in journal.read()}
                lost = [seq for seq, hash in hashes.items() if there.get(seq) != hash]
                counts["lost"] += len(lost)
                if lost:
                    notes.append(f"{kind} at {good}: records {lost} were acknowledged and are gone")
                if len(state.completed) != TRIALS or state.failed or not check(path).ok:
                    notes.append(f"{kind} at {good}: it did not go on: {state.ended}")
            except Exception as error:
                notes.append(f"{kind} at {good}: it did not go on: {type(error).__name__}: {error}")
    return {**counts, "lost": counts["lost"], "wrong": len(notes), "notes": notes}


@contextmanager
def _refusing(number: int, good: int, below: str, seen: Counter[str]) -> Iterator[None]:
    """After ``good`` of them, changes below the folder ``below`` by this process fail with the error ``number``."""

    def guarded(function: Callable[..., Any], path_at: int = 0, mode_at: int | None = None) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            path = arguments[path_at] if len(arguments) > path_at else ""
            mode = arguments[mode_at] if mode_at is not None and len(arguments) > mode_at else named.get("mode", "w")
            reads = mode_at is not None and isinstance(mode, str) and not set(mode) & set("wax+")
            if not reads and isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(below):
                seen["changes"] += 1
                if seen["changes"] > good:
                    seen["refused"] += 1
                    raise OSError(number, os.strerror(number), os.fspath(path))
            return function(*arguments, **named)

        return call

    kept = os.mkdir, os.symlink, builtins.open, io.open
    os.mkdir, os.symlink = guarded(os.mkdir), guarded(os.symlink, 1)
    builtins.open = io.open = guarded(builtins.open, 0, 1)  # type: ignore[assignment]
    try:
        yield
    finally:
        os.mkdir, os.symlink, builtins.open, io.open = kept  # type: ignore[assignment]


def folder_errors(task: Round) -> Result:
    """An error at some change of the trials' folders: the study pauses, no trial fails for it, and it goes on."""
    rng = random.Random(task.number)
    kind = ERRORS[task.number % 3]
    counts: Counter[str] = Counter()
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="knowhy-full-") as folder:
        home = Path(folder) / "home"
        controller.begin(home, pause=0.0, seed=task.number)
        (home / "data.csv").write_text("1,2\n" * 100)
        (home / "large.bin").write_bytes(bytes(400_000))
        for good in (0, rng.randrange(1, 12), rng.randrange(1, 25)):
            seen: Counter[str] = Counter()
            trials = controller.state_of(home).finished + 4
            try:
                with _refusing(getattr(errno, kind), good, str(home / "study" / "trials"), seen):
                    controller.control(home, Plan(trials), lambda text: None)
                if seen["refused"]:
                    notes.append(f"{kind} after {good}: nobody was told")
            except StorageError as error:
                counts["pauses"] += 1
                if not error.hint or "paused" not in controller.state_of(home).ended:
                    notes.append(f"{kind} after {good}: {error.message}: {controller.state_of(home).ended}")
            except Exception as error:
                notes.append(f"{kind} after {good}: {type(error).__name__}: {error}")
            state = controller.control(home, Plan(trials), lambda text: None)
            counts["errors"] += 1
            if len(state.completed) != trials or state.failed:
                lost = [f"{t.proposal.trial}: {t.failure.message}" for t in state.failed]
                notes.append(f"{kind} after {good}: {len(state.completed)} of {trials} trials; failed: {lost}")
                counts["lost"] += 1
        with SqliteJournal(home / "study" / "journal.db") as journal:
            fold(journal.read())
    return {**counts, "lost": counts["lost"], "wrong": len(notes), "notes": notes}


def _kept(counts: Any) -> bool:
    return counts["lost"] == 0 and counts["wrong"] == 0 and counts["errors"] > 0


JOURNAL = Promise(
    "disk errors in the journal", "a clear error, 0 lost, goes on", journal_errors, full=18, short=1, bar=_kept
)
FOLDERS = Promise("disk errors in folders", "pauses, 0 lost, goes on", folder_errors, full=12, short=1, bar=_kept)
PROMISES = (JOURNAL, FOLDERS)
