"""Gradient boosting on scikit-learn's diabetes data: how far will the disease have gone in a year?

Prints the errors as trees are added, and the cross-validated ones at the end (in the units of the
target, whose standard deviation is 77). The seed decides the folds and the random choices of the trees.
"""

import argparse

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.model_selection import KFold


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--learning-rate", type=float, default=0.1, help="weight of each tree")
    parser.add_argument("--n-estimators", type=int, default=200, help="number of trees")
    parser.add_argument("--max-depth", type=int, default=3, help="depth of each tree")
    parser.add_argument("--min-samples-leaf", type=int, default=1, help="fewest patients in a leaf")
    parser.add_argument("--subsample", type=float, default=1.0, help="share of patients that each tree sees")
    parser.add_argument("--max-features", type=float, default=1.0, help="share of features that each split considers")
    parser.add_argument("--min-impurity-decrease", type=float, default=0.0, help="gain that a split needs")
    parser.add_argument("--loss", choices=["squared_error", "absolute_error", "huber"], default="squared_error")
    parser.add_argument("--seed", type=int, default=0, help="decides folds and random choices")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    x, y = load_diabetes(return_X_y=True)
    folds = list(KFold(n_splits=5, shuffle=True, random_state=args.seed).split(x))
    train_squares = np.zeros(args.n_estimators)
    val_squares = np.zeros(args.n_estimators)
    for train, val in folds:
        model = GradientBoostingRegressor(
            loss=args.loss,
            learning_rate=args.learning_rate,
            n_estimators=args.n_estimators,
            max_depth=args.max_depth,
            min_samples_leaf=args.min_samples_leaf,
            min_impurity_decrease=args.min_impurity_decrease,
            subsample=args.subsample,
            max_features=args.max_features,
            random_state=args.seed,
        ).fit(x[train], y[train])
        train_squares += [np.mean((p - y[train]) ** 2) / len(folds) for p in model.staged_predict(x[train])]
        val_squares += [np.mean((p - y[val]) ** 2) / len(folds) for p in model.staged_predict(x[val])]
    train_rmse, val_rmse = np.sqrt(train_squares), np.sqrt(val_squares)
    every = max(1, args.n_estimators // 20)
    for tree in range(every, args.n_estimators + 1, every):
        print(f"step {tree} train_rmse: {train_rmse[tree - 1]:.3f} val_rmse: {val_rmse[tree - 1]:.3f}")
    print(f"train_rmse: {train_rmse[-1]:.4f}")
    print(f"val_rmse: {val_rmse[-1]:.4f}")
    print(f"val_r2: {1 - val_squares[-1] / y.var():.4f}")


if __name__ == "__main__":
    main()
