"""The ports: what the loop needs from the world, as protocols."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from knowhy.model.controller import Controller
from knowhy.model.decision import Budget, Decision
from knowhy.model.events import Event, ExclusionAdded, ParameterChanged, PatchAdded, Record
from knowhy.model.job import Job
from knowhy.model.observation import Outcome, Progress
from knowhy.model.space import Point
from knowhy.model.state import State
from knowhy.model.theory import ParameterRequest, Theory
from knowhy.model.thought import Thought
from knowhy.model.trial import Proposal

Said = Theory | ParameterRequest | Thought | PatchAdded | ParameterChanged | ExclusionAdded
"""What a theorist may say; a patch that it has checked comes as the events by which it joins."""


class Journal(Protocol):
    """An append-only sequence of events. What ``append`` returned is on disk."""

    def append(self, events: Iterable[Event]) -> list[Record]:
        """Write ``events`` at the end, all or none; raises JournalWriteError, JournalDamagedError."""
        ...

    def read(self, after: int = 0) -> Iterator[Record]:
        """Records with ``seq > after``, in order; raises JournalDamagedError where the chain breaks."""
        ...

    def refresh(self) -> None:
        """Say that the holder of the lease is still there; cheap, to be called every now and then."""
        ...

    def holder(self) -> Controller | None:
        """Who holds the study now, or held it when that process ended; None where the last one gave it back."""
        ...

    def lease(self) -> AbstractContextManager[None]:
        """Hold the study for this process; raises StudyLockedError naming the holder."""
        ...


class Sampler(Protocol):
    """A classic strategy: proposes points from the trials so far and nothing else."""

    def suggest(self, state: State, trial: int) -> Point | None:
        """The point to try as ``trial``, or None when a finite strategy (grid) is exhausted."""
        ...


class Policy(Protocol):
    """Decides what to run next, and how often beliefs are worth their time."""

    name: str

    def decide(self, state: State, budget: Budget) -> Decision:
        """The next trials; a decision without proposals means stop. Pure in ``state``."""
        ...

    def reflects(self, state: State) -> bool:
        """Whether beliefs are to be updated now that another trial has ended."""
        ...


class Subject(Protocol):
    """What is experimented on."""

    def prepare(self, proposal: Proposal, required: Sequence[str], folder: str) -> Job:
        """Lay out ``folder`` so that the job runs ``proposal``; raises SubjectError, StorageError."""
        ...


class Executor(Protocol):
    """Where jobs run."""

    def submit(self, job: Job) -> None:
        """Start ``job``; returns at once."""
        ...

    def wait(self, timeout: float) -> list[tuple[int, Outcome]]:
        """Jobs that ended, waiting at most ``timeout`` seconds for the first."""
        ...

    def progress(self, trial: int) -> Progress | None:
        """The curves of ``trial`` so far; None where it does not run, or cannot be looked into while it does."""
        ...

    def cancel(self, trial: int) -> None:
        """End the job of ``trial`` and its whole process tree; no outcome is reported for it."""
        ...

    def close(self) -> None:
        """End everything that still runs."""
        ...


class Theorist(Protocol):
    """Who proposes theories and asks for parameters. It never judges."""

    name: str

    def propose(self, state: State) -> Sequence[Said]:
        """New theories (ids are given by the loop), requests, and thoughts that hold such; never waits.

        Pure in ``state`` for theorists that only compute. Empty when there is nothing new.
        """
        ...
