"""Journals that this version wrote are read, told and continued by every later one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import knowhy
from journals import study_v1
from knowhy.journal import check
from knowhy.model.trial import Completed, Running


@pytest.fixture(params=["ended", "cut-off"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A journal of this version, in a study's folder."""
    path = tmp_path / ".knowhy" / str(request.param) / "journal.db"
    path.parent.mkdir(parents=True)
    shutil.copy(study_v1.HOME / f"{request.param}_v1.db", path)
    return path


def test_it_is_read_and_told(kept: Path) -> None:
    report = check(kept)
    assert report.ok
    study = knowhy.Study.open(kept.parent.name, folder=kept.parent.parent)
    view, state = study.status, study.state
    assert report.records == state.seq
    if study.name == "ended":
        assert (view.phase, view.done + view.failed) == ("ended", 9)
        assert study.theories
        assert study.best is not None
        assert all(study.explain(theory.id) for theory in study.theories[:3])
    else:
        assert view.phase == "cut off"
        assert view.controller is not None
        assert view.done >= 3
        assert sum(isinstance(t, Running) for t in state.pending) == 2
    assert study.report().stat().st_size > 10_000
    assert check(kept).records == report.records


def test_a_study_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    path = tmp_path / ".knowhy" / "cut-off" / "journal.db"
    path.parent.mkdir(parents=True)
    shutil.copy(study_v1.HOME / "cut-off_v1.db", path)
    script = tmp_path / "train.py"
    script.write_text(study_v1.SCRIPT.replace("PAUSE", "0.3"))
    study = knowhy.Study("cut-off", folder=tmp_path / ".knowhy")
    before = {n: t for n, t in study.state.trials.items() if isinstance(t, Completed)}
    study.run(script, trials=9, strategy="random")
    state = study.state
    assert state.finished == 9
    assert {n: state.trials[n] for n in before} == before
    assert any("was cut off" in note.text for _, note in state.notes)
