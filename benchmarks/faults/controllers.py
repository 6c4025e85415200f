"""Two controllers: one is stopped and wakes up after its lease has ended and another has gone on."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import tempfile
import time
from collections import defaultdict
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from benchmarks.faults import controller
from benchmarks.faults.controller import DONE, LOCKED, Plan
from benchmarks.faults.kills import Account
from benchmarks.faults.promises import Promise, Round
from benchmarks.studies import Result
from knowhy.journal import SqliteJournal

LEASE = 0.4
_ENDLESS = 10_000


def perform(task: Round) -> Result:
    """Stop one controller, be refused while its lease lasts, go on when it has ended, and let the first one wake up."""
    rng = random.Random(task.number)
    with tempfile.TemporaryDirectory(prefix="knowhy-two-") as folder:
        home = Path(folder) / "home"
        controller.begin(home, pause=0.04, seed=task.number)
        account = Account(home, task.name)
        first = controller.start(home, Plan(_ENDLESS))
        deadline = time.monotonic() + 60
        while len(first.read()) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.8))
        os.kill(first.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        # Stopped within a commit it keeps SQLite's own lock, and nobody can write until it goes on: that is told, too.
        refused = controller.start(home, Plan(_ENDLESS))
        code = refused.join()
        if code != LOCKED:
            account.fault("not_refused", "a second controller was not refused during the lease")
            account.survivors()
        told = (home / f"locked-{refused.pid}.txt").read_text() if code == LOCKED else ""
        if f"process {first.pid} " not in told:
            account.fault("unnamed", f"who holds the study was not told: {told}")
        account.counts["stopped_within_a_commit"] += "keeps" in told
        while _locked(home):
            os.kill(first.pid, signal.SIGCONT)
            time.sleep(0.003)
            os.kill(first.pid, signal.SIGSTOP)
            stopped = time.monotonic()
        time.sleep(max(0.0, stopped + LEASE + 0.05 - time.monotonic()))
        trials = controller.state_of(home).next_trial - 1 + 4
        second = controller.start(home, Plan(trials, stale_after=LEASE))
        if rng.random() < 0.5:  # woken while the second one holds the study, or when it has given it back
            while len(second.read()) < 3 and time.monotonic() < deadline:
                time.sleep(0.01)
            os.kill(first.pid, signal.SIGCONT)
            code = second.join()
        else:
            code = second.join()
            os.kill(first.pid, signal.SIGCONT)
        if code != DONE:
            account.fault("stuck", f"the second controller ended with {code}")
        if first.join() != LOCKED:
            account.fault("not_refused", "the first controller was not refused when it woke up")
            first.kill()
        account.counts["rounds"] += 1
        _stale(account, first.read(), second.read())
        _side_by_side(account)
        account.after_kill(first)
        account.at_the_end(controller.state_of(home), trials)
        account.survivors()
        return {**account.result(), **{k: account.counts[k] for k in ("stale_writes", "side_by_side", "not_refused")}}


def _locked(home: Path) -> bool:
    """Whether somebody keeps SQLite's lock, as a controller does that was stopped within a commit, or a read."""
    with closing(sqlite3.connect(home / "study" / "journal.db", timeout=0.1, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return True
    return False


def _stale(account: Account, first: list[tuple[int, str, float]], second: list[tuple[int, str, float]]) -> None:
    """Nothing that the first controller wrote may stand after what the second one wrote."""
    if not second:
        account.fault("stuck", "the second controller wrote nothing")
        return
    begins = second[0][0]
    late = [seq for seq, _, _ in first if seq >= begins]
    if late:
        account.fault("stale_writes", f"records {late} of the first controller stand after {begins}", len(late))
    with SqliteJournal(account.home / "study" / "journal.db", create=False) as journal:
        written = sum(1 for record in journal.read() if record.seq >= begins)
    if written != len(second):
        account.fault("stale_writes", f"{written} records after the takeover, {len(second)} by the second controller")


def _side_by_side(account: Account) -> None:
    """No two starts of a trial ran at the same time: the last sign of one comes before the next one begins."""
    signs: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in (account.home / "study" / "ran.txt").read_text().splitlines():
        folder, process, _, moment = line.split()
        signs[folder.partition("-")[0]][process].append(float(moment))
    for trial, starts in signs.items():
        spans = sorted((min(times), max(times)) for times in starts.values())
        for before, after in pairwise(spans):
            if before[1] > after[0]:
                account.fault("side_by_side", f"two starts of trial {trial} ran at the same time")


def _kept(counts: object) -> bool:
    assert isinstance(counts, dict)
    wrong = ("stale_writes", "side_by_side", "not_refused", "unnamed", "lost", "double", "stuck", "mixed", "damaged")
    return not any(counts.get(kind) for kind in wrong) and counts.get("rounds", 0) > 0


PROMISE = Promise("two controllers", "0 trials twice, every stale write refused", perform, full=100, short=2, bar=_kept)
