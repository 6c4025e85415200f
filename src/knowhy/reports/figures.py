"""Charts as Vega-Lite specifications: plain data, every number from a view.

Fields have fixed names, so that the names of a study's metrics and parameters are only ever titles and values.
"""

from __future__ import annotations

from collections.abc import Sequence

from knowhy.model.belief import MainEffect
from knowhy.model.objective import Objective
from knowhy.model.space import Interval, Parameter
from knowhy.model.state import State
from knowhy.reports.blocks import Figure
from knowhy.views import BeliefPoint, BestView, History, TheoryView, TrialView, front

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
Spec = dict[str, object]

BLUE, ORANGE, GREEN, RED, GREY = "#3f7fd0", "#d9780f", "#2b9a78", "#c94f4f", "#8a8f98"
PURPOSES = ("learn", "improve", "verify")
LINES = (BLUE, ORANGE, GREEN, "#b0589a", "#8b7a1f", "#2f9fb8", "#a0673a", "#7a6fd0", "#c2577a", "#6f8f3a", RED, GREY)
MOST_LINES = len(LINES)
MOST_POINTS = 300
"""Points a line is thinned to; the first and the last are kept."""


def _spec(width: int | str, height: int, **parts: object) -> Spec:
    return {"$schema": SCHEMA, "width": width, "height": height, **parts}


def _x_trial(title: str = "trial") -> Spec:
    return {
        "field": "trial",
        "type": "quantitative",
        "title": title,
        "axis": {"tickMinStep": 1, "format": "d", "grid": False},
        "scale": {"nice": False, "padding": 12},
    }


def _purpose(legend: bool = True) -> Spec:
    shared: Spec = {"field": "purpose", "type": "nominal", "title": None, **({} if legend else {"legend": None})}
    return {
        "color": {**shared, "scale": {"domain": list(PURPOSES), "range": [BLUE, ORANGE, GREEN]}},
        "shape": {**shared, "scale": {"domain": list(PURPOSES), "range": ["circle", "diamond", "square"]}},
    }


