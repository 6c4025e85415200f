"""Files of a git repository as they were at a commit, read from its objects: the working tree is never touched."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from knowhy.errors import UsageError

_COMMIT = re.compile(r"[0-9a-f]{4,40}")


class Commits:
    """The repository at ``root``; raises UsageError where there is none."""

    def __init__(self, root: Path) -> None:
        """See that git knows the repository."""
        self.root = root
        if not root.is_dir() or self._git("rev-parse", "--git-dir") is None:
            raise UsageError(
                f"{root} is no git repository (or git is not installed)", "name the one with the commits: --repo DIR"
            )

    def file(self, commit: str, name: str) -> bytes | None:
        """The file ``name`` at ``commit``, None where either is not there."""
        if not _COMMIT.fullmatch(commit):
            return None
        return self._git("cat-file", "blob", f"{commit}:{name}")

    def parent(self, commit: str) -> str | None:
        """The full name of the commit before ``commit``."""
        found = self._git("rev-parse", "--verify", "--quiet", f"{commit}^") if _COMMIT.fullmatch(commit) else None
        return found.decode().strip() if found else None

    def full(self, commit: str) -> str | None:
        """The full name of ``commit``, None where it is not there (or the short one means several)."""
        if not _COMMIT.fullmatch(commit):
            return None
        found = self._git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
        return found.decode().strip() if found else None

    def _git(self, *words: str) -> bytes | None:
        """What git says; None where it fails. No hook, no filter, no configuration of the repository's can run."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"}
        safe = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never")
        try:
            done = subprocess.run(
                ["git", *safe, "-C", str(self.root), *words],
                capture_output=True,
                check=False,
                timeout=60,
                env=environment,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout if done.returncode == 0 else None
