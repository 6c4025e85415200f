"""Results of many studies as tables, as JSON and as a chart."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata, wilcoxon

from benchmarks.optimisation.catalogue import PROBLEMS

Results = Sequence[Mapping[str, Any]]  # what ``runs.perform`` returns, through JSON
Value = dict[tuple[str, int], float]  # regret by problem and seed
WORST = 10.0  # regrets are cut here, so that one terrible start does not decide a mean


def best(results: Results) -> dict[str, float]:
    """For each problem the best true value: that known beforehand, or a better one that a study found."""
    found: dict[str, float] = {}
    for r in results:
        problem = PROBLEMS[str(r["problem"])]
        seen = [problem.best, found.get(problem.name, math.nan), *(v for v in r["incumbents"] if v is not None)]
        found[problem.name] = problem.objective.sign * min(
            problem.objective.sign * float(v) for v in seen if not math.isnan(v)
        )
    return found


def at(results: Results, trials: int) -> dict[str, Value]:
    """For each strategy, the regret at ``trials`` by problem and seed.

    A strategy that plans its budget (theory) counts by its study with that budget; one that does not, by any study
    that is at least as long. No configuration at all counts as ``WORST``.
    """
    found: dict[str, Value] = {}
    least = best(results)
    for r in sorted(results, key=lambda r: -int(r["trials"])):
        if int(r["trials"]) == trials or (r["strategy"] != "theory" and int(r["trials"]) > trials):
            values = r["incumbents"][:trials]
            value = next((v for v in reversed(values[-1:]) if v is not None), None)
            regret = WORST if value is None else _regret(r, float(value), least)
            found.setdefault(str(r["strategy"]), {})[str(r["problem"]), int(r["seed"])] = min(regret, WORST)
    return found


def _regret(result: Mapping[str, Any], value: float, least: Mapping[str, float]) -> float:
    name = str(result["problem"])
    return PROBLEMS[name].regret(value, least[name])


def ranks(values: Mapping[str, Value], keys: Sequence[tuple[str, int]]) -> dict[str, float]:
    """Mean rank of each strategy over ``keys`` (1 is best, ties share)."""
    table = np.array([[values[s][k] for s in values] for k in keys])
    each = np.array([rankdata(np.round(row, 9)) for row in table])
    return dict(zip(values, each.mean(axis=0).tolist(), strict=True))


def compared(one: Value, two: Value, keys: Sequence[tuple[str, int]]) -> dict[str, float]:
    """Wins, losses and the two-sided paired Wilcoxon p (1 where nothing differs) of ``one`` against ``two``."""
    difference = np.array([one[k] - two[k] for k in keys]).round(9)
    p = float(wilcoxon(difference).pvalue) if np.any(difference) else 1.0
    return {"wins": int((difference < 0).sum()), "losses": int((difference > 0).sum()), "p": p}


def summarise(results: Results, budgets: Sequence[int]) -> dict[str, Any]:
    """Everything that the tables show, by number of trials."""
    made: dict[str, Any] = {}
    for trials in budgets:
        values = at(results, trials)
        shared = [set(v) for v in values.values()]
        keys = sorted(set.intersection(*shared)) if shared else []
        if not keys:
            continue
        first = "theory" if "theory" in values else next(iter(values))
        by_rank = ranks(values, keys)
        problems = dict.fromkeys(k[0] for k in keys)
        made[str(trials)] = {
            "studies": len(keys),
            "against": first,
            "strategies": {
                s: {
                    "rank": by_rank[s],
                    "mean": statistics.fmean(v[k] for k in keys),
                    "median": statistics.median(v[k] for k in keys),
                    **({} if s == first else {f"{first}_{n}": x for n, x in compared(values[first], v, keys).items()}),
                }
                for s, v in values.items()
            },
            "problems": {
                p: {s: statistics.median(v[k] for k in keys if k[0] == p) for s, v in values.items()} for p in problems
            },
        }
    return made


def tables(summary: Mapping[str, Any]) -> str:
    """The summary in Markdown: for each budget the strategies over all problems, then each problem."""
    parts = []
    for trials, made in summary.items():
        first = made["against"]
        head = ["strategy", "mean rank", "mean regret", "median regret", f"{first} wins / losses", "Wilcoxon p"]
        rows = [
            [
                s,
                f"{v['rank']:.2f}",
                _number(v["mean"]),
                _number(v["median"]),
                f"{v[f'{first}_wins']} / {v[f'{first}_losses']}" if s != first else "",
                f"{v[f'{first}_p']:.3g}" if s != first else "",
            ]
            for s, v in sorted(made["strategies"].items(), key=lambda item: item[1]["rank"])
        ]
        parts.append(f"## {trials} trials ({made['studies']} studies each)\n\n" + _markdown(head, rows))
        names = list(made["strategies"])
        rows = []
        for problem, by in made["problems"].items():
            lowest = min(by.values())
            cells = [f"**{_number(by[s])}**" if by[s] <= lowest + 1e-9 else _number(by[s]) for s in names]
            rows.append([problem, *cells])
        parts.append("Median regret by problem:\n\n" + _markdown(["problem", *names], rows))
    return "\n".join(parts)


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 0.1 else f"{value:.3f}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def chart(results: Results) -> dict[str, object]:
    """A Vega-Lite spec: median regret by trial, for each problem and strategy (its longest studies)."""
    longest: dict[tuple[str, str], int] = {}
    for r in results:
        key = (str(r["problem"]), str(r["strategy"]))
        longest[key] = max(longest.get(key, 0), int(r["trials"]))
    data, least = [], best(results)
    for (problem, strategy), trials in sorted(longest.items()):
        runs = [
            [None if v is None else _regret(r, float(v), least) for v in r["incumbents"]]
            for r in results
            if (r["problem"], r["strategy"], r["trials"]) == (problem, strategy, trials)
        ]
        for trial in range(1, trials + 1):
            seen = [WORST if len(r) < trial or r[trial - 1] is None else r[trial - 1] for r in runs]
            value = statistics.median(float(v) for v in seen if v is not None)
            if math.isfinite(value):
                data.append({"problem": problem, "strategy": strategy, "trial": trial, "regret": max(value, 1e-4)})
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": "Median regret of the chosen configuration (0: best known, 1: the default)",
        "data": {"values": data},
        "facet": {"field": "problem", "type": "nominal", "columns": 4, "title": None},
        "spec": {
            "width": 180,
            "height": 120,
            "mark": {"type": "line", "interpolate": "step-after"},
            "encoding": {
                "x": {"field": "trial", "type": "quantitative", "title": "trials"},
                "y": {"field": "regret", "type": "quantitative", "title": None, "scale": {"type": "log"}},
                "color": {"field": "strategy", "type": "nominal"},
            },
        },
        "resolve": {"scale": {"y": "independent"}},
    }
