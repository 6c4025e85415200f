"""A small repository to study, and what must not change in it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

PREPARE = """\
TIME_BUDGET = 1

def evaluate(x):
    return (x - 0.3) ** 2
"""
TRAIN = """\
import os
import random
from prepare import TIME_BUDGET, evaluate

SEED = 42
LEARNING_RATE = 0.1
MOMENTUM = 0.5

random.seed(SEED)
x = 1.0
for step in range(5):
    x -= LEARNING_RATE * 2 * (x - 0.3) * (1 + 0 * MOMENTUM)

x += 0.0
noise = random.gauss(0, 0.001)
print("---")
print(f"val_bpb: {evaluate(x) + noise:.6f}")
"""


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def make(folder: Path, *, dirty: bool = True) -> Path:
    """An autoresearch-style repository with an ignored data folder; ``dirty``: changes, staged and not, new files."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "train.py").write_text(TRAIN)
    (folder / "prepare.py").write_text(PREPARE)
    (folder / "program.md").write_text("# program\n")
    (folder / "results.tsv").write_text("commit\tval_bpb\tmemory_gb\tstatus\tdescription\n")
    (folder / ".gitignore").write_text("data/\n__pycache__/\n")
    (folder / "data").mkdir()
    (folder / "data" / "big.bin").write_bytes(b"x" * 400_000)
    (folder / "data" / "small.txt").write_text("7")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "init")
    git(folder, "branch", "other")
    if dirty:
        (folder / "train.py").write_text(TRAIN + "# not committed\n")
        (folder / "staged.txt").write_text("staged\n")
        git(folder, "add", "staged.txt")
        (folder / "new.txt").write_text("new\n")
    return folder


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file of the repository with its content, git's own included; what knowhy keeps for itself left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if inside.parts[0] == ".knowhy" or "__pycache__" in inside.parts or not path.is_file():
            continue
        found[inside.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    for command in (["status", "--porcelain"], ["branch", "-a", "-v"], ["worktree", "list"], ["stash", "list"]):
        done = subprocess.run(
            ["git", *command],
            cwd=folder,
            capture_output=True,
            text=True,
            env={"GIT_OPTIONAL_LOCKS": "0", "PATH": "/usr/bin:/bin"},
        )
        found[" ".join(command)] = done.stdout
    return found


def edit(old: str, new: str, path: str = "train.py") -> str:
    """A search/replace block."""
    return f"{path}\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n"
