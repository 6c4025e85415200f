"""Repositories as subjects: snapshots, worktrees, patches handed in, locked files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from knowhy.errors import PatchError, SubjectError
from knowhy.execution.guard import GuardedExecutor
from knowhy.execution.local import LocalExecutor
from knowhy.model.observation import Failure, Observation, Outcome
from knowhy.model.patch import Patch
from knowhy.model.space import Parameter, Space
from knowhy.model.trial import Proposal
from knowhy.subjects.repo import contract, literals, neighbours
from knowhy.subjects.repo.handed import applied, form_of
from knowhy.subjects.repo.scope import Scope
from knowhy.subjects.repo.store import Home, Store
from knowhy.subjects.repo.subject import RepoSubject
from repo_kit import PREPARE, TRAIN, edit, fingerprint, git, make

SCOPE = Scope(("train.py",))


class Bench:
    """A subject with patches and space that a test sets."""

    def __init__(self, root: Path, scope: Scope = SCOPE, command: tuple[str, ...] = ("python", "train.py")) -> None:
        self.root = root
        (root / ".knowhy").mkdir(exist_ok=True)
        (root / ".knowhy" / ".gitignore").write_text("*\n")  # as a study puts it there
        self.patches: dict[str, Patch] = {}
        self.space = Space(())
        self.home = Home.find(root)
        self.store, self.tree, self.dirty = Store.create(
            root / ".knowhy" / "s" / "repo.git", self.home, [root / ".knowhy"]
        )
        self.subject = RepoSubject(
            self.store,
            self.home,
            scope,
            command,
            patches=lambda: self.patches,
            space=lambda: self.space,
            outside=neighbours.unversioned(self.home, [root / ".knowhy"]),
            timeout=30.0,
        )
        self.space = Space(self.subject.found.parameters)

    def add(self, name: str, text: str) -> tuple[str, ...]:
        patch, switch, exclusions, bound = self.subject.accept(text, name, "because")
        self.patches[name] = patch
        self.space = self.space.with_parameter(switch)
        for exclusion in exclusions:
            self.space = self.space.with_exclusion(exclusion)
        return bound

    def run(self, point: Mapping[str, object], trial: int = 1, seed: int = 5) -> Outcome:
        proposal = Proposal(trial, self.space.complete(point), seed, "learn", "test")  # type: ignore[arg-type]
        with closing(GuardedExecutor(LocalExecutor(1))) as executor:
            job = self.subject.prepare(
                proposal, ("val_bpb",), str(self.root / ".knowhy" / "s" / "trials" / f"{trial:05d}")
            )
            executor.submit(job)
            while not (ended := executor.wait(20.0)):
                pass
        return ended[0][1]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(make(tmp_path / "repo"))


def value(outcome: Outcome) -> float:
    assert isinstance(outcome, Observation), outcome
    return outcome.metrics["val_bpb"]


# Snapshots


def test_the_base_is_the_working_tree_and_the_repository_is_untouched(tmp_path: Path) -> None:
    root = make(tmp_path / "repo")
    before = fingerprint(root)
    bench = Bench(root)
    assert bench.dirty
    assert bench.subject.read("train.py") == (root / "train.py").read_bytes()
    assert bench.subject.read("new.txt") == b"new\n"
    assert bench.subject.read("staged.txt") == b"staged\n"
    assert bench.subject.read("data/small.txt") is None  # ignored: no part of the base
    assert not any(path.startswith(".knowhy") for path in bench.store.entries)
    value(bench.run({}))
    assert fingerprint(root) == before


def test_the_store_does_not_need_the_persons_objects(tmp_path: Path) -> None:
    bench = Bench(make(tmp_path / "repo"))
    store = Store(bench.store.path)
    import shutil

    shutil.rmtree(bench.root / ".git")
    assert store.read("prepare.py") == PREPARE.encode()
    subprocess.run(["git", "fsck", "--strict"], cwd=store.path, check=True, capture_output=True)


def test_a_folder_below_the_root_of_the_repository(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    git(top, "init", "-q")
    inner = make(top / "inner", dirty=False)
    import shutil

    shutil.rmtree(inner / ".git")
    (top / "outer.txt").write_text("outer\n")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "all")
    bench = Bench(inner)
    assert bench.home.prefix == "inner"
    bench.add("shift", edit("x += 0.0\n", "x += 0.5\n"))
    assert value(bench.run({"shift": True})) > value(bench.run({}, 2)) + 0.1


@pytest.mark.parametrize("unborn", [True, False])
def test_repositories_without_a_commit_or_with_odd_names(tmp_path: Path, unborn: bool) -> None:
    root = tmp_path / "re po é"
    root.mkdir()
    git(root, "init", "-q")
    (root / "train.py").write_text("print('val_bpb: 0.5')\n")
    (root / "odd name ü.txt").write_text("odd\n")
    if not unborn:
        git(root, "add", "-A")
        git(root, "commit", "-qm", "one")
    bench = Bench(root)
    assert bench.dirty is unborn
    assert value(bench.run({})) == 0.5


def test_no_repository_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match="no git repository") as caught:
        Home.find(tmp_path)
    assert "git init" in caught.value.hint


# What a trial runs


def test_patches_and_literals_combine_in_a_commit_of_their_own(bench: Bench) -> None:
    assert {"LEARNING_RATE", "MOMENTUM"} <= {p.name for p in bench.space}
    bench.add("shift", edit("x += 0.0\n", "extra = 0.25\nx += extra\n"))
    bench.add("top", edit("import os\n", "import os\nimport math\n"))
    point = {"shift": True, "top": True, "LEARNING_RATE": 0.2}
    outcome = bench.run(point, 7)
    made = git(bench.store.path, "show", "refs/knowhy/trials/7:train.py")
    assert "import math" in made
    assert "extra = 0.25" in made
    assert "LEARNING_RATE = 0.2\n" in made
    assert "SEED = 5\n" in made
    assert "MOMENTUM = 0.5\n" in made
    assert "# not committed" in made
    expected = 0.3 + 0.7 * (1 - 2 * 0.2) ** 5 + 0.25
    assert value(outcome) == pytest.approx((expected - 0.3) ** 2, abs=0.01)
    assert not (bench.root / ".knowhy" / "s" / "trials" / "00007" / "repo").exists()


def test_a_patch_that_sets_a_literal_binds_it(bench: Bench) -> None:
    bound = bench.add("faster", edit("LEARNING_RATE = 0.1\n", "LEARNING_RATE = 0.4\n"))
    assert bound == ("LEARNING_RATE",)
    plan = bench.subject.plan({**bench.space.defaults(), "faster": True, "LEARNING_RATE": 0.01})
    assert b"LEARNING_RATE = 0.4\n" in (plan.files["train.py"] or b"")


def test_patches_that_overlap_are_known_and_refused(bench: Bench) -> None:
    bench.add("one", edit("x += 0.0\n", "x += 1.0\n"))
    bench.add("two", edit("x += 0.0\n", "x += 2.0\n"))
    assert [e.parameters for e in bench.space.exclusions] == [("one", "two")]
    both = {**bench.space.defaults(), "one": True, "two": True}
    with pytest.raises(PatchError, match=r"both change train\.py, line"):
        bench.subject.plan(both)
    completed = bench.space.complete(both)
    assert completed["one"] is not completed["two"]


def test_the_trials_commit_is_the_same_for_the_same_configuration(bench: Bench) -> None:
    bench.run({}, 1)
    first = git(bench.store.path, "rev-parse", "refs/knowhy/trials/1^{tree}")
    bench.run({}, 2)
    assert git(bench.store.path, "rev-parse", "refs/knowhy/trials/2^{tree}") == first


def test_data_that_git_ignores_is_there_and_new_files_stay_in_the_trial(bench: Bench) -> None:
    look = "print('size:', os.path.getsize('data/big.bin'), flush=True); open('data/added.txt', 'w').write('mine')\n"
    bench.add("look", edit("x += 0.0\n", look + "open('data/small.txt', 'w').write('8')\n"))
    before = fingerprint(bench.root)
    outcome = bench.run({"look": True})
    assert isinstance(outcome, Observation), outcome
    assert outcome.metrics["size"] == 400_000
    assert fingerprint(bench.root) == before


def test_what_an_editable_install_would_hide_is_imported_from_the_trial(tmp_path: Path) -> None:
    root = make(tmp_path / "repo", dirty=False)
    (root / "src" / "pack").mkdir(parents=True)
    (root / "src" / "pack" / "__init__.py").write_text("VALUE = 1.0\n")
    (root / "train.py").write_text("import pack\nprint('val_bpb:', pack.VALUE)\n")
    bench = Bench(root, Scope(("src/**/*.py",)))
    bench.add("two", edit("VALUE = 1.0\n", "VALUE = 2.0\n", "src/pack/__init__.py"))
    old = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(root / "src"), old])
    try:
        assert value(bench.run({"two": True})) == 2.0
    finally:
        os.environ["PYTHONPATH"] = old


# Locked files


@pytest.mark.parametrize(
    "cheat",
    [
        "os.chmod('prepare.py', 0o600); open('prepare.py', 'a').write('#')\n",
        "os.remove('prepare.py')\n",
        "os.remove('prepare.py'); open('prepare.py', 'w').write('TIME_BUDGET = 9')\n",
        "os.remove('prepare.py'); os.symlink('/dev/null', 'prepare.py')\n",
        "os.chmod('program.md', 0o600); open('program.md', 'w').write('x')\n",
    ],
)
def test_a_trial_that_changes_locked_files_fails_for_that(bench: Bench, cheat: str) -> None:
    bench.add("cheat", edit("x += 0.0\n", cheat))
    before = fingerprint(bench.root)
    outcome = bench.run({"cheat": True})
    assert isinstance(outcome, Failure)
    assert outcome.kind == "tampered"
    assert "prepare.py" in outcome.message or "program.md" in outcome.message
    assert not outcome.metrics
    assert fingerprint(bench.root) == before


def test_writing_to_linked_data_is_noticed(bench: Bench) -> None:
    bench.add("cheat", edit("x += 0.0\n", "open('data/big.bin', 'ab').write(b'x')\n"))
    outcome = bench.run({"cheat": True})
    assert isinstance(outcome, Failure)
    assert outcome.kind == "tampered"


def test_a_file_that_is_touched_but_unchanged_is_no_violation(bench: Bench) -> None:
    bench.add("touch", edit("x += 0.0\n", "os.chmod('prepare.py', 0o644); os.utime('prepare.py')\n"))
    assert isinstance(bench.run({"touch": True}), Observation)


def test_versioned_files_that_training_writes_can_be_named(tmp_path: Path) -> None:
    root = make(tmp_path / "repo")
    write = edit("x += 0.0\n", "open('results.tsv', 'a').write('row')\n")
    strict = Bench(root)
    strict.add("writes", write)
    os_is_root = os.geteuid() == 0
    outcome = strict.run({"writes": True})
    assert isinstance(outcome, Failure)
    assert outcome.kind == ("tampered" if os_is_root else "exit")
    loose = Bench(root, replace(SCOPE, writes=("results.tsv",)))
    loose.add("writes", write)
    assert isinstance(loose.run({"writes": True}), Observation)


def test_a_checkout_that_is_not_what_it_was_ends_before_it_runs(bench: Bench, tmp_path: Path) -> None:
    job = bench.subject.prepare(
        Proposal(1, bench.space.defaults(), 1, "learn", ""), ("val_bpb",), str(tmp_path / "trials" / "00001")
    )
    wrong = replace(job, locked=dict.fromkeys(job.locked, "0" * 64))
    executor = GuardedExecutor(LocalExecutor(1))
    executor.submit(wrong)
    ((number, outcome),) = executor.wait(1.0)
    executor.close()
    assert number == 1
    assert isinstance(outcome, Failure)
    assert outcome.kind == "tampered"
    assert not Path(job.scratch).exists()


def test_what_a_killed_run_left_is_swept_away(bench: Bench) -> None:
    trials = bench.root / ".knowhy" / "s" / "trials"
    proposal = Proposal(1, bench.space.defaults(), 1, "learn", "")
    bench.subject.prepare(proposal, ("val_bpb",), str(trials / "00001"))
    assert (trials / "00001" / "repo" / "train.py").exists()  # as if the run had been killed here
    bench.subject._clean = False
    bench.subject.prepare(replace(proposal, trial=2), ("val_bpb",), str(trials / "00002"))
    assert not (trials / "00001" / "repo").exists()
    assert len(git(bench.store.path, "worktree", "list").splitlines()) == 2  # the store itself and trial 2


# Patches as they are handed in


def read(path: str) -> bytes | None:
    return {"train.py": TRAIN.encode(), "prepare.py": PREPARE.encode()}.get(path)


def take(text: str, target: str = "") -> dict[str, bytes | None]:
    return applied(text, SCOPE, read, target=target, known=("train.py",))


def test_the_three_forms_make_the_same_files(tmp_path: Path) -> None:
    after = TRAIN.replace("MOMENTUM = 0.5", "MOMENTUM = 0.7")
    (tmp_path / "old").write_text(TRAIN)
    (tmp_path / "new").write_text(after)
    done = subprocess.run(
        ["git", "diff", "--no-index", "--no-color", "old", "new"], cwd=tmp_path, capture_output=True, text=True
    )
    diff = done.stdout.replace("a/old", "a/train.py").replace("b/new", "b/train.py")
    plain = f"--- train.py\n+++ train.py\n{diff[diff.index('@@') :]}"
    counted_wrong = plain.replace("@@ -", "@@ -1", 1)
    wanted = {"train.py": after.encode()}
    for text in (diff, plain, counted_wrong, edit("MOMENTUM = 0.5\n", "MOMENTUM = 0.7\n"), after):
        assert take(text, "anything.py") == wanted, form_of(text)
    fenced = "Here is my change:\n\n```python\ntrain.py\n```\n" + edit(
        "MOMENTUM = 0.5\n", "MOMENTUM = 0.7\n", "### `train.py`"
    )
    assert take(fenced) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (edit("MOMENTUM = 0.4\n", "MOMENTUM = 0.7\n"), "0 times"),
        (edit("x", "y\n").replace("x=", "x\n="), "times"),
        (edit("MOMENTUM = 0.5\n", "MOMENTUM = 0.5\n"), "changes nothing"),
        (edit("MOMENTUM = 0.5\n", "MOMENTUM = = 1\n"), "no valid Python"),
        (edit("TIME_BUDGET = 1\n", "TIME_BUDGET = 9\n", "prepare.py"), "may not be changed"),
        (edit("x\n", "y\n", "../outside.py"), "no path"),
        (edit("x\n", "y\n", ".git/hooks/pre-commit.py"), "no path"),
        (edit("x\n", "y\n", "/etc/passwd.py"), "no path"),
        ("train.py\n<<<<<<< SEARCH\na\n", "neither a diff"),
        ("--- a/train.py\n+++ b/train.py\n@@ -1,1 +1,1 @@\n-nothing like it\n+x\n", "does not apply"),
        ("--- a/../x.py\n+++ b/../x.py\n@@ -0,0 +1,1 @@\n+x\n", "path|read"),
        ("diff --git a/train.py b/link.py\nrename from train.py\nrename to link.py\n", "renames"),
        ("diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n", "link"),
        ("\0", "not text"),
    ],
)
def test_a_patch_that_does_not_apply_says_why(text: str, words: str) -> None:
    with pytest.raises(PatchError, match=words) as caught:
        applied(text, SCOPE, read, known=("train.py", "other.py"))
    assert caught.value.hint


def test_new_and_removed_files_are_patches_too() -> None:
    scope = Scope(("*.py",))
    made = applied(edit("", "def f():\n    return 1\n", "extra.py"), scope, read)
    assert made == {"extra.py": b"def f():\n    return 1\n"}
    gone = "--- a/train.py\n+++ /dev/null\n@@ -1,{} +0,0 @@\n".format(TRAIN.count("\n"))
    gone += "".join(f"-{line}\n" for line in TRAIN.splitlines())
    assert applied(gone, scope, read) == {"train.py": None}


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("train.py", "train.py", "src/train.py"),
        ("src/**/*.py", "src/a/b/c.py", "srcs/a.py"),
        ("src/**/*.py", "src/c.py", "src/c.txt"),
        ("**/*.py", "c.py", "c.pyc"),
        ("src/", "src/any/thing.yaml", "src2/x"),
        ("?.py", "a.py", "ab.py"),
    ],
)
def test_globs(pattern: str, inside: str, outside: str) -> None:
    scope = Scope((pattern,))
    assert scope.editable(inside)
    assert not scope.editable(outside)
    assert not Scope((pattern,), (inside,)).editable(inside)


# Contracts and literals


def test_an_autoresearch_repository_is_recognised(tmp_path: Path) -> None:
    said = contract.recognise(make(tmp_path / "repo"))
    assert (said.edit, said.command, said.objective) == (("train.py",), "python train.py", "val_bpb:min")
    assert said.timeout == 302.0
    assert said.workers == 1
    assert "locked" in said.told


def test_literals_of_other_files_are_held_and_their_names_are_kept_apart() -> None:
    files = {
        "train.py": TRAIN.encode(),
        "model/net.py": b"WIDTH = 64\nMOMENTUM = 0.1\nprint(WIDTH, MOMENTUM)\n",
        "bad.py": b"x = (\n",
    }
    found = literals.find("train.py", tuple(files), lambda path: files.get(path))
    by_name: dict[str, Parameter] = {p.name: p for p in found.parameters}
    assert by_name["LEARNING_RATE"].active
    assert not by_name["WIDTH"].active
    assert by_name["WIDTH"].origin.file == "model/net.py"
    assert by_name["model.net.MOMENTUM"].default == 0.1
    assert any("bad.py" in note for note in found.notes)
    only = literals.find("", ("model/net.py",), lambda path: files.get(path))
    assert any(p.active for p in only.parameters)
