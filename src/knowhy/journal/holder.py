"""Who holds a study, and whether that process still lives."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Holder:
    """A process, told apart from later ones with the same number.

    ``birth`` is "machine start/process namespace/start of the process"; parts that the system does not tell are empty.
    """

    host: str
    pid: int
    birth: str


def this_process() -> Holder:
    """The calling process."""
    return Holder(socket.gethostname(), os.getpid(), f"{_boot()}/{_namespace()}/{_start(os.getpid())}")


def lives(holder: Holder) -> bool | None:
    """Whether ``holder`` still runs; None where that cannot be seen from here (another machine or container)."""
    if holder.host != socket.gethostname():
        return None
    boot, _, rest = holder.birth.partition("/")
    namespace, _, start = rest.partition("/")
    if boot != _boot():
        return False
    if namespace != _namespace():
        return None
    return start != "" and _start(holder.pid) == start


def same_machine(holder: Holder) -> bool:
    """Whether ``holder`` was written since this machine started, on this machine (in whatever container)."""
    boot = holder.birth.partition("/")[0]
    return holder.host == socket.gethostname() and bool(boot) and boot == _boot()


def locker(path: Path) -> int | None:
    """The process of this machine that keeps the file at ``path`` locked; None where the system does not tell."""
    try:
        found = path.stat()
    except OSError:
        return None
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for line in _read_text("/proc/locks").splitlines():
        columns = line.split()
        if len(columns) > 5 and columns[5] == place and columns[4].isdigit() and int(columns[4]) != os.getpid():
            return int(columns[4]) or None
    return None


def suspended(pid: int) -> bool:
    """Whether the process ``pid`` has been stopped by a signal or a debugger."""
    try:
        return bool(psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP))
    except psutil.Error:
        return False


def _boot() -> str:
    return _read_text("/proc/sys/kernel/random/boot_id")


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _start(pid: int) -> str:
    """When process ``pid`` started, as text that never changes during its life; empty if it has ended."""
    stat = _read_text(f"/proc/{pid}/stat")
    if stat:
        # Ticks since the machine started: psutil's create_time moves when the clock is set.
        state, *columns = stat.rpartition(")")[2].split()
        return "" if state in "ZX" else columns[18]
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.0f}"
    except psutil.Error:
        return ""


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""
