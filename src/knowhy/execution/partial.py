"""The curves of a job that still runs, read as they grow: each look takes what is new, up to a bound, and no more.

What is read belongs to the trial and may be anything: the files are opened as ``text.read_bounded`` opens them, only
whole lines count, and what is kept is bounded whatever is printed. When the trial has ended, ``collect`` reads all.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Sized
from dataclasses import replace
from typing import Any

from knowhy.execution.boundedlog import HEAD_BYTES
from knowhy.execution.collect import Report, add_curve, as_required, numbers_of, on_steps
from knowhy.execution.printed import Reading, readings_in
from knowhy.model.job import Job
from knowhy.model.observation import Curve

LOOK_BYTES = 1 << 16
"""How much of each file one look reads at most."""
_MOST = 2000
_NAMES = 60


class PartialCurves:
    """The curves that a job has reported so far, printed or in its result file; the latter win."""

    def __init__(self, job: Job) -> None:
        """Begin at the start of what ``job`` writes."""
        self._required = job.required
        self._lines = _Growing(job.result_path)
        self._log = _Growing(job.log_path, settled=HEAD_BYTES)
        self._printed: dict[str, list[Reading]] = {}
        self._reported: dict[str, list[tuple[float | None, float]]] = {}
        self._thinned: set[str] = set()

    def read(self) -> dict[str, Curve]:
        """The curves after one more look, on the steps that they would have at the end."""
        text = b"\n".join(self._log.more()).decode("utf-8", errors="replace")
        for name, found in readings_in(text).items() if text else ():
            known = self._printed.setdefault(name, []) if self._room(name, self._printed) else []
            for reading in found:
                # The end of a long log is read more than once: only what goes on from the last step is new.
                if not self._log.repeats or (known and _later(known[-1], reading)):
                    known.append(replace(reading, line=""))
            self._thin(name, known)
        for line in self._lines.more():
            numbers = numbers_of(line)
            step = numbers.pop("step", None)
            for name, value in numbers.items():
                points = self._reported.setdefault(name, []) if self._room(name, self._reported) else []
                points.append((step, value))
                self._thin(name, points)
        report = Report()
        for name, readings in self._printed.items():
            # Once points were left out, their order says nothing of how far the training is.
            if name not in self._thinned or any(reading.steps for reading in readings):
                add_curve(report, name, on_steps(readings))
        for name, pairs in self._reported.items():
            report.curves.pop(name, None)
            stepped = [(step, value) for step, value in pairs if step is not None and math.isfinite(step)]
            if len(stepped) < 2 and name not in self._thinned:
                stepped = [(float(i), value) for i, (_, value) in enumerate(pairs, start=1)]
            add_curve(report, name, stepped)
        return as_required(report.curves, self._required)

    def _room(self, name: str, known: Sized) -> bool:
        return len(known) < _NAMES or name in self._printed or name in self._reported

    def _thin(self, name: str, points: list[Any]) -> None:
        if len(points) > _MOST:
            del points[1:-1:2]
            self._thinned.add(name)


def _later(one: Reading, two: Reading) -> bool:
    """Whether ``two`` stands at a later step than ``one``."""
    return any(key in two.steps and two.steps[key] > step for key, step in one.steps.items())


class _Growing:
    """A file that is written to: its whole lines, each once up to ``settled`` bytes.

    Beyond that the end is written anew now and then, and is given again each time (``repeats``).
    """

    def __init__(self, path: str, settled: int | None = None) -> None:
        self._path, self._settled = path, settled
        self._at, self._size = 0, 0
        self.repeats = False

    def more(self) -> list[bytes]:
        """The whole lines that are new, as far as one look reaches."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return []
        with os.fdopen(fd, "rb") as file:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode) or (self.repeats and info.st_size == self._size):
                return []
            self._size = info.st_size
            if self._at == self._settled:
                self.repeats = True
                start = max(self._settled, self._size - LOOK_BYTES)
                file.seek(start)
                return file.read(LOOK_BYTES).split(b"\n")[int(start > self._settled) : -1]
            if self._size < self._at:
                self._at = 0  # written anew
            file.seek(self._at)
            room = LOOK_BYTES if self._settled is None else min(LOOK_BYTES, self._settled - self._at)
            data = file.read(room)
        end = data.rfind(b"\n") + 1
        # A line that is longer than a look, or cut where the end of the log begins, is not waited for.
        given_up = len(data) == room and (not end or self._at + room == self._settled)
        self._at += len(data) if given_up else end
        return data[:end].split(b"\n")[:-1] if end else []
