"""The keeper: a small process between the controller and one job, which answers for the job's whole process tree.

It is the parent of the script and a child subreaper (Linux), so descendants that fork twice or call setsid
stay below it and can all be found. It ends the tree when the script ends, at the time-out, above the memory
limit, when the controller closes the control pipe and when the controller dies (the same pipe then reads as
closed). It alone reads what the script prints, so a flood of output never reaches the controller.

It runs as ``python -I -S``, without site-packages, and every trial waits for its start: hence only small modules of
the standard library in this module and those that it imports (typing and json would double the time), with psutil
imported late, from the folder that the controller names. ``BOOT`` also skips the package's ``__init__``.

Protocol: an ``Order`` in marshal's format on stdin, after its length in 4 bytes; the pipe then stays open for as long
as the job may run. An ``Account`` on stdout, as a Python literal.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import signal
import sys
import time

from knowhy.execution import confine
from knowhy.execution.boundedlog import BoundedLog
from knowhy.execution.room import Room
from knowhy.execution.tree import (
    KERNEL_PARENT_DIED,
    KERNEL_SUBREAPER,
    descendants,
    kernel_kills,
    memory_of,
    prctl,
    send,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypedDict

    class Order(TypedDict):
        """What the controller asks for; paths are absolute, ``packages`` is the folder that holds psutil.

        ``program``, ``rules`` and ``file_size`` (0: no bound) are for ``confine``; ``monitored`` says that the command
        is a monitor that must not be asked to end. ``disk`` bounds the bytes in the folders ``watched``.
        """

        argv: list[str]
        folder: str
        log: str
        timeout: float | None
        memory: int | None
        grace: float
        token: str
        packages: str
        program: bytes
        rules: confine.Rules | None
        monitored: bool
        processes: int
        file_size: int
        disk: int | None
        watched: list[str]

    class Account(TypedDict):
        """How it ended: ``exit`` as in ``os.waitstatus_to_exitcode``, ``message``: what failed here, ``peak`` bytes."""

        reason: str
        exit: int | None
        duration: float
        message: str
        peak: int
        left_out: int
        kernel_oom: bool


BOOT = (
    "import sys; package = type(sys)('knowhy'); package.__path__ = [sys.argv[1]]; sys.modules['knowhy'] = package; "
    "from knowhy.execution.keeper import main; main()"
)
_KILL_SECONDS = 1.2


class Keeper:
    """Runs one job; ``run`` returns its account when nothing of its tree is left."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._parent = os.getppid()
        self._subreaper = prctl(KERNEL_SUBREAPER, 1)
        self._script = 0
        self._status: int | None = None
        self._alone = False
        self._peak = 0
        self._room = Room(order["watched"], order["disk"], order["processes"])
        self._output, self._output_end = os.pipe()
        self._wake, wake_end = os.pipe()
        for fd in (self._output, self._wake, wake_end):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        self._stop = False
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, self._on_term)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        self._poll = select.poll()
        for fd in (0, self._output, self._wake):
            self._poll.register(fd, select.POLLIN)

    def _on_term(self, number: int, frame: object) -> None:
        self._stop = True

    def run(self) -> Account:
        """Run the job to its end."""
        order = self._order
        killed_before = kernel_kills()
        try:
            log = BoundedLog(order["log"])
        except OSError as error:
            return _account("setup", message=f"the log {order['log']} cannot be written: {error.strerror}")
        started = time.monotonic()
        problem = self._spawn()
        if problem:
            os.waitpid(self._script, 0)
            log.close()
            return _account("setup", message=problem)
        reason = self._watch(log, started)
        duration = time.monotonic() - started
        self._end_tree(log, gentle=reason not in ("memory", "processes", "disk"))
        self._drain(log)
        log.close()
        account = _account(reason, message=self._room.excess or log.error)
        account["exit"] = None if self._status is None else os.waitstatus_to_exitcode(self._status)
        account["duration"] = duration
        account["peak"] = self._peak
        account["left_out"] = log.left_out
        account["kernel_oom"] = account["exit"] in (-9, 137) and kernel_kills() > killed_before
        return account

    def _spawn(self) -> str:
        """Start the script in a session of its own; what went wrong, or an empty string."""
        order = self._order
        report, report_end = os.pipe()
        keeper = os.getpid()
        self._script = os.fork()
        if self._script == 0:
            try:
                os.setsid()
                prctl(KERNEL_PARENT_DIED, signal.SIGKILL)
                if os.getppid() != keeper:
                    os._exit(1)
                _prepare_child(self._output_end, order["folder"])
                confine.enter(order["program"], order["rules"], order["processes"], order["file_size"])
                os.execvp(order["argv"][0], order["argv"])
            except BaseException as error:
                os.write(report_end, f"{order['argv'][0]} cannot be started: {error}".encode())
                os._exit(127)
        os.close(report_end)
        os.close(self._output_end)
        problem = b""
        while chunk := os.read(report, 4096):
            problem += chunk
        os.close(report)
        return problem.decode(errors="replace")

    def _watch(self, log: BoundedLog, started: float) -> str:
        """Wait for the script to end, or for a reason to end it."""
        timeout, limit = self._order["timeout"], self._order["memory"]
        deadline = started + timeout if timeout is not None else float("inf")
        check = started + 0.02 if limit is not None else float("inf")
        while self._status is None:
            now = time.monotonic()
            if now >= deadline:
                return "timeout"
            if limit is not None and now >= check:
                used = memory_of(os.getpid(), limit)
                self._peak = max(self._peak, used)
                if used > limit:
                    return "memory"
                cost = time.monotonic() - now
                # A process can touch a few GB a second: look again before it could have crossed the rest.
                check = now + min(0.25, max(0.02, 20 * cost, (limit - used) / 4e9))
            if over := self._room.over(now):
                return over
            if self._stop or os.getppid() != self._parent:
                return "cancelled"
            if self._step(log, min(deadline, check, self._room.due, now + 1.0) - now):
                return "cancelled"
        return "ended"

    def _step(self, log: BoundedLog, seconds: float) -> bool:
        """Serve what is ready within ``seconds``; True where the controller has closed the control pipe."""
        closed = False
        for fd, _ in self._poll.poll(max(0, int(seconds * 1000) + 1)):
            if fd == self._output:
                if not _pump(fd, log):
                    self._poll.unregister(fd)
            elif fd == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.read(fd, 4096)
            elif not os.read(fd, 4096):
                self._poll.unregister(fd)
                closed = True
        self._reap()
        return closed

    def _reap(self) -> None:
        """Collect children that ended; ``_alone`` once there are none (and, as subreaper, no descendants)."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._alone = True
                return
            if pid == 0:
                return
            if pid == self._script:
                self._status = status

    def _end_tree(self, log: BoundedLog, gentle: bool) -> None:
        """End all that is left: SIGTERM and the grace first where ``gentle``, then SIGKILL."""
        self._reap()
        if self._alone and self._subreaper:
            return
        token = "" if self._subreaper else self._order["token"]
        if gentle:
            self._signal(token, (signal.SIGTERM, signal.SIGCONT))
            self._until_empty(log, time.monotonic() + self._order["grace"], lambda: None, token)
        give_up = time.monotonic() + _KILL_SECONDS
        self._until_empty(log, give_up, lambda: self._signal(token, (signal.SIGKILL,)), token)

    def _signal(self, token: str, signals: tuple[int, ...]) -> None:
        spared = self._order["monitored"] and signal.SIGKILL not in signals
        if self._status is None and not spared:
            with contextlib.suppress(OSError):
                for number in signals:
                    os.killpg(self._script, number)
        # A monitor that ends takes the job with it at once: signals that ask are for the job alone.
        send([p for p in descendants(os.getpid(), token) if not spared or p.pid != self._script], signals)

    def _until_empty(self, log: BoundedLog, deadline: float, again: Callable[[], None], token: str) -> None:
        """Serve output and ends until the tree is empty or ``deadline``; ``again`` runs at every turn."""
        while not self._alone or (token and descendants(os.getpid(), token)):
            now = time.monotonic()
            if now >= deadline:
                return
            again()
            self._step(log, min(0.05, deadline - now))

    def _drain(self, log: BoundedLog) -> None:
        """Take what is still in the pipe, without waiting for a process that holds its other end."""
        with contextlib.suppress(OSError):
            for _ in range(64):
                if not _pump(self._output, log):
                    return


def _pump(fd: int, log: BoundedLog) -> bool:
    """Move one chunk of output to the log; False at the end of the stream or where nothing is there."""
    try:
        data = os.read(fd, 1 << 18)
    except BlockingIOError:
        return False
    log.write(data)
    return bool(data)


def _prepare_child(output: int, folder: str) -> None:
    """In the forked child: streams, signals, folder; no core files; first to go when the system lacks memory."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")
    os.chdir(folder)


def _account(reason: str, message: str = "") -> Account:
    return {
        "reason": reason,
        "exit": None,
        "duration": 0.0,
        "message": message,
        "peak": 0,
        "left_out": 0,
        "kernel_oom": False,
    }


def main() -> None:
    """Read an order from stdin, run it, write the account to stdout and leave at once."""
    data = os.read(0, 4)
    size = int.from_bytes(data, "big")
    data = b""
    while len(data) < size:
        chunk = os.read(0, size - len(data))
        if not chunk:
            return
        data += chunk
    try:
        order: Order = marshal.loads(data)
        sys.path.append(order["packages"])
        account = Keeper(order).run()
    except Exception as error:
        account = _account("setup", message=f"{type(error).__name__}: {error}")
    with contextlib.suppress(OSError):
        os.write(1, repr(account).encode())
    os._exit(0)
