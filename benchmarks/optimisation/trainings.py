"""Real trainings on data that come with scikit-learn, small enough for a tenth of a second each.

The seed of a run decides the split and the model's own randomness, so that a value is noisy as it is for people
who train once; the true value is the mean over fresh seeds. Ranges are what a person would write down.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingRegressor, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC

from benchmarks.optimisation.problem import Metrics, Problem
from knowhy.model.objective import Objective
from knowhy.model.space import Condition, Parameter, Point, Scalar, Space, choice, integer, power_of_two, real, switch

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Split = tuple[Array, Array, Array, Array]  # train and validation inputs, then their targets

BEST = Path(__file__).with_name("best_known.json")


def _if(parameter: Parameter, parent: str, *values: Scalar) -> Parameter:
    return replace(parameter, condition=Condition(parent, values))


@cache
def _data(load: Callable[..., Any], rows: int) -> tuple[Array, Array]:
    x, y = load(return_X_y=True)
    keep = np.random.default_rng(0).permutation(len(x))[:rows]
    return x[keep], y[keep]


def _split(load: Callable[..., Any], rows: int, seed: int, *, classes: bool = True) -> Split:
    x, y = _data(load, rows)
    made = train_test_split(x, y, test_size=0.4, random_state=seed % 2**32, stratify=y if classes else None)
    return made[0], made[1], made[2], made[3]


def _losses(model: BaseEstimator, split: Split) -> Metrics:
    """Fit a classifier; log losses, probabilities kept off 0 and 1 so that one sure mistake does not decide."""
    x, x_val, y, y_val = split
    model.fit(x, y)
    made = {}
    for name, inputs, targets in (("train", x, y), ("val", x_val, y_val)):
        chances = np.clip(model.predict_proba(inputs), 1e-3, 1.0)
        chances /= chances.sum(axis=1, keepdims=True)
        made[f"{name}_loss"] = float(log_loss(targets, chances, labels=model.classes_))
        made[f"{name}_error"] = float(np.mean(model.classes_[chances.argmax(axis=1)] != targets))
    return made


def _errors(model: BaseEstimator, split: Split) -> Metrics:
    """Fit a regressor; root mean squared errors."""
    x, x_val, y, y_val = split
    model.fit(x, y)
    return {
        "train_rmse": float(np.sqrt(np.mean((model.predict(x) - y) ** 2))),
        "val_rmse": float(np.sqrt(np.mean((model.predict(x_val) - y_val) ** 2))),
    }


def boosting(point: Point, seed: int) -> Metrics:
    """Gradient boosting on diabetes."""
    p: dict[str, Any] = dict(point)
    if p["loss"] not in ("huber", "quantile"):
        del p["alpha"]
    elif p["loss"] == "quantile":
        p["alpha"] = 0.5 + 0.5 * (p["alpha"] - 0.5)
    model = GradientBoostingRegressor(random_state=seed, **p)
    return _errors(model, _split(load_diabetes, 442, seed, classes=False))


def svm(point: Point, seed: int) -> Metrics:
    """A support vector machine on breast cancer: mean hinge loss; fails where it does not converge."""
    p: dict[str, Any] = dict(point)
    machine = SVC(
        C=p["C"],
        gamma=p["gamma"],
        kernel=p["kernel"],
        degree=p["degree"],
        coef0=p["coef0"],
        tol=p["tol"],
        shrinking=p["shrinking"],
        class_weight="balanced" if p["balanced"] else None,
        max_iter=20_000,
    )
    scaled = make_pipeline(StandardScaler(), machine) if p["standardize"] else machine
    x, x_val, y, y_val = _split(load_breast_cancer, 300, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            scaled.fit(x, y)
        except ConvergenceWarning as warning:
            raise ArithmeticError("no convergence in 20,000 iterations") from warning
    made = {}
    for name, inputs, targets in (("train", x, y), ("val", x_val, y_val)):
        margins = (2 * targets - 1) * scaled.decision_function(inputs)
        made[f"{name}_loss"] = float(np.maximum(0.0, 1.0 - margins).mean())
        made[f"{name}_error"] = float(np.mean(margins <= 0))
    return made


def mlp(point: Point, seed: int) -> Metrics:
    """A small network on digits, 15 epochs; fails where it diverges."""
    p: dict[str, Any] = dict(point)
    model = MLPClassifier(
        hidden_layer_sizes=(p["width"],) * p["depth"],
        activation=p["activation"],
        solver=p["solver"],
        alpha=p["weight_decay"],
        batch_size=p["batch_size"],
        learning_rate_init=p["learning_rate"],
        momentum=p["momentum"],
        nesterovs_momentum=p["nesterov"],
        beta_1=p["beta1"],
        max_iter=15,
        n_iter_no_change=15,
        random_state=seed % 2**32,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = dict(_losses(make_pipeline(MinMaxScaler(), model), _split(load_digits, 600, seed)))
    if made["train_loss"] > 6.0:
        raise ArithmeticError("the training loss diverged")
    return made


def forest(point: Point, seed: int) -> Metrics:
    """Trees on digits: a random forest, or extra trees."""
    p: dict[str, Any] = dict(point)
    kind = ExtraTreesClassifier if p.pop("extra") else RandomForestClassifier
    if not p["bootstrap"]:
        p["max_samples"] = None
    model = kind(random_state=seed % 2**32, n_jobs=1, **p)
    return _losses(model, _split(load_digits, 500, seed))


def elastic_net(point: Point, seed: int) -> Metrics:
    """A linear model with polynomial features on diabetes."""
    p: dict[str, Any] = dict(point)
    features = PolynomialFeatures(p["degree"], interaction_only=p["interactions_only"], include_bias=False)
    scale = StandardScaler() if p["standardize"] else MinMaxScaler()
    model = ElasticNet(
        alpha=p["alpha"],
        l1_ratio=p["l1_ratio"],
        max_iter=p["max_iter"],
        tol=p["tol"],
        selection=p["selection"],
        random_state=seed % 2**32,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _errors(make_pipeline(features, scale, model), _split(load_diabetes, 442, seed, classes=False))


def pipeline(point: Point, seed: int) -> Metrics:
    """Scaling, components and one of three classifiers on digits: what can be set depends on what was chosen."""
    p: dict[str, Any] = dict(point)
    if p["model"] == "knn":
        model: BaseEstimator = KNeighborsClassifier(p["neighbours"], weights=p["weights"], p=p["power"])
    elif p["model"] == "logistic":
        model = LogisticRegression(C=p["C"], max_iter=60)
    else:
        model = RandomForestClassifier(15, max_depth=p["max_depth"], random_state=seed % 2**32)
    parts: list[BaseEstimator] = [StandardScaler()] if p["standardize"] else []
    if p["reduce"]:
        parts.append(PCA(p["components"], whiten=p["whiten"], random_state=seed % 2**32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _losses(make_pipeline(*parts, model), _split(load_digits, 400, seed))


def wine_svm(point: Point, seed: int) -> Metrics:
    """A support vector machine on wine, whose inputs differ in scale: log loss of the softmax of its scores."""
    p: dict[str, Any] = dict(point)
    machine = SVC(C=p["C"], gamma=p["gamma"], kernel=p["kernel"], degree=p["degree"], coef0=p["coef0"], max_iter=20_000)
    if p["scaling"] != "none":
        scale = StandardScaler() if p["scaling"] == "standard" else MinMaxScaler()
        machine = make_pipeline(scale, machine)
    x, x_val, y, y_val = _split(load_wine, 178, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        machine.fit(x, y)
    made = {}
    for name, inputs, targets in (("train", x, y), ("val", x_val, y_val)):
        scores = softmax(machine.decision_function(inputs), axis=1)
        made[f"{name}_loss"] = float(log_loss(targets, scores))
    return made


_LOSS, _RMSE = Objective("val_loss"), Objective("val_rmse")
_KERNELS = ("linear", "poly", "rbf", "sigmoid")

_SPACES: dict[str, tuple[str, Callable[[Point, int], Metrics], Objective, tuple[Parameter, ...]]] = {
    "boosting": (
        "Nine parameters of gradient boosting; the loss decides whether alpha exists.",
        boosting,
        _RMSE,
        (
            real("learning_rate", 0.005, 1.0, 0.3, log=True, role="learning_rate"),
            integer("n_estimators", 5, 60, 30, log=True),
            integer("max_depth", 1, 8, 6),
            integer("min_samples_leaf", 1, 50, 1, log=True),
            integer("min_samples_split", 2, 60, 2, log=True),
            real("subsample", 0.2, 1.0, 1.0),
            real("max_features", 0.1, 1.0, 1.0),
            choice("loss", ("squared_error", "absolute_error", "huber", "quantile"), "squared_error"),
            _if(real("alpha", 0.5, 0.99, 0.9), "loss", "huber", "quantile"),
        ),
    ),
    "svm": (
        "Nine parameters of a support vector machine, two that only some kernels have; some regions do not converge.",
        svm,
        _LOSS,
        (
            real("C", 1e-3, 1e4, 1.0, log=True),
            _if(real("gamma", 1e-6, 10.0, 0.1, log=True), "kernel", "poly", "rbf", "sigmoid"),
            choice("kernel", _KERNELS, "rbf"),
            _if(integer("degree", 2, 5, 3), "kernel", "poly"),
            _if(real("coef0", -1.0, 3.0, 0.0), "kernel", "poly", "sigmoid"),
            switch("standardize", False),
            switch("balanced", False),
            switch("shrinking", True),
            real("tol", 1e-5, 1e-1, 1e-3, log=True),
        ),
    ),
    "mlp": (
        "Ten parameters of a small network; the solver decides which of them exist, high rates diverge.",
        mlp,
        _LOSS,
        (
            real("learning_rate", 1e-4, 1.0, 1e-3, log=True, role="learning_rate"),
            power_of_two("batch_size", 8, 256, 64, role="batch_size"),
            power_of_two("width", 8, 128, 32, role="width"),
            integer("depth", 1, 3, 1, role="depth"),
            choice("activation", ("relu", "tanh", "logistic"), "relu", role="activation"),
            real("weight_decay", 1e-6, 1.0, 1e-4, log=True, role="weight_decay"),
            choice("solver", ("adam", "sgd"), "adam", role="optimizer"),
            _if(real("momentum", 0.0, 0.99, 0.9, role="momentum"), "solver", "sgd"),
            _if(switch("nesterov", True), "solver", "sgd"),
            _if(real("beta1", 0.5, 0.99, 0.9), "solver", "adam"),
        ),
    ),
    "forest": (
        "Nine parameters of a forest; max_samples exists with bootstrap only.",
        forest,
        _LOSS,
        (
            integer("n_estimators", 3, 30, 10, log=True),
            integer("max_depth", 2, 20, 5),
            integer("min_samples_leaf", 1, 20, 1, log=True),
            integer("min_samples_split", 2, 40, 2, log=True),
            real("max_features", 0.02, 1.0, 0.5, log=True),
            choice("criterion", ("gini", "entropy"), "gini"),
            switch("bootstrap", True),
            _if(real("max_samples", 0.1, 1.0, 1.0), "bootstrap", True),
            switch("extra", False),
        ),
    ),
    "elastic_net": (
        "Eight parameters of a penalised polynomial.",
        elastic_net,
        _RMSE,
        (
            real("alpha", 1e-5, 100.0, 1.0, log=True, role="weight_decay"),
            real("l1_ratio", 0.0, 1.0, 0.5),
            integer("degree", 1, 2, 2),
            _if(switch("interactions_only", False), "degree", 2),
            switch("standardize", True),
            integer("max_iter", 5, 500, 100, log=True),
            real("tol", 1e-6, 1e-1, 1e-4, log=True),
            choice("selection", ("cyclic", "random"), "cyclic"),
        ),
    ),
    "pipeline": (
        "Ten parameters of a pipeline: the model and the reduction decide which of them exist.",
        pipeline,
        _LOSS,
        (
            choice("model", ("knn", "logistic", "forest"), "forest"),
            switch("standardize", False),
            switch("reduce", True),
            _if(integer("components", 2, 60, 5, log=True), "reduce", True),
            _if(switch("whiten", False), "reduce", True),
            _if(integer("neighbours", 1, 60, 5, log=True), "model", "knn"),
            _if(choice("weights", ("uniform", "distance"), "uniform"), "model", "knn"),
            _if(real("power", 1.0, 4.0, 2.0), "model", "knn"),
            _if(real("C", 1e-4, 100.0, 1.0, log=True), "model", "logistic"),
            _if(integer("max_depth", 1, 15, 4), "model", "forest"),
        ),
    ),
    "wine_svm": (
        "Six parameters, a choice of scaling that decides more than all others, and a smooth loss.",
        wine_svm,
        _LOSS,
        (
            real("C", 1e-3, 1e4, 1.0, log=True),
            _if(real("gamma", 1e-6, 10.0, 0.1, log=True), "kernel", "poly", "rbf", "sigmoid"),
            choice("kernel", _KERNELS, "sigmoid"),
            _if(integer("degree", 2, 5, 3), "kernel", "poly"),
            _if(real("coef0", -1.0, 3.0, 0.0), "kernel", "poly", "sigmoid"),
            choice("scaling", ("none", "standard", "unit"), "none"),
        ),
    ),
}


def _problems() -> tuple[Problem, ...]:
    best = json.loads(BEST.read_text()) if BEST.exists() else {}
    return tuple(
        Problem(
            name,
            about,
            "scikit-learn's bundled data",
            Space(parameters),
            objective,
            evaluate,
            float(best.get(name, {}).get("value", "nan")),
            kind="training",
        )
        for name, (about, evaluate, objective, parameters) in _SPACES.items()
    )


TRAININGS = _problems()
