"""From what a person says about trust to what is asked of every job."""

from __future__ import annotations

import ast
import glob
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from knowhy.errors import SandboxError, SubjectError, UsageError
from knowhy.model.objective import Objective
from knowhy.model.space import Point
from knowhy.model.trust import Trust

if TYPE_CHECKING:
    from knowhy.execution.sandbox import Sandbox
    from knowhy.ports import Subject
    from knowhy.subjects.repo.subject import RepoSubject


def confines(trust: Trust, *, edited: bool) -> bool:
    """Whether trials are to run in a sandbox: where that is asked for, and for edited code unless it is turned off."""
    return trust.sandbox not in (None, "off") or (edited and trust.sandbox is None)


def sandbox(trust: Trust, *, edited: bool) -> tuple[Sandbox | None, str]:
    """The sandbox to use, and a warning where there is none although there should be.

    Raises SandboxError where edited code would run without and ``allow_unsandboxed`` is not set, and where a sandbox
    was asked for by name and does not work here.
    """
    from knowhy.execution.sandbox import choose

    problem = "no sandbox was wanted"
    if confines(trust, edited=edited):
        try:
            return choose(trust.sandbox or "auto"), ""
        except SandboxError as error:
            if trust.sandbox in ("bubblewrap", "landlock"):
                raise
            problem = error.message
    elif not edited:
        return None, ""
    if edited and not trust.allow_unsandboxed:
        raise SandboxError(
            f"edited code would run with all of your rights: {problem}",
            "install bubblewrap (knowhy doctor tells what is missing), or accept the risk with --allow-unsandboxed",
        )
    return None, f"WARNING: trials run with all of your rights, without a sandbox: {problem}"


def guarded(
    subject: Subject,
    trust: Trust,
    *,
    home: Path,
    studies: Path,
    objectives: Sequence[Objective] = (),
    edited: bool = False,
    inspect: Callable[[Point], Sequence[str]] | None = None,
) -> Subject:
    """``subject``, its jobs as ``trust`` asks; ``subject`` itself where that is nothing.

    ``inspect`` gives reasons for which the numbers of a point are not to be believed, whatever they are: what
    ``suspicions`` finds in the code that runs there.

    ``home`` is the folder of the code under study, ``studies`` that of the studies: a confined trial does not see it.
    Raises SubjectError for files that are to be locked and cannot be read.
    """
    from knowhy.subjects.guarded import Guard, GuardedSubject

    confined = confines(trust, edited=edited)
    evaluate = evaluator(trust.evaluate, home) if trust.evaluate else ()
    if (
        inspect is None
        and not confined
        and not evaluate
        and not trust.lock
        and trust.longest is None
        and trust.disk is None
    ):
        return subject
    guard = Guard(
        home=str(home.absolute()),
        studies=str(studies.absolute()),
        confined=confined,
        required=edited and not trust.allow_unsandboxed,
        network=trust.network,
        read=tuple(os.path.abspath(os.path.expanduser(path)) for path in trust.read),
        hide=tuple(str(home.absolute() / os.path.expanduser(path)) for path in trust.hide),
        disk=trust.disk,
        processes=trust.processes,
        evaluate=evaluate,
        locked=locked(trust.lock, evaluate, home),
        maximized=tuple(o.metric for o in objectives if o.direction == "maximize"),
        longest=trust.longest,
        inspect=inspect or (lambda point: ()),
    )
    return GuardedSubject(subject, guard)


def evaluator(command: str, home: Path) -> tuple[str, ...]:
    """The words of an evaluation command: this Python for "python", files of ``home`` by their full path.

    Raises UsageError where it cannot be read, or runs no file that is there.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(
            f"the evaluation command cannot be read: {error}", 'write --evaluate "python evaluate.py"'
        ) from None
    found = [str((home / word).absolute()) if (home / word).is_file() else word for word in words]
    if not any(os.path.isfile(word) for word in found):
        raise UsageError(
            f"the evaluation command names no file in {home}: {command}", 'write --evaluate "python evaluate.py"'
        )
    if words[0] in ("python", "python3"):
        found[0] = sys.executable
    return tuple(found)


def locked(names: Iterable[str], evaluate: Sequence[str], home: Path) -> dict[str, str]:
    """Fingerprints of the evaluator's files (with what it imports from its folder) and of what ``names`` match.

    Raises SubjectError for a name that matches nothing, and for files that cannot be read.
    """
    from knowhy.execution.integrity import fingerprints

    paths: dict[str, None] = {}
    for word in evaluate[1:]:
        if os.path.isfile(word):
            paths |= dict.fromkeys(imported(Path(word)))
    for name in names:
        matches = sorted(
            glob.glob(os.path.join(glob.escape(str(home.absolute())), os.path.expanduser(name)), recursive=True)
        )
        if not matches:
            raise SubjectError(
                f"there is nothing to lock called {name} in {home}", "name a file or a folder beside the script"
            )
        paths |= dict.fromkeys(matches)
    try:
        return fingerprints(paths)
    except (OSError, ValueError) as error:
        raise SubjectError(f"what is to be locked cannot be read: {error}", "name files that can be read") from None


def imported(file: Path) -> list[str]:
    """``file`` and the Python files of its folder that it imports, and those that these import."""
    found: dict[str, None] = {}
    left = [file]
    while left:
        path = left.pop()
        if str(path) in found or not path.is_file():
            continue
        found[str(path)] = None
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        names = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                names += [node.module or "", *(f"{node.module}.{a.name}" for a in node.names)]
        for name in filter(None, names):
            base = path.parent.joinpath(*name.split("."))
            left += [base.with_suffix(".py"), base / "__init__.py"]
    return list(found)


def inspection(subject: RepoSubject, locked: Sequence[str] = ()) -> Callable[[Point], Sequence[str]]:
    """What is suspicious about the code of a repository at a point, beside its code as it was."""

    def inspect(point: Point) -> Sequence[str]:
        edited = {p: data for p, data in subject.plan(point).files.items() if p.endswith(".py") and data is not None}
        # As one text each: what a patch moves to another file is not new.
        before = b"\n".join(subject.read(path) or b"" for path in edited).decode("utf-8", "replace")
        after = b"\n".join(edited.values()).decode("utf-8", "replace")
        return suspicions(before, after, locked=locked)

    return inspect


def suspicions(before: str, after: str, *, locked: Sequence[str] = (), metrics: Sequence[str] = ()) -> tuple[str, ...]:
    """Reasons to distrust the script ``after``, an edit of ``before`` (see ``subjects.suspicions``)."""
    from knowhy.subjects import suspicions as reading

    return reading.suspicions(before, after, locked=locked, metrics=metrics)
