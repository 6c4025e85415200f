"""The theorists of a run: there from its beginning to its end, and what they had not said by then is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from knowhy import compose, reflection
from knowhy.cases.patching import Workbench
from knowhy.engine.beliefs import Beliefs
from knowhy.model.state import State
from knowhy.ports import Journal, Theorist


@contextmanager
def attending(
    asked: compose.Asked | None, path: str, journal: Journal, beliefs: Beliefs, state: Callable[[], State]
) -> Iterator[Sequence[Theorist]]:
    """The theorists of a run about the code at ``path``; ``state`` reads the journal.

    A thought that ended too late has been paid for: what it proposed is there when the study goes on.
    Raises SettingsError, StudyMissingError, JournalError.
    """
    begun = state()
    tries = asked is not None and asked.names and begun.subject.get("kind") == "repo"
    bench = Workbench(asked.folder / begun.name) if asked is not None and tries else None
    proposers = compose.theorists(asked, path or str(begun.subject.get("path") or ""), bench)
    try:
        yield proposers
    finally:
        late = [thought for thought in compose.dismissed(proposers) if thought not in state().thoughts]
        if late:
            with journal.lease():
                journal.append(reflection.heard(beliefs, late, state()))
