"""What defines the evaluation (time, data, seed, split) is no parameter, unless a person says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import knowhy
from knowhy import reflection
from knowhy.cases import contributions
from knowhy.engine.beliefs import Beliefs
from knowhy.errors import SettingsError, SpaceError
from knowhy.faces.mcp.acting import Acting
from knowhy.faces.mcp.project import Project
from knowhy.model.space import EVALUATION_ROLE
from knowhy.model.theory import ParameterRequest, Theory
from knowhy.reports import write_markdown
from knowhy.settings.options import load
from knowhy.subjects.discovery import discover
from knowhy.subjects.script import ScriptSubject

SCRIPT = """\
import argparse
import random
from dataclasses import dataclass

TIME_BUDGET = 5
N_SAMPLES = 200
SEED = 3
LR = 0.1
STRATIFY = True
random.seed(SEED)


@dataclass
class Config:
    val_fraction: float = 0.2
    dropout: float = 0.1


config = Config()
parser = argparse.ArgumentParser()
parser.add_argument("--eval-batches", type=int, default=20)
parser.add_argument("--weight-decay", type=float, default=1e-4)
given = parser.parse_args()


def split(data, test_size):
    return data[: int(len(data) * test_size)]


held = split(list(range(N_SAMPLES)), test_size=config.val_fraction)
noise = random.random() / 100
print("seed_used:", SEED)
print("val_loss:", (LR - 0.3) ** 2 + config.dropout + given.weight_decay + 1 / TIME_BUDGET + 1 / given.eval_batches
      + len(held) / 1e3 + STRATIFY + noise)
"""
DEFINING = {"TIME_BUDGET", "N_SAMPLES", "SEED", "STRATIFY", "val_fraction", "eval_batches"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    return tmp_path


def study_of(home: Path, trials: int = 2) -> knowhy.Study:
    study = knowhy.Study("s", {"val_loss": "minimize"}, folder=home / ".knowhy")
    study.run(home / "train.py", trials=trials, workers=1, strategy="random")
    return study


def test_they_are_found_and_not_offered(home: Path) -> None:
    found = discover(str(home / "train.py"))
    assert not DEFINING & {p.name for p in found.parameters}
    assert {p.name for p in found.reserved} >= DEFINING
    assert {p.role for p in found.reserved} == {EVALUATION_ROLE}
    assert not any(p.active for p in found.reserved)


def test_no_trial_varies_them_and_no_one_but_a_person_can_open_them(home: Path) -> None:
    study = study_of(home)
    assert not DEFINING & {p.name for p in study.state.space}
    standing = {view.name: view.standing for view in study.parameters}
    assert {standing[name] for name in DEFINING} == {"reserved"}
    assert study.status.warnings == ()
    for by in ("agent", "openai:m", "engine"):
        with pytest.raises(SpaceError, match="only a person"):
            study.parameters.open("TIME_BUDGET", low=1, high=9, by=by)
    with pytest.raises(SpaceError, match="TIME_BUDGET"):
        Acting(Project(home)).open_parameter("TIME_BUDGET", "longer is better", "s", 1, 9)
    acting = Acting(Project(home))
    entries = {"TIME_BUDGET": {"low": 1, "high": 9, "active": True}}
    with pytest.raises(SettingsError, match="TIME_BUDGET"):
        acting.start_study("train.py", metric="val_loss", direction="minimize", study="t", parameters=entries)


def test_a_person_declares_one_and_is_told_what_it_means(home: Path) -> None:
    study = study_of(home)
    with pytest.raises(SpaceError, match="do not measure the same"):
        study.parameters.open("TIME_BUDGET")
    view = study.parameters.open("TIME_BUDGET", low=1, high=50, because="compute is a question, too")
    assert (view.standing, view.by) == ("active", "person")
    assert "defines the evaluation" in view.reason
    study.run(home / "train.py", trials=10, workers=1, strategy="random")
    values = {t.proposal.point["TIME_BUDGET"] for t in study.state.completed}
    assert len(values) > 2
    assert all(1 <= v <= 50 for v in values if isinstance(v, int))
    (warning,) = study.status.warnings
    assert "TIME_BUDGET defines the evaluation" in warning
    assert "defines the evaluation" in write_markdown(study.state, study.mind)
    # What a person has frozen again, nobody else opens.
    study.parameters.freeze("TIME_BUDGET")
    state = study.state
    with pytest.raises(SpaceError, match="only a person"):
        contributions.opened(state, "TIME_BUDGET", {}, "why", "agent")
    said = [
        ParameterRequest("TIME_BUDGET", "longer is better", "openai:m"),
        Theory("", "Longer", "why", ("raising TIME_BUDGET from 5 to 40 lowers val_loss",), by="openai:m"),
    ]
    after = [e for e in reflection.heard(Beliefs(), said, state) if type(e).__name__ == "ParameterChanged"]
    assert after == []


def test_a_person_declares_one_in_the_file(home: Path) -> None:
    text = '[study]\nscript = "train.py"\n[objectives]\nval_loss = "minimize"\n[parameters]\nLR = {active = true}\n'
    found = discover(str(home / "train.py"))
    (home / "knowhy.toml").write_text(text + "val_fraction = {active = true}\n")
    with pytest.raises(SettingsError, match="do not measure the same"):
        load({}, {}, home / "knowhy.toml").space(found.parameters, found.reserved)
    (home / "knowhy.toml").write_text(text + "val_fraction = {low = 0.1, high = 0.5, active = true}\n")
    words = [sys.executable, "-m", "knowhy", "run", "--trials", "6", "--strategy", "random"]
    ran = subprocess.run(words, cwd=home, capture_output=True, text=True, check=True)
    assert "warning" in ran.stdout
    study = knowhy.Study.open("train", folder=home / ".knowhy")
    assert len({t.proposal.point["val_fraction"] for t in study.state.completed}) > 2


def test_a_seed_that_a_person_made_a_parameter_is_no_longer_the_trials(home: Path) -> None:
    found = discover(str(home / "train.py"))
    subject = ScriptSubject(str(home / "train.py"), knowhy.Space(found.parameters), found.seeds, offered=found.reserved)
    assert "SEED = 99" in subject.render({}, 99)
    assert "SEED = 7" in subject.render({"SEED": 7}, 99)
    study = study_of(home)
    study.parameters.open("SEED", low=0, high=9)
    study.run(home / "train.py", trials=5, workers=1, strategy="random")
    for trial in study.state.completed[2:]:
        assert trial.observation.metrics["seed_used"] == trial.proposal.point["SEED"]
