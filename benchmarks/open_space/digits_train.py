"""A small network on handwritten digits, in numpy: the base that the planted patches change."""
# ruff: noqa: B007, B905

import os

import numpy as np
from sklearn.datasets import load_digits

SEED = int(os.environ.get("KNOWHY_SEED", "0"))
RATE = 0.15
HIDDEN = 24
BATCH = 20
EPOCHS = 14
SCALE = 0.5

images, labels = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(images))
images, labels = images[order] / 16.0, labels[order]
x, y = images[:500], labels[:500]
vx, vy = images[500:1100], labels[500:1100]
targets = np.eye(10)

rng = np.random.default_rng(SEED)
w1 = rng.normal(size=(64, HIDDEN)) * SCALE
b1 = np.zeros(HIDDEN)
w2 = rng.normal(size=(HIDDEN, 10)) * SCALE
b2 = np.zeros(10)
weights = [w1, b1, w2, b2]

averaged = None


def hidden_layer(rows, ws):
    return np.tanh(rows @ ws[0] + ws[1])


def probabilities(h, ws):
    logits = h @ ws[2] + ws[3]
    logits = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    return p / p.sum(axis=1, keepdims=True)


rate = RATE

state = [np.zeros_like(w) for w in weights]
steps = 0

for epoch in range(EPOCHS):
    permutation = rng.permutation(len(x))

    for start in range(0, len(x), BATCH):
        rows = permutation[start : start + BATCH]
        batch = x[rows]

        wanted = targets[y[rows]]

        h = hidden_layer(batch, weights)
        p = probabilities(h, weights)
        error = (p - wanted) / len(rows)

        slope = 1.0 - h * h
        back = (error @ weights[2].T) * slope
        gradients = [batch.T @ back, back.sum(axis=0), h.T @ error, error.sum(axis=0)]

        steps += 1

        for w, g, s in zip(weights, gradients, state):
            w -= rate * g

        progress = steps * BATCH / (EPOCHS * len(x))

final = weights

p = probabilities(hidden_layer(vx, final), final)
loss = float(-np.log(np.maximum(p[np.arange(len(vy)), vy], 1e-12)).mean())
print(f"val_loss: {loss:.6f}")
print(f"val_accuracy: {float((p.argmax(axis=1) == vy).mean()):.4f}")
