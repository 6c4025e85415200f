"""Process trees: who belongs to one, what it holds, and how to end it.

Imported by the keeper: see there what it may import.
"""

from __future__ import annotations

import contextlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TOKEN = "KNOWHY_JOB"
KERNEL_PARENT_DIED = 1
KERNEL_SUBREAPER = 36


def prctl(option: int, value: int) -> bool:
    """Set a process attribute by the prctl system call; False where the system has none."""
    if sys.platform != "linux":
        return False
    try:
        import ctypes

        return int(ctypes.CDLL(None).prctl(option, value, 0, 0, 0)) == 0
    except (ImportError, OSError, AttributeError):
        return False


def descendants(pid: int, token: str) -> list[Any]:
    """Processes below ``pid``, and (where ``token`` is not empty) all whose environment carries it."""
    import psutil

    found: dict[int, Any] = {}
    with contextlib.suppress(psutil.Error):
        found = {p.pid: p for p in psutil.Process(pid).children(recursive=True)}
    if token:
        for p in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if p.pid not in (pid, os.getpid()) and p.environ().get(TOKEN) == token:
                    found[p.pid] = p
    return list(found.values())


def send(processes: list[Any], signals: tuple[int, ...]) -> None:
    """Send ``signals`` to psutil processes (psutil checks that a pid was not taken over by another process)."""
    import psutil

    for number in signals:
        for p in processes:
            with contextlib.suppress(psutil.Error, OSError):
                p.send_signal(number)


def memory_of(pid: int, limit: int) -> int:
    """Bytes resident below ``pid``; above ``limit`` counted again with shared pages shared out (Linux)."""
    import psutil

    below = descendants(pid, "")
    total = 0
    for p in below:
        with contextlib.suppress(psutil.Error):
            total += p.memory_info().rss
    if total <= limit or sys.platform != "linux":
        return total
    total = 0
    for p in below:
        with contextlib.suppress(psutil.Error):
            total += p.memory_full_info().pss
    return total


def kernel_kills() -> int:
    """How many processes the kernel has killed for want of memory since boot; 0 where it does not say."""
    with contextlib.suppress(OSError, ValueError), open("/proc/vmstat") as file:
        for line in file:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def tasks_below(pid: int) -> int:
    """Processes and threads below ``pid``, from one pass over /proc; 0 where there is none."""
    parents: dict[int, tuple[int, int]] = {}
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdecimal():
                with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
                    parents[int(name)] = int(fields[1]), int(fields[17])
    children: dict[int, list[int]] = {}
    for child, (parent, _) in parents.items():
        children.setdefault(parent, []).append(child)
    total, left = 0, list(children.get(pid, ()))
    while left:
        child = left.pop()
        total += parents[child][1]
        left += children.get(child, ())
    return total
