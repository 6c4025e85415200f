"""The public class, and the one place where concrete adapters are named."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from threadpoolctl import threadpool_limits

from knowhy import __version__, compose, views
from knowhy.cases import certifying, conduct, contributions, folders, trusting
from knowhy.cases.asked import AskedPolicy
from knowhy.cases.asktell import Dialogue, outcome_of
from knowhy.cases.findings import Findings
from knowhy.cases.folders import study_names as study_names
from knowhy.cases.parameters import Parameters
from knowhy.cases.patches import Patches
from knowhy.cases.repository import Desk, Repo
from knowhy.engine.mind import Mind
from knowhy.errors import MetricError, SpaceError, StudyError, StudyLockedError, StudyMissingError, UsageError
from knowhy.journal import SqliteJournal
from knowhy.loop import Limits
from knowhy.model.events import Event, Record, StudyCreated
from knowhy.model.objective import Constraint, Direction, Objective
from knowhy.model.space import Parameter, Scalar, Space
from knowhy.model.state import State
from knowhy.model.thought import Allowance
from knowhy.model.trial import Proposal
from knowhy.model.trust import Trust
from knowhy.ports import Policy, Subject
from knowhy.settings import continuity
from knowhy.settings.goals import direction as toward
from knowhy.settings.values import Strategy, check_name

if TYPE_CHECKING:
    from knowhy.cases.importing import Imported
    from knowhy.cases.wishes import Wishes
    from knowhy.subjects.repo.subject import RepoSubject

_PATIENCE = 50


class Study(Findings):
    """One investigation: a folder with a journal, the trials' folders, and what is known from them.

    Reading never changes anything. ``objectives`` maps metrics to "minimize" or "maximize", the main one first;
    left out, those of the study that exists count, or ``{"val_loss": "minimize"}`` for a new one.
    """

    def __init__(
        self,
        name: str,
        objectives: Mapping[str, Direction] | None = None,
        *,
        folder: str | Path = ".knowhy",
        constraints: Sequence[Constraint] = (),
        seed: int = 0,
    ) -> None:
        """Open the study ``name`` in ``folder``, or get ready to start it; raises UsageError, JournalError."""
        super().__init__(_named(name), Path(folder).absolute() / name)
        self.mind = Mind()
        self._state = State()
        self._created: StudyCreated | None = None
        self._journal: SqliteJournal | None = None
        self.ran: conduct.Ran | None = None
        self._desk: Desk | None = None
        self._asked: dict[int, float] = {}
        if self._journal_path.exists():
            self._journal = SqliteJournal(self._journal_path)
        wanted = None if objectives is None else tuple(Objective(m, toward(d)) for m, d in objectives.items())
        if wanted == ():
            raise MetricError("a study needs an objective", 'write objectives={"val_loss": "minimize"}')
        known, self._wanted = self.state, wanted or ()
        self.objectives = wanted or known.objectives or (Objective("val_loss"),)
        self.constraints = tuple(constraints) or (known.constraints if wanted is None else ())
        self.seed = known.seed if self._created else seed

    @classmethod
    def open(cls, name: str, *, folder: str | Path = ".knowhy") -> Study:
        """The study ``name``, which must exist; raises StudyMissingError, UsageError."""
        _named(name)
        if not (Path(folder) / name / "journal.db").exists():
            there = ", ".join(study_names(folder))
            raise StudyMissingError(
                f"there is no study {name} in {folder}",
                f"choose one of: {there}" if there else "start one with: knowhy run SCRIPT --metric NAME",
            )
        return cls(name, folder=folder)

    @property
    def parameters(self) -> Parameters:
        """The parameters: iterate to see them; ``open``, ``freeze``, ``widen`` change the space, also in a run."""
        return Parameters(self._existing, self._append, self._offered)

    def suppose(
        self,
        sentence: str | Sequence[str],
        because: str = "",
        title: str = "",
        *,
        question: str = "",
        refuted_by: str = "",
        by: str = "person",
    ) -> views.TheoryView:
        """Add a theory (of several sentences all must hold), or find the one that says so; raises SentenceError.

        Theories with the same ``question`` are rivals.
        """
        said, name = (sentence,) if isinstance(sentence, str) else tuple(sentence), ""

        def make(state: State) -> list[Event]:
            nonlocal name
            name, events = contributions.theory(state, self.mind, said, because, title, question, refuted_by, by)
            return events

        self.contribute(make)
        return next(view for view in self.theories if view.id == name)

    def contribute(self, make: Callable[[State], Sequence[Event]]) -> list[Record]:
        """Append what ``make`` makes of the state as it is then (see ``contributions``); [] where it makes nothing.

        Works while somebody runs the study. Raises JournalWriteError, or StudyLockedError where others never pause.
        """
        for _ in range(_PATIENCE):
            state = self._existing()
            events = make(state)
            records = self._opened().append(events, after=state.seq)
            if records or not events:
                return records
        raise StudyLockedError(f"others keep writing to the study {self.name}", "try again")

    @property
    def desk(self) -> Desk:
        """Its repository, for a study of one."""
        self._desk = self._desk or Desk(self.path, lambda: self.state)
        return self._desk

    @property
    def patches(self) -> Patches:
        """The changes of code under study, each on or off: list them, add, drop, or write the best as a branch."""
        return Patches(self.desk, lambda: self.state, self._append, self.mind)

    def set_aside(self) -> Path:
        """Give the folder of a study in which no trial has completed another name, and begin anew; returns that name.

        Raises StudyError where a trial has completed, StudyLockedError where somebody runs it.
        """
        if self.state.completed:
            raise StudyError(f"the study {self.name} holds results", "start another with another name")
        journal = self._opened()
        with journal.lease():
            target = folders.set_aside(self.path)
        journal.close()
        self._journal, self._created, self._state = None, None, State()
        return target

    def run(
        self,
        train: compose.Train | str | Path | Repo,
        space: Space | Iterable[Parameter] | None = None,
        trials: int = 60,
        workers: int = 2,
        budget: float | None = None,
        strategy: Strategy = "theory",
        timeout: float | None = None,
        memory: int | None = None,
        *,
        arguments: Sequence[str] = (),
        only_asked: bool = False,
        theorists: Sequence[str] = (),
        allowance: Allowance | None = None,
        trust: Trust | None = None,
        stop_early: bool | None = None,
        watch: Callable[[State], None] = lambda state: None,
        judged: Callable[[State, views.Mind], None] = lambda state, mind: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> views.Overview:
        """Run until the study has ``trials`` trials in all or ``budget`` seconds are spent; go on where it stopped.

        ``train`` is the path of a script, whose parameters are discovered where ``space`` is None, a function
        ``train(params, report) -> metrics``, or a repository (``Repo``).
        ``timeout`` (seconds) and ``memory`` (bytes) bound one trial.
        What was requested runs first; with ``only_asked``, nothing else does, except the default before all.
        ``theorists`` are language models to ask (``provider:model``, or ``replay:STUDY``) within ``allowance``.
        With ``stop_early`` (None: where there is a fidelity), trials that can neither win nor teach are stopped.
        ``watch`` is called with each new state, and should be quick; ``judged`` with those whose beliefs are new and
        the mind that holds them, on the thread that thinks; ``stop`` is asked whether to end.
        ``trust`` asks for a sandbox, an evaluator, locked files (None: as before); a repository runs in a sandbox.
        Raises SpaceError, SandboxError, SubjectError, StudyMismatchError, StudyLockedError, JournalError.
        """
        if space is None and callable(train) and continuity.began_with_history(self.state):
            space = self.state.space
        asked = compose.Asked(tuple(theorists), allowance or Allowance(), self.path.parent)
        compose.check(strategy, stop_early)  # what does not exist must leave no journal behind
        compose.theorists(asked)

        def policy(mind: Mind) -> Policy:
            return AskedPolicy(mind.beliefs, None if only_asked else compose.policy(strategy, mind, self.seed))

        ran = conduct.Ran(train, tuple(arguments), timeout, memory, asked, trust, stop_early)
        self.carry_out(ran, space, policy, Limits(trials, budget, workers), watch, judged, stop)
        return self.status

    def carry_out(
        self,
        ran: conduct.Ran,
        space: Space | Iterable[Parameter] | None,
        policy: Callable[[Mind], Policy],
        limits: Limits,
        watch: Callable[[State], None] = lambda state: None,
        judged: Callable[[State, views.Mind], None] = lambda state, mind: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Run any ``policy`` (made once the study's seed is known) on what ``ran`` names; raises what run raises."""
        subject: Subject
        edited: RepoSubject | None = None
        trust = trusting.agreed(self.state, ran.trust)
        executor = compose.executor(limits.workers, trust, edited=isinstance(ran.train, Repo))
        if isinstance(ran.train, Repo):
            journal = self._opened()
            with journal.lease():
                begun = self.desk.begin(ran.train, ran.timeout, ran.memory)
                subject, edited, described = begun.subject, begun.subject, begun.described
                self._agree(
                    journal, compose.filled(begun.space), described, [*begun.events, *trusting.noted(self.state, trust)]
                )
                self.desk.begun()
        else:
            subject, described, whole = compose.subject(ran.train, space, ran.timeout, ran.memory, ran.arguments)
            journal = self._opened()  # what cannot run must leave no journal behind
            with journal.lease():
                self._agree(journal, whole, described, trusting.noted(self.state, trust))
            if continuity.began_with_history(self.state):
                subject = compose.narrowed(subject, whole)
        subject = trusting.guarded(subject, trust, edited, self.state, self.objectives, self.path.parent)
        self.ran = replace(ran, trust=trust)
        folder, path = str(self.path / "trials"), str(described.get("path") or "")
        self.mind = conduct.carry_out(
            journal, subject, executor, policy, limits, folder, ran, path, watch=watch, judged=judged, stop=stop
        )

    def certify(
        self, theory: str, train: compose.Train | str | Path | Repo | None = None, *, trials: int = 40, workers: int = 2
    ) -> views.CertificationView:
        """Spend at most ``trials`` trials in all on fresh pairs for ``theory``, until it is certified or refuted.

        Its contrast is registered before the first pair; the same call goes on where an earlier one stopped. ``train``
        may be left out where this object has run the study, or it is of a script. Raises UsageError, and what run does.
        """
        ran = None if train is None else conduct.Ran(train)
        return certifying.certify(self, theory, ran, trials=trials, workers=workers)

    def import_history(self, source: str | Path, wishes: Wishes | None = None, *, look: bool = False) -> Imported:
        """Take in the trials of a history: an Optuna storage, a table, an MLflow store, W&B runs, or another study.

        ``wishes`` (``knowhy.cases.wishes.Wishes``) count where the guess does not; with ``look``, nothing is written.
        What is known already is not added again. Raises UsageError, MetricError, SpaceError, JournalError.
        """
        from knowhy.cases import bringing  # readers of other formats: of no use to a run

        found, asked = bringing.found(source, self._wanted, wishes)
        seen = bringing.look(found, self.state, self.name, asked)  # what cannot be imported leaves no journal behind
        if look:
            return seen
        journal = self._opened()
        with journal.lease(), threadpool_limits(1):
            done = bringing.bring(journal, self.state, found, self.name, self.seed, asked, self.mind.beliefs)
        self.objectives, self.constraints = self.state.objectives, self.state.constraints
        return done

    def ask(
        self, space: Space | Iterable[Parameter] | None = None, *, trials: int = 60, strategy: Strategy = "theory"
    ) -> Proposal | None:
        """The next trial for a loop of your own: its number, point, seed and reason; None when ``trials`` are spent.

        ``space`` is needed the first time. What is expected of the trial is in the journal when this returns.
        """
        if space is None and self._created is None:
            raise SpaceError("a new study needs a space", "give ask(space=[knowhy.real(...), ...]) the first time")
        whole = self.state.space if space is None else space if isinstance(space, Space) else Space(tuple(space))
        whole = compose.filled(whole)
        journal = self._opened()
        with journal.lease():
            self._agree(journal, whole, {"kind": "by hand"})
            proposal = self._dialogue(journal, strategy).ask(trials)
        if proposal is not None:
            self._asked[proposal.trial] = time.monotonic()
        return proposal

    def tell(
        self,
        trial: int,
        *,
        metrics: Mapping[str, float] | None = None,
        failure: str | None = None,
        duration: float | None = None,
    ) -> None:
        """How a trial that was asked for ended: its ``metrics``, or a ``failure`` ("out_of_memory", or any words).

        ``duration`` is in seconds, by default the time since it was asked for. Raises UsageError, MetricError.
        """
        state = self._existing()
        if duration is None and trial in self._asked:  # by a clock that nobody sets, where we heard the question
            duration = time.monotonic() - self._asked[trial]
        outcome = outcome_of(metrics, failure, duration, [o.metric for o in state.objectives])
        journal = self._opened()
        with journal.lease():
            strategy = state.run.strategy if state.run else "theory"
            self._dialogue(journal, cast(Strategy, strategy)).tell(trial, outcome)

    def _dialogue(self, journal: SqliteJournal, strategy: Strategy) -> Dialogue:
        return Dialogue(journal, compose.policy(strategy, self.mind, self.seed), compose.theorists(), self.mind.beliefs)

    def _opened(self) -> SqliteJournal:
        """The journal, made where there is none; raises JournalWriteError."""
        if self._journal is None:
            self._journal = SqliteJournal(self._journal_path)
        return self._journal

    def _agree(
        self, journal: SqliteJournal, space: Space, subject: Mapping[str, Scalar], more: Sequence[Event] = ()
    ) -> None:
        """Begin the journal, or see that it can go on with this space, these objectives and this subject."""
        state = self.state  # read under the lease: another process may have begun the study since it was opened
        if self._created is None:
            made = (self.name, self.objectives, space, self.seed, dict(subject), __version__, self.constraints)
            journal.append([StudyCreated(*made), *more])
            return
        events = continuity.agreement(self._created, state, self.objectives, self.constraints, space, subject)
        self.seed = self._created.seed
        journal.append([*events, *more])

    def _offered(self) -> Sequence[Parameter]:
        """All that the script under study has; nothing where it is gone or has changed."""
        subject = self.state.subject
        return compose.offered(subject) if subject.get("kind") == "script" else ()

    def _append(self, events: Sequence[Event]) -> None:
        self._opened().append(events)


def _named(name: str) -> str:
    """``name`` where it can be that of a study and its folder; raises UsageError."""
    try:
        return check_name(name)
    except ValueError as error:
        raise UsageError(str(error), "use letters, digits, '.', '_' and '-'") from None
