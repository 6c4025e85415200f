"""Results of many studies of two objectives as tables, as JSON and as a chart."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata, wilcoxon

Results = Sequence[Mapping[str, Any]]
Value = dict[tuple[str, int], float]  # hypervolume by problem and seed


def at(results: Results, trials: int) -> dict[str, Value]:
    """For each strategy the hypervolume at ``trials`` by problem and seed; theory by its study with that budget."""
    found: dict[str, Value] = {}
    for r in sorted(results, key=lambda r: -int(r["trials"])):
        planned = r["strategy"] == "theory" and int(r["trials"]) != trials
        if not planned and str(trials) in r["volumes"]:
            found.setdefault(str(r["strategy"]), {})[str(r["problem"]), int(r["seed"])] = r["volumes"][str(trials)]
    return found


def summarise(results: Results, budgets: Sequence[int]) -> dict[str, Any]:
    """Mean hypervolume, mean rank, and theory against each other (differences, wins, Wilcoxon), by budget."""
    out: dict[str, Any] = {}
    for trials in budgets:
        values = at(results, trials)
        keys = sorted(set.intersection(*(set(v) for v in values.values()))) if values else []
        if not keys:
            continue
        table = np.array([[values[s][k] for s in values] for k in keys])
        ranks = np.array([rankdata(-np.round(row, 9)) for row in table]).mean(axis=0)
        mean = dict(zip(values, table.mean(axis=0).tolist(), strict=True))
        out[str(trials)] = {
            "pairs": len(keys),
            "mean": mean,
            "rank": dict(zip(values, ranks.tolist(), strict=True)),
            "by_problem": {
                p: {s: statistics.fmean(values[s][k] for k in keys if k[0] == p) for s in values}
                for p in sorted({k[0] for k in keys})
            },
            "theory_against": {s: _against(values["theory"], values[s], keys) for s in values if s != "theory"}
            if "theory" in values
            else {},
        }
    return out


def _against(one: Value, two: Value, keys: Sequence[tuple[str, int]]) -> dict[str, float]:
    gains = np.array([one[k] - two[k] for k in keys])
    p = float(wilcoxon(gains).pvalue) if len(gains) > 5 and np.any(gains != 0) else 1.0
    return {"mean": float(gains.mean()), "wins": float(np.mean(gains > 0)), "p": p}


def tables(summary: Mapping[str, Any], results: Results) -> str:
    """The summary as Markdown."""
    parts = []
    for trials, found in summary.items():
        names = sorted(found["mean"], key=lambda s: -found["mean"][s])
        rows = [
            [
                s,
                f"{found['mean'][s]:.4f}",
                f"{found['rank'][s]:.2f}",
                *(
                    [f"{a['mean']:+.4f}", f"{a['wins']:.0%}", f"{a['p']:.3f}"]
                    if (a := found["theory_against"].get(s))
                    else ["–", "–", "–"]
                ),
            ]
            for s in names
        ]
        head = ["strategy", "hypervolume", "mean rank", "theory is ahead by", "in", "p"]
        parts.append(f"## {trials} trials ({found['pairs']} pairs of problem and seed)\n\n{_markdown(head, rows)}")
        by = [[p, *(f"{v[s]:.4f}" for s in names)] for p, v in found["by_problem"].items()]
        parts.append(_markdown(["problem", *names], by))
    cost = {
        s: statistics.fmean(r["decision_seconds"] / r["trials"] for r in results if r["strategy"] == s)
        for s in dict.fromkeys(str(r["strategy"]) for r in results)
    }
    parts.append(_markdown(["strategy", "seconds a decision"], [[s, f"{v:.3f}"] for s, v in cost.items()]))
    return "\n\n".join(parts) + "\n"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = "|".join(" --- " for _ in head)
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)])


def chart(results: Results) -> dict[str, object]:
    """Mean hypervolume over the trials, by problem and strategy, as a Vega-Lite specification."""
    values = [
        {"problem": r["problem"], "strategy": r["strategy"], "trials": int(t), "volume": v}
        for r in results
        for t, v in r["volumes"].items()
        if r["strategy"] != "theory" or int(t) == int(r["trials"])
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"values": values},
        "facet": {"field": "problem", "type": "nominal", "columns": 3, "title": None},
        "spec": {
            "width": 220,
            "height": 160,
            "mark": {"type": "line", "point": True},
            "encoding": {
                "x": {"field": "trials", "type": "quantitative"},
                "y": {"aggregate": "mean", "field": "volume", "title": "hypervolume", "scale": {"zero": False}},
                "color": {"field": "strategy", "type": "nominal"},
            },
        },
        "resolve": {"scale": {"y": "independent"}},
    }
