"""``KnowhySampler``: knowhy as a sampler of Optuna, for studies that exist already.

    study = optuna.create_study(sampler=knowhy.optuna.KnowhySampler())
    study.optimize(objective, n_trials=50)
    study.sampler.report(study, "report.html")

The storage stays Optuna's. What knowhy thinks lives in memory and is computed again from the trials where it is lost.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import threadpool_limits

from knowhy import __version__, compose, reflection, reports, views
from knowhy.engine.diagnostics import derive
from knowhy.engine.mind import Mind
from knowhy.errors import StudyError, UsageError
from knowhy.histories.history import Recorded
from knowhy.histories.optuna_trials import ENDED, domain_of, objectives_of, recorded
from knowhy.model.decision import Budget
from knowhy.model.events import (
    Event,
    RunStarted,
    StudyCreated,
    TrialCompleted,
    TrialFailed,
    TrialProposed,
    TrialStarted,
)
from knowhy.model.observation import Failure, Observation
from knowhy.model.space import Choices, Parameter, Point, Scalar, Space
from knowhy.model.state import State, foreseen
from knowhy.model.trial import Proposal
from knowhy.views import TheoryView

_HORIZON, _AHEAD = 60, 30

Spaces = dict[str, BaseDistribution]


@dataclass
class _Memory:
    """What is known of one study: the search space that it is seen in, and the state after the trials taken in."""

    distributions: Spaces
    state: State
    taken: set[int] = field(default_factory=set)


class KnowhySampler(BaseSampler):
    """Chooses the parameters that all trials share by what they would teach and improve; the others at random.

    ``n_trials`` is how many the study is meant to have: learning comes first and gives way to improvement towards its
    end (60 where it is not given; the study may go on). A failed trial counts as a failure, a pruned one says nothing.
    Threads (``n_jobs``) take turns; trials that run elsewhere are counted in. Of several objectives, all are improved,
    and theories are mostly about the first.
    """

    def __init__(self, *, seed: int = 0, n_trials: int | None = None) -> None:
        """Random choices come from ``seed``."""
        self._seed, self._budget = seed, n_trials or _HORIZON
        self._independent = RandomSampler(seed=seed)
        self._mind = Mind()
        self._lock = threading.RLock()
        self._memories: dict[str, _Memory] = {}
        self._spaces: dict[str, IntersectionSearchSpace] = {}
        self._proposals: dict[tuple[str, int], Proposal] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What can be sent to another process: not what was thought, which is computed again there."""
        return {"seed": self._seed, "budget": self._budget}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin anew with the settings of the other."""
        KnowhySampler.__init__(self, seed=state["seed"], n_trials=state["budget"])

    def reseed_rng(self) -> None:
        """Give the independent parameters random numbers of this process's own."""
        self._independent.reseed_rng()

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Spaces:
        """The parameters that every finished trial has, under the same distribution."""
        with self._lock:
            space = self._spaces.setdefault(study.study_name, IntersectionSearchSpace()).calculate(study)
        return {name: found for name, found in space.items() if domain_of(found) is not None}

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Spaces) -> dict[str, Any]:
        """The next configuration within ``search_space``; empty before there is one."""
        if not search_space:
            return {}
        with self._lock, threadpool_limits(1):
            memory = self._remembered(study, search_space)
            state = self._with_pending(study, memory, trial.number)
            state = replace(state, next_trial=max(state.next_trial, trial.number + 1))
            budget = Budget(max(self._budget, len(state.trials) + _AHEAD))
            decision = self._mind.policy.decide(state, budget)
            if not decision.proposals:
                return {}
            # Optuna's objectives are given no seed.
            proposal = replace(decision.proposals[0], trial=trial.number + 1, seed=0, arms=())
            self._proposals[(study.study_name, trial.number)] = proposal
            return {name: _value(found, proposal.point[name]) for name, found in search_space.items()}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value, for parameters that only some trials have."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def theories(self, study: optuna.Study) -> tuple[TheoryView, ...]:
        """Every theory about ``study`` with its belief, after the trials so far; raises StudyError."""
        with self._lock, threadpool_limits(1):
            return views.theories(self._known(study))

    def report(self, study: optuna.Study, path: str | Path) -> Path:
        """Write the report on ``study`` to ``path`` (.html or .md); raises StudyError, UsageError."""
        target = Path(path)
        with self._lock, threadpool_limits(1):
            state = self._known(study)
            markdown = target.suffix.lower() in (".md", ".markdown")
            text = (reports.write_markdown if markdown else reports.write_html)(state, self._mind)
        try:
            target.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{target} cannot be written: {error.strerror}", "name another file") from None
        return target

    def _known(self, study: optuna.Study) -> State:
        space = self.infer_relative_search_space(study, study.trials[-1]) if study.trials else {}
        if not space:
            raise StudyError(
                "no parameter is shared by the finished trials of this study yet",
                "run more trials, or suggest the same parameters in each",
            )
        state = self._remembered(study, space).state
        if all(name in state.beliefs for name in state.theories):
            return state
        return foreseen(state, self._mind.beliefs.update(state)[-1:])  # theories that came with the last trial

    def _remembered(self, study: optuna.Study, search_space: Spaces) -> _Memory:
        """The memory of ``study``, brought up to its trials; begun anew where its search space has changed."""
        memory = self._memories.get(study.study_name)
        ended = [t for t in study.get_trials(deepcopy=False) if t.state in ENDED]
        if memory is None or memory.distributions != search_space or not memory.taken <= {t.number for t in ended}:
            memory = self._memories[study.study_name] = self._begun(study, search_space, ended)
        objectives = memory.state.objectives
        new = [t for t in ended if t.number not in memory.taken]
        events: list[Event] = []
        for trial in sorted(new, key=lambda t: (t.datetime_complete is None, t.datetime_complete, t.number)):
            memory.taken.add(trial.number)
            events += self._events(study, memory.state, trial, recorded(trial, objectives, {}))
        if events:
            state = foreseen(memory.state, events)
            memory.state = foreseen(state, reflection.after_trials(self._mind.beliefs, compose.theorists(), state))
        return memory

    def _begun(self, study: optuna.Study, search_space: Spaces, ended: Sequence[FrozenTrial]) -> _Memory:
        first = next((t for t in ended if t.state is TrialState.COMPLETE), ended[0])
        names = sorted(search_space)
        space = Space(tuple(_parameter(name, search_space[name], first.params.get(name)) for name in names))
        begin: list[Event] = [
            StudyCreated(study.study_name, objectives_of(study), space, self._seed, {"kind": "optuna"}, __version__),
            RunStarted(self._budget, None, 1, "theory"),
        ]
        return _Memory(dict(search_space), foreseen(State(), begin))

    def _events(self, study: optuna.Study, state: State, trial: FrozenTrial, told: Recorded) -> list[Event]:
        """A trial of Optuna's as events; nothing where it does not lie in the space."""
        point = _point(state.space, told.settings)
        if point is None:
            return []
        number = trial.number + 1
        made = self._proposals.get((study.study_name, trial.number))
        if made is None or not all(_alike(made.point[n], point[n]) for n in point):
            made = Proposal(number, point, 0, "improve", "chosen by another sampler, or by hand", "optuna")
        made = replace(made, point=point)
        events: list[Event] = [TrialProposed(made), TrialStarted(number, 1)]
        ended = told.outcome
        if isinstance(ended, Failure):
            return [*events, TrialFailed(number, ended)]
        derived = derive(ended.metrics, ended.curves, ended.duration)
        return [
            *events,
            TrialCompleted(number, Observation({**derived, **ended.metrics}, ended.duration, ended.curves)),
        ]

    def _with_pending(self, study: optuna.Study, memory: _Memory, asking: int) -> State:
        """The state with what runs now, in other threads and processes."""
        events: list[Event] = []
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            made = self._proposals.get((study.study_name, trial.number))
            point = dict(made.point) if made else _point(memory.state.space, trial.params)
            if trial.number == asking or point is None or point.keys() != memory.state.space.defaults().keys():
                continue
            waiting = made or Proposal(trial.number + 1, point, 0, "improve", "runs elsewhere", "optuna")
            events.append(TrialProposed(waiting))
        return foreseen(memory.state, events) if events else memory.state


