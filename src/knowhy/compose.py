"""Which adapters a study is made of. They are imported when they are needed: reading a study stays quick."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from knowhy.engine.mind import Mind
from knowhy.errors import SpaceError, SubjectError, UsageError
from knowhy.model.space import Parameter, Scalar, Space
from knowhy.model.trial import Proposal
from knowhy.settings import STRATEGIES, Strategy

if TYPE_CHECKING:
    from knowhy.journal import Report as Report
    from knowhy.model.observation import Outcome
    from knowhy.ports import Executor, Policy, Subject, Theorist
    from knowhy.subjects.discovery import Discovery
    from knowhy.subjects.script import ScriptSubject

Train = Callable[..., object]


def subject(
    train: Train | str | Path,
    space: Space | Iterable[Parameter] | None,
    timeout: float | None,
    memory: int | None,
    arguments: Sequence[str],
) -> tuple[Subject, Mapping[str, Scalar], Space]:
    """What is experimented on, its description, and the space; raises SubjectError, SpaceError."""
    whole = space if isinstance(space, Space) or space is None else Space(tuple(space))
    if isinstance(train, (str, Path)):
        chosen = script(str(train), whole, timeout=timeout, memory=memory, arguments=arguments)
        return chosen, chosen.describe(), filled(chosen.space)
    from knowhy.subjects.function import FunctionSubject

    if whole is None:
        raise SpaceError("the space of a function cannot be found out", "give space=[knowhy.real(...), ...]")
    function = FunctionSubject(train, timeout=timeout, memory=memory)
    return function, function.describe(), filled(whole)


def discovered(path: str | Path, arguments: Sequence[str] = ()) -> Discovery:
    """What can be varied in the script at ``path`` when it runs with ``arguments``; raises SubjectError."""
    from knowhy.subjects.discovery import discover

    return discover(str(path), arguments)


def offered(subject: Mapping[str, Scalar]) -> tuple[Parameter, ...]:
    """All parameters of the script that ``subject`` describes; none where it is gone or has changed since."""
    path = Path(str(subject.get("path")))
    try:
        if sha256(path.read_bytes()).hexdigest() != subject.get("sha256"):
            return ()
        return discovered(path, str(subject.get("arguments", "")).split()).parameters
    except (OSError, SubjectError):
        return ()


def script(
    path: str,
    space: Space | None = None,
    *,
    timeout: float | None = None,
    memory: int | None = None,
    arguments: Sequence[str] = (),
) -> ScriptSubject:
    """The script at ``path``; its parameters and seeds are discovered. Raises SubjectError."""
    from knowhy.subjects.script import ScriptSubject

    found = discovered(path, arguments)
    return ScriptSubject(
        path,
        Space(found.parameters) if space is None else space,
        found.seeds,
        arguments=arguments,
        timeout=timeout,
        memory=memory,
        offered=found.parameters,
    )


def executor(workers: int) -> Executor:
    """Where trials run."""
    from knowhy.execution.local import LocalExecutor

    return LocalExecutor(workers)


@dataclass(frozen=True)
class TrialRun:
    """One run of a script as it is: how it ended, and for each printed metric the line of its last value."""

    outcome: Outcome
    lines: Mapping[str, str]


def run_once(
    path: str | Path,
    *,
    timeout: float | None,
    memory: int | None,
    arguments: Sequence[str],
    proceed: Callable[[], bool],
) -> TrialRun | None:
    """Run the script at ``path`` with its own values, in a folder that is gone afterwards.

    ``proceed`` is asked twice a second whether to go on waiting; None where it said no. Raises SubjectError.
    """
    from knowhy.execution.collect import metrics_in
    from knowhy.subjects.script import ScriptSubject

    space = Space(discovered(path, arguments).parameters)
    subject = ScriptSubject(str(path), space, (), arguments=arguments, timeout=timeout, memory=memory)
    runner = executor(1)
    with tempfile.TemporaryDirectory(prefix="knowhy-init-") as folder:
        try:
            job = subject.prepare(Proposal(1, space.defaults(), 0, "learn", "the script as it is"), (), folder)
            runner.submit(job)
            while proceed():
                ended = runner.wait(0.5)
                if ended:
                    log = Path(job.log_path)
                    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
                    return TrialRun(ended[0][1], {found.name: found.example for found in metrics_in(text)})
        finally:
            runner.close()
    return None


def check_journal(path: Path) -> Report:
    """What stands in the journal at ``path``, record by record; raises StudyMissingError, JournalError."""
    from knowhy.journal import check

    return check(path)


def recover_journal(path: Path, to: Path) -> Report:
    """Copy the good records of the journal at ``path``; raises JournalWriteError, JournalDamagedError."""
    from knowhy.journal import recover

    return recover(path, to)


def policy(strategy: Strategy, mind: Mind, seed: int) -> Policy:
    """Who decides; raises UsageError for a strategy that does not exist."""
    if strategy not in STRATEGIES:
        raise UsageError(f"there is no strategy {strategy!r}", f"choose one of: {', '.join(STRATEGIES)}")
    if strategy == "theory":
        from knowhy.engine.policy import TheoryPolicy

        return TheoryPolicy(mind.beliefs)
    from knowhy.samplers.classic import ClassicSampler
    from knowhy.samplers.policy import SamplerPolicy

    return SamplerPolicy(strategy, ClassicSampler(strategy, seed))


def theorists() -> list[Theorist]:
    """Who proposes theories."""
    from knowhy.theorists.builtin import Builtin

    return [Builtin()]


def filled(space: Space) -> Space:
    """``space`` if it has something to vary; raises SpaceError."""
    if not space.active:
        raise SpaceError("the space is empty: there is no active parameter", "declare one, or set active = true")
    return space
