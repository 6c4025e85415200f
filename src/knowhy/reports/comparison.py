"""The best configuration against the default."""

from __future__ import annotations

from knowhy.model.space import describe
from knowhy.model.state import State
from knowhy.reports import figures
from knowhy.reports.blocks import Block, Code, Figures, Fold, Items, Paragraph, Section, Table, Text
from knowhy.reports.cards import certificate
from knowhy.views import BestView, certificates
from knowhy.views.words import estimate, number, plural, plus_minus, scalar


def best_section(state: State, best: BestView | None) -> Section | None:
    """The best configuration: its parameters, the numbers on both sides, and what was verified."""
    if best is None:
        return None
    space = state.space
    differing = {s.parameter for s in best.changed}
    blocks: list[Block] = []
    if best.changed:
        rows: tuple[tuple[Text, ...], ...] = tuple(
            ((Code(s.parameter),), (scalar(s.value),), (scalar(s.default),), (describe(space[s.parameter]),))
            for s in best.changed
        )
        blocks.append(
            Table(
                "Parameters that differ from the default",
                ("parameter", "best", "default", "searched"),
                rows,
                frozenset({1, 2}),
            )
        )
    chart = figures.fresh(best)
    if chart is not None:
        blocks.append(Figures((chart,)))
    blocks.append(_comparison(best))
    checked = certificates(state, "")
    if checked:
        blocks.append(Paragraph(("Compared with the default on fresh pairs:",)))
        blocks.append(Items(tuple(certificate(c) for c in checked)))
    same = tuple(p for p in space if p.name not in differing)
    if same:
        kept: tuple[tuple[Text, ...], ...] = tuple(
            ((Code(p.name),), (scalar(p.default),), (describe(p) if p.active else "held at its default",)) for p in same
        )
        blocks.append(
            Fold(
                f"{plural(len(same), 'parameter')} at the default",
                (Table("Parameters at their default", ("parameter", "value", "searched"), kept, frozenset({1})),),
            )
        )
    return Section("best", "Best against default", "Best", tuple(blocks))


def _comparison(best: BestView) -> Table:
    noise = best.noise
    rows: list[tuple[Text, ...]] = [
        (
            ("expected",),
            (estimate(best.value, best.low, best.high),),
            (number(best.default_value, noise),),
        )
    ]
    if best.fresh_value is not None:
        rows.append(
            (
                (f"mean of fresh runs ({len(best.fresh)}, {len(best.default_fresh)})",),
                (number(best.fresh_value, noise),),
                (number(best.fresh_default, noise),),
            )
        )
    gain = number(best.improvement, noise)
    if best.improvement_low is not None and best.improvement_high is not None:
        gain = plus_minus(best.improvement, (best.improvement_high - best.improvement_low) / 2) + " (95%)"
    rows.append(((f"improvement ({'fresh pairs' if best.pairs else 'expected'})",), (gain,), ("–",)))
    rows.append((("noise of one run (sd)",), (number(noise, noise),), ("–",)))
    return Table(f"{best.metric}, {best.direction}d", ("", "best", "default"), tuple(rows), frozenset({1, 2}))