def _thin(points: Sequence[BeliefPoint]) -> list[BeliefPoint]:
    step = max(1, -(-len(points) // MOST_POINTS))
    kept = list(points[::step])
    if points and kept[-1] is not points[-1]:
        kept.append(points[-1])
    return kept


def history(rows: Sequence[TrialView], past: History, objective: Objective, default: float | None) -> Figure:
    """Every trial's objective by purpose, the best so far, the verified best, and the failures."""
    points = [
        {"trial": r.number, "value": r.value, "purpose": r.purpose, "reason": r.reason}
        for r in rows
        if r.value is not None
    ]
    best = [
        {"trial": p.trial, "value": value, "line": name}
        for p in past.best
        for value, name in ((p.raw, "best so far"), (p.verified, "verified best"))
        if value is not None
    ]
    failed = [{"trial": r.number, "kind": r.failure.kind, "reason": r.reason} for r in rows if r.failure]
    value: Spec = {"field": "value", "type": "quantitative", "title": objective.metric, "scale": {"zero": False}}
    layers: list[Spec] = [
        {
            "data": {"values": best},
            "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.75},
            "encoding": {
                "x": _x_trial(),
                "y": value,
                "strokeDash": {
                    "field": "line",
                    "type": "nominal",
                    "title": None,
                    "scale": {"domain": ["best so far", "verified best"], "range": [[1, 0], [5, 3]]},
                },
                "color": {"value": GREY},
            },
        },
        {
            "data": {"values": points},
            "mark": {"type": "point", "filled": True, "size": 52, "opacity": 0.9},
            "encoding": {
                "x": _x_trial(),
                "y": value,
                **_purpose(),
                "tooltip": [
                    {"field": "trial", "type": "quantitative", "title": "trial"},
                    {"field": "value", "type": "quantitative", "title": objective.metric, "format": ".5~g"},
                    {"field": "purpose", "title": "purpose"},
                    {"field": "reason", "title": "reason"},
                ],
            },
        },
    ]
    if default is not None:
        layers.insert(
            0,
            {
                "data": {"values": [{"value": default}]},
                "mark": {"type": "rule", "strokeDash": [2, 3], "color": GREY, "tooltip": {"content": "data"}},
                "encoding": {"y": {**value, "field": "value"}},
            },
        )
    if failed:
        layers.append(
            {
                "data": {"values": failed},
                "mark": {"type": "point", "shape": "cross", "angle": 45, "filled": True, "size": 70, "color": RED},
                "encoding": {
                    "x": _x_trial(),
                    "y": {"value": 4},
                    "tooltip": [
                        {"field": "trial", "type": "quantitative", "title": "trial"},
                        {"field": "kind", "title": "failed"},
                        {"field": "reason", "title": "reason"},
                    ],
                },
            }
        )
    arrow = "lower is better" if objective.direction == "minimize" else "higher is better"
    caption = (
        f"{objective.metric} of every trial ({arrow}), coloured by what the trial was for. The solid line is the best single value so far, "
        "the dashed one the best mean of verification runs"
        + (", the dotted rule the default" if default is not None else "")
        + (f". Crosses along the top: {len(failed)} failed." if failed else ".")
    )
    return Figure("history", "Every trial", caption, _spec("container", 300, layer=layers))


def beliefs(views: Sequence[TheoryView], past: History) -> Figure:
    """The beliefs of the theories that moved most, over the trials."""

    def moved(view: TheoryView) -> float:
        series = [view.prior or 0.5, *(b for _, b in view.trend)]
        return max(series) - min(series)

    chosen = sorted(views, key=lambda v: -moved(v))[:MOST_LINES]
    ids = [v.id for v in views if v in chosen]
    titles = {v.id: v.title for v in views}
    values = [
        {"trial": p.trial, "belief": p.belief, "theory": name, "title": titles[name]}
        for name in ids
        for p in _thin([p for p in past.beliefs if p.theory == name])
    ]
    shade: Spec = {"type": "rule", "strokeDash": [2, 3], "color": GREY, "opacity": 0.8}
    spec = _spec(
        "container",
        280,
        layer=[
            {
                "data": {"values": [{"y": 0.95}, {"y": 0.05}]},
                "mark": shade,
                "encoding": {"y": {"field": "y", "type": "quantitative"}},
            },
            {
                "data": {"values": values},
                "params": [{"name": "pick", "select": {"type": "point", "fields": ["theory"]}, "bind": "legend"}],
                "mark": {
                    "type": "line",
                    "strokeWidth": 2,
                    "interpolate": "monotone",
                    "point": {"size": 14, "filled": True},
                },
                "encoding": {
                    "x": _x_trial(),
                    "y": {
                        "field": "belief",
                        "type": "quantitative",
                        "title": "belief",
                        "scale": {"domain": [0, 1]},
                        "axis": {"format": "%", "values": [0, 0.25, 0.5, 0.75, 1]},
                    },
                    "color": {
                        "field": "theory",
                        "type": "nominal",
                        "title": None,
                        "scale": {"domain": ids, "range": list(LINES[: len(ids)])},
                    },
                    "opacity": {"condition": {"param": "pick", "value": 1}, "value": 0.12},
                    "tooltip": [
                        {"field": "theory", "title": "theory"},
                        {"field": "title", "title": "says"},
                        {"field": "trial", "type": "quantitative", "title": "after trial"},
                        {"field": "belief", "type": "quantitative", "title": "belief", "format": ".1%"},
                    ],
                },
            },
        ],
    )
    some = (
        f"The {len(chosen)} of {len(views)} theories whose belief moved most"
        if len(chosen) < len(views)
        else "Belief in each theory"
    )
    caption = f"{some}, after each trial; the dotted rules mark 95% and 5%. Click a theory in the legend to single it out (shift-click for several)."
    return Figure("beliefs", "Beliefs over time", caption, spec)


def effect(found: MainEffect, parameter: Parameter, span: tuple[float, float]) -> Figure:
    """How a metric responds to one parameter, with its 90% band, on the common vertical range ``span``."""
    domain = parameter.domain
    numeric = isinstance(domain, Interval)
    values = [
        {"setting": setting if numeric else str(setting), "mean": m, "low": low, "high": high}
        for setting, m, low, high in zip(found.values, found.mean, found.low, found.high, strict=True)
    ]
    x: Spec = {"field": "setting", "type": "nominal", "title": None, "sort": None, "axis": {"labelAngle": 0}}
    if isinstance(domain, Interval):
        scale: Spec = {"zero": False, "nice": False, "type": "log" if domain.scale == "log" else "linear"}
        x = {"field": "setting", "type": "quantitative", "title": None, "scale": scale}
        x["axis"] = {
            "tickCount": 4,
            "format": "~s" if domain.integer else "~g",
            "grid": False,
            "labelFlush": True,
            "labelOverlap": True,
        }
    y: Spec = {
        "type": "quantitative",
        "title": None,
        "scale": {"zero": False, "domain": list(span), "nice": True},
        "axis": {"tickCount": 4},
    }
    tooltip = [
        {"field": "setting", "type": "quantitative" if numeric else "nominal", "title": found.parameter},
        *(
            {"field": f, "type": "quantitative", "title": t, "format": ".4~g"}
            for f, t in (("mean", found.metric), ("low", "90% from"), ("high", "to"))
        ),
    ]
    band: Spec = (
        {"type": "area", "opacity": 0.18, "color": BLUE}
        if numeric
        else {"type": "rule", "strokeWidth": 2, "color": BLUE, "opacity": 0.5}
    )
    line: Spec = (
        {"type": "line", "color": BLUE, "strokeWidth": 2, "point": {"size": 22, "color": BLUE, "filled": True}}
        if numeric
        else {"type": "point", "filled": True, "size": 60, "color": BLUE}
    )
    layers: list[Spec] = [
        {"mark": band, "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
        {"mark": line, "encoding": {"x": x, "y": {**y, "field": "mean"}, "tooltip": tooltip}},
    ]
    if numeric and isinstance(parameter.default, (int, float)):
        layers.insert(
            0,
            {
                "data": {"values": [{"setting": parameter.default}]},
                "mark": {"type": "rule", "strokeDash": [2, 3], "color": GREY},
                "encoding": {"x": x},
            },
        )
    caption = f"{100 * found.importance:.0f}% of the variation ({100 * found.importance_low:.0f} to {100 * found.importance_high:.0f}%)"
    spec = _spec("container", 130, data={"values": values}, layer=layers)
    return Figure(f"effect-{found.metric}-{found.parameter}", found.parameter, caption, spec, small=True)


def effects(state: State, found: Sequence[MainEffect], most: int = 12) -> tuple[Figure, ...]:
    """Small multiples of the ``most`` important main effects, on one vertical scale."""
    shown = [e for e in sorted(found, key=lambda e: -e.importance)[:most] if e.values]
    if not shown:
        return ()
    span = (min(min(e.low) for e in shown), max(max(e.high) for e in shown))
    return tuple(effect(e, state.space[e.parameter], span) for e in shown)


def information(rows: Sequence[TrialView]) -> tuple[Figure, ...]:
    """Information gained against expected: trial by trial, and added up."""
    judged = [r for r in rows if r.gained_bits is not None]
    if not judged:
        return ()
    points = [
        {"trial": r.number, "expected": r.expected_bits, "gained": r.gained_bits, "purpose": r.purpose} for r in judged
    ]
    sums: list[dict[str, object]] = []
    expected = gained = 0.0
    for r in judged:
        expected += r.expected_bits
        gained += r.gained_bits or 0.0
        sums += [
            {"trial": r.number, "bits": expected, "line": "expected"},
            {"trial": r.number, "bits": gained, "line": "gained"},
        ]
    top = max(max(r.expected_bits, r.gained_bits or 0.0) for r in judged) or 1.0
    scatter = _spec(
        "container",
        220,
        layer=[
            {
                "data": {"values": [{"expected": 0, "gained": 0}, {"expected": top, "gained": top}]},
                "mark": {"type": "line", "strokeDash": [2, 3], "color": GREY, "strokeWidth": 1},
                "encoding": {
                    "x": {"field": "expected", "type": "quantitative"},
                    "y": {"field": "gained", "type": "quantitative"},
                },
            },
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 42, "opacity": 0.85},
                "encoding": {
                    "x": {
                        "field": "expected",
                        "type": "quantitative",
                        "title": "expected bits",
                        "axis": {"grid": False},
                    },
                    "y": {"field": "gained", "type": "quantitative", "title": "gained bits"},
                    **_purpose(),
                    "tooltip": [
                        {"field": "trial", "type": "quantitative", "title": "trial"},
                        {"field": "expected", "type": "quantitative", "title": "expected bits", "format": ".3~f"},
                        {"field": "gained", "type": "quantitative", "title": "gained bits", "format": ".3~f"},
                    ],
                },
            },
        ],
    )
    total = _spec(
        "container",
        220,
        data={"values": sums},
        mark={"type": "line", "strokeWidth": 2, "interpolate": "step-after", "tooltip": True},
        encoding={
            "x": _x_trial(),
            "y": {"field": "bits", "type": "quantitative", "title": "bits, added up"},
            "color": {
                "field": "line",
                "type": "nominal",
                "title": None,
                "scale": {"domain": ["expected", "gained"], "range": [GREY, BLUE]},
            },
            "strokeDash": {
                "field": "line",
                "type": "nominal",
                "title": None,
                "scale": {"domain": ["expected", "gained"], "range": [[4, 3], [1, 0]]},
            },
        },
    )
    return (
        Figure(
            "information",
            "Trial by trial",
            "On the dotted line a trial taught what it was expected to. A single trial may lose bits: it made a belief less sure.",
            scatter,
        ),
        Figure(
            "information-total", "Added up", "An engine that does not fool itself gains about what it expects.", total
        ),
    )


def duration(rows: Sequence[TrialView], objective: Objective) -> Figure | None:
    """The objective against the seconds that a trial took."""
    points = [
        {"trial": r.number, "seconds": r.duration, "value": r.value, "purpose": r.purpose}
        for r in rows
        if r.value is not None and r.duration is not None and r.duration > 0
    ]
    if not points:
        return None
    spec = _spec(
        "container",
        220,
        data={"values": points},
        mark={"type": "point", "filled": True, "size": 42, "opacity": 0.85},
        encoding={
            "x": {
                "field": "seconds",
                "type": "quantitative",
                "title": "seconds",
                "scale": {"type": "log", "nice": False, "padding": 10},
                "axis": {"grid": False, "tickCount": 5, "format": "~g", "labelOverlap": True},
            },
            "y": {"field": "value", "type": "quantitative", "title": objective.metric, "scale": {"zero": False}},
            **_purpose(),
            "tooltip": [
                {"field": "trial", "type": "quantitative", "title": "trial"},
                {"field": "value", "type": "quantitative", "title": objective.metric, "format": ".5~g"},
                {"field": "seconds", "type": "quantitative", "title": "seconds", "format": ".3~g"},
            ],
        },
    )
    return Figure("duration", "What time buys", f"{objective.metric} against the time that the trial took.", spec)


def fresh(best: BestView) -> Figure | None:
    """The fresh runs of the best configuration and of the default, one mark a run."""
    if not best.pairs:
        return None
    sides = (("best", best.fresh), ("default", best.default_fresh))
    values = [{"which": name, "value": v, "pair": i} for name, runs in sides for i, v in enumerate(runs, 1)]
    means = [{"which": name, "value": sum(runs) / len(runs)} for name, runs in sides]
    y: Spec = {
        "field": "which",
        "type": "nominal",
        "title": None,
        "sort": ["best", "default"],
        "axis": {"domain": False, "ticks": False, "labelFontSize": 13},
    }
    x: Spec = {"field": "value", "type": "quantitative", "title": best.metric, "scale": {"zero": False, "padding": 14}}
    colour: Spec = {
        "field": "which",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": ["best", "default"], "range": [GREEN, GREY]},
    }
    spec = _spec(
        "container",
        92,
        layer=[
            {
                "data": {"values": means},
                "mark": {"type": "tick", "thickness": 2, "size": 34},
                "encoding": {"x": x, "y": y, "color": colour},
            },
            {
                "data": {"values": values},
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 0.7},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": colour,
                    "tooltip": [
                        {"field": "which", "title": "configuration"},
                        {"field": "pair", "type": "quantitative", "title": "pair"},
                        {"field": "value", "type": "quantitative", "title": best.metric, "format": ".5~g"},
                    ],
                },
            },
        ],
    )
    pairs = "1 pair" if best.pairs == 1 else f"{best.pairs} pairs"
    return Figure(
        "fresh",
        "Fresh runs",
        f"{best.metric} on fresh seeds, the same for both ({pairs}); the bars are the means.",
        spec,
    )


