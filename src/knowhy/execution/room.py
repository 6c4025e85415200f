"""How much room a job takes: processes, and bytes on the disk. Imported by the keeper: see there what it may import."""

from __future__ import annotations

import os
import time

from knowhy.execution.tree import tasks_below

FLOOR = 64 << 20  # bytes that a job may not take from the rest of the machine, whatever its own limit


class Room:
    """Watches the limits of one job; ``over`` is asked often, and looks only when ``due`` (monotonic seconds)."""

    def __init__(self, folders: list[str], disk: int | None, processes: int) -> None:
        """Watch ``folders`` for ``disk`` bytes (None: no bound), and ``processes`` (0: no bound)."""
        self._folders, self._disk, self._processes = folders, disk, processes
        self._tasks = _tasks()
        now = time.monotonic()
        self._disk_due = now + 0.1 if disk is not None else float("inf")
        self._tasks_due = now + 0.02 if processes else float("inf")
        self.excess = ""

    @property
    def due(self) -> float:
        """When to look again."""
        return min(self._disk_due, self._tasks_due)

    def over(self, now: float) -> str:
        """Which limit the job went beyond, as "processes" or "disk"; ``excess`` says more. Empty: none."""
        if now >= self._tasks_due:
            # The machine's count is one small read; the job's own is a walk over all processes.
            if _tasks() - self._tasks > self._processes:
                mine = tasks_below(os.getpid())
                if mine > self._processes:
                    self.excess = f"it ran {mine} processes and threads; its limit is {self._processes}"
                    return "processes"
                self._tasks = _tasks() - mine
            self._tasks_due = time.monotonic() + 0.03
        if self._disk is not None and now >= self._disk_due:
            used = sum(_bytes_below(folder, self._disk) for folder in self._folders)
            if used > self._disk:
                self.excess = f"its folder holds {used >> 20} MiB; its limit is {self._disk >> 20} MiB"
                return "disk"
            if used and any(_free(folder) < FLOOR for folder in self._folders):
                self.excess = "the disk is full"
                return "disk"
            cost = time.monotonic() - now
            # A fast disk takes some 2 GB a second.
            self._disk_due = time.monotonic() + min(2.0, max(0.1, 20 * cost, (self._disk - used) / 2e9))
        return ""


def _tasks() -> int:
    """Processes and threads of the machine."""
    try:
        with open("/proc/loadavg") as file:
            return int(file.read().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return 0


def _free(folder: str) -> int:
    try:
        found = os.statvfs(folder)
    except OSError:
        return FLOOR
    return found.f_bavail * found.f_frsize


def _bytes_below(folder: str, enough: int) -> int:
    """Bytes on the disk of what lies in ``folder``; stops counting above ``enough``."""
    total, left = 0, [folder]
    while left and total <= enough:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    try:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            left.append(entry.path)
                    except OSError:
                        continue
        except OSError:
            continue
    return total
