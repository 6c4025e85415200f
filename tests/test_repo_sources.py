"""A repository offers what a script offers: configuration files, environment variables, library arguments, Hydra."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from knowhy.execution.local import LocalExecutor
from knowhy.model.observation import Observation
from knowhy.model.patch import Patch
from knowhy.model.space import Point, Space
from knowhy.model.trial import Proposal
from knowhy.subjects.repo.scope import Scope
from knowhy.subjects.repo.store import Home, Store
from knowhy.subjects.repo.subject import RepoSubject
from repo_kit import fingerprint, git

CONFIG = "optimizer:\n  lr: 0.01  # a guess\n  dropout: 0.1\neval:\n  batch_size: 64\n"
TRAIN = """\
import os
import yaml

with open("conf/train.yaml") as file:
    config = yaml.safe_load(file)["optimizer"]
smoothing = float(os.environ.get("LABEL_SMOOTHING", "0.1"))
WIDTH = 8
print(f"val_bpb: {config['lr'] + 10 * config['dropout'] + 100 * smoothing + 1000 * WIDTH:.6f}")
"""
SGD = """\
import torch

rate = 0.1
opt = torch.optim.SGD(model.parameters(), lr=rate)
print("val_bpb: 1.0")
"""


class Bench:
    def __init__(self, root: Path, files: dict[str, str], scope: Scope | None = None) -> None:
        root.mkdir()
        for name, text in files.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(text)
        git(root, "init", "-q", "-b", "main")
        git(root, "add", "-A")
        git(root, "commit", "-qm", "init")
        self.root, self.outside = root, root.parent / "study"
        self.patches: dict[str, Patch] = {}
        home = Home.find(root)
        store, _, _ = Store.create(self.outside / "repo.git", home, [])
        self.space = Space(())
        self.subject = RepoSubject(
            store,
            home,
            scope or Scope(),
            (sys.executable, "train.py"),
            patches=lambda: self.patches,
            space=lambda: self.space,
            timeout=60.0,
        )
        self.space = Space(self.subject.found.parameters)

    def add(self, name: str, text: str) -> None:
        patch, switch, *_ = self.subject.accept(text, name, "because")
        self.patches[name] = patch
        self.space = self.space.with_parameter(switch)

    def run(self, point: Point, trial: int = 1) -> float:
        proposal = Proposal(trial, self.space.complete(point), 5, "learn", "test")
        executor = LocalExecutor(1)
        try:
            executor.submit(self.subject.prepare(proposal, ("val_bpb",), str(self.outside / f"{trial:05d}")))
            while not (ended := executor.wait(20.0)):
                pass
        finally:
            executor.close()
        outcome = ended[0][1]
        assert isinstance(outcome, Observation), outcome
        return outcome.metrics["val_bpb"]

    def text(self, point: Point, path: str = "train.py") -> str:
        data = self.subject.plan(self.space.complete(point)).files.get(path) or self.subject.read(path)
        assert data is not None
        return data.decode()


def test_configuration_and_environment_are_parameters_and_reach_the_trial(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "repo", {"train.py": TRAIN, "conf/train.yaml": CONFIG})
    before = fingerprint(bench.root)
    by = {p.name: p for p in bench.space}
    assert {n: p.origin.kind for n, p in by.items()} == {
        "optimizer.lr": "config", "optimizer.dropout": "config", "LABEL_SMOOTHING": "environment", "WIDTH": "constant",
    }  # fmt: skip
    assert by["optimizer.lr"].origin.file == "conf/train.yaml"
    assert all(p.active for p in by.values())
    assert bench.run({}, 1) == pytest.approx(0.01 + 1 + 10 + 8000)
    changed = {"optimizer.lr": 0.5, "LABEL_SMOOTHING": 0.2, "WIDTH": 9}
    assert bench.run(changed, 2) == pytest.approx(0.5 + 1 + 20 + 9000)
    written = bench.text(changed, "conf/train.yaml")
    assert written == CONFIG.replace("0.01", "0.5")
    assert yaml.safe_load(written)["eval"] == {"batch_size": 64}
    assert fingerprint(bench.root) == before


def test_what_no_file_holds_is_said_as_a_person_would_type_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "repo", {"train.py": TRAIN, "conf/train.yaml": CONFIG})
    assert bench.subject.plan(bench.space.complete({"LABEL_SMOOTHING": 0.25})).words == ("LABEL_SMOOTHING=0.25",)
    assert bench.subject.plan(bench.space.complete({})).files == {}


def test_the_configuration_that_a_trial_runs_with_is_locked_like_all_that_is_not_edited(tmp_path: Path) -> None:
    cheat = TRAIN + 'open("conf/train.yaml", "w").write("optimizer: {lr: 0, dropout: 0}")\n'
    bench = Bench(tmp_path / "repo", {"train.py": cheat, "conf/train.yaml": CONFIG})
    proposal = Proposal(1, bench.space.complete({"optimizer.lr": 0.5}), 5, "learn", "test")
    job = bench.subject.prepare(proposal, ("val_bpb",), str(bench.outside / "00001"))
    (file,) = [path for path in job.locked if path.endswith("train.yaml")]
    assert "lr: 0.5" in Path(file).read_text()
    other = bench.subject.prepare(
        Proposal(2, bench.space.complete({}), 5, "learn", "test"), ("val_bpb",), str(bench.outside / "00002")
    )
    assert job.locked[file] != other.locked[file.replace("00001", "00002")]


def test_protected_configuration_is_not_varied(tmp_path: Path) -> None:
    scope = Scope(protect=("conf/**",))
    bench = Bench(tmp_path / "repo", {"train.py": TRAIN, "conf/train.yaml": CONFIG}, scope)
    assert {p.name for p in bench.space} == {"LABEL_SMOOTHING", "WIDTH"}


def test_library_arguments_are_held_and_spliced_where_patches_have_moved_the_call(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    bench = Bench(tmp_path / "repo", {"train.py": SGD})
    held = {p.name for p in bench.space if p.origin.kind == "inherited"}
    assert {"momentum", "weight_decay"} <= held
    assert not any(p.active for p in bench.space if p.name in held)
    bench.add("note", "train.py\n<<<<<<< SEARCH\nrate = 0.1\n=======\n# moved\n# down\nrate = 0.1\n>>>>>>> REPLACE\n")
    assert "lr=rate, momentum=0.9)" in bench.text({"momentum": 0.9})
    assert "# down\n" in bench.text({"momentum": 0.9, "note": True})
    assert "lr=rate, momentum=0.9)" in bench.text({"momentum": 0.9, "note": True})
    assert "momentum" not in bench.text({"note": True})


def test_a_patch_that_rewrites_the_call_says_what_it_takes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    bench = Bench(tmp_path / "repo", {"train.py": SGD})
    line = "opt = torch.optim.SGD(model.parameters(), lr=rate)\n"
    new = line.replace("lr=rate", "lr=rate, momentum=0.8")
    bench.add("heavy", f"train.py\n<<<<<<< SEARCH\n{line}=======\n{new}>>>>>>> REPLACE\n")
    assert bench.text({"heavy": True, "momentum": 0.9}).count("momentum") == 1


def test_a_hydra_configuration_is_overridden_on_the_command_line(tmp_path: Path) -> None:
    script = (
        "import hydra\n\n\n@hydra.main(config_path='conf', config_name='config')\n"
        "def main(cfg):\n    print(cfg)\n\n\nmain()\n"
    )
    bench = Bench(tmp_path / "repo", {"train.py": script, "conf/config.yaml": "optimizer:\n  lr: 0.01\n"})
    (parameter,) = bench.space
    assert parameter.origin.kind == "override"
    plan = bench.subject.plan({parameter.name: 0.5})
    assert plan.files == {}
    assert plan.options == ("optimizer.lr=0.5",)
