"""Trainings with two costs: what a model gets wrong, and how large it is or how long it takes.

Values are what a person would trade: the loss as it is, size and time as powers of ten (a factor of two is as much for
a small model as for a large one). The box from ``ideal`` to ``worst`` is fixed beforehand; hypervolume is its share.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingRegressor, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC

from benchmarks.optimisation.trainings import _errors, _if, _losses, _split
from knowhy.model.objective import Objective
from knowhy.model.observation import Failure
from knowhy.model.space import Point, Scalar, Space, choice, integer, power_of_two, real, switch

Metrics = Mapping[str, float]
Costs = tuple[float, float]
FRESH = tuple(range(900_001, 900_007))  # seeds that no study draws but by a chance of one in millions


@dataclass(frozen=True)
class Trade:
    """One problem: ``evaluate(point, seed)`` gives both objectives (both minimised), or raises where the run fails."""

    name: str
    about: str
    space: Space
    metrics: tuple[str, str]
    evaluate: Callable[[Point, int], Metrics]
    ideal: Costs
    worst: Costs
    _truths: dict[tuple[tuple[str, Scalar], ...], Costs | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Both, to be minimised."""
        return tuple(Objective(m) for m in self.metrics)

    def run(self, point: Point, seed: int) -> Metrics | Failure:
        """One evaluation at a complete point: its metrics, or how it failed."""
        try:
            seen = dict(self.evaluate(point, seed))
        except (ValueError, ArithmeticError) as error:
            return Failure("exit", f"{type(error).__name__}: {error}"[:200], 0.0, exit_code=1)
        if not all(math.isfinite(seen[m]) for m in self.metrics):
            return Failure("nan", "an objective is not finite", 0.0)
        return seen

    def truth(self, point: Point) -> Costs | None:
        """Mean costs over fresh seeds, as shares of the box (0 ideal, 1 worst); None where a run fails. Remembered."""
        key = tuple((p.name, point[p.name]) for p in self.space)
        if key not in self._truths:
            seen = [self.run(point, seed) for seed in FRESH]
            if any(isinstance(s, Failure) for s in seen):
                self._truths[key] = None
            else:
                found = [float(np.mean([s[m] for s in seen if not isinstance(s, Failure)])) for m in self.metrics]
                self._truths[key] = self.shares((found[0], found[1]))
        return self._truths[key]

    def shares(self, costs: Costs) -> Costs:
        """Costs as shares of the box."""
        made = [(c - low) / (high - low) for c, low, high in zip(costs, self.ideal, self.worst, strict=True)]
        return made[0], made[1]


def forest(point: Point, seed: int) -> Metrics:
    """Trees on digits: log loss against the number of nodes."""
    p: dict[str, Any] = dict(point)
    kind = ExtraTreesClassifier if p.pop("extra") else RandomForestClassifier
    if not p["bootstrap"]:
        p["max_samples"] = None
    model = kind(random_state=seed % 2**32, n_jobs=1, **p)
    made = dict(_losses(model, _split(load_digits, 500, seed)))
    return {**made, "log_size": math.log10(sum(t.tree_.node_count for t in model.estimators_))}


def boosting(point: Point, seed: int) -> Metrics:
    """Gradient boosting on diabetes: error against the number of nodes."""
    model = GradientBoostingRegressor(random_state=seed % 2**32, **dict(point))
    made = dict(_errors(model, _split(load_diabetes, 442, seed, classes=False)))
    return {**made, "log_size": math.log10(sum(t.tree_.node_count for t in model.estimators_.ravel()))}


