from __future__ import annotations

import math
import pickle
from pathlib import Path

import optuna
import pytest

from knowhy.errors import StudyError
from knowhy.optuna import KnowhySampler

optuna.logging.set_verbosity(optuna.logging.ERROR)


def bowl(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    layers = trial.suggest_int("layers", 2, 8, step=2)
    dropout = trial.suggest_float("dropout", 0.0, 0.5, step=0.1)
    opt = trial.suggest_categorical("opt", ["adam", "sgd"])
    momentum = trial.suggest_float("momentum", 0.0, 0.99) if opt == "sgd" else 0.5
    trial.suggest_categorical("fixed", ["only"])
    return 0.2 * (math.log10(lr) + 2.5) ** 2 + 0.1 * dropout + 0.02 * layers + 0.1 * abs(momentum - 0.5)


def test_it_drops_into_a_study_and_tells_its_theories(tmp_path: Path) -> None:
    sampler = KnowhySampler(seed=1, n_trials=14)
    study = optuna.create_study(sampler=sampler)
    study.optimize(bowl, n_trials=14)
    assert len(study.trials) == 14
    for trial in study.trials:
        assert ("momentum" in trial.params) == (trial.params["opt"] == "sgd")
        assert trial.params["layers"] % 2 == 0
        for name, value in trial.params.items():
            assert trial.distributions[name]._contains(trial.distributions[name].to_internal_repr(value))
    theories = sampler.theories(study)
    assert any("lr" in claim for t in theories for claim in t.claims)
    assert all(t.belief is not None for t in theories)
    page = sampler.report(study, tmp_path / "r.html")
    assert "lr" in page.read_text()
    assert sampler.report(study, tmp_path / "r.md").read_text().startswith("#")
    assert study.best_value < 0.5


def test_failures_pruning_threads_and_what_others_ran(tmp_path: Path) -> None:
    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        y = trial.suggest_int("y", 1, 9)
        if trial.number % 5 == 4:
            trial.report(x, 1)
            raise optuna.TrialPruned
        if x > 0.8:
            raise RuntimeError("too far")
        return (x - 0.3) ** 2 + 0.01 * y

    storage = f"sqlite:///{tmp_path / 's.db'}"
    before = optuna.create_study(study_name="s", storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))
    before.optimize(objective, n_trials=6, catch=(RuntimeError,))
    study = optuna.load_study(study_name="s", storage=storage, sampler=KnowhySampler())
    study.optimize(objective, n_trials=8, n_jobs=2, catch=(RuntimeError,))
    assert len(study.trials) == 14
    states = {t.state.name for t in study.trials}
    assert states <= {"COMPLETE", "FAIL", "PRUNED"}
    assert "PRUNED" in states
    sampler = study.sampler
    assert isinstance(sampler, KnowhySampler)
    assert sampler.theories(study)
    points = [tuple(sorted(t.params.items())) for t in study.trials]
    assert len(set(points)) >= len(points) - 3  # a configuration may run again, to show the noise


def test_several_objectives() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=KnowhySampler())

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        x = trial.suggest_float("x", 0.0, 1.0)
        return x**2 + 0.1 * trial.suggest_float("y", 0.0, 1.0), x

    study.optimize(objective, n_trials=7)
    assert len(study.best_trials) >= 1


def test_a_range_that_changes_and_a_study_without_common_parameters() -> None:
    sampler = KnowhySampler()
    study = optuna.create_study(sampler=sampler)
    with pytest.raises(StudyError):
        sampler.theories(study)
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=3)
    study.optimize(lambda t: t.suggest_float("x", 0, 2), n_trials=3)
    assert all(0 <= t.params["x"] <= 2 for t in study.trials)
    other = optuna.create_study(sampler=sampler)
    other.optimize(lambda t: t.suggest_float(f"x{t.number}", 0, 1), n_trials=3)
    with pytest.raises(StudyError):
        sampler.theories(other)


def test_it_can_be_sent_to_other_processes_and_is_the_same_for_the_same_seed() -> None:
    def best(sampler: KnowhySampler) -> list[dict[str, object]]:
        study = optuna.create_study(sampler=sampler, study_name="same")
        study.enqueue_trial({"x": 0.5, "y": 0.5})
        study.optimize(lambda t: (t.suggest_float("x", 0, 1) - 0.2) ** 2 + t.suggest_float("y", 0, 1), n_trials=5)
        return [dict(t.params) for t in study.trials]

    one = KnowhySampler(seed=4)
    two = pickle.loads(pickle.dumps(KnowhySampler(seed=4)))
    assert best(one) == best(two)
