"""Where studies lie on the disk."""

from __future__ import annotations

from pathlib import Path

from knowhy.errors import UsageError


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


def written(target: Path, text: str) -> Path:
    """Write ``text`` to ``target``; returns it. Raises UsageError."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}", "name another file") from None
    return target
