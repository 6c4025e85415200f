"""Early stopping of real processes: two workers, the command line, and a controller that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from knowhy.engine.beliefs import Beliefs
from knowhy.execution.local import LocalExecutor
from knowhy.journal import SqliteJournal
from knowhy.loop import Limits, run
from knowhy.model.decision import Budget, Decision
from knowhy.model.events import StudyCreated
from knowhy.model.objective import Objective
from knowhy.model.space import Space, real
from knowhy.model.state import State, fold
from knowhy.model.trial import Proposal, Stopped
from knowhy.subjects.script import ScriptSubject
from knowhy.watching import Watch

SCRIPT = """
import time
LR = 0.5
for epoch in range(1, 21):
    print(f"epoch {epoch} val_loss: {0.3 + 4 * (LR - 0.3) ** 2 + (1 + 0.3 * LR) / epoch:.5f}")
    time.sleep(0.02 if LR < 0.9 else 0.25)
"""
CONTROLLER = """
import sys, threading, os, signal
sys.path.insert(0, {tests!r})
from pathlib import Path
import test_stopping_live as live
from knowhy.execution.local import LocalExecutor

class Deadly(LocalExecutor):
    def cancel(self, trial):
        os.kill(os.getpid(), signal.SIGKILL)

live.study(Path({folder!r}), Deadly(2))
"""
SPACE = Space((real("LR", 0.0, 1.0, 0.5),))


class Points:
    """Good ones, then a hopeless one that is slow, then good ones."""

    name = "theory"

    def reflects(self, state: State) -> bool:
        return False

    def decide(self, state: State, budget: Budget) -> Decision:
        number = state.next_trial
        if state.planned >= budget.trials:
            return Decision((), "spent")
        place = 0.99 - 0.001 * number if number in (11, 12) else 0.1 + 0.05 * number
        return Decision((Proposal(number, {"LR": place}, number, "improve", ""),), "")


def study(folder: Path, executor: LocalExecutor, trials: int = 14) -> State:
    """A study of the script in ``folder`` with two workers; goes on where it was."""
    from knowhy.subjects.discovery import discover

    (folder / "train.py").write_text(SCRIPT)
    journal = SqliteJournal(folder / "journal.db")
    if not list(journal.read()):
        journal.append([StudyCreated("live", (Objective("val_loss"),), SPACE, 0, {"kind": "script"}, "test")])
    found = discover(str(folder / "train.py"), ())
    space = Space(tuple(p for p in found.parameters if p.name == "LR"))
    subject = ScriptSubject(str(folder / "train.py"), space, found.seeds)
    beliefs = Beliefs()
    try:
        return run(
            journal,
            subject,
            executor,
            Points(),
            [],
            beliefs,
            limits=Limits(trials, None, 2),
            folder=str(folder / "trials"),
            stopping=Watch(beliefs, 0.05),
        )
    finally:
        journal.close()


def test_two_workers_stop_what_is_hopeless(tmp_path: Path) -> None:
    state = study(tmp_path, LocalExecutor(2))
    assert {t.proposal.trial for t in state.stopped} >= {11, 12}
    assert not state.failed
    assert all(t.stop.duration < 4.0 for t in state.stopped)
    assert len(state.completed) + len(state.stopped) == 14
    assert not [p for p in psutil.Process().children(recursive=True) if "train.py" in " ".join(p.cmdline())]


def test_a_stop_that_was_journaled_stands_after_a_kill(tmp_path: Path) -> None:
    code = CONTROLLER.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    journal = SqliteJournal(tmp_path / "journal.db")
    before = fold(journal.read())
    journal.close()
    [number] = [t.proposal.trial for t in before.stopped]
    state = study(tmp_path, LocalExecutor(2))
    assert state.trials[number] == before.trials[number]
    assert isinstance(state.trials[number], Stopped)
    assert not (tmp_path / "trials" / f"{number:05d}-2").exists()
    assert len(state.completed) + len(state.stopped) == 14


TRAIN = """
import argparse, math, random, time
p = argparse.ArgumentParser()
p.add_argument("--lr", type=float, default=0.01)
p.add_argument("--dropout", type=float, default=0.1)
p.add_argument("--seed", type=int, default=0)
a = p.parse_args()
noise = random.Random(a.seed)
floor = 0.3 + 0.5 * (math.log10(a.lr) + 2.5) ** 2 + 0.6 * (a.dropout - 0.3) ** 2
for epoch in range(1, 31):
    print(f"epoch {epoch} val_loss: {floor + 2.0 * epoch ** -1.2 + 0.004 * noise.gauss(0, 1):.4f}")
    time.sleep(0.05)
"""


@pytest.mark.slow
def test_a_person_runs_with_and_without(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)

    def knowhy(*words: str) -> str:
        made = subprocess.run(
            [sys.executable, "-m", "knowhy", *words], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return made.stdout

    started = time.monotonic()
    told = knowhy("run", "train.py", "--metric", "val_loss", "--minimize", "--trials", "30", "--stop-early")
    assert time.monotonic() - started < 300
    view = json.loads(knowhy("status", "--json"))
    rows = json.loads(knowhy("trials", "--json"))
    stopped = [row for row in rows if row["status"] == "stopped"]
    assert view["stopped"] == len(stopped)
    assert all(row["stop"]["reason"] and row["purpose"] != "verify" for row in stopped)
    if stopped:
        assert f"{len(stopped)} stopped early" in told
        assert "Stopped early" in (tmp_path / ".knowhy" / "train" / "report.html").read_text()
