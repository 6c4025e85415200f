"""Runs that outlive whoever started them: a process of their own for a study's runner.

``python -m knowhy.background FOLDER`` runs the study in FOLDER as its ``launch.json`` says, until nothing is left to do
or SIGTERM asks it to stop in good order. Everything it is asked for, and everything it does, goes through the journal:
the process that started it may die at any time. How it ended is in ``ended.json``, what it printed in ``runner.log``.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, cast

import psutil

from knowhy.cases.repository import Repo
from knowhy.errors import KnowhyError, StudyError, StudyLockedError, UsageError
from knowhy.journal import SqliteJournal
from knowhy.model.events import RequestWithdrawn
from knowhy.model.space import Space
from knowhy.model.trust import Trust
from knowhy.redaction import redact_arguments
from knowhy.settings.values import STRATEGIES, Strategy
from knowhy.study import Study

LAUNCH, ENDED, LOG = "launch.json", "ended.json", "runner.log"
_LOG_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Launch:
    """What a runner needs to know beside the journal.

    ``script`` is the path of a script, or ``repo`` that of a repository. ``trials`` is a total; ``budget`` and
    ``timeout`` are in seconds, ``memory`` in bytes. With ``only_asked``, what was requested is run and nothing else.
    With ``stop_early``, trials that are not worth their end are stopped (None: in studies with a fidelity).
    """

    script: str
    arguments: tuple[str, ...] = ()
    trials: int = 60
    budget: float | None = None
    workers: int = 2
    strategy: Strategy = "theory"
    timeout: float | None = None
    memory: int | None = None
    only_asked: bool = False
    repo: str = ""
    stop_early: bool | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How the last run in the background ended; ``error`` is empty where it ended well."""

    reason: str
    error: str = ""
    hint: str = ""


def write_launch(study: Study, launch: Launch) -> None:
    """Keep ``launch`` in the folder of ``study``; raises StudyError, UsageError for arguments that hold a secret."""
    check_arguments(launch)
    _write(study.path / LAUNCH, asdict(launch))


def check_arguments(launch: Launch) -> None:
    """Refuse arguments that hold a secret: a run in the background would have to keep them. Raises UsageError."""
    if redact_arguments(launch.arguments) != launch.arguments:
        raise UsageError(
            "an argument of the script looks like a secret, which is not kept",
            "give it to the trials as a variable of the environment: env = [NAME] under [trust] in knowhy.toml",
        )


def read_launch(study: Study) -> Launch:
    """How ``study`` is to be run: as it was launched, or as its journal says; raises StudyError, UsageError."""
    kept = _read(study.path / LAUNCH)
    state = study.state
    if kept is None:
        kind, path = state.subject.get("kind"), str(state.subject.get("path", ""))
        if kind not in ("script", "repo"):
            raise UsageError(
                f"the study {study.name} is not of a script", "run it from where it was started; it can be read here"
            )
        run = state.run
        arguments = str(state.subject.get("arguments") or "")
        if " " in arguments:
            raise UsageError(
                f"how to run the study {study.name} is not known exactly", "go on with it where it was started"
            )
        launch = Launch("", repo=path) if kind == "repo" else Launch(path, (arguments,) if arguments else ())
        if run is None:
            return launch
        strategy = run.strategy if run.strategy in STRATEGIES else "theory"
        return replace(
            launch, trials=run.trials, budget=run.budget, workers=run.workers, strategy=cast(Strategy, strategy)
        )
    return _launch(kept, study.path / LAUNCH)


def _run(
    study: Study,
    launch: Launch,
    space: Space | None,
    stop: Callable[[], bool],
    repo: Repo | None = None,
    trust: Trust | None = None,
) -> None:
    """Run ``study`` as ``launch`` says, until ``stop`` does; its trials as ``trust`` says, or as they ran before."""
    study.run(
        repo or (Repo(launch.repo) if launch.repo else launch.script),
        space,
        trials=launch.trials,
        workers=launch.workers,
        budget=launch.budget,
        strategy=launch.strategy,
        timeout=launch.timeout,
        memory=launch.memory,
        arguments=launch.arguments,
        only_asked=launch.only_asked,
        trust=trust,
        stop_early=launch.stop_early,
        stop=stop,
    )


