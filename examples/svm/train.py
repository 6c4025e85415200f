"""A support vector machine on scikit-learn's breast cancer data, configured by a dataclass.

Prints the error of each fold and the cross-validated results at the end. The seed decides the folds.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


@dataclass
class Config:
    """What can be set."""

    C: float = 1.0
    gamma: float = 0.001
    kernel: str = "rbf"  # "linear", "poly" and "sigmoid" are known as well
    degree: int = 3
    coef0: float = 0.0
    standardize: bool = False
    balanced: bool = False
    shrinking: bool = True
    tol: float = 1e-3
    seed: int = 0


def build(config: Config):
    """The classifier that ``config`` describes."""
    svm = SVC(
        C=config.C,
        gamma=config.gamma,
        kernel=config.kernel,
        degree=config.degree,
        coef0=config.coef0,
        class_weight="balanced" if config.balanced else None,
        shrinking=config.shrinking,
        tol=config.tol,
        max_iter=200_000,
    )
    return make_pipeline(StandardScaler(), svm) if config.standardize else svm


def hinge(scores: np.ndarray, y: np.ndarray) -> float:
    """Mean hinge loss of the decision values ``scores`` for labels 0 and 1."""
    return float(np.maximum(0.0, 1.0 - (2 * y - 1) * scores).mean())


def main() -> None:
    config = Config()
    x, y = load_breast_cancer(return_X_y=True)
    rows = []
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=config.seed)
    for fold, (train, val) in enumerate(folds.split(x, y), start=1):
        model = build(config).fit(x[train], y[train])
        train_scores, val_scores = model.decision_function(x[train]), model.decision_function(x[val])
        rows.append(
            (
                np.mean((train_scores > 0) != y[train]),
                np.mean((val_scores > 0) != y[val]),
                hinge(train_scores, y[train]),
                hinge(val_scores, y[val]),
            )
        )
        print(f"fold {fold} fold_error: {rows[-1][1]:.5f}")
    train_error, val_error, train_loss, val_loss = np.mean(rows, axis=0)
    print(f"train_error: {train_error:.5f}")
    print(f"val_error: {val_error:.5f}")
    print(f"train_loss: {train_loss:.5f}")
    print(f"val_loss: {val_loss:.5f}")


if __name__ == "__main__":
    main()
