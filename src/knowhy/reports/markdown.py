"""The report as Markdown (the GitHub dialect): the same content, with tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never

from knowhy.model.state import State
from knowhy.reports.blocks import (
    Block,
    Code,
    Document,
    Facts,
    Figure,
    Figures,
    Fold,
    Items,
    Log,
    Paragraph,
    Span,
    Strong,
    Table,
    Text,
    Theories,
    TheoryLink,
    TrialLink,
    Trials,
)
from knowhy.reports.cards import LISTED, card
from knowhy.reports.document import document
from knowhy.reports.spans import clean
from knowhy.views import Explanation, Mind, TrialView
from knowhy.views.words import between, heading, number, percent, scalar, seconds, sentence

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~])")
_STARTS = re.compile(r"^(\s*)([-+#]|\d+[.)])(?=\s)")


def write_markdown(state: State, mind: Mind, *, journal: str = "") -> str:
    """The report on ``state`` as Markdown; ``journal`` is named in "how to reproduce"."""
    return text_of(document(state, mind, journal))


def text_of(found: Document) -> str:
    """``found`` as Markdown."""
    parts = [f"# {literal(found.title)}", literal(found.subtitle)]
    for section in found.sections:
        parts.append(f"## {section.title}")
        parts += [_block(b) for b in section.blocks]
    parts += ["---", spans(found.footer)]
    return "\n\n".join(p for p in parts if p) + "\n"


def literal(text: str) -> str:
    """``text`` such that Markdown shows it as it is, in one line."""
    flat = " ".join(clean(text).split())
    flat = flat.replace("&", "&amp;")
    return _STARTS.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", flat))


def code(text: str) -> str:
    """``text`` as inline code, whatever backticks it holds."""
    flat = " ".join(clean(text).split()).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", flat)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}" if flat else ""


def spans(text: Text) -> str:
    """``text`` as Markdown, in one line."""
    return "".join(_span(s) for s in text)


def _span(span: Span) -> str:
    match span:
        case str():
            inner = literal(span)
            # Blanks at the edges separate this span from its neighbours.
            head = " " if span[:1].isspace() and inner else ""
            tail = " " if span[-1:].isspace() and inner else ""
            return head + inner + tail if inner else " " * bool(span)
        case Strong():
            return f"**{literal(span.text.strip())}**" + " " * span.text.endswith(" ")
        case Code():
            return code(span.text)
        case TrialLink():
            return f"\\#{span.number}"
        case TheoryLink():
            return literal(span.id)
        case _:
            assert_never(span)


def _block(block: Block) -> str:
    match block:
        case Paragraph():
            text = spans(block.text).strip()
            return f"> {text}" if block.tone in ("note", "warning") else text
        case Items():
            return "\n".join(f"- {spans(i)}" for i in block.items)
        case Facts():
            rows = [(literal(f.label), literal(f.value), literal(f.detail)) for f in block.facts]
            return _grid(("", "", ""), rows, frozenset())
        case Table():
            cells = [tuple(spans(c) for c in row) for row in block.rows]
            grid = _grid(tuple(literal(c) for c in block.columns), cells, block.numeric)
            return f"**{literal(block.caption)}**\n\n{grid}"
        case Figures():
            return "\n\n".join(_figure(f) for f in block.figures if not f.small)
        case Theories():
            return f"### {literal(heading(block.question))}\n\n" + "\n\n".join(_theory(e) for e in block.explanations)
        case Trials():
            return _trials(block)
        case Log():
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", block.text)), default=0))
            return f"{fence}text\n{clean(block.text)}\n{fence}"
        case Fold():
            return f"**{literal(block.summary)}**\n\n" + "\n\n".join(_block(b) for b in block.blocks)
        case _:
            assert_never(block)


def _grid(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], numeric: frozenset[int]) -> str:
    rule = " | ".join("---:" if i in numeric else "---" for i in range(len(columns)))
    lines = [" | ".join(columns), rule, *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)


def _figure(figure: Figure) -> str:
    return f"*{literal(figure.title)} (a chart in the HTML report). {literal(figure.caption)}*"


def _theory(found: Explanation) -> str:
    says = card(found)
    flag = ", exploratory" if says.exploratory else ""
    parts = [f"#### {literal(says.id)} · {literal(says.title)} – {says.status}{flag}"]
    if says.because:
        parts.append(f"*Because* {literal(sentence(says.because))}")
    parts.append("\n".join(f"- {spans(c)}" for c in says.claims))
    parts.append("\n".join(f"- {label}: {spans(text)}" for label, text in says.facts))
    if not says.evidence_for and not says.evidence_against:
        parts.append("No trial had a stake in it beforehand; the belief comes from all trials together.")
    for title, lines in (("For", says.evidence_for), ("Against", says.evidence_against)):
        if not says.evidence_for and not says.evidence_against:
            break
        listed = "; ".join(spans(line).replace(";", ",") for line in lines[:LISTED])
        more = f"; and {len(lines) - LISTED} more" if len(lines) > LISTED else ""
        parts.append(f"{title} ({len(lines)}): {listed or 'no trial'}{more}")
    if says.neutral:
        parts.append(f"{literal(says.neutral)}.")
    return "\n\n".join(parts)


def _trials(block: Trials) -> str:
    columns = (
        "trial",
        "purpose",
        literal(block.metric),
        "predicted (90%)",
        "bits",
        "time",
        "differs in",
        "reason",
        "seed",
    )
    rows = [_row(r) for r in block.trials]
    return _grid(columns, rows, frozenset({0, 2, 3, 4, 5, 8}))


def _row(row: TrialView) -> tuple[str, ...]:
    if row.failure is not None:
        value = f"failed: {row.failure.kind}"
    elif row.stop is not None:
        value = f"stopped at {percent(row.stop.step / row.stop.course)}"
    else:
        value = (
            row.status if row.value is None else number(row.value) + ("" if row.feasible else " (breaks a constraint)")
        )
    return (
        str(row.number),
        row.purpose,
        value,
        between(row.predicted.low, row.predicted.high) if row.predicted else "–",
        f"{number(row.gained_bits, 0.1)} of {number(row.expected_bits, 0.1)}",
        seconds(row.duration),
        literal(", ".join(f"{s.parameter} = {scalar(s.value)}" for s in row.changed)) or "–",
        literal(row.reason),
        str(row.seed),
    )
