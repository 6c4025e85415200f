"""A job under its keeper."""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import dataclass, field
from typing import IO

from knowhy.execution.partial import PartialCurves
from knowhy.execution.sandbox import Plan
from knowhy.model.job import Job
from knowhy.model.observation import Outcome


@dataclass(slots=True)
class Kept:
    """A job under its keeper; ``force_at`` is when the controller stops trusting the keeper to end it.

    ``trial`` is how the job itself ended where this is its evaluation, ``flags`` what was found in between.
    ``accompanied`` says whether others ran beside it; ``partial`` reads its curves once somebody has asked for them.
    """

    job: Job
    token: str
    process: subprocess.Popen[bytes]
    orders: IO[bytes]
    answers: IO[bytes]
    started: float
    force_at: float
    plan: Plan
    cancelled: bool = False
    accompanied: bool = False
    account: bytearray = field(default_factory=bytearray)
    trial: Outcome | None = None
    flags: tuple[str, ...] = ()
    partial: PartialCurves | None = None

    def release(self) -> None:
        """Close the pipes."""
        for pipe in (self.orders, self.answers):
            with contextlib.suppress(OSError):
                pipe.close()
