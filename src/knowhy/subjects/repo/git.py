"""The git command line, kept away from the person's settings and from everything but what it is pointed at."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from knowhy.errors import SubjectError

_SECONDS = 600
# Bytes as they stand in the folder, and no program that a repository could name is started.
_SETTINGS = (
    *("-c", "core.autocrlf=false", "-c", "core.safecrlf=false", "-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null", "-c", "core.splitIndex=false", "-c", "core.untrackedCache=false"),
    *("-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "commit.gpgSign=false"),
    *("-c", "advice.detachedHead=false"),
    *("-c", "core.quotePath=false", "-c", "protocol.file.allow=never"),
)  # fmt: skip
_WHO = {
    "GIT_AUTHOR_NAME": "knowhy",
    "GIT_AUTHOR_EMAIL": "knowhy@localhost",
    "GIT_COMMITTER_NAME": "knowhy",
    "GIT_COMMITTER_EMAIL": "knowhy@localhost",
    "GIT_AUTHOR_DATE": "2000-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2000-01-01T00:00:00Z",
}


@cache
def program() -> str:
    """The path of git; raises SubjectError where it is not installed."""
    found = shutil.which("git")
    if found is None:
        raise SubjectError("git is not installed, and patches of a repository need it", "install git 2.20 or newer")
    return found


def git(
    folder: str | Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    data: bytes | None = None,
    signed: bool = False,
) -> bytes:
    """What ``git arguments`` prints when run in ``folder``; raises SubjectError with git's own words.

    Variables of the caller that would point git elsewhere do not count; those of ``env`` do. ``signed`` commits bear
    the person's name and the present time; others bear knowhy's and a fixed time, and equal trees are equal commits.
    """
    done = attempt(folder, arguments, env=env, data=data, signed=signed)
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        said = next((line for line in words if line.startswith(("fatal", "error"))), words[-1] if words else "no words")
        raise SubjectError(f"git {arguments[0]} fails in {folder}: {said[:300]}", "look after the repository with git")
    return done.stdout


def attempt(
    folder: str | Path,
    arguments: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    data: bytes | None = None,
    signed: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """The finished process of ``git arguments``, whatever its exit code; raises SubjectError where it cannot run."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    if not signed:
        clean |= _WHO
    clean |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **(env or {})}
    try:
        return subprocess.run(
            [program(), *_SETTINGS, *arguments],
            cwd=folder,
            env=clean,
            input=data if data is not None else b"",
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SubjectError(f"git {arguments[0]} cannot run in {folder}: {error}", "check the folder") from None


def text(folder: str | Path, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """The one line that ``git arguments`` prints; raises SubjectError."""
    return git(folder, *arguments, env=env).decode("utf-8", "surrogateescape").strip()
