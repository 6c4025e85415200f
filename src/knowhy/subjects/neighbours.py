"""What stands next to a script, made available in a trial's folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from knowhy.subjects.surroundings import LOG, RESULT

LEFT_OUT = frozenset(
    (".knowhy", ".git", ".hg", ".svn", ".venv", "venv", "__pycache__", "node_modules", ".mypy_cache", ".pytest_cache",
     ".ruff_cache", ".hypothesis", ".ipynb_checkpoints", ".tox", ".nox", ".idea", ".vscode", RESULT, LOG)
)  # fmt: skip
# Where scripts usually write: each trial gets an empty folder of its own.
WRITTEN = frozenset(
    ("out", "output", "outputs", "checkpoints", "ckpt", "ckpts", "runs", "logs", "wandb", "mlruns", "lightning_logs")
)
_COPIED_UP_TO = 256 * 1024
_COPIED_IN_ALL = 4 * 1024 * 1024


def lay_out(home: Path, folder: Path, script: str) -> None:
    """Give ``folder`` what stands in ``home`` beside ``script``: links, and copies of small files.

    Small files are copied, so that a trial that writes to one changes its own. Virtual environments,
    version control, caches and the folders that hold ``folder`` are left out; folders that scripts
    write to are empty. What is in ``folder`` already stays. Raises OSError.
    """
    copied = 0
    for entry in sorted(os.scandir(home), key=lambda e: e.name):
        target = folder / entry.name
        if entry.name == script or entry.name in LEFT_OUT or os.path.lexists(target):
            continue
        if entry.is_dir():
            if _left_out(Path(entry.path), folder):
                continue
            if entry.name.lower() in WRITTEN:
                target.mkdir()
            else:
                target.symlink_to(os.path.abspath(entry.path), target_is_directory=True)
        elif entry.is_file():
            size = entry.stat().st_size
            small = size <= _COPIED_UP_TO and copied + size <= _COPIED_IN_ALL
            if small and os.access(entry.path, os.R_OK):
                shutil.copyfile(entry.path, target)
                copied += size
            else:
                target.symlink_to(os.path.abspath(entry.path))


def replace_file(home: Path, folder: Path, name: str, data: bytes) -> None:
    """Put ``data`` in the place of the file ``name`` in a folder that was laid out; ``home`` is left as it is.

    A folder on the way that is a link becomes a folder of its own, with links to what stands in it. Raises OSError.
    """
    target, source = folder, home
    for part in Path(name).parts[:-1]:
        target, source = target / part, source / part
        if target.is_symlink():
            target.unlink()
            target.mkdir()
            for entry in sorted(os.scandir(source), key=lambda e: e.name):
                (target / entry.name).symlink_to(os.path.abspath(entry.path), target_is_directory=entry.is_dir())
        else:
            target.mkdir(exist_ok=True)
    place = target / Path(name).name
    place.unlink(missing_ok=True)  # a link must not lead the writing astray
    place.write_bytes(data)


def _left_out(directory: Path, folder: Path) -> bool:
    real, inside = directory.resolve(), folder.resolve()
    return real == inside or real in inside.parents or (directory / "pyvenv.cfg").exists()
