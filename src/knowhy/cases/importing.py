"""From a history to a study: what it is about, its space, and its trials as events. Pure but for reading files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from knowhy import __version__
from knowhy.cases.autoresearch import Verdicts, read_autoresearch
from knowhy.cases.wishes import objectives_of
from knowhy.compose import likely_role
from knowhy.engine.diagnostics import derive
from knowhy.errors import MetricError, UsageError
from knowhy.histories import sources
from knowhy.histories.history import History, Recorded, Request, outcome
from knowhy.histories.spaces import Fitted, Wanted, adopt, fit, widened
from knowhy.histories.studies import history_of_state
from knowhy.journal import SqliteJournal
from knowhy.model.events import Event, ParameterChanged, StudyCreated, TrialObserved
from knowhy.model.objective import Constraint, Direction, Objective
from knowhy.model.observation import Failure, Observation, Outcome
from knowhy.model.space import Origin, Parameter, Scalar, Space
from knowhy.model.state import State, fold
from knowhy.model.theory import Theory
from knowhy.model.trial import Proposal
from knowhy.settings.continuity import HISTORY, began_with_history
from knowhy.settings.goals import guess_direction

_ACTIVE = 30


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: how many trials joined, how many were known already, how many of those new failed.

    ``notes`` say what was left out, widened or guessed. ``written`` is False where it was only a look.
    """

    study: str
    kind: str
    source: str
    objectives: tuple[Objective, ...]
    space: Space
    trials: int
    added: int
    known: int
    failed: int
    theories: int
    notes: tuple[str, ...]
    verdicts: Verdicts | None = None
    written: bool = True


@dataclass(frozen=True)
class Found:
    """A history that was read, and the theories that came with it (from a study of knowhy's own)."""

    history: History
    theories: tuple[Theory, ...] = ()
    verdicts: Verdicts | None = None


def read(source: str | Path, request: Request) -> Found:
    """What stands at ``source``: a path or an ``sqlite:///`` URL; raises UsageError."""
    path = sources.path_of(str(source))
    kind = sources.kind_of(path)
    if kind == "knowhy":
        return _own(path)
    if kind == "results.tsv":
        table = path / "results.tsv" if path.is_dir() else path
        where = Path(request.repository) if request.repository else table.absolute().parent
        return Found(*_results(table, where, request))
    request = replace(request, direction_of=guess_direction, is_setting=_is_setting)
    return Found(sources.read(path, kind, request))


def _results(table: Path, where: Path, request: Request) -> tuple[History, tuple[Theory, ...], Verdicts | None]:
    history, verdicts, theories = read_autoresearch(table, where, request.script, request.toward, request.noise)
    return history, theories, verdicts


def _own(path: Path) -> Found:
    file = path / "journal.db" if path.is_dir() else path
    journal = SqliteJournal(file, create=False)
    try:
        state = fold(journal.read())
    finally:
        journal.close()
    if not state.objectives:
        raise UsageError(f"the study in {path} has not begun", "run it first")
    return Found(history_of_state(state, str(path)), tuple(state.theories.values()))


def _is_setting(name: str, value: Scalar) -> bool:
    role, _ = likely_role(name, value)
    return role != "other"


def begin(name: str, seed: int, history: History, objectives: Sequence[Objective], fitted: Fitted) -> StudyCreated:
    """The event with which a study of ``history`` begins."""
    subject = {"kind": HISTORY, "path": history.source, "from": history.kind}
    constraints: tuple[Constraint, ...] = history.constraints
    return StudyCreated(name, tuple(objectives), fitted.space, seed, subject, __version__, constraints)


def fitted_new(history: History, parameters: Sequence[Wanted], baseline: str) -> Fitted:
    """The space of a new study, its parameters with the roles that their names suggest; raises UsageError."""
    if history.space is not None and not parameters and not baseline:
        return adopt(Space(tuple(replace(p, origin=_nowhere()) for p in history.space)), history)
    found = fit(history, parameters, baseline)
    judged = [replace(p, confidence=0.0) if p.name in history.held else _with_role(p) for p in found.space]
    free = [i for i, p in enumerate(judged) if p.name not in history.held]
    active = sorted(free, key=lambda i: -judged[i].confidence)[:_ACTIVE]
    space = Space(tuple(replace(p, active=i in active) for i, p in enumerate(judged)))
    notes = found.notes
    if len(free) > _ACTIVE:
        held = ", ".join(p.name for p in space.held)
        notes = (*notes, f"{len(judged)} parameters are many: these are held at their default for now: {held}")
    return Fitted(space, found.placed, notes)


def _nowhere() -> Origin:
    return Origin("declared")


def _with_role(parameter: Parameter) -> Parameter:
    role, confidence = likely_role(parameter.name, parameter.default)
    return replace(parameter, role=role, confidence=confidence)


def observed(
    state: State, history: History, fitted: Fitted, objectives: Sequence[Objective]
) -> tuple[list[TrialObserved], int]:
    """An event for each trial that the study does not know yet, and how many it does."""
    events: list[TrialObserved] = []
    number, known = state.next_trial, 0
    for trial, point in fitted.placed:
        if trial.key in state.observed:
            known += 1
            continue
        ended = _ended(trial, objectives)
        reason = f"{trial.name} of {history.kind}, {Path(history.source).name}"
        if trial.note:
            reason = f"{reason}: {trial.note}"
        proposal = Proposal(number, point, trial.seed or 0, "observe", reason[:400], history.kind)
        events.append(TrialObserved(proposal, ended, trial.key, trial.commit))
        number += 1
    return events, known


