"""What a person does with a repository: add patches, run, be killed, go on, look, write the best as a branch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import knowhy
from knowhy.errors import PatchError, StudyMismatchError
from knowhy.faces.cli import cli
from knowhy.model.trial import Completed, Failed
from knowhy.study import Study
from repo_kit import edit, fingerprint, git, make

HELPS = edit("x += 0.0\n", "x -= 0.22\n")
HURTS = edit("noise = random.gauss(0, 0.001)\n", "noise = random.gauss(0.05, 0.001)\n")
CLASHES = edit("x += 0.0\n", "x += 0.3\n")
BREAKS = edit("import os\n", "import os\nimport no_such_module\n")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = make(tmp_path / "lab")
    monkeypatch.chdir(made)
    return made


def knowhy_cli(*arguments: str, text: str | None = None, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, arguments, input=text, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def added(*names: str) -> None:
    texts = {"helps": HELPS, "hurts": HURTS, "clashes": CLASHES, "breaks": BREAKS}
    for name in names:
        knowhy_cli("patch", "add", "-", "--name", name, "--because", f"It {name}", text=texts[name])


def test_a_study_of_patches_from_the_first_to_the_branch(root: Path) -> None:
    before = fingerprint(root)
    added("helps", "hurts", "clashes")
    shown = json.loads(knowhy_cli("patch", "list", "--json").stdout)
    assert [v["name"] for v in shown] == ["helps", "hurts", "clashes"]
    assert {v["status"] for v in shown} == {"waiting"}
    told = knowhy_cli("run", "--repo", ".", "--trials", "22", "--seed", "1")
    assert "an autoresearch repository" in told.stderr
    assert fingerprint(root) == before

    study = Study.open("lab")
    assert study.state.objective.metric == "val_bpb"
    assert list(study.state.patches) == ["helps", "hurts", "clashes"]
    points = [t.proposal.point for t in study.state.trials.values()]
    assert not any(p["helps"] is True and p["clashes"] is True for p in points)
    views = {v.name: v for v in study.patches}
    assert views["helps"].excludes == ("clashes",)
    assert views["hurts"].verdict in ("hurts", "not known")
    assert all(isinstance(t, Completed) for t in study.state.trials.values())
    listed = knowhy_cli("patch", "list").stdout
    assert "hurts" in listed
    assert "excludes" in listed
    assert "-x += 0.0" in knowhy_cli("patch", "show", "helps").stdout

    # a patch from a second terminal, while the study rests, and another that is dropped
    added("breaks")
    knowhy_cli("patch", "drop", "clashes", "--because", "enough of it")
    statuses = {v.name: v.status for v in study.patches}
    assert statuses == {"helps": "open", "hurts": "open", "clashes": "dropped", "breaks": "open"}
    (root / "train.py").write_text("print('edited since')\n")  # the study keeps to its base
    knowhy_cli("run", "--repo", ".", "--trials", "27")
    state = study.state
    late = [t for number, t in state.trials.items() if number > 22]
    assert not any(t.proposal.point["clashes"] is True for t in late)
    broke = [t for t in late if t.proposal.point["breaks"] is True]
    assert all(isinstance(t, Failed) and "no_such_module" in t.failure.message for t in broke)
    (root / "train.py").write_bytes(
        subprocess.run(["git", "show", ":train.py"], capture_output=True, check=True).stdout + b"# not committed\n"
    )
    assert fingerprint(root) == before

    # the best as a branch: one commit for each patch, nothing else moves
    point = {**study.state.space.defaults(), "helps": True, "hurts": True, "LEARNING_RATE": 0.2}
    written = study.patches.write_branch("best-of-lab", point)
    assert written.commits == (
        "What was not committed when the study began",
        "It helps",
        "It hurts",
        "Settings of the best configuration",
    )
    log = git(root, "log", "--format=%s%n%b", "main..best-of-lab")
    assert written.run == "", "all settings stand in files"
    assert "Effect on val_bpb near the best configuration" in log
    assert "LEARNING_RATE = 0.2   (was 0.1)" in log
    assert git(root, "diff", "--stat", "best-of-lab~1", "best-of-lab").count("|") == 1
    tip = git(root, "show", "best-of-lab:train.py")
    assert "x -= 0.22" in tip
    assert "LEARNING_RATE = 0.2\n" in tip
    assert "SEED = 42" in tip
    after = fingerprint(root)
    same = {k: v for k, v in before.items() if not k.startswith((".git/objects", "branch"))}
    assert {k: after.get(k) for k in same} == same
    refused = knowhy_cli("best", "--branch", "best-of-lab", code=2)
    assert "exists already" in refused.stderr or "nothing to commit" in refused.stderr
    git(root, "fsck", "--strict")


def test_a_killed_run_leaves_the_repository_as_it_was_and_goes_on(root: Path) -> None:
    before = fingerprint(root)
    slow = edit("import os\n", "import os\nimport time\ntime.sleep(0.4)\n")
    knowhy_cli("patch", "add", "-", "--name", "slow", text=slow)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "knowhy", "run", "--repo", ".", "--trials", "9", "--workers", "2"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not list(root.glob(".knowhy/lab/trials/*/repo/train.py")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(root.glob(".knowhy/lab/trials/*/repo/train.py"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert fingerprint(root) == before
    knowhy_cli("run", "--repo", ".", "--trials", "9", "--workers", "2")
    study = Study.open("lab")
    assert study.state.finished == 9
    assert not list(root.glob(".knowhy/lab/trials/*/repo"))
    assert fingerprint(root) == before


def test_a_tampering_patch_is_a_failure_of_its_own_kind(root: Path) -> None:
    cheat = edit("import os\n", "import os\nos.chmod('prepare.py', 0o600)\nopen('prepare.py', 'a').write('#')\n")
    study = Study("lab", {"val_bpb": "minimize"})
    study.patches.add(cheat, "cheats", "cheat", repo=knowhy.Repo("."))
    study.run(knowhy.Repo("."), trials=8, workers=2)
    cheated = [t for t in study.state.trials.values() if t.proposal.point["cheat"] is True]
    assert cheated
    assert all(isinstance(t, Failed) and t.failure.kind == "tampered" for t in cheated)
    assert study.best is not None
    assert study.best.point["cheat"] is False


def test_what_does_not_fit_is_said(root: Path) -> None:
    study = Study("lab", {"val_bpb": "minimize"})
    added("helps")
    with pytest.raises(PatchError, match="a patch helps already"):
        study.patches.add(HURTS, name="helps", repo=knowhy.Repo("."))
    with pytest.raises(PatchError, match="no name for a patch"):
        study.patches.add(HURTS, name="two words", repo=knowhy.Repo("."))
    with pytest.raises(PatchError, match="same change as helps"):
        study.patches.add(HELPS, name="again", repo=knowhy.Repo("."))
    with pytest.raises(PatchError, match="a parameter LEARNING_RATE already"):
        study.patches.add(HURTS, name="LEARNING_RATE", repo=knowhy.Repo("."))
    study.run(knowhy.Repo("."), trials=2)
    with pytest.raises(PatchError, match="same change as helps"):
        study.patches.add(HELPS, name="again")
    with pytest.raises(StudyMismatchError, match="--command"):
        study.run(knowhy.Repo(".", command="python other.py"), trials=3)
    missing = knowhy_cli("run", "--repo", "/nowhere", code=2)
    assert "hint" in missing.stderr
    both = knowhy_cli("run", "train.py", "--repo", ".", code=2)
    assert "both named" in both.stderr
    assert "0 times" in knowhy_cli("patch", "add", "-", text=edit("nothing\n", "x\n"), code=2).stderr


def test_the_shelf_is_checked_against_the_base_of_the_study(root: Path) -> None:
    added("helps")
    text = (root / "train.py").read_text()
    (root / "train.py").write_text(text.replace("x += 0.0\n", "x += 0.01\n"))
    failed = knowhy_cli("run", "--repo", ".", code=2)
    assert "the patch helps: the diff does not apply" in failed.stderr
    (root / "train.py").write_text("# a line more\n" + text)
    knowhy_cli("run", "--repo", ".", "--trials", "2")
    assert list(Study.open("lab").state.patches) == ["helps"]


def test_settings_come_from_the_file_too(root: Path) -> None:
    (root / "knowhy.toml").write_text(
        '[study]\nname = "from-file"\nrepo = "."\nedit = ["train.py"]\ncommand = "python train.py"\n'
        '[run]\ntrials = 2\n[objectives]\nval_bpb = "minimize"\n'
        "[parameters]\n"
        'LEARNING_RATE = {type = "real", low = 0.01, high = 0.4, scale = "log", default = 0.1, active = true}\n'
    )
    knowhy_cli("run")
    state = Study.open("from-file").state
    assert [p.name for p in state.space] == ["LEARNING_RATE"]
    assert state.finished == 2
    knowhy_cli("run", "--trials", "3")
    assert Study.open("from-file").state.finished == 3
