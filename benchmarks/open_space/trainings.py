"""Real trainings in which a parameter outside the first space decides.

Each is a script that somebody might write: a few parameters are varied from the start, with the ranges that a person
would give them, and the constructor's other arguments stand at the default of the library (or of the script), hidden.
The data come with scikit-learn. The seed of a run decides the split and the model's own randomness.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from knowhy.model.objective import Objective
from knowhy.model.observation import Curve, Observation
from knowhy.model.space import Parameter, Point, Space, choice, integer, power_of_two, real, switch

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class Training:
    """One training: ``space`` holds what is varied from the start (active) and what is hidden (held).

    ``evaluate(point, seed)`` runs it once; it raises where it fails. ``about`` says what is hidden that matters.
    """

    name: str
    about: str
    space: Space
    objective: Objective
    evaluate: Callable[[Point, int], Observation]

    def opened(self) -> Space:
        """The full space: everything is varied."""
        return Space(tuple(replace(p, active=True) for p in self.space))

    def initial(self) -> Space:
        """The first space, alone."""
        kept = self.space.active
        names = {p.name for p in kept}
        return Space(tuple(p for p in kept if p.condition is None or p.condition.parent in names))


@cache
def _data(load: Callable[..., Any], rows: int) -> tuple[Array, Array]:
    x, y = load(return_X_y=True)
    keep = np.random.default_rng(0).permutation(len(x))[:rows]
    return x[keep], y[keep]


def _split(
    load: Callable[..., Any], rows: int, seed: int, *, classes: bool = True
) -> tuple[Array, Array, Array, Array]:
    x, y = _data(load, rows)
    made = train_test_split(x, y, test_size=0.4, random_state=seed % 2**32, stratify=y if classes else None)
    return made[0], made[1], made[2], made[3]


def svm(load: Callable[..., Any], rows: int) -> Callable[[Point, int], Observation]:
    """A support vector machine on inputs that nobody scaled: log loss of the softmax of its scores."""

    def evaluate(point: Point, seed: int) -> Observation:
        p: dict[str, Any] = dict(point)
        machine = SVC(
            C=p["C"], gamma=p["gamma"], kernel=p["kernel"], degree=p["degree"], coef0=p["coef0"],
            shrinking=p["shrinking"], class_weight=p["class_weight"], max_iter=20_000,
        )  # fmt: skip
        x, x_val, y, y_val = _split(load, rows, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            machine.fit(x, y)
        made = {}
        for name, inputs, targets in (("train", x, y), ("val", x_val, y_val)):
            scores = machine.decision_function(inputs)
            if scores.ndim == 1:
                scores = np.stack([-scores, scores], axis=1)
            chances = np.clip(softmax(np.clip(scores, -30, 30), axis=1), 1e-4, 1.0)
            made[f"{name}_loss"] = float(log_loss(targets, chances / chances.sum(axis=1, keepdims=True)))
        return Observation(made, 0.1)

    return evaluate


def network(point: Point, seed: int) -> Observation:
    """A small network trained by plain SGD for twelve epochs on digits, its losses after each."""
    p: dict[str, Any] = dict(point)
    x, x_val, y, y_val = _split(load_digits, 600, seed)
    model = MLPClassifier(
        hidden_layer_sizes=(p["width"],), activation=p["activation"], solver="sgd", alpha=p["alpha"],
        batch_size=p["batch_size"], learning_rate_init=p["learning_rate_init"], momentum=p["momentum"],
        nesterovs_momentum=p["nesterovs_momentum"], random_state=seed % 2**32,
    )  # fmt: skip
    losses: dict[str, list[float]] = {"train_loss": [], "val_loss": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(12):
            model.partial_fit(x / 16, y, classes=np.arange(10))
            for name, inputs, targets in (("train_loss", x, y), ("val_loss", x_val, y_val)):
                chances = np.clip(model.predict_proba(inputs / 16), 1e-4, 1.0)
                losses[name].append(float(log_loss(targets, chances / chances.sum(axis=1, keepdims=True))))
    if not np.isfinite(losses["train_loss"][-1]) or losses["train_loss"][-1] > 6.0:
        raise ArithmeticError("the training loss diverged")
    steps = tuple(float(i) for i in range(1, 13))
    curves = {name: Curve(steps, tuple(values)) for name, values in losses.items()}
    return Observation({name: values[-1] for name, values in losses.items()}, 0.1, curves)


def boosting(point: Point, seed: int) -> Observation:
    """Gradient boosting of deep trees on diabetes: root mean squared errors."""
    p: dict[str, Any] = dict(point)
    x, x_val, y, y_val = _split(load_diabetes, 442, seed, classes=False)
    model = GradientBoostingRegressor(random_state=seed % 2**32, **p)
    model.fit(x, y)
    return Observation(
        {
            "train_rmse": float(np.sqrt(np.mean((model.predict(x) - y) ** 2))),
            "val_rmse": float(np.sqrt(np.mean((model.predict(x_val) - y_val) ** 2))),
        },
        0.1,
    )


def forest(point: Point, seed: int) -> Observation:
    """A random forest on digits: log losses."""
    p: dict[str, Any] = dict(point)
    x, x_val, y, y_val = _split(load_digits, 500, seed)
    model = RandomForestClassifier(random_state=seed % 2**32, n_jobs=1, **p)
    model.fit(x, y)
    made = {}
    for name, inputs, targets in (("train", x, y), ("val", x_val, y_val)):
        chances = np.clip(model.predict_proba(inputs), 1e-3, 1.0)
        made[f"{name}_loss"] = float(log_loss(targets, chances / chances.sum(axis=1, keepdims=True)))
    return Observation(made, 0.1)


def _hidden(*parameters: Parameter, confidence: float = 0.6) -> tuple[Parameter, ...]:
    return tuple(replace(p, active=False, confidence=confidence) for p in parameters)


def _svm_space(gamma: float) -> Space:
    return Space(
        (
            real("C", 1e-2, 1e3, 1.0, log=True, role="regularization"),
            switch("shrinking", True),
            *_hidden(
                real("gamma", gamma * 1e-4, gamma * 10, gamma, log=True, role="gamma"),
                choice("kernel", ("rbf", "linear", "poly", "sigmoid"), "rbf", role="kernel"),
                integer("degree", 2, 5, 3, role="kernel").when("kernel", "poly"),
                real("coef0", -1.0, 3.0, 0.0, role="kernel").when("kernel", "poly", "sigmoid"),
                choice("class_weight", (None, "balanced"), None),
            ),
        )
    )


TRAININGS: dict[str, Training] = {
    t.name: t
    for t in (
        Training(
            "svm_wine",
            "SVC on unscaled wine data: with the width of the kernel held, no C helps",
            _svm_space(1 / 13),
            Objective("val_loss"),
            svm(load_wine, 178),
        ),
        Training(
            "svm_cancer",
            "SVC on unscaled breast cancer data: with the width of the kernel held, no C helps",
            _svm_space(1 / 30),
            Objective("val_loss"),
            svm(load_breast_cancer, 300),
        ),
        Training(
            "mlp_momentum",
            "a network trained by SGD(lr) for twelve epochs: momentum, activation and width are hidden",
            Space(
                (
                    real("learning_rate_init", 1e-4, 1e-1, 1e-2, log=True, role="learning_rate"),
                    power_of_two("batch_size", 16, 256, 64, role="batch_size"),
                    real("alpha", 1e-6, 1e-1, 1e-4, log=True, role="regularization"),
                    *_hidden(
                        real("momentum", 0.0, 0.99, 0.0, role="momentum"),
                        switch("nesterovs_momentum", False, role="optimizer"),
                        power_of_two("width", 8, 256, 32, role="width"),
                        choice("activation", ("relu", "tanh", "logistic"), "relu", role="activation"),
                    ),
                )
            ),
            Objective("val_loss"),
            network,
        ),
        Training(
            "boosting_depth",
            "boosting of deep trees: what restrains each tree (subsample, depth, leaves) is hidden",
            Space(
                (
                    real("learning_rate", 0.02, 1.0, 0.3, log=True, role="learning_rate"),
                    integer("n_estimators", 10, 80, 30, log=True, role="trees"),
                    *_hidden(
                        integer("max_depth", 1, 8, 6, role="tree_depth"),
                        integer("min_samples_leaf", 1, 50, 1, log=True, role="leaf"),
                        integer("min_samples_split", 2, 60, 2, log=True, role="min_samples"),
                        real("subsample", 0.2, 1.0, 1.0, role="subsample"),
                        real("max_features", 0.1, 1.0, 1.0, role="subsample"),
                    ),
                )
            ),
            Objective("val_rmse"),
            boosting,
        ),
        Training(
            "forest_features",
            "a forest whose trees see all features: sampling of rows and features is hidden, and counts together",
            Space(
                (
                    integer("n_estimators", 5, 40, 15, log=True, role="trees"),
                    integer("max_depth", 2, 20, 8, role="tree_depth"),
                    *_hidden(
                        real("max_features", 0.02, 1.0, 1.0, log=True, role="subsample"),
                        integer("min_samples_leaf", 1, 20, 1, log=True, role="leaf"),
                        choice("criterion", ("gini", "entropy"), "gini"),
                        switch("bootstrap", True, role="subsample"),
                        real("max_samples", 0.1, 1.0, 1.0, role="subsample").when("bootstrap", True),
                    ),
                )
            ),
            Objective("val_loss"),
            lambda point, seed: forest(
                {**point, "max_samples": point["max_samples"] if point["bootstrap"] else None}, seed
            ),
        ),
    )
}
