"""Clocks that nobody can set back while a study runs."""

from __future__ import annotations

import time

_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", None)


def _passing() -> float:
    """Seconds that pass, sleep of the machine included where the system can tell."""
    return time.monotonic() if _SINCE_BOOT is None else time.clock_gettime(_SINCE_BOOT)


class SteadyClock:
    """Seconds since 1970 as the wall clock had them at the start, and from there by seconds that pass.

    Setting the wall clock, by a day or by a second, moves no record of a process that runs.
    """

    def __init__(self) -> None:
        """Take the wall clock as it stands."""
        self._start = time.time() - _passing()

    def __call__(self) -> float:
        """Now."""
        return self._start + _passing()


def tick() -> float:
    """Seconds that all processes of this machine count alike, sleep of the machine left out: see ``lease``."""
    return time.monotonic()
