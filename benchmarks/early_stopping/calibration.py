"""Whether ends lie where curves foretell them: random configurations of each training, at every stage."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.early_stopping.replaying import curves
from benchmarks.early_stopping.trainings import Training
from knowhy.engine.extrapolation import Whole, extrapolate
from knowhy.model.observation import Curve
from knowhy.samplers.history import stream, value_at

SHARES = (0.1, 0.2, 0.35, 0.5, 0.75)
KNOWN = (6, 12, 30)
_REPEATS = 150


def collect(training: Training, count: int, path: Path) -> list[Curve]:
    """The whole curves of the objective of ``count`` random configurations; kept at ``path``, a line for each."""
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    rng = stream(5)
    with path.open("a") as file:
        for at in range(count):
            point = {p.name: value_at(p.domain, float(rng.random())) for p in training.space}
            seed = int(rng.integers(2**31))
            if at < len(found):
                continue
            steps = training.run(point, seed)
            curve = curves(steps).get(training.objective.metric)
            whole = curve is not None and math.isfinite(steps[-1].metrics[training.objective.metric])
            found.append([curve.steps, curve.values] if whole and curve is not None else None)
            file.write(json.dumps(found[-1]) + "\n")
            file.flush()
    return [Curve(tuple(each[0]), tuple(each[1])) for each in found[:count] if each is not None]


def measure(training: Training, known: list[Curve]) -> list[dict[str, Any]]:
    """Coverage of 90% intervals, and their half width in spreads of the ends, by share seen and curves known."""
    rows = []
    metric = training.objective.metric
    for count in KNOWN:
        for share in SHARES:
            rng = np.random.default_rng([11, count, round(100 * share)])
            inside, widths = [], []
            for _ in range(_REPEATS):
                chosen = rng.permutation(len(known))[: count + 1]
                part, others = known[chosen[0]], [known[i] for i in chosen[1:]]
                step = part.steps[0] + share * (part.steps[-1] - part.steps[0])
                seen = sum(s <= step for s in part.steps)
                found = extrapolate(
                    Curve(part.steps[:seen], part.values[:seen]), step, [Whole(c, c.values[-1]) for c in others], metric
                )
                if found is None:
                    continue
                low, high = sorted((found.quantile_at(-1.645), found.quantile_at(1.645)))
                ends = np.array([c.values[-1] for c in others])
                spread = float(np.std(np.log(ends))) if found.log else float(np.std(ends))
                inside.append(low <= part.values[-1] <= high)
                widths.append(1.645 * found.sd / spread)
            rows.append(
                {
                    "training": training.name,
                    "known": count,
                    "share": share,
                    "inside_90": float(np.mean(inside)) if inside else None,
                    "half_width": float(np.median(widths)) if widths else None,
                }
            )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Coverage and half width by training and curves known."""
    lines = [
        "| training | curves known | " + " | ".join(f"{share:.0%} seen" for share in SHARES) + " |",
        "| --- | --- |" + " --- |" * len(SHARES),
    ]
    for key in dict.fromkeys((r["training"], r["known"]) for r in rows):
        cells = [
            "–" if r["inside_90"] is None else f"{r['inside_90']:.0%}, ± {r['half_width']:.2f}"
            for r in rows
            if (r["training"], r["known"]) == key
        ]
        lines.append(f"| {key[0]} | {key[1]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
