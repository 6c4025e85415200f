"""Train a small neural network, written in NumPy, to read handwritten digits.

The data are scikit-learn's bundled 8x8 digits: 400 training images, of whose labels one in seven was
drawn at random (as if labelled in a hurry), and 700 validation images with correct labels. Prints the
losses of each epoch, and the final ones at the end.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

LEARNING_RATE = 0.03
BATCH_SIZE = 32
EPOCHS = 100
WIDTH = 96
DEPTH = 2
ACTIVATION = "relu"  # or "tanh"
DROPOUT = 0.0
WEIGHT_DECAY = 1e-4
MOMENTUM = 0.9
NESTEROV = False
LABEL_SMOOTHING = 0.0
INPUT_NOISE = 0.0
SEED = 0

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def load_digits() -> tuple[Array, Labels, Array, Labels]:
    """Training and validation images (rows of 64 pixels in [0, 1]) and labels; the split never changes.

    Reads the file that scikit-learn installs without importing scikit-learn, which would take a second.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        sys.exit("this script needs scikit-learn's digits: pip install scikit-learn")
    file = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    rng = np.random.default_rng(1797)
    table = table[rng.permutation(len(table))]
    x, y = table[:, :-1] / np.float32(16), table[:, -1].astype(np.int64)
    y[:400] = np.where(rng.random(400) < 0.15, rng.integers(0, 10, 400), y[:400])
    return x[:400], y[:400], x[400:1100], y[400:1100]


def activate(x: Array) -> tuple[Array, Array]:
    """The activation of ``x`` and its derivative there."""
    if ACTIVATION == "tanh":
        out = np.tanh(x)
        return out, 1 - out * out
    return np.maximum(x, 0), (x > 0).astype(np.float32)


def log_softmax(logits: Array) -> Array:
    """Log probabilities of each row."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), dtype=np.float32)


class Network:
    """Fully connected layers with dropout, trained by stochastic gradient descent with momentum."""

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator) -> None:
        """He initialisation from ``rng``."""
        sizes = [inputs, *[WIDTH] * DEPTH, outputs]
        self.weights = [
            (rng.standard_normal((a, b)) * np.sqrt(2 / a)).astype(np.float32) for a, b in itertools.pairwise(sizes)
        ]
        self.biases = [np.zeros(b, dtype=np.float32) for b in sizes[1:]]
        self.speed = [np.zeros_like(p) for p in [*self.weights, *self.biases]]

    def predict(self, x: Array) -> Array:
        """Logits without dropout."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x, _ = activate(x @ weight + bias)
        return np.asarray(x @ self.weights[-1] + self.biases[-1], dtype=np.float32)

    def step(self, x: Array, targets: Array, rng: np.random.Generator) -> None:
        """One update on the batch ``x`` towards the probabilities ``targets``."""
        inputs, slopes = [], []
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            inputs.append(x)
            x, slope = activate(x @ weight + bias)
            if DROPOUT > 0:
                mask = (rng.random(x.shape) >= DROPOUT).astype(np.float32) / np.float32(1 - DROPOUT)
                x, slope = x * mask, slope * mask
            slopes.append(slope)
        inputs.append(x)
        error = (np.exp(log_softmax(x @ self.weights[-1] + self.biases[-1])) - targets) / len(x)
        weight_gradients, bias_gradients = [], []
        for layer in range(len(self.weights) - 1, -1, -1):
            weight_gradients.append(inputs[layer].T @ error + WEIGHT_DECAY * self.weights[layer])
            bias_gradients.append(error.sum(axis=0))
            if layer > 0:
                error = (error @ self.weights[layer].T) * slopes[layer - 1]
        gradients = [*reversed(weight_gradients), *reversed(bias_gradients)]
        for parameter, speed, gradient in zip([*self.weights, *self.biases], self.speed, gradients, strict=True):
            speed *= MOMENTUM
            speed -= LEARNING_RATE * gradient
            parameter += MOMENTUM * speed - LEARNING_RATE * gradient if NESTEROV else speed


def loss_and_accuracy(network: Network, x: Array, y: Labels) -> tuple[float, float]:
    """Mean cross entropy (nats) and share of correct answers."""
    scores = log_softmax(network.predict(x))
    return float(-scores[np.arange(len(y)), y].mean()), float((scores.argmax(axis=1) == y).mean())


def main() -> None:
    """Train, and print how it goes."""
    rng = np.random.default_rng(SEED)
    x_train, y_train, x_val, y_val = load_digits()
    one_hot = np.eye(10, dtype=np.float32)[y_train]
    targets = one_hot * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / 10
    network = Network(x_train.shape[1], 10, rng)
    for epoch in range(1, EPOCHS + 1):
        order = rng.permutation(len(x_train))
        for start in range(0, len(order), BATCH_SIZE):
            rows = order[start : start + BATCH_SIZE]
            batch = x_train[rows]
            if INPUT_NOISE > 0:
                batch = batch + rng.normal(0, INPUT_NOISE, batch.shape).astype(np.float32)
            network.step(batch, targets[rows], rng)
        train_loss, train_acc = loss_and_accuracy(network, x_train, y_train)
        val_loss, val_acc = loss_and_accuracy(network, x_val, y_val)
        print(f"epoch {epoch} train_loss: {train_loss:.5f} val_loss: {val_loss:.5f} val_acc: {val_acc:.4f}")
    parameters = sum(p.size for p in [*network.weights, *network.biases])
    print(f"train_acc: {train_acc:.4f}")
    print(f"parameters: {parameters}")
    print(f"train_loss: {train_loss:.5f}")
    print(f"val_loss: {val_loss:.5f}")
    print(f"val_acc: {val_acc:.4f}")


if __name__ == "__main__":
    main()
