"""What a trial showed: numbers, curves, or a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

LARGEST = 1e100
"""Numbers beyond this (either way) count as infinite: no training measures them, and their squares overflow."""

FailureKind = Literal[
    "nan",
    "inf",
    "no_metric",
    "exit",
    "timeout",
    "out_of_memory",
    "limit",
    "setup",
    "lost",
    "pruned",
    "patch",
    "tampered",
]
SAYS_NOTHING: tuple[FailureKind, ...] = ("lost", "setup", "pruned")
"""Kinds that say nothing about the configuration: a lost worker, a full disk, somebody who ended the trial early."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A metric over the course of a trial; ``steps`` and ``values`` have the same length."""

    steps: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Observation:
    """A trial that finished: its metrics (derived diagnostics included), curves and seconds.

    Every metric is a finite number, of at most ``LARGEST``.
    """

    metrics: Mapping[str, float]
    duration: float
    curves: Mapping[str, Curve] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """A trial that did not finish with numbers.

    ``kind`` is the distinct cause ("limit": it went beyond its processes or its room on the disk; "tampered": it
    ended with numbers that are not to be believed), ``message`` one line, ``log_tail`` the end of what it printed,
    ``metrics`` and ``curves`` what it still reported (finite numbers only). ``can_pass`` where the cause lay outside
    of the trial and may be gone at another attempt (its worker was lost, the disk was full, others took the memory).
    """

    kind: FailureKind
    message: str
    duration: float
    log_tail: str = ""
    exit_code: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    can_pass: bool = False


Outcome = Observation | Failure


@dataclass(frozen=True, slots=True)
class Progress:
    """What a job that still runs has reported so far (as far as it has been read), after ``seconds``."""

    curves: Mapping[str, Curve]
    seconds: float
