"""How a study went: trials, beliefs, information and time."""

from __future__ import annotations

from collections.abc import Sequence

from knowhy.model.objective import Objective
from knowhy.reports.blocks import Figure
from knowhy.reports.figures.grammar import (
    BLUE,
    GREY,
    LINES,
    RED,
    Spec,
    chart,
    colours,
    name,
    number,
    points,
    purpose,
    rule,
    tips,
    trial,
    value,
    wide,
)
from knowhy.views import BeliefPoint, History, TheoryView, TrialView
from knowhy.views.words import plural

MOST_POINTS = 300
"""Points a line is thinned to; the first and the last are kept."""


def history(rows: Sequence[TrialView], past: History, objective: Objective, default: float | None) -> Figure:
    """Every trial's objective by purpose, the luckiest single run so far, the verified best, and the failures."""
    seen = [r.value for r in rows if r.value is not None]
    y = value(objective.metric, seen)
    lines = [
        {"trial": p.trial, "value": best, "line": line}
        for p in past.best
        for best, line in ((p.raw, "luckiest single run so far"), (p.verified, "verified best"))
        if best is not None
    ]
    ran = [
        {"trial": r.number, "value": r.value, "purpose": r.purpose, "reason": r.reason}
        for r in rows
        if r.value is not None
    ]
    failed = [{"trial": r.number, "kind": r.failure.kind, "reason": r.reason} for r in rows if r.failure]
    dashes = {"domain": ["luckiest single run so far", "verified best"], "range": [[1, 0], [5, 3]]}
    layers: list[Spec] = []
    if default is not None:
        layers.append(rule([{"value": default}], "y", y))
    if lines:
        layers.append(
            {
                "data": {"values": lines},
                "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.75, "color": GREY},
                "encoding": {"x": trial(), "y": y, "strokeDash": name("line", scale=dashes, legend={"offset": 24})},
            }
        )
    about = (("trial", "trial", "d"), ("value", objective.metric, ".5~g"), ("purpose", "purpose", ""))
    layers.append(
        {
            "data": {"values": ran},
            "mark": points(52),
            "encoding": {
                "x": trial(),
                "y": y,
                **purpose(24, {r.purpose for r in rows}),
                "tooltip": tips(*about, ("reason", "reason", "")),
            },
        }
    )
    if failed:
        about = (("trial", "trial", "d"), ("kind", "failed", ""), ("reason", "reason", ""))
        layers.append(
            {
                "data": {"values": failed},
                "mark": {"type": "point", "shape": "cross", "angle": 45, "filled": True, "size": 70, "color": RED},
                "encoding": {"x": trial(), "y": {"value": -9}, "tooltip": tips(*about)},
            }
        )
    better = "lower" if objective.direction == "minimize" else "higher"
    scale = "; log scale" if wide(seen) else ""
    caption = (
        f"{objective.metric} of every trial ({better} is better{scale}) by what the trial was for. "
        "The solid line is the best single value so far, the dashed one the best mean of verification runs"
        + (", the dotted rule the default" if default is not None else "")
        + (f". Crosses along the top: {plural(len(failed), 'failed trial')}." if failed else ".")
    )
    return Figure("history", "Every trial", caption, chart(f"Every trial. {caption}", 300, layer=layers))


def beliefs(views: Sequence[TheoryView], past: History) -> Figure:
    """The beliefs of the theories that moved most, over the trials."""

    def moved(view: TheoryView) -> float:
        series = [*(() if view.prior is None else (view.prior,)), *(b for _, b in view.trend)]
        return max(series) - min(series) if series else 0.0

    chosen = {v.id for v in sorted(views, key=lambda v: -moved(v))[: len(LINES)]}
    ids = [v.id for v in views if v.id in chosen]
    titles = {v.id: v.title for v in views}
    values = [
        {"ended": p.ended, "trial": p.trial, "belief": p.belief, "theory": theory, "title": titles[theory]}
        for theory in ids
        for p in thin([p for p in past.beliefs if p.theory == theory])
    ]
    y = number("belief", "belief", scale={"domain": [0, 1]}, axis={"format": "%", "values": [0, 0.25, 0.5, 0.75, 1]})
    about = (
        ("theory", "theory", ""),
        ("title", "says", ""),
        ("trial", "after trial", "d"),
        ("belief", "belief", ".1%"),
    )
    lines: Spec = {
        "data": {"values": values},
        "params": [{"name": "pick", "select": {"type": "point", "fields": ["theory"]}, "bind": "legend"}],
        "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 14, "filled": True}},
        "encoding": {
            "x": trial("ended", "trials ended"),
            "y": y,
            "color": colours("theory", ids, LINES[: len(ids)]),
            "opacity": {"condition": {"param": "pick", "value": 1}, "value": 0.1},
            "tooltip": tips(*about),
        },
    }
    some = "The belief in each theory" if len(ids) == len(views) else "The belief in the theories that moved most"
    count = "" if len(ids) == len(views) else f" ({len(ids)} of {len(views)})"
    caption = (
        f"{some}{count} after each trial; the dotted rules mark 95% and 5%. "
        "Click a theory in the legend to single it out, shift-click for several."
    )
    spec = chart(
        f"Beliefs over time. {caption}", 280, layer=[rule([{"belief": 0.95}, {"belief": 0.05}], "y", y), lines]
    )
    return Figure("beliefs", "Beliefs over time", caption, spec)


