"""How far trials are trusted is kept in the journal: whoever goes on with a study does as before."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import knowhy
import repo_kit
from knowhy import background
from knowhy.cases.patching import Workbench
from knowhy.errors import PatchError, StudyMismatchError, UsageError
from knowhy.execution.sandbox import checks
from knowhy.faces.mcp.acting import Acting
from knowhy.faces.mcp.project import Project
from knowhy.journal.codec import encode
from knowhy.model.events import TrustSet
from knowhy.model.trust import OPEN, Trust

SCRIPT = """\
LR = 0.1
open("model.txt", "w").write(str(LR))
print("val_loss:", 1e6)  # the evaluator knows better
"""
EVALUATE = """\
import os
lr = float(open(os.path.join(os.environ["KNOWHY_ARTIFACT"], "model.txt")).read())
print("val_loss:", 1.0 + (lr - 0.2) ** 2)
"""
MEASURED = Trust(evaluate="python evaluate.py")
confined = pytest.mark.skipif(not any(not c.problem for c in checks()), reason="no sandbox works here")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "evaluate.py").write_text(EVALUATE)
    return tmp_path


def values(study: knowhy.Study) -> list[float]:
    return [t.observation.metrics["val_loss"] for t in study.state.completed]


def study_of(home: Path, trust: Trust | None, trials: int) -> knowhy.Study:
    study = knowhy.Study("s", {"val_loss": "minimize"}, folder=home / ".knowhy")
    study.run(home / "train.py", trials=trials, workers=1, strategy="random", trust=trust)
    return study


def test_the_same_evaluator_measures_when_nobody_says_anything(home: Path) -> None:
    assert study_of(home, MEASURED, 1).state.trust == MEASURED
    again = study_of(home, None, 2)
    assert len(values(again)) == 2
    assert max(values(again)) < 1e6
    assert sum(isinstance(r.event, TrustSet) for r in again._opened().read()) == 1


@pytest.mark.parametrize(("first", "then"), [(MEASURED, OPEN), (OPEN, MEASURED)])
def test_numbers_of_two_kinds_do_not_mix(home: Path, first: Trust, then: Trust) -> None:
    study_of(home, first, 1)
    with pytest.raises(StudyMismatchError) as error:
        study_of(home, then, 2)
    assert "measured" in error.value.message
    assert "--study" in error.value.hint


def test_a_study_that_asks_for_nothing_notes_nothing(home: Path) -> None:
    study = study_of(home, None, 1)
    assert not any(isinstance(r.event, TrustSet) for r in study._opened().read())


def test_a_secret_in_the_command_is_not_kept_and_has_to_be_said_again(home: Path) -> None:
    secret = Trust(evaluate="python evaluate.py --token=sk-abcdefghijklmnopqrstuvwx")
    study = study_of(home, secret, 1)
    assert "sk-abc" not in encode(TrustSet(study.state.trust))
    with pytest.raises(UsageError, match="secret"):
        study_of(home, None, 2)
    assert len(values(study_of(home, secret, 2))) == 2


def test_the_command_line_goes_on_as_before(home: Path) -> None:
    words = [sys.executable, "-m", "knowhy", "run", "train.py", "--metric", "val_loss", "--minimize"]
    words += ["--strategy", "random", "--workers", "1"]
    for more in (["--trials", "1", "--evaluate", "python evaluate.py", "--processes", "300"], ["--trials", "2"]):
        subprocess.run([*words, *more], cwd=home, check=True, capture_output=True)
    study = knowhy.Study.open("train", folder=home / ".knowhy")
    assert study.state.trust == Trust(evaluate="python evaluate.py", processes=300)
    assert len(values(study)) == 2
    assert max(values(study)) < 1e6


def wait_for(study: knowhy.Study, trials: int) -> None:
    end = time.monotonic() + 60
    while len(study.state.completed) < trials or background.running(study):
        assert time.monotonic() < end, background.ending(study)
        time.sleep(0.1)


def test_a_run_that_an_agent_starts_is_measured_as_the_study_is(home: Path) -> None:
    study = study_of(home, MEASURED, 1)
    acting = Acting(Project(home))
    acting.start_study(study="s", trials=3)
    acting.submit_trials("s", [{}, {"LR": 0.3}])
    wait_for(study, 3)
    assert max(values(study)) < 1e6
    with pytest.raises(UsageError, match="evaluate"):
        acting.start_study(study="s", evaluate="python other.py")


def test_what_the_person_says_in_the_project_counts_for_an_agent(home: Path) -> None:
    (home / "knowhy.toml").write_text('[trust]\nevaluate = "python evaluate.py"\nprocesses = 200\n')
    acting = Acting(Project(home))
    acting.start_study("train.py", metric="val_loss", direction="minimize", study="new", trials=3)
    study = knowhy.Study.open("new", folder=home / ".knowhy")
    assert study.state.trust == Trust(evaluate="python evaluate.py", processes=200)
    acting.submit_trials("new", [{}])
    wait_for(study, 1)
    assert max(values(study)) < 1e6
    with pytest.raises(UsageError, match=r"knowhy\.toml says"):
        acting.start_study("train.py", metric="val_loss", study="other", evaluate="python train.py")


# Code that a model wrote

ESCAPE = """\
train.py
<<<<<<< SEARCH
for step in range(5):
=======
open(r"{target}", "w").write("out")
for step in range(5):
>>>>>>> REPLACE
"""


@confined
def test_a_change_that_is_tried_has_no_more_rights_than_a_trial(tmp_path: Path) -> None:
    root = repo_kit.make(tmp_path / "auto", dirty=False)
    study = knowhy.Study("auto", {"val_bpb": "minimize"}, folder=root / ".knowhy")
    study.run(knowhy.Repo(root), trials=1, workers=1)
    target = Path(__file__).parent / "escaped-from-a-dry-run.txt"
    try:
        with pytest.raises(PatchError):
            Workbench(study.path).check(study.state, ESCAPE.format(target=target), "it helps", "escape", "llm")
        assert not target.exists()
    finally:
        target.unlink(missing_ok=True)


def test_an_agent_goes_on_with_a_study_of_a_repository_and_begins_one(tmp_path: Path) -> None:
    root = repo_kit.make(tmp_path / "auto", dirty=False)
    trust = Trust(sandbox="off", allow_unsandboxed=True)
    study = knowhy.Study("auto", {"val_bpb": "minimize"}, folder=root / ".knowhy")
    study.run(knowhy.Repo(root), trials=1, workers=1, trust=trust)
    acting = Acting(Project(root))
    acting.start_study(study="auto", trials=3)
    acting.submit_trials("auto", [{}])
    wait_for(study, 2)
    assert json.loads((study.path / background.LAUNCH).read_text())["repo"] == str(root)
    assert study.state.trust == trust


@confined
def test_an_agent_begins_a_study_of_a_repository_and_it_is_shut_in(tmp_path: Path) -> None:
    root = repo_kit.make(tmp_path / "auto", dirty=False)
    acting = Acting(Project(root))
    acting.start_study(repo=".", study="mine", trials=2)
    acting.submit_trials("mine", [{}])
    study = knowhy.Study.open("mine", folder=root / ".knowhy")
    wait_for(study, 1)
    assert study.state.subject["kind"] == "repo"
    with pytest.raises(UsageError, match="outside"):
        acting.start_study(repo="..", study="out", metric="val_bpb", direction="minimize")
