"""Results of many studies as a table, as JSON and as a chart."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.worlds.runs import LIKELY

Result = dict[str, Any]  # what ``runs.perform`` returns, through JSON

HEADER = (
    ("world", "world"),
    ("strategy", "strategy"),
    ("studies", "studies"),
    ("learned_at", "trials to believe the truth"),
    ("learned", "true believed at the end"),
    ("misled_ever", "false ever believed"),
    ("misled", "false believed at the end"),
    ("certified_true", "certified true"),
    ("certified_false", "certified false"),
    ("best_certified", "best certified"),
    ("brier", "Brier"),
    ("sure_and_right", "true of those > 0.9"),
    ("bits", "bits gained / expected"),
    ("inside", "in 50% / 90%"),
    ("regret", "regret"),
    ("decision", "decision, s"),
)


@dataclass
class Row:
    """One world (or all) and one strategy.

    ``learned_at`` is the median over true theories and seeds of the trials until the belief first exceeds 0.95
    (None where half never does). Shares ``learned``, ``misled_ever`` and ``misled`` are of true and of false
    theories. ``regret`` is the median, in standard deviations of the truth over the space; ``regret_lucky`` that
    of the best single observation. Certified counts are sums over studies.
    """

    world: str
    strategy: str
    studies: int
    learned_at: float | None
    learned: float
    misled_ever: float
    misled: float
    certified_true: int
    certified_false: int
    best_certified: int
    brier: float
    sure_and_right: float | None
    expected_bits: float
    gained_bits: float
    inside_50: float | None
    inside_90: float | None
    regret: float | None
    regret_lucky: float | None
    decision: float
    studies_certifying_false: int


def rows(results: Sequence[Result]) -> list[Row]:
    """A row for each world and strategy, then one for each strategy over all worlds."""
    keys = dict.fromkeys((str(r["world"]), str(r["strategy"])) for r in results)
    made = [
        _row(world, strategy, [r for r in results if (r["world"], r["strategy"]) == (world, strategy)])
        for world, strategy in sorted(keys)
    ]
    strategies = dict.fromkeys(str(r["strategy"]) for r in results)
    return made + [_row("all", s, [r for r in results if r["strategy"] == s]) for s in strategies]


def _row(world: str, strategy: str, results: Sequence[Result]) -> Row:
    courses = [c for r in results for c in r["courses"] if c["beliefs"]]
    true = [c for c in courses if c["true"]]
    false = [c for c in courses if not c["true"]]
    firsts = sorted(math.inf if c["first"] is None else c["first"] for c in true)
    median = statistics.median_low(firsts) if firsts else math.inf
    sure = [bool(c["true"]) for c in courses if c["beliefs"][-1] > 0.9]
    predicted = sum(int(r["predictions"]) for r in results)
    return Row(
        world,
        strategy,
        len(results),
        None if math.isinf(median) else median,
        _share(c["beliefs"][-1] > LIKELY for c in true),
        _share(c["first"] is not None for c in false),
        _share(c["beliefs"][-1] > LIKELY for c in false),
        sum(c["certified"] for c in true),
        sum(c["certified"] for c in false) + _false_best(results),
        sum(bool(r["best_certified"]) for r in results),
        _mean((c["beliefs"][-1] - c["true"]) ** 2 for c in courses),
        _share(sure) if sure else None,
        sum(float(r["expected_bits"]) for r in results),
        sum(float(r["gained_bits"]) for r in results),
        sum(float(r["inside_50"]) * int(r["predictions"]) for r in results) / predicted if predicted else None,
        sum(float(r["inside_90"]) * int(r["predictions"]) for r in results) / predicted if predicted else None,
        _median(r["regret"] for r in results),
        _median(r["regret_lucky"] for r in results),
        _mean(s for r in results for s in r["decision_seconds"]),
        sum(any(c["certified"] and not c["true"] for c in r["courses"]) or _false_best([r]) > 0 for r in results),
    )


def _false_best(results: Iterable[Result]) -> int:
    """Studies that certified a best configuration that is not truly better than the default."""
    return sum(bool(r["best_certified"]) and r["best_better"] is False for r in results)


def _share(flags: Iterable[bool]) -> float:
    return _mean(float(f) for f in flags)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return statistics.fmean(found) if found else math.nan


def _median(values: Iterable[float | None]) -> float | None:
    found = [float(v) for v in values if v is not None]
    return statistics.median(found) if found else None


def table(made: Sequence[Row], trials: int) -> str:
    """The rows in Markdown."""
    lines = ["| " + " | ".join(title for _, title in HEADER) + " |", "| " + " | ".join("---" for _ in HEADER) + " |"]
    lines += ["| " + " | ".join(_cell(row, key, trials) for key, _ in HEADER) + " |" for row in made]
    return "\n".join(lines) + "\n"


def _cell(row: Row, key: str, trials: int) -> str:
    if key == "learned_at":
        return f"> {trials}" if row.learned_at is None else f"{row.learned_at:.0f}"
    if key == "bits":
        return "" if row.expected_bits <= 0 else f"{row.gained_bits:.1f} / {row.expected_bits:.1f}"
    if key == "inside":
        return "" if row.inside_50 is None or row.inside_90 is None else f"{row.inside_50:.0%} / {row.inside_90:.0%}"
    value = getattr(row, key)
    if key in ("learned", "misled_ever", "misled", "sure_and_right"):
        return "" if value is None or math.isnan(value) else f"{value:.0%}"
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.2f}"
    return "" if value is None else str(value)


def calibration(results: Sequence[Result]) -> list[dict[str, object]]:
    """Beliefs at the end of all studies, by strategy and tenth: how many, their mean, and the share that is true."""
    made: list[dict[str, object]] = []
    for strategy in dict.fromkeys(str(r["strategy"]) for r in results):
        courses = [c for r in results if r["strategy"] == strategy for c in r["courses"] if c["beliefs"]]
        for tenth in range(10):
            inside = [c for c in courses if min(int(10 * c["beliefs"][-1]), 9) == tenth]
            if inside:
                mean, true = _mean(c["beliefs"][-1] for c in inside), _share(c["true"] for c in inside)
                made.append({"strategy": strategy, "tenth": tenth, "claims": len(inside), "mean": mean, "true": true})
    return made


def as_data(made: Sequence[Row]) -> list[dict[str, object]]:
    """The rows as JSON can hold them (NaN becomes None)."""
    return [{k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(row).items()} for row in made]


def chart(results: Sequence[Result], trials: int) -> dict[str, object]:
    """A Vega-Lite spec: for each world and strategy, the share of true theories believed by each trial."""
    data = []
    for world, strategy in sorted(dict.fromkeys((str(r["world"]), str(r["strategy"])) for r in results)):
        chosen = [r for r in results if (r["world"], r["strategy"]) == (world, strategy)]
        true = [c for r in chosen for c in r["courses"] if c["true"]]
        for trial in range(1, trials + 1):
            known = _share(c["first"] is not None and c["first"] <= trial for c in true)
            if not math.isnan(known):
                data.append({"world": world, "strategy": strategy, "trial": trial, "share": round(known, 4)})
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": f"Share of true theories believed above {LIKELY}",
        "data": {"values": data},
        "facet": {"field": "world", "type": "nominal", "columns": 4, "title": None},
        "spec": {
            "width": 180,
            "height": 120,
            "mark": {"type": "line", "interpolate": "step-after"},
            "encoding": {
                "x": {"field": "trial", "type": "quantitative", "title": "trials"},
                "y": {"field": "share", "type": "quantitative", "title": None, "scale": {"domain": [0, 1]}},
                "color": {"field": "strategy", "type": "nominal"},
            },
        },
    }
