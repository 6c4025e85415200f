"""Settings that no file holds are handed over with a branch: in its last message, and by the command."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

import knowhy
from knowhy.faces.cli import cli
from repo_kit import git

TRAIN = """\
import argparse
import os

RATE = float(os.environ.get("RATE", "0.1"))
parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, default=16)
width = parser.parse_args().width
DECAY = 0.5
print("val_loss:", 1 + RATE - 0.01 * width + DECAY)
"""


def test_variables_and_options_come_with_the_branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "lab"
    root.mkdir()
    (root / "train.py").write_text(TRAIN)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    monkeypatch.chdir(root)
    study = knowhy.Study("lab", objectives={"val_loss": "minimize"})
    study.run(knowhy.Repo(".", edit=("train.py",), command="python train.py"), trials=4)
    settings = {"RATE": 0.05, "width": 32, "DECAY": 0.25}
    written = study.patches.write_branch("tuned", {**study.state.space.defaults(), **settings})
    assert written.run == "RATE=0.05 python train.py --width=32"
    body = git(root, "log", "-1", "--format=%b", "tuned")
    assert "Run it as:\n\n    RATE=0.05 python train.py --width=32" in body
    assert "DECAY = 0.25\n" in git(root, "show", "tuned:train.py")
    assert study.patches.write_branch("file-only", {**study.state.space.defaults(), "DECAY": 0.25}).run == ""

    # What is told does what was tried.
    git(root, "checkout", "-q", "tuned")
    done = subprocess.run(["sh", "-c", written.run], capture_output=True, text=True, check=True, cwd=root)
    assert float(done.stdout.split()[-1]) == pytest.approx(1 + 0.05 - 0.32 + 0.25)
    git(root, "checkout", "-q", "main")
    told = CliRunner().invoke(cli, ["best", "--branch", "by-hand"])
    assert told.exit_code in (0, 2), told.output
    point = study.best_point
    outside = any(point[n] != study.state.space[n].default for n in ("RATE", "width"))
    assert ("run it as: " in told.output) == outside
