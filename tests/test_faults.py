"""What may go wrong around a study: its lease, its disk, its clock, its worker; and what is told of it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import knowhy
from conformance.journal import note
from journals import golden_v1
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.policy import TheoryPolicy
from knowhy.errors import JournalFormatError, JournalWriteError, StorageError, StudyLockedError, UsageError
from knowhy.execution import leftovers, storage, tree
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.execution.local import LocalExecutor
from knowhy.faces.cli import cli
from knowhy.journal import SqliteJournal, check, restore
from knowhy.journal.chain import seal
from knowhy.journal.clock import SteadyClock
from knowhy.journal.codec import encode
from knowhy.loop import Limits, run
from knowhy.model.events import NoteAdded, RunEnded, RunStarted, TrialFailed, TrialProposed, TrialStarted
from knowhy.model.job import Job
from knowhy.model.observation import Failure, Observation, Outcome, Progress
from knowhy.model.space import Point, Space
from knowhy.model.state import State, fold
from knowhy.model.trial import Completed, Proposal, Waiting
from knowhy.retries import ATTEMPTS, CUT_OFF, fresh_folder
from knowhy.writing import write_whole
from planted import SPACE, Batches, created, trial

SMALL = Space(SPACE.parameters[:3])


def small(p: Point, seed: int) -> Observation:
    return trial({**SPACE.defaults(), **p}, seed)


def begin(batches: Sequence[Sequence[object]] = ()) -> Batches:
    journal = Batches()
    for batch in batches or [[created(0, SMALL)]]:
        journal.append(batch)  # type: ignore[arg-type]
    return journal


def go_on(journal: Batches, function: Callable[[Point, int], Outcome], trials: int = 12, **more: object) -> State:
    beliefs = Beliefs()
    subject = more.pop("subject", None) or InlineSubject()
    limits = Limits(trials, more.pop("budget", None), int(more.pop("workers", 1)))  # type: ignore[arg-type, call-overload]
    return run(
        journal, subject, InlineExecutor(function), TheoryPolicy(beliefs), [], beliefs, limits=limits, folder="unused",
    )  # type: ignore[arg-type]  # fmt: skip


# Retries: bounded, only for what can pass, and told


def test_only_what_can_pass_is_tried_again_and_every_time_it_is_told() -> None:
    def unlucky(kind: str, can_pass: bool) -> Callable[[Point, int], Outcome]:
        calls: dict[int, int] = {}

        def function(p: Point, seed: int) -> Outcome:
            calls[seed] = calls.get(seed, 0) + 1
            if len(calls) == 4:
                return Failure(kind, "the cause", 0.1, can_pass=can_pass)  # type: ignore[arg-type]
            return small(p, seed)

        return function

    for kind, can_pass, starts in (("lost", True, ATTEMPTS), ("out_of_memory", True, ATTEMPTS), ("exit", False, 1)):
        journal = begin()
        state = go_on(journal, unlucky(kind, can_pass))
        events = [e for batch in journal.batches for e in batch]
        attempts = [e.attempt for e in events if isinstance(e, TrialStarted) and e.trial == 4]
        assert attempts == list(range(1, starts + 1))
        told = [e.text for e in events if isinstance(e, NoteAdded) and e.trial == 4]
        assert len(told) == starts - 1
        assert all("the cause" in text and f"of at most {ATTEMPTS}" in text for text in told)
        assert [t.failure.kind for t in state.failed] == [kind]
        assert len(state.completed) == 11


PATIENCE = 50


class Slow:
    """Two trials at a time; what ends is decided by ``function`` from (trial, who ran beside it)."""

    def __init__(self, function: Callable[[int, set[int]], Outcome]) -> None:
        self.function, self.jobs = function, dict[int, Job]()
        self.beside: dict[int, set[int]] = {}
        self.ran: list[tuple[int, frozenset[int]]] = []
        self.patience = PATIENCE

    def submit(self, job: Job) -> None:
        for other in self.jobs:
            self.beside[other].add(job.trial)
        self.beside[job.trial] = set(self.jobs)
        self.jobs[job.trial] = job

    def wait(self, timeout: float) -> list[tuple[int, Outcome]]:
        if len(self.jobs) == 1 and self.patience:  # a trial is not over before the next can be decided
            self.patience -= 1
            time.sleep(min(timeout, 0.02))
            return []
        self.patience = PATIENCE
        number = min(self.jobs)
        del self.jobs[number]
        beside = self.beside.pop(number)
        self.ran.append((number, frozenset(beside)))
        return [(number, self.function(number, beside))]

    def progress(self, trial: int) -> Progress | None:
        return None

    def cancel(self, trial: int) -> None:
        raise AssertionError

    def close(self) -> None:
        pass


def test_what_had_no_memory_beside_others_runs_again_alone() -> None:
    hungriest: set[int] = set()  # the first trial from the fifth on that has another beside it

    def hungry(number: int, beside: set[int]) -> Outcome:
        if number >= 5 and beside and not hungriest:
            hungriest.add(number)
        if number in hungriest and beside:
            return Failure("out_of_memory", "killed by SIGKILL", 1.0, can_pass=True)
        return Observation({"val_loss": 1.0 + number / 100, "train_loss": 1.0}, 1.0)

    journal, beliefs, executor = begin(), Beliefs(), Slow(hungry)
    state = run(
        journal, InlineSubject(), executor, TheoryPolicy(beliefs), [], beliefs,
        limits=Limits(10, None, 2), folder="unused",
    )  # fmt: skip
    assert len(state.completed) == 10
    (which,) = hungriest
    assert [set(beside) for number, beside in executor.ran if number == which][-1] == set()
    assert len([number for number, _ in executor.ran if number == which]) == 2
    alone = executor.ran.index((which, frozenset()))
    assert any(beside for _, beside in executor.ran[alone + 1 :]), "afterwards there are two at a time again"


def test_a_trial_that_ends_its_controller_is_given_up() -> None:
    journal = begin()
    go_on(journal, small, trials=3)
    events = [e for batch in journal.batches for e in batch if not isinstance(e, RunEnded)]
    journal = begin([events])
    proposal = replace(fold(journal.read()).trials[3].proposal, trial=4, seed=99)
    journal.append([TrialProposed(proposal)])
    for attempt in range(1, CUT_OFF + 1):
        journal.append([RunStarted(6, None, 1, "theory"), TrialStarted(4, attempt)])
    seen: list[int] = []
    state = go_on(journal, lambda p, s: (seen.append(s), small(p, s))[1], trials=6)
    assert 99 not in seen
    assert [(t.proposal.trial, t.failure.kind) for t in state.failed] == [(4, "lost")]
    assert f"cut off {CUT_OFF} times" in state.failed[0].failure.message
    assert len(state.trials) == 6
    assert any("cut off" in n.text for _, n in state.notes)


def test_what_ran_when_a_person_stopped_waits_and_is_not_held_against_the_trial() -> None:
    journal = begin()
    go_on(journal, small, trials=3)
    proposal = fold(journal.read()).trials[3].proposal
    events = [e for batch in journal.batches for e in batch]
    events += [TrialProposed(replace(proposal, trial=4, seed=5))]
    for _ in range(CUT_OFF + 2):
        events += [RunStarted(6, None, 1, "theory"), TrialStarted(4, 1), RunEnded("stopped by the person", 1.5)]
    journal = begin([events])
    state = fold(journal.read())
    assert isinstance(state.trials[4], Waiting)
    assert state.spent == pytest.approx(1.5 * (CUT_OFF + 2), abs=60)
    state = go_on(journal, small, trials=6)
    assert isinstance(state.trials[4], Completed)
    assert not state.notes


# Folders and leftovers


def test_every_start_has_a_folder_of_its_own(tmp_path: Path) -> None:
    home = str(tmp_path)
    assert fresh_folder(home, 7) == os.path.join(home, "00007")
    os.mkdir(os.path.join(home, "00007"))
    os.symlink("/nowhere", os.path.join(home, "00007-2"))
    assert fresh_folder(home, 7) == os.path.join(home, "00007-3")


def job(folder: Path, number: int, code: str) -> Job:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "s.py").write_text(code)
    return Job(
        number, (sys.executable, "s.py"), str(folder), str(folder / "r.jsonl"), str(folder / "log.txt"), ("loss",)
    )  # fmt: skip


def test_what_a_stopped_controller_left_running_is_ended_before_its_trial_starts_again(tmp_path: Path) -> None:
    code = "import time; print('loss: 1', flush=True); time.sleep(600)"
    controller = f"""
