"""What the planted patches truly do, measured on many paired seeds: ``python -m benchmarks.open_space.truth``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.open_space.planted import TOGETHER
from benchmarks.open_space.training import CHANGES, space, train

PATH = Path(__file__).parent / "truth.json"
SEEDS = 60


def measure() -> dict[str, object]:
    """Effects in standard deviations of one run: alone, on average over typical others, and of pairs together."""
    seeds = [1_000_000 + s for s in range(SEEDS)]
    base = np.array([train((), s)["val_loss"] for s in seeds])
    noise = float(base.std(ddof=1))
    rng = np.random.default_rng(5)
    whole, out = space(), {}
    for name in CHANGES:
        alone = np.array([train((name,), s)["val_loss"] for s in seeds]) - base
        average = []
        for s in seeds:
            others = {n: bool(rng.random() < 0.25) for n in CHANGES}
            on = whole.complete({**others, name: True}, keep=[name])
            with_it = [n for n, v in on.items() if v is True]
            average.append(train(with_it, s)["val_loss"] - train([n for n in with_it if n != name], s)["val_loss"])
        out[name] = {"alone": _told(alone, noise), "average": _told(np.array(average), noise)}
        print(name, out[name], flush=True)
    for pair in TOGETHER:
        both = np.array([train(pair, s)["val_loss"] for s in seeds]) - base
        out["+".join(pair)] = {"alone": _told(both, noise)}
    return {"seeds": SEEDS, "default": float(base.mean()), "noise": noise, "effects": out}


def _told(differences: np.ndarray, noise: float) -> list[float]:  # type: ignore[type-arg]
    """Mean and standard error."""
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return [round(float(differences.mean() / noise), 2), round(float(error / noise), 2)]


if __name__ == "__main__":
    PATH.write_text(json.dumps(measure(), indent=1) + "\n")
