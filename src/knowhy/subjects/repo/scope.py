"""Which files of a repository may be changed, and by whom."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

from knowhy.errors import PatchError

_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Scope:
    """Patches and literals change files that match ``edit`` and not ``protect``; trials write to those of ``writes``.

    Patterns are globs relative to the folder under study: ``*`` and ``?`` within a name, ``**`` over folders. A
    pattern without a slash means files in the folder itself. Everything that is not editable is locked.
    """

    edit: tuple[str, ...] = ("**/*.py",)
    protect: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    def editable(self, path: str) -> bool:
        """Whether a patch may change ``path``."""
        return _any(self.edit, path) and not _any(self.protect, path)

    def settable(self, path: str) -> bool:
        """Whether values in the configuration file ``path`` may be set, which patches may not change."""
        return not _any(self.protect, path)

    def locked(self, path: str) -> bool:
        """Whether a trial must leave ``path`` as it is."""
        return not self.editable(path) and (_any(self.protect, path) or not _any(self.writes, path))

    def check(self, path: str) -> str:
        """``path`` if a patch may change it; raises PatchError."""
        pure = PurePosixPath(path)
        strange = any(ord(c) < 32 or c in '"\\\x7f' for c in path) or len(path) > _LONGEST
        if strange or not path or pure.is_absolute() or ".." in pure.parts or pure.parts[0].lower() == ".git":
            raise PatchError(
                f"{path[:80]!r} is no path of a file that a patch may change", "name a file of the repository"
            )
        if not self.editable(path):
            raise PatchError(
                f"{path} may not be changed: what may be is {', '.join(self.edit)}"
                + (f", without {', '.join(self.protect)}" if self.protect else ""),
                "leave it out of the patch, or start a study with another --edit",
            )
        return path


def _any(patterns: Sequence[str], path: str) -> bool:
    return any(_compiled(pattern).fullmatch(path) for pattern in patterns)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    out, at = "", 0
    pattern = pattern.removeprefix("./")
    if pattern.endswith("/"):
        pattern += "**"
    while at < len(pattern):
        if pattern.startswith("**/", at):
            out, at = out + "(?:[^/]+/)*", at + 3
        elif pattern.startswith("**", at):
            out, at = out + ".*", at + 2
        elif pattern[at] == "*":
            out, at = out + "[^/]*", at + 1
        elif pattern[at] == "?":
            out, at = out + "[^/]", at + 1
        else:
            out, at = out + re.escape(pattern[at]), at + 1
    return re.compile(out, re.DOTALL)