def thin(series: Sequence[BeliefPoint]) -> list[BeliefPoint]:
    """``series`` with at most about ``MOST_POINTS`` members, evenly spaced, the ends kept."""
    step = max(1, -(-len(series) // MOST_POINTS))
    kept = list(series[::step])
    if kept and kept[-1] is not series[-1]:
        kept.append(series[-1])
    return kept


def information(rows: Sequence[TrialView]) -> tuple[Figure, ...]:
    """Information gained against expected: trial by trial, and added up, where any was expected."""
    judged = [(r, r.gained_bits) for r in rows if r.gained_bits is not None and r.expected_bits > 0]
    if not judged:
        return ()
    told: list[Spec] = [
        {"trial": r.number, "expected": r.expected_bits, "gained": bits, "purpose": r.purpose} for r, bits in judged
    ]
    sums: list[Spec] = []
    expected = gained = 0.0
    for r, bits in judged:
        expected, gained = expected + r.expected_bits, gained + bits
        sums.append({"trial": r.number, "bits": expected, "line": "expected"})
        sums.append({"trial": r.number, "bits": gained, "line": "gained"})
    top = max(max(r.expected_bits, bits) for r, bits in judged) or 1.0
    x, y = number("expected", "expected bits", axis={"grid": False, "tickCount": 6}), number("gained", "gained bits")
    equal: Spec = {
        "data": {"values": [{"expected": 0, "gained": 0}, {"expected": top, "gained": top}]},
        "mark": {"type": "line", "strokeDash": [2, 3], "color": GREY, "strokeWidth": 1},
        "encoding": {"x": x, "y": y},
    }
    about = (("trial", "trial", "d"), ("expected", "expected bits", ".3~f"), ("gained", "gained bits", ".3~f"))
    cloud: Spec = {
        "data": {"values": told},
        "mark": points(),
        "encoding": {"x": x, "y": y, **purpose(), "tooltip": tips(*about)},
    }
    single = (
        "A trial on the dotted line taught what it was expected to. "
        "A single trial may lose bits: it made a belief less sure."
    )
    added = "Over the trials that were to teach, an engine that does not fool itself gains about what it expects."
    total = chart(
        f"Information added up. {added}",
        220,
        data={"values": sums},
        mark={"type": "line", "strokeWidth": 2, "interpolate": "step-after", "tooltip": True},
        encoding={
            "x": trial(),
            "y": number("bits", "bits, added up"),
            "color": colours("line", ("expected", "gained"), (GREY, BLUE)),
            "strokeDash": name("line", scale={"domain": ["expected", "gained"], "range": [[4, 3], [1, 0]]}),
        },
    )
    return (
        Figure("information", "Trial by trial", single, chart(f"Information. {single}", 220, layer=[equal, cloud])),
        Figure("information-total", "Added up", added, total),
    )


def duration(rows: Sequence[TrialView], objective: Objective) -> Figure | None:
    """The objective against the seconds that a trial took."""
    ran = [
        {"trial": r.number, "seconds": r.duration, "value": r.value, "purpose": r.purpose}
        for r in rows
        if r.value is not None and r.duration is not None and r.duration > 0
    ]
    if not ran:
        return None
    axis = {"grid": False, "tickCount": 5, "format": "~g", "labelOverlap": True}
    about = (("trial", "trial", "d"), ("value", objective.metric, ".5~g"), ("seconds", "seconds", ".3~g"))
    caption = f"{objective.metric} against the time that the trial took (log scale)."
    spec = chart(
        f"What time buys. {caption}",
        220,
        data={"values": ran},
        mark=points(),
        encoding={
            "x": number("seconds", "seconds", scale={"type": "log", "nice": False, "padding": 10}, axis=axis),
            "y": value(objective.metric, [r.value for r in rows if r.value is not None]),
            **purpose(seen={r.purpose for r in rows}),
            "tooltip": tips(*about),
        },
    )
    return Figure("duration", "What time buys", caption, spec)