import sys, time
from test_faults import job
from pathlib import Path
from knowhy.execution.local import LocalExecutor
executor = LocalExecutor(1)
executor.submit(job(Path(sys.argv[1]) / "00001", 1, {code!r}))
print("started", flush=True)
time.sleep(600)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    held = subprocess.Popen(
        [sys.executable, "-c", controller, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert held.stdout is not None
        assert held.stdout.readline() == "started\n"
        start = f"{leftovers.place(str(tmp_path / '00001'))}-"
        deadline = time.monotonic() + 100
        while not (tmp_path / "00001" / "log.txt").exists() or b"loss" not in (tmp_path / "00001/log.txt").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(held.pid, signal.SIGSTOP)
        others = job(tmp_path / "elsewhere" / "00001", 1, "print('loss: 2')")
        with LocalExecutor(1) as elsewhere:  # another study's trials are nobody's business
            elsewhere.submit(others)
            assert elsewhere.wait(20)
        alive = [p for p in leftovers.psutil.process_iter() if leftovers._token(p).startswith(start)]
        assert len(alive) == 2, "the keeper and the script"
        with LocalExecutor(1) as executor:
            executor.submit(job(tmp_path / "00001-2", 1, "print('loss: 3')"))
            ((number, outcome),) = executor.wait(20)
        assert number == 1
        assert isinstance(outcome, Observation)
        assert outcome.metrics == {"loss": 3.0}
        assert not [p for p in alive if p.is_running() and p.status() != "zombie"]
    finally:
        held.kill()
        held.communicate()


# The disk


def full(fd: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


class FullDisk(InlineSubject):
    def __init__(self, at: int) -> None:
        self.left = at

    def prepare(self, proposal: Proposal, required: Sequence[str], folder: str) -> Job:
        self.left -= 1
        if self.left == 0:
            raise StorageError("cannot lay out the trial: No space left on device", "free space")
        return super().prepare(proposal, required, folder)


def test_a_full_disk_pauses_the_study_and_costs_no_trial() -> None:
    journal = begin()
    with pytest.raises(StorageError, match="No space"):
        go_on(journal, small, subject=FullDisk(4))
    state = fold(journal.read())
    assert state.ended.startswith("paused: cannot lay out")
    assert len(state.completed) == 3
    assert not state.failed
    assert len(go_on(journal, small).completed) == 12


def test_outcomes_that_the_disk_spoiled_pause_after_three_tries() -> None:
    calls: list[int] = []

    def spoiled(p: Point, seed: int) -> Outcome:
        calls.append(seed)
        if len(set(calls)) == 3:
            return Failure("setup", "the log cannot be written: No space left on device", 0.1, can_pass=True)
        return small(p, seed)

    journal = begin()
    with pytest.raises(StorageError, match="No space") as caught:
        go_on(journal, spoiled)
    assert "goes on" in caught.value.hint
    assert len(calls) == 2 + ATTEMPTS
    state = fold(journal.read())
    assert (len(state.completed), len(state.failed)) == (2, 0)
    assert min(t.proposal.trial for t in state.pending) == 3
    assert not any(isinstance(e, TrialFailed) for batch in journal.batches for e in batch)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_number_from_a_log_that_lacks_its_end_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalExecutor(1) as executor:
        executor.submit(replace(job(tmp_path / "1", 1, "print('loss: 1')"), log_path="/dev/full"))
        ((_, outcome),) = executor.wait(20)
        assert isinstance(outcome, Failure)
        assert (outcome.kind, outcome.can_pass) == ("setup", True)
        script = "open('/dev/full', 'w', buffering=1).write('x\\n')"
        executor.submit(job(tmp_path / "2", 2, script))
        ((_, outcome),) = executor.wait(20)
        assert isinstance(outcome, Failure)
        assert (outcome.kind, outcome.can_pass) == ("exit", False), "the disk of the trial has space"
        assert storage.blamed(outcome)
    assert not storage.short(str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert storage.short(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_files_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.html"
    write_whole(target, "old")
    target.chmod(0o640)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UsageError, match="No space left"):
            write_whole(target, "new")
    assert target.read_text() == "old"
    link = tmp_path / "link.html"
    link.symlink_to(target)
    write_whole(link, "new")
    assert (target.read_text(), link.is_symlink(), target.stat().st_mode & 0o777) == ("new", True, 0o640)
    for bad in (tmp_path, tmp_path / "no" / "folder", target / "below", Path("a\0b")):
        with pytest.raises(UsageError, match="cannot be written"):
            write_whole(bad, "x")
    write_whole(Path("/dev/null"), "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.html", "report.html"]


# Clocks


def test_setting_the_wall_clock_moves_no_record_and_ends_no_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    jump = [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + jump[0])
    clock = SteadyClock()
    journal = Batches()
    journal._clock = clock
    journal.append([created(0, SMALL)])

    def jumping(p: Point, seed: int) -> Outcome:
        jump[0] += 86400.0 if seed % 2 else -86400.0 * 2
        return small(p, seed)

    state = go_on(journal, jumping, budget=3600.0)
    assert state.ended == "the budget of trials is spent"
    assert len(state.completed) == 12
    times = [r.time for r in journal.read()]
    assert times == sorted(times)
    assert times[-1] - times[0] < 600
    assert state.spent < 600
    assert state.spent + 1 > times[-1] - state.run_started


def test_a_budget_that_is_spent_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = begin()

    def slow(p: Point, seed: int) -> Outcome:
        time.sleep(0.05)
        return small(p, seed)

    state = go_on(journal, slow, trials=100, budget=0.3)
    ended = state.finished
    assert 0 < ended < 100
    assert state.spent >= 0.3
    assert go_on(journal, slow, trials=100, budget=0.3).finished == ended


# The lease


def test_the_lease_of_a_process_of_this_machine_ends_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.db"
    holder = (
        "import sys; from knowhy.journal import SqliteJournal\n"
        "from knowhy.errors import StudyLockedError; from knowhy.model.events import NoteAdded\n"
        "with SqliteJournal(sys.argv[1]) as journal:\n"
        "  try:\n"
        "    with journal.lease():\n"
        "      print('held', flush=True); sys.stdin.readline(); journal.append([NoteAdded('x', 'y')])\n"
        "  except StudyLockedError as error: print(error.message, flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", holder, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        os.kill(child.pid, signal.SIGSTOP)
        while leftovers.psutil.Process(child.pid).status() != "stopped":
            time.sleep(0.01)
        with SqliteJournal(path, stale_after=0.3) as journal:
            # A clock set by a day does not end it; what passes does.
            monkeypatch.setattr(time, "time", lambda: 4e9)
            seen = SqliteJournal(path).holder()
            assert seen is not None
            assert (seen.pid, seen.holds, seen.alive) == (child.pid, True, True)
            with pytest.raises(StudyLockedError, match=f"process {child.pid}") as caught, SqliteJournal(path).lease():
                pass
            assert f"kill -CONT {child.pid}" in caught.value.hint
            time.sleep(0.4)
            with journal.lease():
                journal.append([note("mine")])
                os.kill(child.pid, signal.SIGCONT)
                output, _ = child.communicate("\n", timeout=60)
                assert "the study was taken over by process" in output
        with SqliteJournal(path) as journal:
            assert [r.event for r in journal.read()] == [note("mine")]
            assert journal.holder() is None
    finally:
        child.kill()
        child.communicate()


def test_a_lease_from_the_future_does_not_hold_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with SqliteJournal(path) as journal, journal.lease():
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE lease SET host = 'elsewhere', heartbeat = heartbeat + 86400")
        with SqliteJournal(path) as other, other.lease():
            other.append([note("taken over from a machine whose clock is off")])


def test_a_journal_of_before_gets_its_tick(tmp_path: Path) -> None:
    path = tmp_path / "v1.db"
    shutil.copy(golden_v1.PATH, path)
    with SqliteJournal(path) as journal:
        assert journal.holder() is None
        with journal.lease():
            holder = journal.holder()
            assert holder is not None
            assert holder.holds
            journal.append([note("it goes on")])
    assert check(path).ok


# What people are told


def by_hand(folder: Path) -> knowhy.Study:
    told = knowhy.Study("hand", folder=folder)
    for _ in range(3):
        asked = told.ask([knowhy.real("lr", 1e-4, 1.0, 0.01, log=True)], trials=20, strategy="random")
        assert asked is not None
        told.tell(asked.trial, metrics={"val_loss": float(asked.point["lr"])})
    return told


def call(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, arguments)
    return result.exit_code, result.output


def test_status_tells_who_runs_a_study(tmp_path: Path) -> None:
    study = by_hand(tmp_path)
    assert (study.status.phase, study.controller) == ("by hand", None)
    path = str(study.path / "journal.db")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT held FROM lease").fetchone() == (0,)
    with SqliteJournal(path) as other, other.lease():
        assert study.status.phase == "running"
        assert f"running: process {os.getpid()} on" in call("status", "--folder", str(tmp_path))[1]
    script = tmp_path / "train.py"
    script.write_text("import time\nLEARNING_RATE = 0.1\ntime.sleep(0.05)\nprint('val_loss:', LEARNING_RATE)\n")
    code = "import sys, knowhy; knowhy.Study('s', folder=sys.argv[1]).run(sys.argv[2], trials=500, strategy='random')"
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(script)], env=os.environ)
    try:
        deadline = time.monotonic() + 200
        while (found := knowhy.Study("s", folder=tmp_path)).state.finished < 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        view = found.status
        assert (view.phase, view.controller and view.controller.pid) == ("running", process.pid)
    finally:
        process.kill()
        process.wait()
    assert knowhy.Study("s", folder=tmp_path).status.phase == "cut off"
    code, text = call("status", "--folder", str(tmp_path), "--study", "s")
    assert "cut off: nobody runs it" in text
    assert f"process {process.pid} on" in text
    assert json.loads(call("status", "--json", "--folder", str(tmp_path), "--study", "s")[1])["phase"] == "cut off"


def damage(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE records SET body = replace(body, 'val_loss', 'vax_loss') WHERE seq > 8")


def test_doctor_recovers_a_study_in_place_and_keeps_what_was_damaged(tmp_path: Path) -> None:
    study = by_hand(tmp_path)
    path = study.path / "journal.db"
    code, text = call("doctor", "--folder", str(tmp_path), "--recover")
    assert (code, "nothing to recover" in text) == (0, True)
    damage(path)
    damaged = path.read_bytes()
    code, text = call("doctor", "--folder", str(tmp_path))
    assert code == 2
    assert "DAMAGED" in text
    assert "--recover" in text
    with SqliteJournal(tmp_path / "hand" / "journal.db") as other, other.lease():
        assert "stop it" in call("doctor", "--folder", str(tmp_path), "--recover")[1]
        with pytest.raises(StudyLockedError):
            restore(path)
    damaged = path.read_bytes()
    code, text = call("doctor", "--folder", str(tmp_path), "--recover")
    assert code == 0, text
    assert (study.path / "journal.damaged-1.db").read_bytes() == damaged
    assert sorted(p.name for p in study.path.iterdir()) == ["journal.damaged-1.db", "journal.db"]
    again = knowhy.Study("hand", folder=tmp_path)
    assert again.state.seq == 9
    assert "journal.damaged-1.db" in again.state.notes[-1][1].text
    asked = again.ask(trials=20, strategy="random")
    assert asked is not None
    again.tell(asked.trial, metrics={"val_loss": 1.0})
    assert call("doctor", "--folder", str(tmp_path))[0] == 0
    damage(path)
    restore(path)
    assert (study.path / "journal.damaged-2.db").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace('"type":"NoteAdded"', '"type":"NoteSung"'),
        lambda body: body.replace('"by":', '"melody":1,"by":'),
        lambda body: encode(TrialFailed(1, Failure("exit", "m", 1.0))).replace('"exit"', '"melted"'),
    ],
    ids=["event", "field", "word"],
)
def test_doctor_does_not_call_a_newer_journal_damaged(tmp_path: Path, change: Callable[[str], str]) -> None:
    study = by_hand(tmp_path)
    path = study.path / "journal.db"
    end = list(SqliteJournal(path).rows())[-1]
    body = change(encode(note("x")))
    hash = seal(end.hash, end.seq + 1, 1.5, 1, body)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO records VALUES (?, 1.5, 1, ?, ?)", (end.seq + 1, body, hash))
        connection.execute("UPDATE head SET seq = ?, hash = ?", (end.seq + 1, hash))
    report = check(path)
    assert (report.ok, report.newer, report.first_bad, report.records) == (False, True, end.seq + 1, end.seq)
    code, text = call("doctor", "--folder", str(tmp_path))
    assert code == 2
    assert "newer knowhy" in text
    assert "upgrade" in text
    assert "DAMAGED" not in text
    with pytest.raises(JournalFormatError):
        restore(path)
    with pytest.raises(JournalFormatError) as caught:
        _ = knowhy.Study("hand", folder=tmp_path).state
    assert "upgrade" in caught.value.hint
    with closing(sqlite3.connect(path)) as connection, connection:  # damage behind it is seen all the same
        connection.execute("UPDATE records SET time = 3.5 WHERE seq = ?", (end.seq + 1,))
    assert (check(path).newer, check(path).first_bad) == (False, end.seq + 1)


def test_a_newer_layout_is_refused_with_what_to_do(tmp_path: Path) -> None:
    study = by_hand(tmp_path)
    with closing(sqlite3.connect(study.path / "journal.db")) as connection:
        connection.execute("PRAGMA user_version=9")
    code, text = call("doctor", "--folder", str(tmp_path))
    assert code == 2
    assert "newer knowhy" in text
    assert "DAMAGED" not in text


def test_places_for_new_studies_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalWriteError, match="cannot be made"):
        knowhy.Study("s", folder=tmp_path / "file").ask([knowhy.real("lr", 0.1, 1.0, 0.5)])


def test_tokens_tell_one_study_from_another(tmp_path: Path) -> None:
    one, two = (leftovers.new_token(str(tmp_path / name / "00001")) for name in "ab")
    assert leftovers.place(str(tmp_path / "a" / "00002")) == one.split("-")[0] != two.split("-")[0]
    assert tree.TOKEN == "KNOWHY_JOB"