def begin(
    study: Study, launch: Launch, space: Space | None, *, repo: Repo | None = None, trust: Trust | None = None
) -> None:
    """Begin the journal of a study of ``launch.script`` with ``space``, or of ``repo``, so that it can be asked.

    ``trust`` is kept in the journal, and counts for all runs. No trial runs yet. Raises SubjectError, SpaceError,
    SandboxError, StudyMismatchError, StudyLockedError, JournalError.
    """
    check_arguments(launch)
    _run(study, launch, space, lambda: True, repo, trust)
    write_launch(study, launch)


def start(study: Study) -> subprocess.Popen[bytes]:
    """A runner for ``study``, started as a process that goes on when this one ends; raises StudyError."""
    read_launch(study)
    log = study.path / LOG
    try:
        (study.path / ENDED).unlink(missing_ok=True)
        with open(log, "wb" if log.exists() and log.stat().st_size > _LOG_BYTES else "ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "knowhy.background", str(study.path)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=study.path,
                start_new_session=True,
            )
    except OSError as error:
        raise StudyError(
            f"no run can be started: {error}", "free space, memory or permissions, then try again"
        ) from None


def running(study: Study) -> str:
    """Who runs ``study``: "background", "elsewhere", or "" where nobody does; raises JournalError."""
    return _runner(study)[0]


def stop(study: Study) -> bool:
    """Ask the background run of ``study`` to stop in good order; whether there was one. Raises StudyLockedError."""
    who, process = _runner(study)
    if who == "elsewhere":
        raise StudyLockedError(
            f"the study {study.name} is run by process {process}, which was not started from here",
            "stop it where it was started (Ctrl-C there)",
        )
    if who:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
    return bool(who)


def _runner(study: Study) -> tuple[str, int]:
    """Who runs ``study``, and the number of the process."""
    with SqliteJournal(study.path / "journal.db", create=False) as journal:
        holder = journal.holder()
    if holder is None or not holder.holds:
        return "", 0
    if holder.host == socket.gethostname():
        with suppress(psutil.Error):
            words = psutil.Process(holder.pid).cmdline()
            if "knowhy.background" in words and str(study.path) in words:
                return "background", holder.pid
    return "elsewhere", holder.pid


def ending(study: Study) -> Ending | None:
    """How the last run of ``study`` in the background ended, None where it runs, was killed, or never was."""
    kept = _read(study.path / ENDED)
    return None if kept is None else Ending(*(str(kept.get(key, "")) for key in ("reason", "error", "hint")))


def main(folder: str) -> int:
    """Run the study in ``folder`` until nothing is left to do; the exit code."""
    asked = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    path = Path(folder)
    try:
        study = Study.open(path.name, folder=path.parent)
        launch = read_launch(study)
        while True:
            before = set(study.state.requests)
            _run(study, launch, None if launch.repo else study.state.space, lambda: asked)
            if not asked:
                _withdraw(study, launch, before)
            # Whoever asks for trials looks for this file after writing: either it is seen there, or the request here.
            _write(path / ENDED, asdict(Ending(study.state.ended)))
            if asked or not study.state.requests:
                return 0
            (path / ENDED).unlink(missing_ok=True)
    except StudyLockedError as error:
        # Another runner was first: it does what this one was started for.
        print(error.message, file=sys.stderr, flush=True)
        return 3
    except KnowhyError as error:
        _write(path / ENDED, asdict(Ending("", error.message, error.hint)))
        print(error.message, error.hint, sep="\n", file=sys.stderr, flush=True)
        return 2


def _withdraw(study: Study, launch: Launch, before: set[int]) -> None:
    """Give up requests that a whole run could not answer; ``before`` are those that it found."""
    state = study.state
    spent = launch.budget is not None and state.spent >= launch.budget
    over = spent or state.planned >= launch.trials
    why = f"the budget of {'time' if spent else 'trials'} is spent" if over else f"it cannot be run: {state.ended}"
    study.contribute(lambda now: [RequestWithdrawn(n, why) for n in now.requests if over or n in before])


def _launch(kept: Mapping[str, Any], path: Path) -> Launch:
    try:
        return Launch(**{**kept, "arguments": tuple(kept.get("arguments", ()))})
    except TypeError:
        raise StudyError(f"{path} cannot be read", "start the study again with its script") from None


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise StudyError(f"{path} cannot be read", "delete it, and start the study again with its script") from None
    if not isinstance(kept, dict):
        raise StudyError(f"{path} cannot be read", "delete it, and start the study again with its script")
    return kept


def _write(path: Path, value: Mapping[str, Any]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(value), encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise StudyError(f"{path} cannot be written: {error.strerror}", "free space or permissions") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
