"""The tables: what is saved, what it costs, and whether ends lie where they were foretold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Runs = Sequence[dict[str, Any]]


def pairs(results: Runs) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Studies of the same training and seed: without and with early stopping."""
    found: dict[tuple[str, int, int], dict[bool, dict[str, Any]]] = {}
    for r in results:
        found.setdefault((r["training"], r["seed"], r["trials"]), {})[r["stops"]] = r
    return [(both[False], both[True]) for _, both in sorted(found.items()) if len(both) == 2]


def summarise(results: Runs) -> list[dict[str, Any]]:
    """A row for each training, and one for all of them."""
    rows = []
    both = pairs(results)
    for name in (*dict.fromkeys(w["training"] for w, _ in both), "all"):
        mine = [(w, s) for w, s in both if name in (w["training"], "all")]
        stopped = [t for _, s in mine for t in s["stopped"]]
        ended = [t for t in stopped if t["end"] is not None]
        # Positive: the study that stopped trials found the worse configuration. In spreads of the study's ends.
        worse = np.array([s["sign"] * (s["value"] - w["value"]) / w["spread"] for w, s in mine])
        rows.append(
            {
                "training": name,
                "studies": len(mine),
                "trials": sum(s["trials"] for _, s in mine),
                "may": sum(s["may"] for _, s in mine),
                "stopped": len(stopped),
                "steps_saved": 1.0 - sum(s["steps"] for _, s in mine) / sum(w["steps"] for w, _ in mine),
                "seconds_saved": sum(w["training_seconds"] - s["training_seconds"] for w, s in mine),
                "worse": float(worse.mean()),
                "worse_error": float(worse.std(ddof=1) / math.sqrt(len(worse))) if len(worse) > 1 else None,
                "losses": int((worse > 1e-9).sum()),
                "wins": int((worse < -1e-9).sum()),
                "beat_target": sum(t["beats_target"] for t in ended),
                "best_of_all": sum(t["best_of_all"] for t in ended),
                "would_have_failed": len(stopped) - len(ended),
                "inside_90": _inside(ended, "z"),
                "inside_90_alone": _inside(ended, "z_alone"),
                "bits": [float(np.mean([x["gained"] for x in side])) for side in zip(*mine, strict=True)],
            }
        )
    return rows


def _inside(trials: Sequence[dict[str, Any]], key: str) -> float | None:
    z = [abs(t[key]) for t in trials if t[key] is not None]
    return float(np.mean(np.array(z) < 1.645)) if z else None


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [
        "| training | pairs of studies | stopped, of trials that may be | steps saved | value with stopping: worse by "
        "(spreads, ± s.e.) | better, worse | would have beaten the best known; been the best of all | "
        "ends in their 90% interval (curve alone) | bits gained without, with |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in rows:
        error = "" if r["worse_error"] is None else f" ± {r['worse_error']:.3f}"
        inside = "–" if r["inside_90"] is None else f"{r['inside_90']:.0%} ({r['inside_90_alone']:.0%})"
        lines.append(
            f"| {r['training']} | {r['studies']} | {r['stopped']} of {r['may']} | {r['steps_saved']:.1%} | "
            f"{r['worse']:+.3f}{error} | {r['wins']}, {r['losses']} | {r['beat_target']}; {r['best_of_all']} | "
            f"{inside} | {r['bits'][0]:.1f}, {r['bits'][1]:.1f} |"
        )
    return "\n".join(lines) + "\n"