def _ended(trial: Recorded, objectives: Sequence[Objective]) -> Outcome:
    """How the trial ended, seen by the study: without a number for its objectives it failed."""
    found = trial.outcome
    if isinstance(found, Failure):
        return found
    wanted_metrics = [o.metric for o in objectives]
    judged = outcome(found.metrics, wanted_metrics, found.duration, dict(found.curves))
    if isinstance(judged, Failure):
        return judged
    derived = derive(judged.metrics, judged.curves, judged.duration)
    if not judged.duration:
        derived.pop("duration", None)  # not known: a zero would be taken for a measurement
    return Observation({**derived, **judged.metrics}, judged.duration, judged.curves)


def brought(state: State, theories: Sequence[Theory], readable: Sequence[bool]) -> list[Theory]:
    """Theories of another study that this one does not have, under numbers of its own."""
    known = {t.claims for t in state.theories.values()}
    count = len(state.theories)
    found: list[Theory] = []
    for theory, fits in zip(theories, readable, strict=True):
        if fits and theory.claims not in known:
            count += 1
            known.add(theory.claims)
            found.append(replace(theory, id=f"T{count}", after=len(state.order)))
    return found


def told(events: Sequence[Event]) -> int:
    """How many of ``events`` are of trials that failed."""
    return sum(
        isinstance(e, TrialObserved) and isinstance(e.outcome, Failure) and e.outcome.kind != "pruned" for e in events
    )


@dataclass(frozen=True)
class Plan:
    """What an import will write: how the study begins (None where it exists), the trials, and what to tell."""

    created: StudyCreated | None
    wider: tuple[ParameterChanged, ...]
    trials: tuple[TrialObserved, ...]
    theories: tuple[Theory, ...]
    imported: Imported


def plan(
    found: Found,
    state: State,
    name: str,
    seed: int,
    asked: Sequence[Objective],
    metrics: Sequence[str],
    toward: Direction | None,
    parameters: Sequence[Wanted],
    baseline: str,
) -> Plan:
    """What importing ``found`` into the study ``name`` amounts to; ``state`` is empty where it is new.

    Raises UsageError, MetricError, SpaceError.
    """
    history = found.history
    if not history.trials:
        raise UsageError(f"{history.source} holds no trial that ended", "import it when some have")
    notes = list(history.notes)
    if state.objectives:
        if parameters or baseline:
            raise UsageError(
                f"the study {name} exists: its parameters and its default stand",
                "leave out --parameter and --baseline, or import into another study with --study NAME",
            )
        space, told_ = widened(state.space, history) if began_with_history(state) else (state.space, ())
        notes += told_
        objectives, fitted, created = state.objectives, adopt(space, history), None
        if not any(objectives[0].metric in t.outcome.metrics for t in history.trials):
            there = dict.fromkeys(m for t in history.trials for m in t.outcome.metrics)
            raise MetricError(
                f"no trial of {history.source} has {objectives[0].metric}, the objective of the study {name}",
                f"it has {', '.join(list(there)[:20]) or 'no metric'}; import it into another study with --study NAME",
            )
        before = state
    else:
        objectives = objectives_of(history, asked, metrics, toward)
        fitted = fitted_new(history, parameters, baseline)
        created = begin(name, seed, history, objectives, fitted)
        before = State()
    if not fitted.placed:
        raise UsageError(
            f"no trial of {history.source} fits the space of {name}: {'; '.join(fitted.notes[:3])}",
            "import it into another study with --study NAME",
        )
    events, known = observed(before, history, fitted, objectives)
    imported = Imported(
        study=name,
        kind=history.kind,
        source=history.source,
        objectives=tuple(objectives),
        space=fitted.space,
        trials=len(history.trials),
        added=len(events),
        known=known,
        failed=told(events),
        theories=0,
        notes=(*notes, *fitted.notes),
        verdicts=found.verdicts,
    )
    wider = [
        ParameterChanged(p, "widened", f"trials of {Path(history.source).name} lie beyond its range", "import")
        for p in fitted.space
        if state.objectives and p.domain != state.space[p.name].domain
    ]
    return Plan(created, tuple(wider), tuple(events), found.theories, imported)


def name_for(source: str, member: str | None) -> str:
    """The name of a study that begins with ``source``, where nobody gives one."""
    path = sources.path_of(source).absolute()
    stem = path.parent.name if path.name in ("results.tsv", "mlruns", "wandb", "journal.db") else path.stem
    return _study_name(member or stem)


def _study_name(text: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:60]
    return plain or "history"


def verdict_lines(done: Imported) -> list[str]:
    """What a results.tsv says of the changes that were kept, and what to run to find out, a line for each."""
    found = done.verdicts
    if found is None:
        return []
    metric = done.objectives[0].metric
    source = "from runs of the same code" if found.measured else "guessed from the scatter: no code ran twice"
    lines = [
        f"noise of one run: {found.noise:.2g} in {metric} ({found.noise_low:.2g} to {found.noise_high:.2g}, {source})"
        if found.noise_low < found.noise_high
        else f"noise of one run: {found.noise:.2g} in {metric}, as you say"
    ]
    for change in found.changes:
        helps = "likely real" if change.helps >= _LIKELY else "likely luck" if change.helps <= 0.5 else "not settled"
        line = (
            f"kept {change.commit}: {helps}, belief {change.helps:.0%} that it helps; seen {change.seen:+.4g}, "
            f"estimated {change.mean:+.4g} (90% within {change.low:+.4g} to {change.high:+.4g}): {change.description}"
        )
        if change.helps < _LIKELY:
            most = "or more " if change.pairs >= 60 else ""
            both = f"{change.commit} and {change.parent}"
            line += f"; to find out: {change.pairs} {most}fresh pairs of runs of {both}, in turn"
        lines.append(line)
    return lines


_LIKELY = 0.95
