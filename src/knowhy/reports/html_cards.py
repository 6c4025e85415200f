"""A theory's card in HTML, with its belief over time drawn as inline SVG."""

from __future__ import annotations

from html import escape

from knowhy.reports.blocks import Text
from knowhy.reports.cards import LISTED, card
from knowhy.reports.spans import anchor, clean, spans
from knowhy.views import Explanation, TheoryView
from knowhy.views.words import percent, sentence

WIDTH, HEIGHT, EDGE = 260, 84, 6
MOST_POINTS = 200
SIGNS = {
    "certified": "✓",
    "supported": "▲",
    "leaning for": "△",
    "open": "○",
    "leaning against": "▽",
    "refuted": "▼",
}


def theory_card(found: Explanation) -> str:
    """The card of one theory."""
    view, says = found.theory, card(found)
    kind = says.status.replace(" ", "-")
    flags = '<span class="flag">exploratory</span>' if says.exploratory else ""
    facts = "".join(f"<dt>{escape(label)}</dt><dd>{spans(text)}</dd>" for label, text in says.facts)
    claims = "".join(f"<li>{spans(c)}</li>" for c in says.claims)
    reason = escape(sentence(clean(says.because)))
    because = f'<p class="because"><span>Because</span> {reason}</p>' if says.because else ""
    neutral = f'<p class="neutral">{escape(says.neutral)}.</p>' if says.neutral else ""
    untold = '<p class="none">No trial had a stake in it beforehand; the belief comes from all trials together.</p>'
    sides = _side("For", says.evidence_for) + _side("Against", says.evidence_against)
    evidence = f'<div class="evidence">{sides}</div>' if says.evidence_for or says.evidence_against else untold
    name, sign = escape(clean(says.id)), f'<span aria-hidden="true">{SIGNS[view.status]}</span>'
    return (
        f'<article class="theory {kind}" id="{anchor(says.id)}" aria-label="Theory {name}">'
        f'<header><span class="id">{name}</span><h4>{escape(clean(says.title))}</h4>'
        f'<span class="status">{sign} {says.status}</span>{flags}</header>'
        f'<div class="split"><div>{because}<ul class="claims">{claims}</ul></div>'
        f'<div class="belief">{_trend(view)}</div></div>'
        f'<dl class="about">{facts}</dl>{evidence}{neutral}</article>'
    )


def _side(title: str, lines: tuple[Text, ...]) -> str:
    if not lines:
        return f'<div><h5>{title}</h5><p class="none">no trial</p></div>'
    first = "".join(f"<li>{spans(line)}</li>" for line in lines[:LISTED])
    rest = "".join(f"<li>{spans(line)}</li>" for line in lines[LISTED:])
    fold = f"<details><summary>{len(lines) - LISTED} more</summary><ul>{rest}</ul></details>" if rest else ""
    return f"<div><h5>{title} <span>{len(lines)}</span></h5><ul>{first}</ul>{fold}</div>"


def _trend(view: TheoryView) -> str:
    """Belief over trials from the prior (ring) to now (dot); the rules are 95%, 50% and 5%."""
    if view.belief is None or view.prior is None:
        return '<p class="none">Not judged yet.</p>'
    step = max(1, -(-len(view.trend) // MOST_POINTS))
    series = [view.prior, *(b for _, b in view.trend[step - 1 :: step])]
    if view.trend and series[-1] != view.trend[-1][1]:
        series.append(view.trend[-1][1])
    across = (WIDTH - 2 * EDGE) / max(1, len(series) - 1)

    def height(belief: float) -> float:
        return round(EDGE + (HEIGHT - 2 * EDGE) * (1 - belief), 1)

    points = [(round(EDGE + across * i, 1), height(belief)) for i, belief in enumerate(series)]
    line = " ".join(f"{x},{y}" for x, y in points)
    rules = "".join(
        f'<line class="{name}" x1="0" x2="{WIDTH}" y1="{height(b)}" y2="{height(b)}"/>'
        for b, name in ((0.95, "bound"), (0.5, "half"), (0.05, "bound"))
    )
    (x0, y0), (x1, y1) = points[0], points[-1]
    words = f"belief from {percent(view.prior)} to {percent(view.belief)}, {view.direction}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">{rules}'
        f'<polyline points="{line}"/><circle class="prior" cx="{x0}" cy="{y0}" r="3.5"/>'
        f'<circle class="now" cx="{x1}" cy="{y1}" r="4.5"/></svg>'
        f'<p class="ends"><span>{percent(view.prior)}</span><strong>{percent(view.belief)}</strong></p>'
    )
