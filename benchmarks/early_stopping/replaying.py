"""Trainings as jobs whose curves grow step by step, on a clock that counts steps: studies come out the same each time.

A training runs to its end when it is submitted, and is shown as far as the clock has come. So it is known of trials
that are stopped how they would have ended.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.early_stopping.trainings import Step, Training
from knowhy.model.job import Job
from knowhy.model.observation import Curve, Failure, Observation, Outcome, Progress
from knowhy.model.trial import Proposal


@dataclass
class Course:
    """The whole of a training, and how much of it has been shown."""

    steps: list[Step]
    shown: int = 0

    @property
    def seconds(self) -> float:
        """Seconds of training up to what has been shown."""
        return sum(s.seconds for s in self.steps[: self.shown])


def curves(steps: Sequence[Step]) -> dict[str, Curve]:
    """The finite points of each metric."""
    found: dict[str, list[tuple[float, float]]] = {}
    for s in steps:
        for name, value in s.metrics.items():
            if math.isfinite(value):
                found.setdefault(name, []).append((s.step, value))
    return {n: Curve(*zip(*points, strict=True)) for n, points in found.items() if len(points) > 1}


def outcome(training: Training, steps: Sequence[Step]) -> Outcome:
    """What a training that has ended amounts to; one second a step."""
    last = steps[-1].metrics
    metric = training.objective.metric
    if not all(map(math.isfinite, last.values())) or abs(last[metric]) > 1e6:
        return Failure("nan", f"{metric} is no number at step {steps[-1].step:g}", float(len(steps)))
    return Observation(dict(last), float(len(steps)), curves(steps))


class Replaying:
    """Subject and executor in one: runs one training at a time and shows one more step with each ``wait``."""

    def __init__(self, training: Training) -> None:
        self._training = training
        self._running: dict[int, Course] = {}
        self.courses: dict[int, Course] = {}

    def prepare(self, proposal: Proposal, required: Sequence[str], folder: str) -> Job:
        """The job that runs ``proposal``."""
        env = {"POINT": json.dumps(dict(proposal.point)), "SEED": str(proposal.seed)}
        return Job(proposal.trial, (), folder, "", "", tuple(required), env)

    def submit(self, job: Job) -> None:
        """Train."""
        course = Course(self._training.run(json.loads(job.env["POINT"]), int(job.env["SEED"])))
        self._running[job.trial] = self.courses[job.trial] = course

    def wait(self, timeout: float) -> list[tuple[int, Outcome]]:
        """One more step of each; those that have come to their end."""
        ended = []
        for trial, course in list(self._running.items()):
            course.shown += 1
            if course.shown >= len(course.steps):
                course.shown = len(course.steps)
                ended.append((trial, outcome(self._training, course.steps)))
                del self._running[trial]
        return ended

    def progress(self, trial: int) -> Progress | None:
        """What has been shown of ``trial``."""
        course = self._running.get(trial)
        return None if course is None else Progress(curves(course.steps[: course.shown]), float(course.shown))

    def cancel(self, trial: int) -> None:
        """Show no more of ``trial``."""
        self._running.pop(trial, None)

    def close(self) -> None:
        """Nothing runs."""
        self._running.clear()
