"""Jobs as processes of this machine, each under a keeper of its own (see ``keeper``)."""

from __future__ import annotations

import ast
import contextlib
import marshal
import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType

import psutil

from knowhy.errors import SandboxError, SettingsError, UsageError, can_pass
from knowhy.execution import integrity, keeper, orders, tree
from knowhy.execution.collect import collect
from knowhy.execution.environment import child_environment
from knowhy.execution.kept import Kept
from knowhy.execution.leftovers import end_leftovers, new_token, place
from knowhy.execution.partial import PartialCurves
from knowhy.execution.sandbox import Plan, Sandbox
from knowhy.model.job import Job
from knowhy.model.observation import Failure, Outcome, Progress

_SLACK = 1.6
_ACCOUNT_BYTES = 1 << 16


class LocalExecutor:
    """Runs up to ``workers`` jobs at a time as child processes; further ones wait in a queue.

    What a job prints is kept in its log up to the first 512 KiB and the last 1.5 MiB. At a time-out the process tree
    gets SIGTERM, ``grace`` seconds, then SIGKILL; a tree that ends, is cancelled or loses its controller goes the
    same way. ``passed`` names variables that trials get beside the allow-list (see ``environment``). Jobs with a
    confinement run in ``sandbox``; where that is None, those that do not require one run without. Methods may be
    called from several threads, ``wait`` from one at a time. Also a context manager that closes itself.
    """

    def __init__(
        self, workers: int, passed: Sequence[str] = (), grace: float = 1.0, sandbox: Sandbox | None = None
    ) -> None:
        """Prepare, starting nothing; raises SettingsError for no workers or a grace outside of 0 to 2 s."""
        if workers < 1:
            raise SettingsError(f"{workers} workers cannot run anything", "set workers to 1 or more")
        if not 0 <= grace <= 2.0:
            raise SettingsError(f"a grace of {grace:g} s is out of range", "set it between 0 and 2 seconds")
        self.workers = workers
        self._passed = tuple(passed)
        self._grace = grace
        self._sandbox = sandbox
        self._lock = threading.RLock()
        self._queue: deque[Job] = deque()
        self._running: dict[int, Kept] = {}
        self._ending: list[Kept] = []
        self._ready: deque[tuple[int, Outcome]] = deque()
        self._closed = False
        self._places: set[str] = set()
        self._wake, self._wake_end = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._wake_end, False)
        weakref.finalize(self, os.close, self._wake)
        weakref.finalize(self, os.close, self._wake_end)

    def __enter__(self) -> LocalExecutor:
        """The executor itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def submit(self, job: Job) -> None:
        """Start ``job``, or queue it for a slot; raises UsageError after ``close`` and for a trial that still runs."""
        with self._lock:
            if self._closed:
                raise UsageError("the executor is closed", "make a new one")
            if job.trial in self._running or any(waiting.trial == job.trial for waiting in self._queue):
                raise UsageError(f"trial {job.trial} is already running", "wait for it, or cancel it first")
            self._queue.append(job)
            self._fill()
        self._notify()

    def wait(self, timeout: float) -> list[tuple[int, Outcome]]:
        """Jobs that ended, as (trial, outcome), waiting at most ``timeout`` seconds for the first."""
        deadline = time.monotonic() + max(0.0, timeout)
        looked = False
        while True:
            with self._lock:
                ended = list(self._ready)
                self._ready.clear()
                watched = {r.answers.fileno(): r for r in (*self._running.values(), *self._ending)}
            now = time.monotonic()
            if ended or self._closed or (looked and now >= deadline):
                return ended
            looked = True
            poll = select.poll()
            for fd in (*watched, self._wake):
                poll.register(fd, select.POLLIN)
            pause = min([deadline, now + 3600.0, *(r.force_at for r in watched.values())]) - now
            for fd, _ in poll.poll(int(pause * 1000) + 1 if pause > 0 else 0):
                if fd == self._wake:
                    with contextlib.suppress(BlockingIOError):
                        os.read(fd, 4096)
                else:
                    self._serve(watched[fd])
            for running in watched.values():
                if not running.answers.closed and time.monotonic() >= running.force_at:
                    self._force(running)

    def progress(self, trial: int) -> Progress | None:
        """The curves of ``trial`` so far: reads what is new, some kilobytes at most; None where it does not run."""
        with self._lock:
            running = self._running.get(trial)
        if running is None or running.trial is not None:
            return None
        running.partial = running.partial or PartialCurves(running.job)
        return Progress(running.partial.read(), time.monotonic() - running.started)

    def cancel(self, trial: int) -> None:
        """End the job of ``trial`` and its whole process tree in the background; no outcome is reported for it."""
        with self._lock:
            self._queue = deque(job for job in self._queue if job.trial != trial)
            self._ready = deque(item for item in self._ready if item[0] != trial)
            running = self._running.pop(trial, None)
            if running is not None:
                self._dismiss(running)
        self._notify()

    def close(self) -> None:
        """End everything that still runs and wait until it has ended (some 3 s as a rule)."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.clear()
            for running in self._running.values():
                self._dismiss(running)
            self._running.clear()
            self._ready.clear()
            ending = list(self._ending)
            self._ending.clear()
        for running in ending:
            try:
                running.process.wait(max(0.0, running.force_at - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._end_by_force(running)
            running.release()
            orders.redact(running.job)
        self._notify()

    def _notify(self) -> None:
        """Let a ``wait`` in another thread look again."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_end, b"x")

    def _fill(self) -> None:
        """Start queued jobs in free slots."""
        # A trial that was cancelled shares its folder with its next attempt, which waits for its end.
        ending = {running.job.trial for running in self._ending}
        while len(self._running) + len(self._ending) < self.workers:
            job = next((job for job in self._queue if job.trial not in ending), None)
            if job is None:
                return
            self._queue.remove(job)
            changed = integrity.changed(job.evaluation.locked) if job.evaluation is not None else ()
            if changed:
                message = f"{changed[0]} is locked, and has changed since the study began: restore it"
                self._ready.append((job.trial, Failure("setup", message, 0.0)))
                continue
            try:
                self._running[job.trial] = self._start(job)
            except (OSError, SandboxError) as error:
                failure = Failure(
                    "setup",
                    f"the job cannot be started: {error}",
                    0.0,
                    can_pass=isinstance(error, OSError) and can_pass(error),
                )
                self._ready.append((job.trial, failure))
            if len(self._running) > 1:
                for running in self._running.values():
                    running.accompanied = True

    def _start(self, job: Job, beside: str = "") -> Kept:
        """Put ``job`` under a keeper, as one of its trial in the folder ``beside``; raises OSError, SandboxError."""
        folder = beside or job.folder
        if (home := place(folder)) not in self._places:
            self._places.add(home)
            end_leftovers(folder)
        # Numbers of an earlier attempt that was cut off must not count for this one.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(job.result_path)
        token = new_token(folder)
        extra = {"KNOWHY_RESULT": os.path.abspath(job.result_path), **job.env, tree.TOKEN: token}
        if job.required:
            extra.setdefault("KNOWHY_METRIC", job.required[0])
        plan = self._plan(job)
        environment = {**child_environment(os.environ, extra, self.workers, self._passed), **plan.env}
        order = orders.order(job, plan, token, self._grace)
        process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                "-c",
                keeper.BOOT,
                os.path.dirname(os.path.dirname(os.path.abspath(keeper.__file__))),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={name: value for name, value in environment.items() if value or name not in plan.env},
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        data = marshal.dumps(order)  # type: ignore[arg-type]  # plain values only
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(len(data).to_bytes(4, "big") + data)
        now = time.monotonic()
        force_at = float("inf") if job.timeout is None else now + job.timeout + self._grace + _SLACK
        return Kept(job, token, process, process.stdin, process.stdout, now, force_at, plan)

    def _plan(self, job: Job) -> Plan:
        """How ``job`` runs here; raises SandboxError where it requires a sandbox and there is none."""
        if job.confinement is None or (self._sandbox is None and not job.confinement.required):
            return Plan(job.argv, disk=job.disk, watched=(job.folder,), memory=job.memory)
        if self._sandbox is None:
            raise SandboxError("it must run in a sandbox, and there is none", "knowhy doctor says why")
        return self._sandbox.plan(job, job.confinement)

    def _dismiss(self, running: Kept) -> None:
        """Tell the keeper to end the tree."""
        running.cancelled = True
        running.force_at = time.monotonic() + self._grace + _SLACK
        running.orders.close()
        self._ending.append(running)

    def _serve(self, running: Kept) -> None:
        """Read from a keeper; at the end of its account, report the outcome and fill the slot."""
        if running.answers.closed:
            return
        data = os.read(running.answers.fileno(), _ACCOUNT_BYTES)
        if data and len(running.account) < _ACCOUNT_BYTES:
            running.account += data
            return
        try:
            running.process.wait(1.0)
        except subprocess.TimeoutExpired:
            running.process.kill()
            running.process.wait()
        try:
            account: keeper.Account = ast.literal_eval(running.account.decode(errors="replace"))
        except (ValueError, SyntaxError):
            self._finish(running, self._lost(running))
            return
        orders.redact(running.job)
        if running.cancelled:
            self._finish(running, None)
        elif running.trial is not None:
            self._finish(running, self._evaluated(running, account))
        else:
            self._ended(running, account)

    def _ended(self, running: Kept, account: keeper.Account) -> None:
        """A job itself has ended: report it, or let it be evaluated in the same slot."""
        job, evaluation = running.job, running.job.evaluation
        measured = evaluation is not None and bool(evaluation.argv)
        outcome = orders.outcome_of(
            replace(job, required=()) if measured else job, account, running.plan, accompanied=running.accompanied
        )
        flags = (*job.flags, *integrity.flags_after(job, account["duration"]))
        if evaluation is None or not measured or isinstance(outcome, Failure):
            self._finish(running, integrity.believed(outcome, flags))
            return
        try:
            then = integrity.evaluation_job(job, evaluation)
            following = self._start(then, job.folder)
        except (OSError, SandboxError) as error:
            self._finish(running, Failure("setup", f"the evaluation cannot be started: {error}", account["duration"]))
            return
        following.trial, following.flags, following.accompanied = outcome, flags, running.accompanied
        with self._lock:
            running.release()
            if self._running.get(job.trial) is running:
                self._running[job.trial] = following
            else:  # cancelled meanwhile
                self._ending.remove(running)
                self._dismiss(following)

    def _evaluated(self, running: Kept, account: keeper.Account) -> Outcome:
        """The outcome of a job whose evaluation has ended."""
        assert running.trial is not None
        ended = orders.outcome_of(running.job, account, running.plan, accompanied=running.accompanied)
        flags = (*running.flags, *integrity.flags_after(running.job, account["duration"], "its evaluation"))
        return integrity.judged(ended, running.trial, running.job, flags)

    def _lost(self, running: Kept) -> Outcome:
        """The keeper ended without an account: somebody killed it."""
        orders.redact(running.job)
        self._end_by_force(running)
        seconds = time.monotonic() - running.started
        ended = collect(running.job, None, seconds)
        how = f"exit code {running.process.returncode}" if (running.process.returncode or 0) >= 0 else "killed"
        message = f"the process that watches over the trial ended early ({how}); what it left behind was ended"
        tail = ended.log_tail if isinstance(ended, Failure) else ""
        return Failure("lost", message, seconds, tail, None, ended.metrics, ended.curves, can_pass=True)

    def _force(self, running: Kept) -> None:
        """End a job whose keeper does not answer in time."""
        self._end_by_force(running)
        seconds = time.monotonic() - running.started
        self._finish(running, None if running.cancelled else collect(running.job, None, seconds, timed_out=True))

    def _end_by_force(self, running: Kept) -> None:
        """SIGKILL for the tree and its keeper, from here."""
        for _ in range(3):
            left = tree.descendants(running.process.pid, running.token)
            tree.send(left, (signal.SIGSTOP, signal.SIGKILL))
            psutil.wait_procs(left, timeout=0.2)
        running.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.process.wait(1.0)
        tree.send(tree.descendants(running.process.pid, running.token), (signal.SIGKILL,))

    def _finish(self, running: Kept, outcome: Outcome | None) -> None:
        """Free the slot; report ``outcome`` where there is one and nobody cancelled the trial meanwhile."""
        with self._lock:
            if running in self._ending:
                self._ending.remove(running)
            elif self._running.pop(running.job.trial, None) is not None and outcome is not None:
                self._ready.append((running.job.trial, outcome))
            running.release()
            if not self._closed:
                self._fill()