def mlp(point: Point, seed: int) -> Metrics:
    """A small network on digits: log loss against multiplications in training."""
    p: dict[str, Any] = dict(point)
    model = MLPClassifier(
        hidden_layer_sizes=(p["width"],) * p["depth"],
        activation=p["activation"],
        alpha=p["weight_decay"],
        batch_size=p["batch_size"],
        learning_rate_init=p["learning_rate"],
        max_iter=p["epochs"],
        n_iter_no_change=p["epochs"],
        random_state=seed % 2**32,
    )
    split = _split(load_digits, 600, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = dict(_losses(make_pipeline(MinMaxScaler(), model), split))
    weights = sum(c.size for c in model.coefs_)
    steps = p["epochs"] * math.ceil(len(split[0]) / p["batch_size"])
    # A step costs its share whatever its batch: half of what a batch of eight does.
    work = weights * (p["epochs"] * len(split[0]) + 4 * steps)
    return {**made, "log_work": math.log10(work)}


def svm(point: Point, seed: int) -> Metrics:
    """A support vector machine on breast cancer: hinge loss against support vectors; some regions fail."""
    p: dict[str, Any] = dict(point)
    machine = SVC(C=p["C"], gamma=p["gamma"], kernel=p["kernel"], degree=p["degree"], coef0=p["coef0"], max_iter=20_000)
    x, x_val, y, y_val = _split(load_breast_cancer, 300, seed)
    scaled = make_pipeline(StandardScaler(), machine) if p["standardize"] else machine
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            scaled.fit(x, y)
        except ConvergenceWarning as warning:
            raise ArithmeticError("no convergence in 20,000 iterations") from warning
    margins = (2 * y_val - 1) * scaled.decision_function(x_val)
    return {
        "val_loss": float(np.maximum(0.0, 1.0 - margins).mean()),
        "log_vectors": math.log10(float(machine.n_support_.sum())),
    }


def elastic_net(point: Point, seed: int) -> Metrics:
    """A linear model on products of the inputs of diabetes: error against coefficients that are not zero."""
    p: dict[str, Any] = dict(point)
    features = PolynomialFeatures(p["degree"], interaction_only=p["interactions_only"], include_bias=False)
    model = ElasticNet(alpha=p["alpha"], l1_ratio=p["l1_ratio"], max_iter=p["max_iter"], random_state=seed % 2**32)
    scale = StandardScaler() if p["standardize"] else MinMaxScaler()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = dict(_errors(make_pipeline(features, scale, model), _split(load_diabetes, 442, seed, classes=False)))
    return {**made, "log_terms": math.log10(1 + int(np.sum(model.coef_ != 0)))}


def forest_time(point: Point, seed: int) -> Metrics:
    """Trees on digits: log loss against the processor time of fitting, as it is measured, noise and all."""
    started = time.process_time()
    made = forest(point, seed)
    return {**made, "log_seconds": math.log10(max(time.process_time() - started, 1e-4))}


_FOREST = Space(
    (
        integer("n_estimators", 1, 120, 40, log=True, role="trees"),
        integer("max_depth", 1, 14, 8, role="depth"),
        integer("min_samples_leaf", 1, 20, 1, log=True),
        real("max_features", 0.05, 1.0, 0.3),
        real("ccp_alpha", 1e-5, 0.05, 1e-4, log=True),
        switch("extra", False),
        switch("bootstrap", True),
        _if(real("max_samples", 0.2, 1.0, 0.9), "bootstrap", True),
    )
)

PROBLEMS: dict[str, Trade] = {
    t.name: t
    for t in (
        Trade(
            "forest", "Eight parameters of a forest", _FOREST, ("val_loss", "log_size"), forest, (0.2, 1.0), (2.3, 4.5)
        ),
        Trade(
            "forest_time",
            "The same against measured time",
            _FOREST,
            ("val_loss", "log_seconds"),
            forest_time,
            (0.2, -2.2),
            (2.3, 0.0),
        ),
        Trade(
            "boosting",
            "Six parameters of gradient boosting",
            Space(
                (
                    integer("n_estimators", 5, 200, 100, log=True, role="trees"),
                    real("learning_rate", 0.005, 1.0, 0.1, log=True, role="learning_rate"),
                    integer("max_depth", 1, 6, 3, role="depth"),
                    integer("min_samples_leaf", 1, 40, 1, log=True),
                    real("subsample", 0.3, 1.0, 1.0),
                    real("max_features", 0.1, 1.0, 1.0),
                )
            ),
            ("val_rmse", "log_size"),
            boosting,
            (53.0, 1.0),
            (78.0, 4.0),
        ),
        Trade(
            "mlp",
            "Seven parameters of a small network",
            Space(
                (
                    power_of_two("width", 4, 128, 32, role="width"),
                    integer("depth", 1, 3, 1, role="depth"),
                    real("learning_rate", 1e-4, 0.1, 1e-3, log=True, role="learning_rate"),
                    power_of_two("batch_size", 8, 128, 32, role="batch_size"),
                    real("weight_decay", 1e-6, 1.0, 1e-4, log=True, role="weight_decay"),
                    integer("epochs", 2, 30, 15, log=True, role="epochs"),
                    choice("activation", ["relu", "tanh", "logistic"], "relu", role="activation"),
                )
            ),
            ("val_loss", "log_work"),
            mlp,
            (0.15, 5.3),
            (2.4, 8.2),
        ),
        Trade(
            "svm",
            "Six parameters of a support vector machine; some regions fail",
            Space(
                (
                    real("C", 0.01, 1000.0, 1.0, log=True),
                    real("gamma", 1e-5, 1.0, 0.01, log=True),
                    choice("kernel", ["rbf", "linear", "poly", "sigmoid"], "rbf"),
                    _if(integer("degree", 2, 5, 3), "kernel", "poly"),
                    _if(real("coef0", -1.0, 3.0, 0.0), "kernel", "poly", "sigmoid"),
                    switch("standardize", True),
                )
            ),
            ("val_loss", "log_vectors"),
            svm,
            (0.05, 0.9),
            (1.0, 2.26),
        ),
        Trade(
            "elastic_net",
            "Six parameters of a penalised polynomial",
            Space(
                (
                    real("alpha", 1e-3, 30.0, 0.1, log=True, role="weight_decay"),
                    real("l1_ratio", 0.0, 1.0, 0.5),
                    integer("degree", 1, 3, 2, role="depth"),
                    switch("interactions_only", False),
                    switch("standardize", True),
                    integer("max_iter", 10, 300, 100, log=True, role="epochs"),
                )
            ),
            ("val_rmse", "log_terms"),
            elastic_net,
            (53.0, 0.3),
            (78.0, 2.5),
        ),
    )
}
