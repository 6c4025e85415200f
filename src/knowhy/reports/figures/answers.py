"""What was found: effects of the parameters, best against default, trade-offs."""

from __future__ import annotations

from collections.abc import Sequence

from knowhy.model.belief import MainEffect
from knowhy.model.space import Interval, Parameter
from knowhy.model.state import State
from knowhy.reports.blocks import Figure
from knowhy.reports.figures.grammar import (
    BLUE,
    GREEN,
    GREY,
    Spec,
    chart,
    colours,
    name,
    number,
    points,
    rule,
    tips,
)
from knowhy.views import BestView, PlacedView, TrialView
from knowhy.views.words import percent, plural

MOST_EFFECTS = 12


def effects(state: State, found: Sequence[MainEffect]) -> tuple[Figure, ...]:
    """Small multiples of the most important main effects, on one vertical scale."""
    shown = [e for e in sorted(found, key=lambda e: -e.importance)[:MOST_EFFECTS] if e.values]
    if not shown:
        return ()
    span = (min(min(e.low) for e in shown), max(max(e.high) for e in shown))
    return tuple(effect(e, state.space[e.parameter], span) for e in shown)


def effect(found: MainEffect, parameter: Parameter, span: tuple[float, float]) -> Figure:
    """How a metric responds to one parameter, with its 90% band, on the vertical range ``span``."""
    domain = parameter.domain
    ordered = isinstance(domain, Interval)
    values: list[Spec] = [
        {"setting": setting if ordered else str(setting), "mean": mean, "low": low, "high": high}
        for setting, mean, low, high in zip(found.values, found.mean, found.low, found.high, strict=True)
    ]
    share = f"{percent(found.importance_low)} to {percent(found.importance_high)}"
    caption = f"{percent(found.importance)} of the variation ({share})"
    scale = {"zero": False, "domain": list(span), "nice": True}
    y = {"type": "quantitative", "title": None, "scale": scale, "axis": {"tickCount": 4, "format": "~g"}}
    what = "d" if ordered and isinstance(domain, Interval) and domain.integer else ".4~g" if ordered else ""
    bounds = (("mean", found.metric, ".4~g"), ("low", "90% from", ".4~g"), ("high", "to", ".4~g"))
    tooltip = tips(("setting", found.parameter, what), *bounds)
    layers: list[Spec] = []
    x = name("setting", sort=None, axis={"labelAngle": 0, "labelOverlap": True})
    band: Spec = {"type": "rule", "strokeWidth": 3, "color": BLUE, "opacity": 0.35}
    line: Spec = {"type": "point", "filled": True, "size": 60, "color": BLUE}
    if isinstance(domain, Interval):
        x = _setting(domain)
        band = {"type": "area", "opacity": 0.18, "color": BLUE}
        line = {"type": "line", "color": BLUE, "strokeWidth": 2, "point": {"size": 22, "color": BLUE, "filled": True}}
        layers.append(rule([{"setting": parameter.default}], "x", x))
    layers.append({"mark": band, "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}})
    layers.append({"mark": line, "encoding": {"x": x, "y": {**y, "field": "mean"}, "tooltip": tooltip}})
    spec = chart(f"{found.metric} against {found.parameter}: {caption}", 130, data={"values": values}, layer=layers)
    return Figure(f"effect-{found.metric}-{found.parameter}", found.parameter, caption, spec, small=True)


def _setting(domain: Interval) -> Spec:
    scale: Spec = {"type": "log", "nice": False} if domain.scale == "log" else {"zero": False, "nice": False}
    if domain.power_of_two:
        scale["base"] = 2
    form = "~s" if domain.integer else "~e" if domain.scale == "log" and domain.low < 1e-3 else "~g"
    axis = {"tickCount": 4, "format": form, "grid": False, "labelOverlap": True}
    return number("setting", scale=scale, axis=axis)


def fresh(best: BestView) -> Figure | None:
    """The fresh runs of the best configuration and of the default, one mark a run."""
    if not best.pairs:
        return None
    sides = (("best", best.fresh), ("default", best.default_fresh))
    runs = [{"which": side, "value": v, "pair": i} for side, values in sides for i, v in enumerate(values, 1)]
    means = [{"which": side, "value": sum(values) / len(values)} for side, values in sides]
    y = name("which", sort=["best", "default"], axis={"domain": False, "ticks": False, "labelFontSize": 13})
    x = number("value", best.metric, scale={"zero": False, "padding": 14}, axis={"tickCount": 7})
    colour = colours("which", ("best", "default"), (GREEN, GREY), legend=False)
    about = (("which", "configuration", ""), ("pair", "pair", "d"), ("value", best.metric, ".5~g"))
    bars: Spec = {
        "data": {"values": means},
        "mark": {"type": "tick", "thickness": 2.5, "size": 34},
        "encoding": {"x": x, "y": y, "color": colour},
    }
    marks: Spec = {
        "data": {"values": runs},
        "mark": points(70),
        "encoding": {"x": x, "y": y, "color": colour, "tooltip": tips(*about)},
    }
    caption = f"{best.metric} on fresh seeds, the same for both ({plural(best.pairs, 'pair')}); the bars are the means."
    return Figure("fresh", "Fresh runs", caption, chart(f"Fresh runs. {caption}", 92, layer=[bars, marks]))


def pareto(state: State, rows: Sequence[TrialView], placed: Sequence[PlacedView]) -> Figure | None:
    """The first two objectives against each other: estimates of what may be on the front, over single runs."""
    if len(state.objectives) < 2:
        return None
    one, two = state.objectives[:2]
    ran = [
        {
            "trial": r.number,
            "one": r.values[one.metric],
            "two": r.values[two.metric],
            "kind": "single run",
            "front": 0.0,
        }
        for r in rows
        if one.metric in r.values and two.metric in r.values
    ]
    if not ran:
        return None
    ran += [
        {
            "trial": p.trial,
            "one": p.estimates[0].middle,
            "two": p.estimates[1].middle,
            "kind": "may be on the front",
            "front": p.on_front,
        }
        for p in placed
    ]
    kinds = ("may be on the front", "single run")
    about = (
        ("trial", "trial", "d"),
        ("one", one.metric, ".5~g"),
        ("two", two.metric, ".5~g"),
        ("front", "on the front", ".0%"),
    )
    more = "" if len(state.objectives) == 2 else f" The front is that of all {len(state.objectives)} objectives."
    caption = (
        f"{one.metric} ({one.direction}) against {two.metric} ({two.direction}): single runs, noise included, and the "
        f"posterior's estimates of what may be on the front.{more}"
    )
    spec = chart(
        f"The front. {caption}",
        280,
        data={"values": ran},
        mark={"type": "point", "filled": True, "size": 55},
        encoding={
            "x": number("one", one.metric, scale={"zero": False}, axis={"grid": False, "tickCount": 7}),
            "y": number("two", two.metric, scale={"zero": False}),
            "color": colours("kind", kinds, (BLUE, GREY)),
            "opacity": name("kind", legend=None, scale={"domain": list(kinds), "range": [1, 0.45]}),
            "tooltip": tips(*about),
        },
    )
    return Figure("front", "The front", caption, spec)
