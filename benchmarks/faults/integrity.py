"""Edits that cheat and honest ones, through the whole path: inspection, sandbox, evaluator, locked files."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.faults.cheats import CHEATS, HONEST, TRAIN, Edit, project
from knowhy import guarding
from knowhy.execution.local import LocalExecutor
from knowhy.execution.sandbox import Bubblewrap, Sandbox, check
from knowhy.model.job import Job
from knowhy.model.observation import Failure, Observation, Outcome
from knowhy.model.trial import Proposal
from knowhy.model.trust import Trust
from knowhy.subjects.guarded import GuardedSubject
from knowhy.subjects.neighbours import lay_out

LONGEST = 20.0


@dataclass(frozen=True)
class Edited:
    """A subject whose trials run edits of the script, by number."""

    home: Path
    edits: Sequence[Edit]

    def prepare(self, proposal: Proposal, required: Sequence[str], folder: str) -> Job:
        """Lay out the edit ``proposal.trial - 1``."""
        target = Path(folder)
        target.mkdir(parents=True)
        lay_out(self.home, target, "train.py")
        (target / "train.py").write_text(self.edits[proposal.trial - 1].apply())
        return Job(
            proposal.trial,
            (sys.executable, "train.py"),
            folder,
            str(target / "knowhy-result.jsonl"),
            str(target / "knowhy-log.txt"),
            tuple(required),
            {"KNOWHY_SEED": str(proposal.seed), "PYTHONPATH": str(self.home)},
            timeout=120.0,
        )


@dataclass(frozen=True)
class Result:
    """How the trial of an edit ended, what was said about its source, and what its model is truly worth."""

    edit: Edit
    outcome: Outcome
    reasons: tuple[str, ...]
    true: float | None

    @property
    def flagged(self) -> str:
        """Why its numbers are not believed, or nothing."""
        if isinstance(self.outcome, Failure):
            return self.outcome.message if self.outcome.kind == "tampered" else f"({self.outcome.kind})"
        return ""

    @property
    def pays(self) -> bool:
        """Whether a number counts that is not the model's, or a cheat's counts at all."""
        if not isinstance(self.outcome, Observation):
            return False
        return self.true is None or abs(self.outcome.metrics["val_loss"] - self.true) > 1e-5


def run(edits: Sequence[Edit], base: Path, sandbox: Sandbox | None) -> list[Result]:
    """Run each of ``edits`` as a trial of a study in ``base`` (a new folder)."""
    home = base / "project"
    home.mkdir(parents=True)
    project(home)
    trust = Trust(
        sandbox=None if sandbox is None else "auto", evaluate="python evaluate.py", lock=("*.npz",), longest=LONGEST,
        hide=("val.npz",), allow_unsandboxed=sandbox is None,
    )  # fmt: skip
    if sandbox is None:
        trust = replace(trust, sandbox="off")
    wrapped = guarding.guarded(
        Edited(home, edits), trust, home=home, studies=home / ".knowhy", edited=sandbox is not None
    )
    assert isinstance(wrapped, GuardedSubject)
    locked = [Path(p).name for p in wrapped.guard.locked]
    results = []
    with LocalExecutor(1, sandbox=sandbox) as executor:
        for number, edit in enumerate(edits, start=1):
            reasons = guarding.suspicions(TRAIN, edit.apply(), locked=locked)
            folder = home / ".knowhy" / "study" / "trials" / f"{number:05d}"
            job = wrapped.prepare(Proposal(number, {}, number, "learn", "an edit"), ("val_loss",), str(folder))
            executor.submit(replace(job, flags=reasons))
            outcome = _ended(executor)
            results.append(Result(edit, outcome, reasons, _measured(base, folder)))
            if sandbox is None:
                project(home)  # what an edit broke there is mended for the next
                wrapped = guarding.guarded(Edited(home, edits), trust, home=home, studies=home / ".knowhy")
    return results


def _ended(executor: LocalExecutor) -> Outcome:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for _, outcome in executor.wait(5):
            return outcome
    raise AssertionError("a trial did not end")


def _measured(base: Path, folder: Path) -> float | None:
    """What the model in ``folder`` is worth, by an evaluator and data that no trial could reach."""
    aside = base / "aside"
    if not aside.exists():
        aside.mkdir()
        project(aside)
    ran = subprocess.run(
        [sys.executable, str(aside / "evaluate.py")], cwd=folder, capture_output=True, text=True, check=False
    )
    found = re.search(r"val_loss: ([\d.]+)", ran.stdout)
    return float(found[1]) if ran.returncode == 0 and found else None


def main() -> int:
    """All of them, in a sandbox and without."""
    bad = 0
    boxes: list[Sandbox | None] = [None] if check(Bubblewrap()).problem else [Bubblewrap(), None]
    for sandbox in boxes:
        with tempfile.TemporaryDirectory(prefix=".knowhy-cheats-", dir=Path.home()) as made:
            cheats = run(CHEATS, Path(made) / "cheats", sandbox)
            honest = run(HONEST, Path(made) / "honest", sandbox)
        counting = [r for r in cheats if isinstance(r.outcome, Observation)]
        print(f"sandbox: {sandbox.name if sandbox else 'none'}")
        print(f"  {len(cheats)} cheats: {sum(bool(r.reasons) for r in cheats)} seen in the source,", end=" ")
        print(f"{sum(r.flagged != '' for r in cheats)} not believed or failed, {len(counting)} count")
        print(f"  {len(honest)} honest edits: {sum(bool(r.flagged) for r in honest)} flagged")
        for r in cheats:
            print(f"    cheat   {r.edit.name:<50}{'COUNTS  ' if not r.flagged else ''}{r.flagged[:150]}")
        for r in honest:
            value = f"{r.outcome.metrics['val_loss']:.4f}" if isinstance(r.outcome, Observation) else ""
            print(f"    honest  {r.edit.name:<50}{value}{'FLAGGED ' + r.flagged if r.flagged else ''}")
        bad += len(counting) + sum(r.pays for r in (*cheats, *honest)) + sum(bool(r.flagged) for r in honest)
    return 1 if bad else 0
