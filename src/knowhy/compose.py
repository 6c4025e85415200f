"""Which adapters a study is made of. They are imported when they are needed: reading a study stays quick."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from knowhy import guarding
from knowhy.engine.mind import Mind
from knowhy.errors import SpaceError, StudyMissingError, SubjectError, UsageError
from knowhy.model.space import FIDELITY_ROLE, Parameter, Point, Scalar, Space
from knowhy.model.thought import Allowance
from knowhy.model.trial import Proposal
from knowhy.model.trust import OPEN, Trust
from knowhy.settings.values import STRATEGIES, Strategy

if TYPE_CHECKING:
    from knowhy.execution.sandbox import Check as Check
    from knowhy.journal import Report as Report
    from knowhy.model.events import Record
    from knowhy.model.job import Job
    from knowhy.model.observation import Outcome
    from knowhy.model.thought import Thought
    from knowhy.ports import Executor, Policy, Subject, Theorist
    from knowhy.subjects.discovery import Discovery as Discovery
    from knowhy.subjects.script import ScriptSubject
    from knowhy.theorists.llm.bench import Bench

Train = Callable[..., object]


@dataclass(frozen=True)
class Asked:
    """Theorists to ask beside the built-in one (``provider:model`` or ``replay:STUDY``), and what they may use."""

    names: tuple[str, ...]
    allowance: Allowance
    folder: Path


def certifying(mind: Mind, theory: str, trials: int) -> Policy:
    """The policy that spends at most ``trials`` on ``theory``."""
    from knowhy.engine.certification import CertifyPolicy

    return CertifyPolicy(mind.beliefs, theory, trials)


def repeating(points: Sequence[Point], runs: int) -> Policy:
    """The policy that runs each of ``points`` on ``runs`` fresh seeds."""
    from knowhy.engine.repeats import RepeatPolicy

    return RepeatPolicy(points, runs)


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
    """All parameters of the script that ``subject`` describes, and what defines its evaluation.

    None where it is gone or has changed since.
    """
    path = Path(str(subject.get("path")))
    try:
        if sha256(path.read_bytes()).hexdigest() != subject.get("sha256"):
            return ()
        found = discovered(path, str(subject.get("arguments", "")).split())
        return (*found.parameters, *found.reserved)
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
        offered=(*found.parameters, *found.reserved),
    )


def script_with(path: str, space: Space, point: Point) -> tuple[str, Mapping[str, bytes], tuple[str, ...]]:
    """The script at ``path`` with ``point``: its source, files beside it by name, and words of its command line.

    What it does not have is left out. Raises SubjectError.
    """
    own = Space(tuple(p for p in space if p.origin.kind != "declared"))
    settings = {name: value for name, value in point.items() if name in own}
    subject = script(path, own)
    return subject.render(settings), subject.files(settings), subject.words(settings)


def executor(workers: int, trust: Trust = OPEN, *, edited: bool = False) -> Executor:
    """Where trials run, in the sandbox that ``trust`` asks for (see ``guarding.sandbox``); raises SandboxError."""
    from knowhy.execution.guard import GuardedExecutor
    from knowhy.execution.local import LocalExecutor

    chosen, warning = guarding.sandbox(trust, edited=edited)
    if warning:
        warnings.warn(warning, RuntimeWarning, stacklevel=2)
    return GuardedExecutor(LocalExecutor(workers, passed=trust.env, sandbox=chosen))


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


def trial_log(study: Path, number: int) -> Path:
    """Where the trial ``number`` of the study in the folder ``study`` keeps what it printed."""
    from knowhy.subjects.surroundings import LOG

    return study / "trials" / f"{number:05d}" / LOG


def check_journal(path: Path) -> Report:
    """What stands in the journal at ``path``, record by record; raises StudyMissingError, JournalError."""
    from knowhy.journal import check

    return check(path)


def recover_journal(path: Path, to: Path) -> Report:
    """Copy the good records of the journal at ``path``; raises JournalWriteError, JournalDamagedError."""
    from knowhy.journal import recover

    return recover(path, to)


def sandboxes() -> tuple[Check, ...]:
    """Which sandboxes work here, and what each leaves open."""
    from knowhy.execution.sandbox import checks

    return checks()


def restore_journal(path: Path) -> tuple[Report, Path]:
    """Replace the damaged journal at ``path`` by its good records; raises JournalError, StudyLockedError."""
    from knowhy.journal import restore

    return restore(path)


def policy(strategy: Strategy, mind: Mind, seed: int) -> Policy:
    """Who decides; raises UsageError for a strategy that does not exist."""
    if strategy not in STRATEGIES:
        raise UsageError(f"there is no strategy {strategy!r}", f"choose one of: {', '.join(STRATEGIES)}")
    if strategy == "theory":
        from knowhy.engine.factors import FactorPolicy

        return FactorPolicy(mind.beliefs)
    from knowhy.samplers.classic import ClassicSampler
    from knowhy.samplers.policy import SamplerPolicy

    return SamplerPolicy(strategy, ClassicSampler(strategy, seed))


def check(strategy: Strategy, stop_early: bool | None = None) -> None:
    """See that there is such a strategy, and that it can stop trials early where it is to; raises UsageError."""
    policy(strategy, Mind(), 0)
    if stop_early and strategy != "theory":
        raise UsageError(
            f"trials of the strategy {strategy} cannot be stopped early: it has no model of what they could still tell",
            "leave out --stop-early, or take the strategy theory",
        )


def theorists(asked: Asked | None = None, path: str = "", bench: Bench | None = None) -> list[Theorist]:
    """Who proposes theories: the built-in theorist, and those that are asked for, about the code at ``path``.

    They may propose changes of code where there is a ``bench`` to try them on.
    Raises SettingsError for names, keys or libraries that are not there, StudyMissingError for a study to replay.
    """
    from knowhy.theorists.builtin import Builtin
    from knowhy.theorists.patches import Patches

    found: list[Theorist] = [Patches(), Builtin()]
    if asked is None or not asked.names:
        return found
    from knowhy.theorists.llm.names import check_ready, parse_name
    from knowhy.theorists.llm.replay import Replayed, recorded
    from knowhy.theorists.llm.theorist import LanguageModel

    for text in dict.fromkeys(asked.names):
        if text.startswith("replay:"):
            found.append(Replayed(recorded(_journal(asked.folder, text.removeprefix("replay:")))))
            continue
        name = parse_name(text)
        check_ready(name, os.environ)
        found.append(LanguageModel(name, path, asked.allowance, os.environ, bench=bench))
    return found


def dismissed(proposers: Iterable[Theorist]) -> list[Thought]:
    """End those that think in the background; what they had not said yet."""
    return [thought for t in proposers if hasattr(t, "close") for thought in t.close()]


def _journal(folder: Path, name: str) -> list[Record]:
    from knowhy.journal import SqliteJournal

    path = folder / name / "journal.db"
    if not path.exists():
        raise StudyMissingError(f"there is no study {name} in {folder} to replay", "name one of: knowhy status --study")
    journal = SqliteJournal(path)
    try:
        return list(journal.read())
    finally:
        journal.close()


def filled(space: Space) -> Space:
    """``space`` if it has something to vary, its fidelities held at their full value; raises SpaceError."""
    if any(p.role == FIDELITY_ROLE for p in space.active):
        held = (replace(p, active=False, guessed=False) if p.role == FIDELITY_ROLE else p for p in space)
        space = replace(space, parameters=tuple(held))
    if not space.active:
        raise SpaceError("the space is empty: there is no active parameter", "declare one, or set active = true")
    return space


def likely_role(name: str, default: Scalar) -> tuple[str, float]:
    """The role that a parameter's name suggests, and how sure that is."""
    from knowhy.subjects.roles import guess

    # A text says nothing here: its alternatives are those that were run.
    found = guess(name, True if isinstance(default, str) or default is None else default)
    return ("other", 0.2) if found is None else (found.role, found.confidence)


class Narrowed:
    """A subject that is asked for no more than it has: what only a history knows is left out of its trials."""

    def __init__(self, inner: Subject, names: frozenset[str]) -> None:
        """Pass the parameters called ``names`` on."""
        self._inner, self._names = inner, names

    def prepare(self, proposal: Proposal, required: Sequence[str], folder: str) -> Job:
        """As the subject within does it; raises SubjectError."""
        point = {name: value for name, value in proposal.point.items() if name in self._names}
        return self._inner.prepare(replace(proposal, point=point), required, folder)


def narrowed(subject: Subject, space: Space) -> Subject:
    """``subject`` for a study that has more parameters than the subject's own ``space``."""
    return Narrowed(subject, frozenset(p.name for p in space))
