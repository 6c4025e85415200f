"""A comparison of strategies as a document."""

from __future__ import annotations

from typing import Literal

from knowhy.reports.blocks import (
    Block,
    Code,
    Document,
    Fact,
    Facts,
    Figure,
    Figures,
    Items,
    Paragraph,
    Section,
    Strong,
    Table,
    Text,
)
from knowhy.reports.figures.grammar import LINES, chart, colours, name, number, tips, trial, value
from knowhy.reports.html import page
from knowhy.reports.markdown import text_of
from knowhy.views import ComparisonView, StrategyView, words


def write_comparison(view: ComparisonView, form: Literal["html", "md"] = "html") -> str:
    """``view`` as an HTML page that needs nothing else, or as Markdown."""
    made = comparison_document(view)
    return page(made) if form == "html" else text_of(made)


def comparison_document(view: ComparisonView) -> Document:
    """The comparison: what the numbers show, the table, what each knows and found, the course of each."""
    ran = [s for s in view.strategies if s.chosen]
    sections = [_answer(view), _knowledge(ran), _found(view, ran), _course(view, ran), _how(view)]
    subtitle = (
        f"{view.direction} {view.metric}: {', '.join(s.strategy for s in ran)}, "
        f"{words.plural(view.trials, 'trial')} each, {words.plural(view.repeats, 'repeat')}"
    )
    return Document(f"{view.name}: strategies compared", subtitle, tuple(sections), ("Written by knowhy.",))


def _answer(view: ComparisonView) -> Section:
    blocks: list[Block] = [
        Paragraph((sentence,), "lead" if i == 0 else "plain") for i, sentence in enumerate(view.verdict)
    ]
    ran = [s for s in view.strategies if s.chosen]
    sign = 1.0 if view.direction == "minimize" else -1.0
    top = min((s for s in ran if s.value is not None), key=lambda s: sign * (s.value or 0.0), default=None)
    facts = [Fact("default", words.number(view.default), f"{view.metric} on fresh seeds")]
    if top is not None:
        facts.insert(0, Fact(top.strategy, words.number(top.value, top.error), f"best {view.metric} on fresh seeds"))
    blocks.append(Facts(tuple(facts)))
    columns = (
        "strategy",
        f"{view.metric}, fresh",
        "better than default",
        "certified",
        "supported",
        "refuted",
        "trials",
    )
    rows: list[tuple[Text, ...]] = []
    for s in view.strategies:
        if not s.chosen:
            rows.append(((s.strategy,), (f"left out: {s.left_out}",), *((("–",),) * 7)))
            continue
        rows.append(
            (
                (Strong(s.strategy) if s is top else s.strategy,),
                (words.plus_minus(s.value, s.error) if s.value is not None else "failed",),
                (words.number(s.improvement, s.error),),
                (words.number(s.certified),),
                (words.number(s.supported),),
                (words.number(s.refuted),),
                (f"{words.number(s.trials)}" + (f" ({words.number(s.failed)} failed)" if s.failed else ""),),
                (words.seconds(s.training),),
                (words.seconds(s.wall),),
            )
        )
    table = Table(
        "Quality, knowledge and cost",
        (*columns, "training", "in all"),
        tuple(rows),
        frozenset(range(1, 9)),
    )
    return Section("answer", "What the comparison shows", "Answer", (*blocks, table))


def _knowledge(ran: list[StrategyView]) -> Section:
    blocks: list[Block] = []
    for s in ran:
        items: list[Text] = [(Strong("certified "), claim) for claim in s.certificates]
        items += [(claim,) for claim in s.known if claim not in s.certificates]
        blocks.append(Paragraph((Strong(s.strategy), f": {len(items) or 'no'} theories known in every repeat")))
        if items:
            blocks.append(Items(tuple(items)))
    return Section("knowledge", "What each knows afterwards", "Knowledge", tuple(blocks))


def _found(view: ComparisonView, ran: list[StrategyView]) -> Section:
    rows: list[tuple[Text, ...]] = []
    for s in ran:
        for chosen in s.chosen:
            setting = ", ".join(f"{c.parameter} = {words.scalar(c.value)}" for c in chosen.changed)
            fresh = ", ".join("failed" if v is None else words.number(v) for v in chosen.fresh)
            rows.append(
                (
                    (s.strategy,),
                    (str(chosen.repeat),),
                    (words.number(chosen.promised),),
                    (words.number(chosen.value),),
                    (fresh or "–",),
                    (Code(setting) if setting else "the default",),
                )
            )
    note = (
        "What a strategy promises is the value by which it chose: for the classic ones that is the best single run, "
        "which was selected for being good and flatters itself. Only runs on fresh seeds are compared."
    )
    table = Table(
        "Chosen configurations",
        ("strategy", "repeat", "promised", "fresh mean", "fresh runs", "configuration"),
        tuple(rows),
        frozenset({1, 2, 3}),
    )
    return Section("found", "What each found", "Found", (Paragraph((note,), "note"), table))


def _course(view: ComparisonView, ran: list[StrategyView]) -> Section:
    values = [{"trial": place, "value": best, "strategy": s.strategy} for s in ran for place, best in s.course]
    names = [s.strategy for s in ran]
    caption = (
        f"The best single value of {view.metric} after each trial of the first repeat, as it was observed: "
        "noise included, and theory spends part of its trials on learning and verifying."
    )
    layer: dict[str, object] = {
        "data": {"values": values},
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2},
        "encoding": {
            "x": trial(title="trials ended"),
            "y": value(view.metric, [v for s in ran for _, v in s.course]),
            "color": colours("strategy", names, LINES[: len(names)]),
            "strokeDash": name("strategy", legend=None),
            "detail": number("repeat"),
            "tooltip": tips(("strategy", "strategy", ""), ("trial", "trials", "d"), ("value", view.metric, ".5~g")),
        },
    }
    figure = Figure("course", "Best so far", caption, chart(f"Best so far. {caption}", 280, **layer))
    return Section(
        "course", "How each went", "Course", (Figures((figure,)),) if values else (Paragraph(("No trials.",)),)
    )


def _how(view: ComparisonView) -> Section:
    items: tuple[Text, ...] = (
        (f"Each strategy has {words.plural(view.trials, 'trial')}, verification included, and a study of its own.",),
        (
            f"What each chose, and the default, then ran on the same {words.plural(view.fresh, 'fresh seed')} that no "
            "strategy had seen; these runs are not part of any budget.",
        ),
        ("Beliefs are computed from each study's trials in the same way, whatever chose the trials.",),
        ("With one repeat, differences say how these runs went, not how good a strategy is in general.",),
    )
    return Section("how", "How it was measured", "Method", (Items(items),))
