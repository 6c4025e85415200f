"""Locked files: checked before a job starts and after it has ended, whatever runs it."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from knowhy.model.job import Job
from knowhy.model.observation import Failure, Outcome, Progress

_SHOWN = 3


class Runner(Protocol):
    """What is guarded: an executor."""

    def submit(self, job: Job) -> None:
        """Start ``job``."""
        ...

    def wait(self, timeout: float) -> list[tuple[int, Outcome]]:
        """Jobs that ended."""
        ...

    def progress(self, trial: int) -> Progress | None:
        """The curves of ``trial`` so far."""
        ...

    def cancel(self, trial: int) -> None:
        """End the job of ``trial``."""
        ...

    def close(self) -> None:
        """End everything."""
        ...


@dataclass(frozen=True, slots=True)
class _Watched:
    """A job, and the state of its locked files when it started."""

    job: Job
    states: Mapping[str, tuple[int, ...]]


class GuardedExecutor:
    """``inner``, with the locked files of each job compared before and after.

    A trial whose locked files changed fails with the kind "tampered", whatever it reported, and its numbers do not
    count. The scratch folder of a job is removed once it has ended.
    """

    def __init__(self, inner: Runner) -> None:
        """Guard the jobs of ``inner``."""
        self._inner = inner
        self._watched: dict[int, _Watched] = {}
        self._ended: list[tuple[int, Outcome]] = []
        self._left: list[str] = []

    def submit(self, job: Job) -> None:
        """Start ``job`` if its locked files are what they should be; else it ends at once, as tampered with."""
        states = {path: _state(path) for path in job.locked}
        wrong = [path for path, seal in job.locked.items() if _seal(path, seal) != seal]
        if wrong:
            message = f"before it ran, {_named(wrong, job)} was not what it was when the study began"
            self._ended.append((job.trial, Failure("tampered", message, 0.0)))
            self._left.append(job.scratch)
            return
        self._watched[job.trial] = _Watched(job, states)
        self._inner.submit(job)

    def wait(self, timeout: float) -> list[tuple[int, Outcome]]:
        """Jobs that ended, waiting at most ``timeout`` seconds for the first."""
        ended, self._ended = self._ended, []
        for trial, outcome in self._inner.wait(0.0 if ended else timeout):
            watched = self._watched.pop(trial, None)
            ended.append((trial, outcome if watched is None else _checked(watched, outcome)))
            if watched is not None:
                _remove(watched.job.scratch)
        return ended

    def progress(self, trial: int) -> Progress | None:
        """The curves of ``trial`` so far."""
        return self._inner.progress(trial)

    def cancel(self, trial: int) -> None:
        """End the job of ``trial``; no outcome is reported for it."""
        watched = self._watched.pop(trial, None)
        if watched is not None:
            self._left.append(watched.job.scratch)
        self._ended = [item for item in self._ended if item[0] != trial]
        self._inner.cancel(trial)

    def close(self) -> None:
        """End everything that still runs, and remove what it had checked out."""
        self._inner.close()
        for scratch in (*self._left, *(w.job.scratch for w in self._watched.values())):
            _remove(scratch)
        self._watched.clear()
        self._left.clear()


def _checked(watched: _Watched, outcome: Outcome) -> Outcome:
    job = watched.job
    wrong = [
        path for path, seal in job.locked.items() if _state(path) != watched.states[path] and _seal(path, seal) != seal
    ]
    if not wrong:
        return outcome
    message = (
        f"it changed {_named(wrong, job)}, which trials must leave as it is; "
        "if it is meant to be written, name it with --writes"
    )
    tail = outcome.log_tail if isinstance(outcome, Failure) else ""
    return Failure("tampered", message, outcome.duration, tail)


def _named(paths: list[str], job: Job) -> str:
    names = [os.path.relpath(path, job.folder) for path in paths]
    names = [name if not name.startswith("../../..") else path for name, path in zip(names, paths, strict=True)]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _state(path: str) -> tuple[int, ...]:
    """What changes with every write: where it has not, the content need not be read again."""
    try:
        found = os.lstat(path)
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _seal(path: str, like: str) -> str:
    """What ``path`` is now, in the form of ``like``: a SHA-256, or size and time; "" where it is not there."""
    try:
        if ":" in like:
            found = os.stat(path)
            return f"{found.st_size}:{found.st_mtime_ns}"
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return ""
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _remove(scratch: str) -> None:
    """Remove a folder and what is read-only in it."""
    if not scratch:
        return

    def again(function: object, name: str, _: object) -> None:
        try:
            os.chmod(os.path.dirname(name), stat.S_IRWXU)
            os.unlink(name)
        except OSError:
            return

    shutil.rmtree(scratch, onerror=again)
