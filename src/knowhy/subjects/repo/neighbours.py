"""What stands in the person's folder and is no part of the snapshot (data, caches), made available to a trial."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from knowhy.subjects.neighbours import LEFT_OUT, WRITTEN
from knowhy.subjects.repo.git import git
from knowhy.subjects.repo.store import Home, large_new_files

_COPIED = 256 * 1024
_MOST = 4000
_DEEPEST = 12


def unversioned(home: Home, leave_out: Sequence[Path]) -> tuple[Path, ...]:
    """Paths, from the root, of what git ignores and of large new files; without caches and environments."""
    ignored = git(home.root, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory", ":/")
    away = [folder.resolve() for folder in leave_out]
    found = [Path(name) for name in large_new_files(home)]
    for entry in ignored.split(b"\0"):
        path = Path(entry.decode("utf-8", "surrogateescape").rstrip("/"))
        if not entry or any(part in LEFT_OUT for part in path.parts):
            continue
        real = home.root / path
        if any(real == one or one in real.parents or real in one.parents for one in away):
            continue
        if not (real / "pyvenv.cfg").exists():
            found.append(path)
    return tuple(sorted(set(found)))


def lay_out(home: Home, paths: Sequence[Path], worktree: Path) -> list[Path]:
    """Put ``paths`` into ``worktree`` where nothing stands yet; the files that are only linked.

    Small files are copied and large ones linked; folders are real, so that what a trial adds is its own. Folders that
    scripts write to are empty. What is linked must not be written to: it is the person's own. Raises OSError.
    """
    linked: list[Path] = []
    budget = [_MOST]
    for path in paths:
        target = worktree / path
        if os.path.lexists(target) or target.parent.is_symlink():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        linked += _place(home.root / path, target, budget, 0)
    return linked


def _place(source: Path, target: Path, budget: list[int], depth: int) -> Iterator[Path]:
    budget[0] -= 1
    if source.is_symlink() or not source.is_dir():
        if source.is_file() and not source.is_symlink() and source.stat().st_size <= _COPIED:
            with contextlib.suppress(PermissionError):
                shutil.copy2(source, target)
                return
        if source.exists():
            target.symlink_to(os.path.abspath(source))
            if source.is_file():
                yield source.resolve()
        return
    if source.name.lower() in WRITTEN:
        target.mkdir(exist_ok=True)
        return
    if budget[0] <= 0 or depth > _DEEPEST:
        target.symlink_to(os.path.abspath(source), target_is_directory=True)
        return
    target.mkdir(exist_ok=True)
    for entry in sorted(os.scandir(source), key=lambda e: e.name):
        if entry.name not in LEFT_OUT:
            yield from _place(Path(entry.path), target / entry.name, budget, depth + 1)
