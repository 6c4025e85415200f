"""A training of a fixed duration: logistic regression on synthetic data until the time is over."""

import time

STARTED = time.perf_counter()
SECONDS = 1.0

import numpy as np  # noqa: E402 - its import is part of the second

LEARNING_RATE = 0.1
MOMENTUM = 0.5
WEIGHT_DECAY = 1e-3
BATCH_SIZE = 64
SEED = 0


def main() -> None:
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((600, 20))
    y = (x @ np.linspace(-1, 1, 20) + rng.standard_normal(600) > 0).astype(float)
    weights, speed = np.zeros(20), np.zeros(20)
    while time.perf_counter() - STARTED < SECONDS:
        rows = rng.integers(400, size=BATCH_SIZE)
        chance = 1 / (1 + np.exp(-(x[rows] @ weights)))
        slope = x[rows].T @ (chance - y[rows]) / BATCH_SIZE + WEIGHT_DECAY * weights
        speed = MOMENTUM * speed - LEARNING_RATE * slope
        weights = weights + speed
    chance = np.clip(1 / (1 + np.exp(-(x[400:] @ weights))), 1e-6, 1 - 1e-6)
    loss = -np.mean(y[400:] * np.log(chance) + (1 - y[400:]) * np.log(1 - chance))
    print(f"val_loss: {loss:.5f}")


if __name__ == "__main__":
    main()
