"""What a repository says about how it is studied: the contract of autoresearch repositories, and guesses for others.

An autoresearch repository has a ``train.py`` that may be edited, a ``prepare.py`` that may not (data, evaluation, the
time budget), prints ``val_bpb: 0.997`` at its end, and keeps its history in ``results.tsv``.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

_METRIC = "val_bpb"
_GRACE = 300.0


@dataclass(frozen=True, slots=True)
class Contract:
    """How a repository is run.

    ``objective`` as in ``--metric`` ("val_bpb:min"; "" where nothing says it), ``timeout`` in seconds (None: no limit),
    ``workers`` at a time (0: as many as usual). ``told`` says in words what was recognised; "" for nothing.
    """

    edit: tuple[str, ...] = ("**/*.py",)
    command: str = ""
    objective: str = ""
    timeout: float | None = None
    workers: int = 0
    told: str = ""


def recognise(folder: Path) -> Contract:
    """The contract of the repository (or folder of one) ``folder``; files are read, none is run."""
    train, prepare = folder / "train.py", folder / "prepare.py"
    if not train.is_file():
        scripts = sorted(path.name for path in folder.glob("*.py") if _runs(path))
        return Contract(command=f"python {scripts[0]}" if len(scripts) == 1 else "")
    objective = _objective(folder)
    if not prepare.is_file() or not objective:
        return Contract(command="python train.py", objective=objective)
    budget = _seconds(prepare) or _seconds(train)
    metric = objective.split(":")[0]
    told = f"an autoresearch repository: train.py is edited, everything else is locked, {metric} is to be small"
    if budget:
        told += f"; each trial trains for {budget:g} s, one at a time"
    return Contract(
        ("train.py",), "python train.py", objective, 2 * budget + _GRACE if budget else None, 1 if budget else 0, told
    )


def _objective(folder: Path) -> str:
    """The metric that ``results.tsv`` is kept in, or that the script prints as autoresearch does."""
    history = folder / "results.tsv"
    if history.is_file():
        with open(history, encoding="utf-8", errors="replace") as file:
            columns = file.readline(2000).rstrip("\n").split("\t")
        if len(columns) >= 3 and columns[0].strip() == "commit" and re.fullmatch(r"[A-Za-z][\w./-]{0,60}", columns[1]):
            return f"{columns[1]}:min" if columns[1] == _METRIC else columns[1]
    text = (folder / "train.py").read_text(encoding="utf-8", errors="replace")
    return f"{_METRIC}:min" if re.search(rf"[\"'f ]{_METRIC}:\s", text) else ""


def _seconds(path: Path) -> float | None:
    """The value of TIME_BUDGET in a script."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return None
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "TIME_BUDGET" for t in node.targets
        ):
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e6:
                return float(value)
    return None


def _runs(path: Path) -> bool:
    try:
        return b"__main__" in path.read_bytes()[: 1 << 20]
    except OSError:
        return False
