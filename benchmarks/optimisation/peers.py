"""Optuna's samplers as Optuna documents them, without knowhy in between: to see that knowhy's wrapping costs nothing.

The default configuration is enqueued as the first trial. Failed trials are told as failed. Parameters that a condition
rules out are absent for TPE; GP and CMA-ES need all of them in every trial, so there they are drawn and ignored.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import optuna
from optuna.trial import Trial, TrialState

from benchmarks.optimisation.problem import Problem
from knowhy.model.observation import Failure
from knowhy.model.space import Choices, Parameter, Scalar

Evaluated = tuple[dict[str, Scalar], float | None]  # a point and its value, None where it failed

DIRECT: dict[str, Callable[[int, int], optuna.samplers.BaseSampler]] = {
    "optuna-tpe": lambda seed, trials: optuna.samplers.TPESampler(seed=seed),
    "optuna-gp": lambda seed, trials: optuna.samplers.GPSampler(seed=seed),
    "optuna-cmaes": lambda seed, trials: optuna.samplers.CmaEsSampler(seed=seed),
    "optuna-random": lambda seed, trials: optuna.samplers.RandomSampler(seed=seed),
}


def optimise(problem: Problem, strategy: str, seed: int, trials: int, seeds: Callable[[int], int]) -> list[Evaluated]:
    """Run ``trials`` trials of a strategy of ``DIRECT``; ``seeds`` gives the seed of each evaluation by its number."""
    flat = strategy != "optuna-tpe"
    done: list[Evaluated] = []

    def objective(trial: Trial) -> float:
        point: dict[str, Scalar] = {}
        for p in problem.space:
            if flat or p.condition is None or p.condition.holds({**problem.space.defaults(), **point}):
                point[p.name] = _suggested(trial, p)
        complete = problem.space.complete(point)
        seen = problem.run(complete, seeds(trial.number + 1))
        value = None if isinstance(seen, Failure) else seen[problem.objective.metric]
        done.append((complete, value))
        return math.nan if value is None else value

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = optuna.create_study(direction=problem.objective.direction, sampler=DIRECT[strategy](seed, trials))
            defaults = problem.space.defaults()
            study.enqueue_trial({p.name: _told(p, defaults[p.name]) for p in problem.space})
            study.optimize(objective, n_trials=trials)
    finally:
        optuna.logging.set_verbosity(level)
    assert all(t.state in (TrialState.COMPLETE, TrialState.FAIL) for t in study.get_trials(deepcopy=False))
    return done


def _told(parameter: Parameter, value: Scalar) -> Scalar:
    domain = parameter.domain
    if isinstance(domain, Choices) or not domain.power_of_two:
        return value
    return round(math.log2(float(value)))  # type: ignore[arg-type]


def _suggested(trial: Trial, parameter: Parameter) -> Scalar:
    domain, name = parameter.domain, parameter.name
    if isinstance(domain, Choices):
        chosen: Scalar = trial.suggest_categorical(name, domain.values)
        return chosen
    log = domain.scale == "log"
    if domain.power_of_two:
        return 2 ** trial.suggest_int(name, round(math.log2(domain.low)), round(math.log2(domain.high)))
    if domain.integer:
        return trial.suggest_int(name, math.ceil(domain.low), math.floor(domain.high), log=log)
    return trial.suggest_float(name, domain.low, domain.high, log=log)
