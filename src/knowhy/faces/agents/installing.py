"""Writing into the files of other programs: all or nothing, with a copy of what was there."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from knowhy.errors import SettingsError
from knowhy.faces.agents.merging import merged_json, merged_toml
from knowhy.faces.agents.places import SERVER, Place

KEPT = ".before-knowhy"


@dataclass(frozen=True)
class Change:
    """A file as it is and as it is to be."""

    path: Path
    before: str | None
    after: str

    @property
    def needed(self) -> bool:
        """Whether the file is not yet as it is to be."""
        return self.before != self.after

    def diff(self) -> str:
        """The change, line by line."""
        old = (self.before or "").splitlines(keepends=True)
        new = self.after.splitlines(keepends=True)
        name = str(self.path)
        return "".join(
            line if line.endswith("\n") else line + "\n"
            for line in difflib.unified_diff(old, new, name if self.before is not None else "(no file)", name)
        )


def plan(place: Place, command: Sequence[str]) -> list[Change]:
    """The changes that make ``place`` start the server with ``command`` and know the skill; raises SettingsError."""
    entry = {**place.extra, "command": command[0], "args": [*command[1:], *place.arguments]}
    text = _text(place.settings)
    merged = merged_json if place.form == "json" else merged_toml
    after = merged(place.settings, text or "", place.section, SERVER, entry)
    skill = files("knowhy.faces.mcp").joinpath("SKILL.md").read_text(encoding="utf-8")
    return [Change(place.settings, text, after), Change(place.skill, _text(place.skill), skill)]


def apply(change: Change) -> Path | None:
    """Write the file at once and whole, links followed; where the copy of what was there is. Raises SettingsError."""
    if not change.needed:
        return None
    path = change.path.resolve()
    kept = path.with_name(path.name + KEPT)
    part = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if _text(change.path) != change.before:
            raise SettingsError(f"{change.path} was changed by another program just now", "run the command again")
        if change.before is not None and not kept.exists():
            _whole(kept, change.before, path)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(change.after)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(part, path.stat().st_mode & 0o7777 if change.before is not None else 0o644)
        os.replace(part, path)
    except OSError as error:
        raise SettingsError(
            f"{change.path} cannot be written: {error.strerror}", "check the folder and its permissions"
        ) from None
    finally:
        if part and os.path.exists(part):
            os.unlink(part)
    return kept if change.before is not None else None


def _whole(path: Path, text: str, like: Path) -> None:
    """A copy that nobody but the owner of ``like`` can read if that is so for ``like``: settings hold keys."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, like.stat().st_mode & 0o7777)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def _text(path: Path) -> str | None:
    """What stands in a file, None where there is none; raises SettingsError."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}; it is left as it is", "correct the file first") from None
