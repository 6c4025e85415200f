"""The trials of a study as Optuna sees them, for the strategies that are Optuna's (TPE and GP).

The journal is the record; the Optuna study is a view of it in memory, filled as the state grows and made anew when
the space changes (earlier trials completed at the default), because Optuna's samplers lose their way, some of them
silently, when a parameter appears or a range widens in the middle of a study.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from knowhy.model.objective import Constraint, Objective
from knowhy.model.space import Choices, Parameter, Point, Scalar, Space
from knowhy.model.state import State
from knowhy.samplers.history import Run, counted, inside, ranked, runs, stream, waiting
from knowhy.silence import quiet

MakeSampler = Callable[[int], "optuna.samplers.BaseSampler"]


class OptunaSampler:
    """A strategy of Optuna's behind the ``Sampler`` port.

    ``make`` builds the sampler from a seed; it is built for each trial, so that what is proposed depends on
    the state and the seed alone. With ``flat``, a parameter that a condition rules out counts at its default
    instead of being absent (for samplers that need every trial to have the same parameters).
    """

    def __init__(self, make: MakeSampler, seed: int, *, flat: bool) -> None:
        """Keep how samplers are made."""
        self._make, self._seed, self._flat = make, seed, flat
        self._view: optuna.Study | None = None
        self._signature: tuple[Space, tuple[Objective, ...], tuple[Constraint, ...]] | None = None
        self._told: list[Run] = []

    def suggest(self, state: State, trial: int) -> Point | None:
        """A point that the sampler proposes, given what ended (failures as failures) and what is running."""
        with quiet():
            study = self._study(state)
            study.sampler = self._make(int(stream(self._seed, trial).integers(2**31)))
            first = len(study.get_trials(deepcopy=False))
            running = [self._frozen(state.space, p, TrialState.RUNNING) for p in waiting(state)]
            try:
                study.add_trials(running)
                return self._ask(study.ask(), state.space)
            finally:
                # The view cannot forget a trial, but its samplers pass over failed ones.
                for number in range(first, len(study.get_trials(deepcopy=False))):
                    study.tell(number, state=TrialState.FAIL)

    def _ask(self, trial: optuna.Trial, space: Space) -> dict[str, Scalar]:
        point: dict[str, Scalar] = {}
        for parameter in ranked(space):
            if self._flat or _exists(parameter, {**space.defaults(), **point}):
                point[parameter.name] = _suggested(trial, parameter)
        return space.complete(point)

    def _study(self, state: State) -> optuna.Study:
        """The view, brought up to ``state``."""
        signature = (state.space, state.objectives, state.constraints)
        ended = list(runs(state))
        if self._view is None or signature != self._signature or ended[: len(self._told)] != self._told:
            directions = [o.direction for o in state.objectives]
            self._view = optuna.create_study(directions=directions, storage=optuna.storages.InMemoryStorage())
            self._signature, self._told = signature, []
        for run in ended[len(self._told) :]:
            done = TrialState.FAIL if run.values is None else TrialState.COMPLETE
            self._view.add_trial(self._frozen(state.space, run.point, done, run))
        self._told = ended
        return self._view

    def _frozen(self, space: Space, point: Point, state: TrialState, run: Run | None = None) -> FrozenTrial:
        present = [p for p in space.active if self._flat or _exists(p, point)]
        return create_trial(
            state=state,
            values=None if run is None else run.values,
            params={p.name: _encoded(p, point[p.name]) for p in present},
            distributions={p.name: _distribution(p) for p in present},
            constraints=dict(run.violations) if run is not None and run.violations else None,
        )


def _exists(parameter: Parameter, point: Point) -> bool:
    return parameter.condition is None or parameter.condition.holds(point)


def _distribution(parameter: Parameter) -> BaseDistribution:
    """Powers of two are whole exponents; choices are known by their place, which tells 1 from True."""
    domain = parameter.domain
    if isinstance(domain, Choices):
        return CategoricalDistribution(tuple(range(len(domain.values))))
    whole = counted(domain)
    if whole is None:
        return FloatDistribution(domain.low, domain.high, log=domain.scale == "log")
    return IntDistribution(*whole, log=domain.scale == "log" and not domain.power_of_two)


def _encoded(parameter: Parameter, value: Scalar) -> int | float:
    """``value`` as its distribution has it."""
    domain = parameter.domain
    if isinstance(domain, Choices):
        return next(i for i, v in enumerate(domain.values) if type(v) is type(value) and v == value)
    number = float(value) if isinstance(value, (int, float)) else domain.low
    whole = counted(domain)
    if whole is None:
        return min(max(number, domain.low), domain.high)
    place = round(math.log2(number)) if domain.power_of_two else round(number)
    return min(max(place, whole[0]), whole[1])


def _suggested(trial: optuna.Trial, parameter: Parameter) -> Scalar:
    domain, name = parameter.domain, parameter.name
    if isinstance(domain, Choices):
        return domain.values[trial.suggest_categorical(name, range(len(domain.values)))]
    whole = counted(domain)
    if whole is None:
        return inside(domain, trial.suggest_float(name, domain.low, domain.high, log=domain.scale == "log"))
    number = int(trial.suggest_int(name, *whole, log=domain.scale == "log" and not domain.power_of_two))
    return 2**number if domain.power_of_two else number


def tpe(seed: int) -> optuna.samplers.BaseSampler:
    """Optuna's default: multivariate TPE with a constant liar (independent for several objectives)."""
    return optuna.samplers.TPESampler(seed=seed)


def gp(seed: int) -> optuna.samplers.BaseSampler:
    """Optuna's Gaussian process with log expected improvement (hypervolume for several objectives); needs torch."""
    return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
