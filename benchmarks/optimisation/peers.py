"""Peers without knowhy in between.

Optuna's samplers as Optuna documents them, to see that knowhy's wrapping costs them nothing: the default configuration
is enqueued as the first trial, failed trials are told as failed, and parameters that a condition rules out are absent
for TPE (GP and CMA-ES need all of them in every trial: there they are drawn and ignored). SMAC3 and Hyperopt run in an
environment of their own (``far``), whose Python the variable KNOWHY_BENCHMARK_PYTHON names.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.trial import Trial, TrialState

from benchmarks.optimisation.problem import Problem
from knowhy.model.observation import Failure
from knowhy.model.space import Choices, Parameter, Point, Scalar
from knowhy.silence import quiet

Evaluated = tuple[dict[str, Scalar], float | None]  # a point and its value, None where it failed

DIRECT: dict[str, Callable[[int, int], optuna.samplers.BaseSampler]] = {
    "optuna-tpe": lambda seed, trials: optuna.samplers.TPESampler(seed=seed),
    "optuna-gp": lambda seed, trials: optuna.samplers.GPSampler(seed=seed),
    "optuna-cmaes": lambda seed, trials: optuna.samplers.CmaEsSampler(seed=seed),
    "optuna-random": lambda seed, trials: optuna.samplers.RandomSampler(seed=seed),
}
FAR = ("smac", "hyperopt")
PYTHON = "KNOWHY_BENCHMARK_PYTHON"


def far(problem: Problem, strategy: str, seed: int, trials: int, seeds: Callable[[int], int]) -> list[Evaluated]:
    """As ``optimise``, for a strategy of ``FAR``; raises RuntimeError where there is no environment, or it broke."""
    python = os.environ.get(PYTHON)
    if not python:
        raise RuntimeError(f"{strategy} runs in an environment of its own: set {PYTHON} to its Python (see the README)")
    done: list[Evaluated] = []
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as log:
        task = {"space": [_described(problem, p) for p in problem.space], "trials": trials, "seed": seed}
        child = subprocess.Popen(
            [python, str(Path(__file__).with_name("far.py")), strategy],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        with child, child.stdin as orders:
            print(json.dumps({**task, "folder": folder}), file=orders, flush=True)
            for line in child.stdout:
                if len(done) == trials:  # Hyperopt does not count trials that failed
                    child.kill()
                    break
                point = problem.space.complete({n: _value(problem.space[n], v) for n, v in json.loads(line).items()})
                seen = problem.run(point, seeds(len(done) + 1))
                value = None if isinstance(seen, Failure) else seen[problem.objective.metric]
                done.append((point, value))
                cost = None if value is None else problem.objective.sign * value
                print(json.dumps({"cost": cost}), file=orders, flush=True)
        log.seek(0)
        said = log.read().strip().rpartition("\n")[2]
    if len(done) < trials:
        raise RuntimeError(f"{strategy} ended after {len(done)} of {trials} trials: {said}")
    return done


def _described(problem: Problem, p: Parameter) -> dict[str, object]:
    condition = None
    if p.condition is not None:
        parent = problem.space[p.condition.parent]
        condition = [parent.name, [_place(parent, v) for v in p.condition.values]]
    common: dict[str, object] = {"name": p.name, "default": _place(p, p.default), "condition": condition}
    if isinstance(p.domain, Choices):
        return {**common, "values": list(p.domain.values)}
    d = p.domain
    low, high = (round(math.log2(d.low)), round(math.log2(d.high))) if d.power_of_two else (d.low, d.high)
    integer = d.integer or d.power_of_two
    log = d.scale == "log" and not d.power_of_two
    return {**common, "low": int(low) if integer else low, "high": int(high) if integer else high} | {
        "integer": integer,
        "log": log,
    }


def _place(p: Parameter, value: Scalar) -> Scalar:
    """``value`` as it is told: choices by their place, powers of two by their exponent."""
    return p.domain.values.index(value) if isinstance(p.domain, Choices) else _told(p, value)


def _value(p: Parameter, told: float) -> Scalar:
    """The opposite of ``_place``, within the range whatever was rounded."""
    d = p.domain
    if isinstance(d, Choices):
        return d.values[int(told)]
    number = 2.0 ** round(told) if d.power_of_two else float(told)
    number = min(max(number, d.low), d.high)
    return round(number) if d.integer or d.power_of_two else number


def incumbents(problem: Problem, done: list[Evaluated]) -> list[Point | None]:
    """After each trial, the configuration with the best single observation: what classic optimisers report."""
    best: tuple[float, Point] | None = None
    chosen: list[Point | None] = []
    for point, value in done:
        if value is not None and (best is None or problem.objective.sign * value < best[0]):
            best = (problem.objective.sign * value, point)
        chosen.append(best[1] if best else None)
    return chosen


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

    with quiet():
        study = optuna.create_study(direction=problem.objective.direction, sampler=DIRECT[strategy](seed, trials))
        defaults = problem.space.defaults()
        study.enqueue_trial({p.name: _told(p, defaults[p.name]) for p in problem.space})
        study.optimize(objective, n_trials=trials)
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
        return int(2 ** trial.suggest_int(name, round(math.log2(domain.low)), round(math.log2(domain.high))))
    if domain.integer:
        return trial.suggest_int(name, math.ceil(domain.low), math.floor(domain.high), log=log)
    return trial.suggest_float(name, domain.low, domain.high, log=log)
