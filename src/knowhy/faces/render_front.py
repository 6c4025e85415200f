"""Several objectives as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from knowhy.faces.render import Line, bar, row, settings
from knowhy.faces.text import one_line, safe
from knowhy.model.belief import Estimate
from knowhy.model.objective import Objective
from knowhy.views import PlacedView, words


def front_lines(placed: Sequence[PlacedView], objectives: Sequence[Objective]) -> list[Line]:
    """What may be on the front, in the order of the first objective."""
    if not placed:
        return ["no trial that completed keeps the constraints"]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("on the front", no_wrap=True)
    for o in objectives:
        table.add_column(f"{safe(o.metric)} (90%)", no_wrap=True)
    table.add_column("runs", justify="right", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    for view in placed:
        table.add_row(
            str(view.trial),
            f"{bar(view.on_front, 5)} {words.percent(view.on_front)}",
            *(words.estimate(e.middle, e.low, e.high).replace("90%: ", "") for e in view.estimates),
            str(view.runs),
            one_line(settings(view.changed, 5)),
        )
    goals = ", ".join(f"{o.direction} {safe(o.metric)}" for o in objectives)
    note = "probabilities and estimates by the posterior: lucky single runs do not count at their face"
    return [
        Text(goals, style="bold"),
        table,
        Text(note, style="dim"),
        Text("take one: knowhy best --pick N", style="dim"),
    ]


def pick_lines(view: PlacedView) -> list[Line]:
    """A configuration that was picked, against the default."""
    how = f"trial {view.trial}, {words.plural(view.runs, 'run')}"
    if view.chosen is not None:
        by = ", ".join(f"{safe(m)}={w:g}" for m, w in view.weights.items())
        how += f"; best by {by} with a probability of {words.percent(view.chosen)} among those tried"
    lines: list[Line] = [
        row("picked", how),
        row("front", f"on it with a probability of {words.percent(view.on_front)}"),
    ]
    for here, change in zip(view.estimates, view.against_default, strict=True):
        versus = f"; default {_signed(change)}" if view.changed else ""
        lines.append(row("", f"{safe(here.metric)} {_words(here)}{versus}"))
    for s in view.changed:
        value, default = (one_line(words.scalar(v), 60) for v in (s.value, s.default))
        lines.append(row("", f"{safe(s.parameter)} = {value}   (default {default})"))
    return lines if view.changed else [*lines, row("", "this is the default configuration")]


def hint_lines(placed: Sequence[PlacedView]) -> list[Line]:
    """That there is a front to choose from."""
    if len(placed) < 2:
        return []
    return [row("front", f"{len(placed)} configurations may be on it: knowhy front, knowhy best --pick N or --weights")]


def _words(estimate: Estimate) -> str:
    return words.estimate(estimate.middle, estimate.low, estimate.high)


def _signed(change: Estimate) -> str:
    side = "changes by" if change.low < 0 < change.high else "lies higher by" if change.middle < 0 else "lies lower by"
    if change.low < 0 < change.high:
        return f"{side} {words.number(-change.middle, (change.high - change.low) / 3)}, perhaps not at all"
    return f"{side} {words.number(abs(change.middle), (change.high - change.low) / 3)}"
