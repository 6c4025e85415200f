"""What the charts share: colours, axes, tooltips. Colours keep 3:1 against light and dark paper."""

from __future__ import annotations

from collections.abc import Collection, Sequence

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
Spec = dict[str, object]

BLUE, ORANGE, GREEN, RED, GREY = "#3f7fd0", "#d9780f", "#2b9a78", "#c94f4f", "#8a8f98"
PURPOSES = ("learn", "improve", "verify")
OBSERVE = "observe"
LINES = (BLUE, ORANGE, GREEN, "#b0589a", "#94831f", "#2f9fb8", "#a0673a", "#7a6fd0", "#c2577a", "#6f8f3a", RED, GREY)
DOTTED: list[int] = [2, 3]
WIDE = 4.0


def chart(description: str, height: int, **parts: object) -> Spec:
    """A chart as wide as its place and ``height`` pixels high; ``parts`` are those of the specification."""
    return {"$schema": SCHEMA, "description": description, "width": "container", "height": height, **parts}


def number(field: str, title: str | None = None, **more: object) -> Spec:
    """A quantitative channel."""
    return {"field": field, "type": "quantitative", "title": title, **more}


def name(field: str, title: str | None = None, **more: object) -> Spec:
    """A nominal channel."""
    return {"field": field, "type": "nominal", "title": title, **more}


def value(title: str, values: Sequence[float]) -> Spec:
    """The vertical axis for an objective's ``values``."""
    return number("value", title, scale=spread(values), axis={"tickCount": 6, "format": "~g"})


def wide(values: Sequence[float]) -> bool:
    """Whether ``values`` are positive and so far apart that only a log scale shows the small ones."""
    return bool(values) and 0 < WIDE * min(values) < max(values)


def spread(values: Sequence[float]) -> Spec:
    """A scale on which ``values`` can be told apart."""
    return {"type": "log", "nice": False, "padding": 8} if wide(values) else {"zero": False}


def trial(field: str = "trial", title: str = "trial") -> Spec:
    """The horizontal axis of trials."""
    return number(
        field,
        title,
        axis={"tickMinStep": 1, "tickCount": 12, "format": "d", "grid": False},
        scale={"nice": False, "padding": 12},
    )


def purpose(offset: int = 10, seen: Collection[str] = ()) -> Spec:
    """Colour and shape by what a trial was for; the legend stands ``offset`` pixels above the chart.

    Trials that were imported have a place in it where they are among those ``seen``.
    """
    legend = {"offset": offset}
    domain, colours, shapes = list(PURPOSES), [BLUE, ORANGE, GREEN], ["circle", "diamond", "square"]
    if OBSERVE in seen:
        domain, colours, shapes = [*domain, OBSERVE], [*colours, GREY], [*shapes, "triangle-up"]
    return {
        "color": name("purpose", scale={"domain": domain, "range": colours}, legend=legend),
        "shape": name("purpose", scale={"domain": domain, "range": shapes}, legend=legend),
    }


def colours(field: str, domain: Sequence[str], palette: Sequence[str], *, legend: bool = True) -> Spec:
    """Colours for the members of ``domain``, in its order."""
    channel = name(field, scale={"domain": list(domain), "range": list(palette)})
    return channel if legend else {**channel, "legend": None}


def tips(*fields: tuple[str, str, str]) -> list[Spec]:
    """A tooltip: field, label and number format ("" for text)."""
    return [number(f, label, format=form) if form else name(f, label) for f, label, form in fields]


def points(size: int = 42) -> Spec:
    """Filled marks, a little transparent where they overlap."""
    return {"type": "point", "filled": True, "size": size, "opacity": 0.85}


def rule(values: list[Spec], axis: str, channel: Spec) -> Spec:
    """Dotted rules at ``values``."""
    return {
        "data": {"values": values},
        "mark": {"type": "rule", "strokeDash": DOTTED, "color": GREY},
        "encoding": {axis: channel},
    }
