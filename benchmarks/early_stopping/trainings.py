"""Real trainings with real curves, on data that come with scikit-learn: some tenths of a second to seconds each.

The seed of a run decides the split and the model's own randomness, as it does for people who train once. The objective
is the last value of its curve.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from knowhy.model.objective import Objective
from knowhy.model.space import Point, Space, choice, integer, power_of_two, real

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Split = tuple[Array, Array, Array, Array]  # train and validation inputs, then their targets


@dataclass(frozen=True)
class Step:
    """A point of the curves: the step, its metrics, and the seconds of training since the step before."""

    step: float
    metrics: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Training:
    """A training under study; ``steps`` yields as it trains and ends at a metric that is no number."""

    name: str
    space: Space
    objective: Objective
    steps: Callable[[Point, int], Iterator[tuple[float, dict[str, float]]]]

    def run(self, point: Point, seed: int) -> list[Step]:
        """The whole course of one training."""
        made: list[Step] = []
        before = time.perf_counter()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for step, metrics in self.steps(point, seed):
                now = time.perf_counter()
                made.append(Step(step, metrics, now - before))
                before = now
        return made


@cache
def _data(load: Callable[..., Any], rows: int) -> tuple[Array, Array]:
    x, y = load(return_X_y=True)
    keep = np.random.default_rng(0).permutation(len(x))[:rows]
    return StandardScaler().fit_transform(x[keep]), y[keep]


def _split(load: Callable[..., Any], rows: int, seed: int, *, classes: bool) -> Split:
    x, y = _data(load, rows)
    made = train_test_split(x, y, test_size=0.4, random_state=seed % 2**32, stratify=y if classes else None)
    return made[0], made[1], made[2], made[3]


def mlp(point: Point, seed: int) -> Iterator[tuple[float, dict[str, float]]]:
    """A network of one hidden layer on digits, by gradient descent with momentum: 40 epochs, log losses."""
    p: dict[str, Any] = dict(point)
    rng = np.random.default_rng(seed)
    x, x_val, labels, labels_val = _split(load_digits, 1000, seed, classes=True)
    y = np.eye(10)[labels.astype(int)]
    sizes = (x.shape[1], p["width"], 10)
    weights = [rng.standard_normal((a, b)) * p["init"] / np.sqrt(a) for a, b in pairwise(sizes)]
    biases = [np.zeros(b) for b in sizes[1:]]
    speeds = [np.zeros_like(w) for w in (*weights, *biases)]
    for epoch in range(1, 41):
        rate = p["lr"] * p["decay"] ** (epoch / 40)
        order = rng.permutation(len(x))
        for at in range(0, len(x), p["batch"]):
            rows = order[at : at + p["batch"]]
            hidden = np.maximum(x[rows] @ weights[0] + biases[0], 0.0)
            mask = (rng.random(hidden.shape) >= p["dropout"]) / (1.0 - p["dropout"])
            chances = _softmax((hidden * mask) @ weights[1] + biases[1])
            error = (chances - y[rows]) / len(rows)
            back = (error @ weights[1].T) * mask * (hidden > 0)
            slopes = (
                x[rows].T @ back + p["weight_decay"] * weights[0],
                (hidden * mask).T @ error + p["weight_decay"] * weights[1],
                back.sum(axis=0),
                error.sum(axis=0),
            )
            for part, speed, slope in zip((*weights, *biases), speeds, slopes, strict=True):
                speed *= p["momentum"]
                speed -= rate * slope
                part += speed
        told = {}
        for name, inputs, wanted in (("train_loss", x, labels), ("val_loss", x_val, labels_val)):
            chances = _softmax(np.maximum(inputs @ weights[0] + biases[0], 0.0) @ weights[1] + biases[1])
            told[name] = float(-np.mean(np.log(np.maximum(chances[np.arange(len(wanted)), wanted.astype(int)], 1e-12))))
        yield float(epoch), told
        if not all(map(np.isfinite, told.values())):
            return


def _softmax(scores: Array) -> Array:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def boosting(point: Point, seed: int) -> Iterator[tuple[float, dict[str, float]]]:
    """Gradient boosting on diabetes: 160 trees, root mean squared errors after each fourth."""
    p: dict[str, Any] = dict(point)
    x, x_val, y, y_val = _split(load_diabetes, 442, seed, classes=False)
    model = GradientBoostingRegressor(random_state=seed % 2**32, warm_start=True, n_estimators=1, **p)
    for trees in range(4, 161, 4):
        model.set_params(n_estimators=trees)
        model.fit(x, y)
        yield (
            float(trees),
            {
                "train_rmse": float(np.sqrt(np.mean((model.predict(x) - y) ** 2))),
                "val_rmse": float(np.sqrt(np.mean((model.predict(x_val) - y_val) ** 2))),
            },
        )


def sgd(point: Point, seed: int) -> Iterator[tuple[float, dict[str, float]]]:
    """A linear classifier on digits by stochastic gradient descent: 40 epochs; the accuracy is to be large."""
    p: dict[str, Any] = dict(point)
    x, x_val, y, y_val = _split(load_digits, 500, seed, classes=True)
    model = SGDClassifier(loss="log_loss", random_state=seed % 2**32, **p)
    order = np.random.default_rng(seed)
    for epoch in range(1, 41):
        rows = order.permutation(len(x))
        model.partial_fit(x[rows], y[rows], classes=np.arange(10))
        chances = np.clip(model.predict_proba(x), 1e-6, 1.0)
        loss = float(log_loss(y, chances / chances.sum(axis=1, keepdims=True), labels=np.arange(10)))
        yield float(epoch), {"train_loss": loss, "val_accuracy": float(model.score(x_val, y_val))}
        if not np.isfinite(loss):
            return


TRAININGS = {
    t.name: t
    for t in (
        Training(
            "mlp",
            Space(
                (
                    real("lr", 1e-3, 1.0, default=0.02, log=True, role="learning_rate"),
                    real("momentum", 0.0, 0.98, default=0.5, role="momentum"),
                    power_of_two("width", 8, 128, default=32, role="width"),
                    power_of_two("batch", 16, 256, default=64, role="batch_size"),
                    real("weight_decay", 1e-6, 0.1, default=1e-4, log=True, role="weight_decay"),
                    real("dropout", 0.0, 0.7, default=0.0, role="dropout"),
                    real("init", 0.1, 4.0, default=1.0, log=True),
                    real("decay", 0.01, 1.0, default=1.0, log=True),
                )
            ),
            Objective("val_loss"),
            mlp,
        ),
        Training(
            "boosting",
            Space(
                (
                    real("learning_rate", 0.005, 1.0, default=0.1, log=True, role="learning_rate"),
                    integer("max_depth", 1, 8, default=3, role="depth"),
                    real("subsample", 0.2, 1.0, default=1.0),
                    integer("min_samples_leaf", 1, 40, default=1, log=True),
                    real("max_features", 0.1, 1.0, default=1.0),
                )
            ),
            Objective("val_rmse"),
            boosting,
        ),
        Training(
            "sgd",
            Space(
                (
                    real("alpha", 1e-6, 1.0, default=1e-4, log=True),
                    real("eta0", 1e-4, 10.0, default=0.01, log=True, role="learning_rate"),
                    choice("learning_rate", ("constant", "invscaling", "adaptive"), default="constant"),
                    real("power_t", 0.1, 1.0, default=0.5),
                    choice("penalty", ("l2", "l1", "elasticnet"), default="l2"),
                )
            ),
            Objective("val_accuracy", "maximize"),
            sgd,
        ),
    )
}