def _parameter(name: str, distribution: BaseDistribution, value: Scalar) -> Parameter:
    domain = domain_of(distribution)
    assert domain is not None
    if isinstance(domain, Choices):
        start = value if domain.contains(value) else domain.values[0]
    else:
        start = value if domain.contains(value) else domain.from_unit(0.5)
        start = start if domain.integer else float(start)  # type: ignore[arg-type]
    role, confidence = compose.likely_role(name, start)
    plain = name if not any(c in name for c in " \t\n\"'") else None
    if plain is None:
        raise UsageError(f"the parameter name {name!r} has blanks or quotes", "suggest it under a plain name")
    return Parameter(name, domain, start, role, confidence=confidence)


def _point(space: Space, settings: Point) -> dict[str, Scalar] | None:
    """The complete point of a trial, None where it lies outside."""
    point: dict[str, Scalar] = {}
    for parameter in space:
        value = settings.get(parameter.name)
        if not isinstance(parameter.domain, Choices) and isinstance(value, (int, float)):
            value = int(value) if parameter.domain.integer else float(value)
        if parameter.name not in settings or not parameter.domain.contains(value):
            return None
        point[parameter.name] = value
    return point


def _alike(one: Scalar, two: Scalar) -> bool:
    """Whether two values are one, to what the steps of a distribution round away."""
    if isinstance(one, float) and isinstance(two, float):
        return math.isclose(one, two, rel_tol=0.05, abs_tol=1e-12)
    return one == two


def _value(distribution: BaseDistribution, value: Scalar) -> Any:
    """``value`` as Optuna wants it: on the steps of the distribution, and one of its own choices."""
    if isinstance(distribution, CategoricalDistribution):
        domain = domain_of(distribution)
        assert isinstance(domain, Choices)
        same = (v for v in distribution.choices if type(v) is type(value) and v == value)
        return next(same, next((v for v in distribution.choices if str(v) == str(value)), distribution.choices[0]))
    assert isinstance(value, (int, float))
    if isinstance(distribution, IntDistribution):
        low, step = distribution.low, distribution.step
        return int(min(max(low + step * round((value - low) / step), low), distribution.high))
    assert isinstance(distribution, FloatDistribution)
    found = float(value)
    if distribution.step is not None:
        found = distribution.low + distribution.step * round((found - distribution.low) / distribution.step)
        found = float(f"{found:.12g}")
    return min(max(found, distribution.low), distribution.high)
