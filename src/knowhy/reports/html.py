"""The report as one HTML page that needs nothing else: styles, scripts and charts are inside it.

Whatever comes from scripts, theories or logs is text: it is escaped where it stands, and the page's policy
lets no script run but its own (by hash) and nothing be fetched. Charts are drawn without ``eval``.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib.resources import files
from typing import assert_never

from knowhy.model.state import State
from knowhy.reports.blocks import (
    Block,
    Document,
    Fact,
    Facts,
    Figure,
    Figures,
    Fold,
    Items,
    Log,
    Paragraph,
    Section,
    Table,
    Theories,
    Trials,
)
from knowhy.reports.document import document
from knowhy.reports.html_cards import theory_card
from knowhy.reports.html_trials import trials_table
from knowhy.reports.spans import clean, spans
from knowhy.views import Mind, as_json
from knowhy.views.words import heading

LIBRARIES = ("vega.min.js", "vega-lite.min.js", "vega-embed.min.js")


def write_html(state: State, mind: Mind, *, journal: str = "") -> str:
    """The report on ``state`` as an HTML page; ``journal`` is named in "how to reproduce"."""
    return page(document(state, mind, journal))


def page(found: Document) -> str:
    """``found`` as an HTML page."""
    home = files("knowhy.reports")
    charts = [figure for section in found.sections for block in section.blocks for figure in _charts(block)]
    scripts = [home.joinpath("page.js").read_text(encoding="utf-8")]
    if charts:
        vendor = [home.joinpath("vendor", name).read_text(encoding="utf-8") for name in LIBRARIES]
        scripts = [*vendor, *scripts]
    nav = "".join(f'<li><a href="#{s.id}">{escape(s.short)}</a></li>' for s in found.sections)
    title = escape(clean(found.title))
    return "\n".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy(scripts)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{title} – knowhy report</title>",
            f"<style>\n{home.joinpath('page.css').read_text(encoding='utf-8')}</style>\n</head>\n<body>",
            '<a class="skip" href="#answer">Skip to the answer</a>',
            f'<header class="top"><p class="kicker">knowhy report</p><h1>{title}</h1>'
            f'<p class="subtitle">{escape(clean(found.subtitle))}</p></header>',
            f'<nav class="contents" aria-label="Contents"><ul>{nav}</ul></nav>\n<main>',
            *(_section(s) for s in found.sections),
            f'</main>\n<footer class="bottom"><p>{spans(found.footer)}</p></footer>',
            '<script type="application/json" id="charts">'
            + script_json([{"id": clean(f.id), "spec": _cleaned(as_json(f.spec))} for f in charts])
            + "</script>",
            *(f"<script>{s}</script>" for s in scripts),
            "</body>\n</html>\n",
        )
    )


def policy(scripts: list[str]) -> str:
    """A content security policy under which only these inline ``scripts`` run, and nothing is fetched."""
    hashes = " ".join(
        "'sha256-" + base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() + "'" for s in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def script_json(value: object) -> str:
    """``value`` as JSON that can stand inside a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _cleaned(value: object) -> object:
    """``value`` (of JSON) with every text cleaned, in one line: some of it becomes part of Vega's expressions."""
    if isinstance(value, dict):
        return {key: _cleaned(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_cleaned(member) for member in value]
    return " ".join(clean(value).split()) if isinstance(value, str) else value


def _charts(block: Block) -> tuple[Figure, ...]:
    if isinstance(block, Figures):
        return block.figures
    if isinstance(block, Fold):
        return tuple(f for inner in block.blocks for f in _charts(inner))
    return ()


def _section(section: Section) -> str:
    body = "\n".join(_block(b) for b in section.blocks)
    heading = f'<h2 id="h-{section.id}">{escape(section.title)}</h2>'
    return f'<section id="{section.id}" aria-labelledby="h-{section.id}">\n{heading}\n{body}\n</section>'


def _block(block: Block) -> str:
    match block:
        case Paragraph():
            return f'<p class="{block.tone}">{spans(block.text)}</p>'
        case Items():
            return '<ul class="items">' + "".join(f"<li>{spans(i)}</li>" for i in block.items) + "</ul>"
        case Facts():
            return '<dl class="facts">' + "".join(_fact(f) for f in block.facts) + "</dl>"
        case Table():
            return _table(block)
        case Figures():
            kind = (
                "multiples" if block.figures and block.figures[0].small else "pair" if len(block.figures) > 1 else "one"
            )
            return f'<div class="figures {kind}">' + "".join(_figure(f) for f in block.figures) + "</div>"
        case Theories():
            cards = "\n".join(theory_card(e) for e in block.explanations)
            return (
                f'<h3 class="question">{escape(heading(clean(block.question)))}</h3>\n<div class="cards">{cards}</div>'
            )
        case Trials():
            return trials_table(block)
        case Log():
            return f'<pre tabindex="0"><code>{escape(clean(block.text))}</code></pre>'
        case Fold():
            inside = "\n".join(_block(b) for b in block.blocks)
            return f"<details><summary>{escape(clean(block.summary))}</summary>\n{inside}\n</details>"
        case _:
            assert_never(block)


def _fact(fact: Fact) -> str:
    value, detail = escape(clean(fact.value)), escape(clean(fact.detail))
    return f'<div><dt>{escape(fact.label)}</dt><dd>{value}</dd><dd class="detail">{detail}</dd></div>'


def _table(table: Table) -> str:
    def kind(column: int) -> str:
        return ' class="n"' if column in table.numeric else ""

    head = "".join(f'<th scope="col"{kind(i)}>{escape(clean(c))}</th>' for i, c in enumerate(table.columns))
    rows = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row"{kind(i)}>{spans(c)}</th>' if i == 0 else f"<td{kind(i)}>{spans(c)}</td>"
            for i, c in enumerate(row)
        )
        + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(clean(table.caption))}"><table>'
        f"<caption>{escape(clean(table.caption))}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _figure(figure: Figure) -> str:
    name = escape(clean(figure.title))
    caption = escape(clean(figure.caption))
    # As much room as the chart will take, so that nothing moves when it is drawn.
    height = figure.spec["height"]
    room = height + (32 if figure.small else 70) if isinstance(height, int) else 300
    place = f'data-chart="{escape(clean(figure.id))}" style="min-height:{room}px"'
    return (
        f"<figure><figcaption><strong>{name}</strong> <span>{caption}</span></figcaption>"
        f'<div class="chart" {place} role="img" aria-label="{name}: {caption}"></div></figure>'
    )
