"""Where studies lie on the disk."""

from __future__ import annotations

from pathlib import Path


def study_names(folder: str | Path) -> list[str]:
    """The studies in ``folder``, the one worked on last first; without those that were set aside."""

    def touched(path: Path) -> float:
        return max(part.stat().st_mtime for part in path.parent.glob("journal.db*"))

    found = [path for path in Path(folder).glob("*/journal.db") if ".aside-" not in path.parent.name]
    return [path.parent.name for path in sorted(found, key=touched, reverse=True)]


def set_aside(path: Path) -> Path:
    """Give the folder of a study another name, which is free; returns it."""
    number = 1
    while (target := path.with_name(f"{path.name}.aside-{number}")).exists():
        number += 1
    return path.rename(target)
