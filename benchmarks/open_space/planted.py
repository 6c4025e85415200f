"""The planted patches: what each changes in ``digits_train.py``, and why somebody would think that it helps.

Some help, some hurt, two help only together, several do nothing (another way to write the same, other luck), and two
change the same lines. What they truly do is measured (``truth``), not asserted.
"""

from __future__ import annotations

from benchmarks.open_space.planted_set import Planted

UPDATE = "            w -= rate * g\n"

PATCHES: tuple[Planted, ...] = (
    Planted(
        "small_start",
        "Large initial weights saturate the tangent",
        "w1 = rng.normal(size=(64, HIDDEN)) * SCALE\n",
        "w1 = rng.normal(size=(64, HIDDEN)) * SCALE / 5\n",
    ),
    Planted("wide", "More hidden units fit more", "HIDDEN = 24\n", "HIDDEN = 96\n"),
    Planted("small_batch", "Smaller batches make more steps", "BATCH = 20\n", "BATCH = 10\n"),
    Planted(
        "velocity",
        "The mean of past gradients is a better direction",
        "        steps += 1\n",
        "        steps += 1\n        for s, g in zip(state, gradients):\n            s *= 0.75\n            s += g\n",
    ),
    Planted(
        "follow_state",
        "Steps should follow the state of the optimiser",
        UPDATE,
        "            w -= rate * (s if s.any() else g)\n",
    ),
    Planted(
        "sign",
        "Sign steps do not care for the scale of a gradient",
        UPDATE,
        "            w -= 0.02 * rate * np.sign(g)\n",
    ),
    Planted(
        "jitter",
        "Noise on the pixels keeps it from memorising",
        "        batch = x[rows]\n",
        "        batch = x[rows] + 0.5 * rng.normal(size=(len(rows), 64))\n",
    ),
    Planted(
        "smoothing",
        "Soft targets keep it from overconfidence",
        "        wanted = targets[y[rows]]\n",
        "        wanted = 0.9 * targets[y[rows]] + 0.01\n",
    ),
    Planted(
        "decay",
        "Weight decay keeps weights small",
        "slope = 1.0 - h * h\n",
        "slope = 1.0 - h * h\n        weights[0] *= 0.9985\n        weights[2] *= 0.9985\n",
    ),
    Planted(
        "other_luck",
        "A different stream of random numbers",
        "rng = np.random.default_rng(SEED)\n",
        "rng = np.random.default_rng(SEED + 1_000_003)\n",
    ),
    Planted(
        "exact",
        "Softmax by logs is more exact",
        "    p = np.exp(logits)\n",
        "    p = np.exp(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))\n",
    ),
    Planted(
        "order",
        "Another shuffle mixes better",
        "    permutation = rng.permutation(len(x))\n",
        "    permutation = rng.permutation(len(x))[::-1]\n",
    ),
    Planted("tidy", "Clearer code", "rate = RATE\n", "rate = float(RATE)\n"),
    Planted(
        "count", "It should know how far it is", "final = weights\n", 'final = weights\nprint(f"steps_made: {steps}")\n'
    ),
)

TOGETHER = (("velocity", "follow_state"),)
"""Patches that do nothing alone and help together."""
