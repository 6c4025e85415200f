"""Studies that were started over MCP with ``stop_early``: the runner in the background knows, and does so."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

pytest.importorskip("mcp")

from knowhy import background, compose
from knowhy.errors import UsageError
from knowhy.faces.mcp.acting import Acting
from knowhy.faces.mcp.project import Project
from knowhy.model.space import Space
from knowhy.study import Study

TRAIN = """
import argparse, math, random
p = argparse.ArgumentParser()
p.add_argument("--lr", type=float, default=0.01)
p.add_argument("--dropout", type=float, default=0.1)
p.add_argument("--seed", type=int, default=0)
a = p.parse_args()
noise = random.Random(a.seed)
floor = 0.3 + 0.5 * (math.log10(a.lr) + 2.5) ** 2 + 0.6 * (a.dropout - 0.3) ** 2
for epoch in range(1, 31):
    print(f"epoch {epoch} val_loss: {floor + 2.0 * epoch ** -1.2 + 0.004 * noise.gauss(0, 1):.4f}")
"""


class Quiet(Project):
    """A project that starts no runner."""

    def run(self, study: Study, *, again: bool) -> str:
        return ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    return tmp_path


def test_what_is_asked_for_is_kept_with_the_launch(folder: Path) -> None:
    project = Quiet(folder)
    acting = Acting(project)
    acting.start_study(script="train.py", metric="val_loss", mode="knowhy", trials=9)
    study = project.study("train")
    assert background.read_launch(study).stop_early is None
    acting.start_study(study="train", stop_early=True)
    assert background.read_launch(study) == dataclasses.replace(
        background.read_launch(study), stop_early=True, trials=9, only_asked=False
    )
    acting.start_study(study="train", trials=12)
    assert background.read_launch(study).stop_early is True
    acting.start_study(study="train", stop_early=False)
    assert background.read_launch(study).stop_early is False


def test_the_settings_of_the_project_count_too(folder: Path) -> None:
    (folder / "knowhy.toml").write_text(
        '[study]\nname = "s"\nscript = "train.py"\n[run]\nstop_early = true\n[objectives]\nval_loss = "minimize"\n'
    )
    project = Quiet(folder)
    Acting(project).start_study()
    study = project.study("s")
    assert background.read_launch(study).stop_early is True


def test_a_launch_of_an_earlier_knowhy_is_read(folder: Path) -> None:
    project = Quiet(folder)
    Acting(project).start_study(script="train.py", metric="val_loss")
    study = project.study("train")
    kept = json.loads((study.path / background.LAUNCH).read_text())
    del kept["stop_early"]
    (study.path / background.LAUNCH).write_text(json.dumps(kept))
    assert background.read_launch(study).stop_early is None


def test_what_cannot_be_stopped_early_is_refused_at_once(folder: Path) -> None:
    toml = '[study]\nname = "s"\nscript = "train.py"\n[run]\nstrategy = "random"\n[objectives]\nval_loss = "minimize"\n'
    (folder / "knowhy.toml").write_text(toml)
    project = Quiet(folder)
    acting = Acting(project)
    with pytest.raises(UsageError, match="strategy random cannot be stopped early"):
        acting.start_study(stop_early=True)
    assert not project.names()
    acting.start_study()
    before = background.read_launch(project.study("s"))
    with pytest.raises(UsageError, match="strategy random cannot be stopped early"):
        acting.start_study(study="s", stop_early=True)
    assert background.read_launch(project.study("s")) == before


@pytest.mark.parametrize("wanted", [None, True, False])
def test_the_run_in_the_background_is_told(folder: Path, wanted: bool | None) -> None:
    found = compose.discovered(folder / "train.py")
    study = Study("s", {"val_loss": "minimize"}, folder=folder / ".knowhy")
    launch = background.Launch(str(folder / "train.py"), stop_early=wanted)
    background.begin(study, launch, Space(found.parameters))
    assert study.ran is not None
    assert study.ran.stop_early is wanted
