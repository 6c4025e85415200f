"""What the planted patches truly do, on many paired seeds: ``python -m benchmarks.open_space.truth [--set NAME]``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import numpy as np

from benchmarks.open_space.planted_set import PlantedSet
from benchmarks.open_space.sets import SETS, planted_set

SEEDS = {"digits": 60, "gpt": 4}
ALONE = 40  # paired seeds at least for each patch alone, and runs of the base: they say what is large
_HELPS = -1.0  # standard deviations of one run: what helps by more is in the winning combination


def measure(planted: PlantedSet, count: int) -> dict[str, object]:
    """Effects in standard deviations of one run.

    "alone", on "average" over typical others, and beside the "winner", the combination of all that help alone and of
    the pairs that help together; each with its standard error.
    """
    seeds = [1_000_000 + s for s in range(count)]

    def run(on: Sequence[str], seed: int) -> float:
        return planted.train(on, seed)[planted.metric]

    more = [1_000_000 + s for s in range(max(count, ALONE))]
    many = np.array([run((), s) for s in more])
    noise, base = float(many.std(ddof=1)), many[:count]
    rng = np.random.default_rng(5)
    whole = planted.space
    out: dict[str, dict[str, list[float]]] = {}
    for name in planted.names:
        alone = np.array([run((name,), s) for s in more]) - many
        average = []
        for s in seeds:
            others = {n: bool(rng.random() < 0.25) for n in planted.names}
            drawn = whole.complete({**others, name: True}, keep=[name])
            with_it = [n for n, v in drawn.items() if v is True]
            average.append(run(with_it, s) - run([n for n in with_it if n != name], s))
        out[name] = {"alone": _told(alone, noise), "average": _told(np.array(average), noise)}
        print(name, out[name], flush=True)
    winner = [n for n in planted.names if out[n]["alone"][0] < _HELPS]
    for pair in planted.together:
        both = np.array([run(pair, s) for s in seeds]) - base
        out["+".join(pair)] = {"alone": _told(both, noise)}
        winner += [n for n in pair if n not in winner]
    best = np.array([run(winner, s) for s in seeds])
    for name in planted.names:
        ground = {**dict.fromkeys(winner, True), name: True}
        on = [n for n, v in whole.complete(ground, keep=[name]).items() if v is True]
        off = [n for n in on if n != name]
        same = best if set(on) == set(winner) else np.array([run(on, s) for s in seeds])
        other = best if set(off) == set(winner) else np.array([run(off, s) for s in seeds])
        out[name]["winner"] = _told(same - other, noise)
        print(name, out[name], flush=True)
    return {
        "seeds": count,
        "default": float(many.mean()),
        "noise": noise,
        "winner": winner,
        "at_winner": float(best.mean()),
        "effects": out,
    }


def _told(differences: np.ndarray, noise: float) -> list[float]:
    """Mean and standard error."""
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return [round(float(differences.mean() / noise), 2), round(float(error / noise), 2)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure a set and write its file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", choices=SETS, default="digits")
    parser.add_argument("--seeds", type=int, help="paired seeds (60, GPT 4)")
    chosen = parser.parse_args(arguments)
    planted = planted_set(chosen.set)
    found = measure(planted, chosen.seeds or SEEDS[chosen.set])
    planted.truth.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