def pareto(state: State, rows: Sequence[TrialView]) -> Figure | None:
    """The first two objectives against each other, with the trials that no other beats."""
    if len(state.objectives) < 2:
        return None
    one, two = state.objectives[:2]
    kept = {r.number for r in front(state)}
    points = [
        {
            "trial": r.number,
            "one": r.values[one.metric],
            "two": r.values[two.metric],
            "kind": "on the front" if r.number in kept else "beaten",
        }
        for r in rows
        if one.metric in r.values and two.metric in r.values
    ]
    if not points:
        return None
    spec = _spec(
        "container",
        280,
        data={"values": points},
        mark={"type": "point", "filled": True, "size": 55},
        encoding={
            "x": {
                "field": "one",
                "type": "quantitative",
                "title": one.metric,
                "scale": {"zero": False},
                "axis": {"grid": False},
            },
            "y": {"field": "two", "type": "quantitative", "title": two.metric, "scale": {"zero": False}},
            "color": {
                "field": "kind",
                "type": "nominal",
                "title": None,
                "scale": {"domain": ["on the front", "beaten"], "range": [BLUE, GREY]},
            },
            "opacity": {
                "field": "kind",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": ["on the front", "beaten"], "range": [1, 0.4]},
            },
            "tooltip": [
                {"field": "trial", "type": "quantitative", "title": "trial"},
                {"field": "one", "type": "quantitative", "title": one.metric, "format": ".5~g"},
                {"field": "two", "type": "quantitative", "title": two.metric, "format": ".5~g"},
            ],
        },
    )
    more = "" if len(state.objectives) == 2 else f" The front is that of all {len(state.objectives)} objectives."
    return Figure(
        "front",
        "The front",
        f"{one.metric} ({one.direction}) against {two.metric} ({two.direction}); single runs, noise included.{more}",
        spec,
    )
