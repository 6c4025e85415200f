"""Who controls a study, as its journal tells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Controller:
    """The process that holds a study's lease.

    ``since`` is seconds since 1970; ``silent`` the seconds since its last sign of life. ``alive`` is None where that
    cannot be seen from here (another machine or container). ``holds`` is False once its lease may be taken over.
    """

    host: str
    pid: int
    since: float
    silent: float
    alive: bool | None
    holds: bool
