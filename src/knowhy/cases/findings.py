"""What is known of a study: everything that can be read off its journal. Reading never changes anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from knowhy import compose, views
from knowhy.engine.mind import Mind
from knowhy.errors import StudyMissingError, UsageError
from knowhy.journal import SqliteJournal
from knowhy.model.belief import Judgement
from knowhy.model.controller import Controller
from knowhy.model.events import StudyCreated
from knowhy.model.space import Point
from knowhy.model.state import State, fold


class Findings:
    """The study ``name`` in the folder ``path``, as its journal has it."""

    def __init__(self, name: str, path: Path) -> None:
        """Open the journal, where there is one; raises JournalError."""
        self.name = name
        self.path = path
        self.mind = Mind()
        self._state = State()
        self._created: StudyCreated | None = None
        self._journal: SqliteJournal | None = None
        if self._journal_path.exists():
            self._journal = SqliteJournal(self._journal_path)

    @property
    def _journal_path(self) -> Path:
        return self.path / "journal.db"

    @property
    def state(self) -> State:
        """All that the journal holds, up to now; raises JournalDamagedError."""
        if self._journal is not None:
            records = list(self._journal.read(self._state.seq))
            if self._created is None and records and isinstance(records[0].event, StudyCreated):
                self._created = records[0].event
            if records:
                self._state = fold(records, self._state)
        return self._state

    @property
    def controller(self) -> Controller | None:
        """Who runs the study, or ran it when it was cut off; None where the last one ended in good order."""
        return None if self._journal is None else self._journal.holder()

    @property
    def theories(self) -> tuple[views.TheoryView, ...]:
        """Every theory with its belief and status, in the order proposed."""
        return views.theories(self.state)

    @property
    def best(self) -> views.BestView | None:
        """The best configuration against the default, None before the first completed trial."""
        return views.best(self.state, self.mind)

    @property
    def trials(self) -> tuple[views.TrialView, ...]:
        """Every trial, by number."""
        return views.trials(self.state)

    @property
    def status(self) -> views.Overview:
        """The study at a glance."""
        return views.overview(self.state, self.mind, self.controller)

    def next(self) -> tuple[views.NextView, ...]:
        """What runs, or would run next, with reasons; the best first."""
        return views.upcoming(self.state, self.mind)

    def explain(self, theory: str) -> views.Explanation:
        """All that is known about the theory with this id; raises UsageError."""
        return views.explain(self.state, self.mind, theory)

    def believe(self, sentence: str) -> Judgement:
        """The claim ``sentence``, judged by the data so far; raises SentenceError."""
        return self.mind.judge(self._existing(), sentence)

    @property
    def front(self) -> tuple[views.PlacedView, ...]:
        """With several objectives: what may be on the front, each with its probability; empty with one objective."""
        return views.standings(self.state, self.mind)

    def pick(self, trial: int | None = None, *, weights: Mapping[str, float] | None = None) -> views.PlacedView:
        """The configuration of ``trial``, or the best by ``weights`` (what a unit of each objective is worth).

        Raises UsageError, MetricError.
        """
        return views.chosen(self._existing(), self.mind, trial, weights)

    @property
    def best_point(self) -> Point:
        """The best configuration, complete; the default before any trial has completed."""
        found = self.best
        return self._existing().space.defaults() if found is None else found.point

    def script_with_best(self, point: Point | None = None) -> str:
        """The script's source with the best configuration (or ``point``) in it; raises UsageError, SubjectError."""
        state = self._existing()
        if state.subject.get("kind") != "script":
            raise UsageError("this study is not of a script", "write the configuration: knowhy best --write best.json")
        return compose.script_with(str(state.subject["path"]), state.space, point or self.best_point)[0]

    def beside_best(self, point: Point | None = None) -> tuple[Mapping[str, bytes], tuple[str, ...]]:
        """What of ``point`` (the best) is not in the script: files beside it by name, words of its command line."""
        state = self._existing()
        if state.subject.get("kind") != "script":
            return {}, ()
        return compose.script_with(str(state.subject["path"]), state.space, point or self.best_point)[1:]

    def report(self, path: str | Path | None = None, *, form: Literal["html", "md"] | None = None) -> Path:
        """Write the report as ``form``, or as the suffix of ``path`` says; returns where it is."""
        from knowhy import reports  # figures and vendored scripts: of no use to a run

        target = Path(path) if path is not None else self.path / f"report.{form or 'html'}"
        reports.write(self._existing(), self.mind, target, form, journal=str(self._journal_path))
        return target

    def certification(self, theory: str, *, trials: int = 40) -> views.CertificationView:
        """Where ``theory`` stands and what certifying it with at most ``trials`` in all would take; runs nothing.

        Raises UsageError where there is no such theory, or pairs of trials cannot tell.
        """
        return views.certification(self._existing(), self.mind, theory, trials)

    def _existing(self) -> State:
        state = self.state
        if self._created is None:
            raise StudyMissingError(f"the study {self.name} has not begun", "run it first")
        return state
