"""Trials in the same process, for benchmarks and tests that need no isolation: nothing on disk, no time-outs."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from knowhy.execution.collect import Report, judge
from knowhy.execution.emit import as_number
from knowhy.model.job import Job
from knowhy.model.observation import Failure, FailureKind, Observation, Outcome, Progress
from knowhy.model.space import Point
from knowhy.model.trial import Proposal

_PARAMS, _SEED = "KNOWHY_PARAMS", "KNOWHY_SEED"

InlineFunction = Callable[[Point, int], Mapping[str, float] | Outcome]


class InlineSubject:
    """Lays out a proposal as a job for ``InlineExecutor``: point and seed travel in the job's environment."""

    def prepare(self, proposal: Proposal, required: Sequence[str], folder: str) -> Job:
        """The job that runs ``proposal``; ``folder`` is not touched."""
        env = {_PARAMS: json.dumps(dict(proposal.point)), _SEED: str(proposal.seed)}
        return Job(proposal.trial, (), folder, "", "", tuple(required), env)


class InlineExecutor:
    """Runs ``function(params, seed)`` at ``submit``; ``wait`` hands out what has ended.

    The function returns metrics, or an outcome as it stands. What it raises is a failure of kind "exit"
    (MemoryError: "out_of_memory"); KeyboardInterrupt and SystemExit pass through.
    """

    def __init__(self, function: InlineFunction) -> None:
        self._function = function
        self._ready: deque[tuple[int, Outcome]] = deque()

    def submit(self, job: Job) -> None:
        """Run ``job`` to its end."""
        started = time.perf_counter()
        try:
            result = self._function(json.loads(job.env[_PARAMS]), int(job.env[_SEED]))
            outcome = result if isinstance(result, (Observation, Failure)) else _judged(job, result, started)
        except Exception as error:
            message = f"{type(error).__name__}: {error}".removesuffix(": ")
            kind: FailureKind = "out_of_memory" if isinstance(error, MemoryError) else "exit"
            outcome = judge(job.required, Report(), time.perf_counter() - started, cause=(kind, message), exit_code=1)
        self._ready.append((job.trial, outcome))

    def wait(self, timeout: float) -> list[tuple[int, Outcome]]:
        """Everything that has ended; never blocks, as nothing runs in between."""
        ended = list(self._ready)
        self._ready.clear()
        return ended

    def progress(self, trial: int) -> Progress | None:
        """None: what is run has ended."""
        return None

    def cancel(self, trial: int) -> None:
        """Forget the outcome of ``trial``."""
        self._ready = deque(item for item in self._ready if item[0] != trial)

    def close(self) -> None:
        """Forget what was not handed out."""
        self._ready.clear()


def _judged(job: Job, result: Mapping[str, float], started: float) -> Outcome:
    report = Report({name: as_number(name, value) for name, value in result.items()})
    return judge(job.required, report, time.perf_counter() - started)
