"""How far the trials of a study are trusted: kept in its journal, so that whoever goes on with it does the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from knowhy import guarding
from knowhy.errors import StudyMismatchError, UsageError
from knowhy.model.events import Event, TrustSet
from knowhy.model.objective import Objective
from knowhy.model.state import State
from knowhy.model.trust import Trust
from knowhy.ports import Subject
from knowhy.redaction import HIDDEN, redact

if TYPE_CHECKING:
    from knowhy.subjects.repo.subject import RepoSubject


def agreed(state: State, asked: Trust | None) -> Trust:
    """How the trials of a study run from now on: as ``asked``, or as before where nothing is asked.

    Raises StudyMismatchError where others than before would measure them, UsageError where the evaluation command
    held a secret, which no journal keeps.
    """
    had = state.trust.evaluate
    if asked is None:
        if HIDDEN in had:
            raise UsageError("the study's evaluation command held a secret, which is not kept", "say --evaluate again")
        return state.trust
    measured = sum(t.proposal.purpose != "observe" for t in state.completed)
    if measured and redact(asked.evaluate) != had:
        before, now = (f"by {redact(e)!r}" if e else "by the trials themselves" for e in (had, asked.evaluate))
        raise StudyMismatchError(
            f"{measured} trials of the study {state.name} were measured {before}, others would be measured {now}",
            (f"such numbers do not compare: go on with --evaluate {had!r}" if had else "leave out --evaluate")
            + ", or start another with --study NAME",
        )
    return asked


def noted(state: State, trust: Trust) -> list[Event]:
    """The event by which ``trust`` is kept, without secrets; none where the journal says so already."""
    kept = replace(trust, evaluate=redact(trust.evaluate))
    return [] if kept == state.trust else [TrustSet(kept)]


def guarded(
    subject: Subject,
    trust: Trust,
    edited: RepoSubject | None,
    state: State,
    objectives: Sequence[Objective],
    studies: Path,
) -> Subject:
    """``subject`` as ``trust`` asks, seen from the folder of its code; ``edited`` is that of a repository.

    Raises SubjectError for files that are to be locked and cannot be read.
    """
    path = str(state.subject.get("path") or "")
    return guarding.guarded(
        subject,
        trust,
        home=Path(path) if edited else Path(path).parent if path else Path.cwd(),
        studies=studies,
        objectives=objectives,
        edited=edited is not None,
        inspect=guarding.inspection(edited) if edited else None,
    )
