"""The table of every trial in HTML: complete without scripts, sorted and searched with one."""

from __future__ import annotations

from html import escape

from knowhy.reports.blocks import Trials
from knowhy.reports.spans import clean
from knowhy.views import TrialView
from knowhy.views.words import between, number, percent, plural, scalar, seconds

SHOWN = 200
"""Rows on view at first; the rest is there, and shown when asked for."""

COLUMNS = (
    ("trial", True),
    ("purpose", False),
    ("{metric}", True),
    ("predicted (90%)", True),
    ("bits gained", True),
    ("expected", True),
    ("time", True),
    ("differs from the default in", False),
    ("reason", False),
    ("by", False),
    ("seed", True),
)


def trials_table(block: Trials) -> str:
    """Every trial, with controls that appear where scripts run."""
    head = "".join(
        f'<th scope="col"{" class=n" if numeric else ""}><button type="button" data-column="{i}">'
        f"{escape(clean(name.format(metric=block.metric)))}</button></th>"
        for i, (name, numeric) in enumerate(COLUMNS)
    )
    digits = _digits(block.trials)
    rows = "".join(_row(row, i >= SHOWN, digits) for i, row in enumerate(block.trials))
    total = len(block.trials)
    return f"""<div class="controls" hidden>
<label>Find <input type="search" id="find" placeholder="reason, parameter, seed …"></label>
<label>Purpose <select id="purpose"><option value="">all</option>{
        _options("learn", "improve", "verify")
    }</select></label>
<label>Outcome <select id="outcome"><option value="">all</option>{
        _options("completed", "failed", "stopped", "running", "waiting")
    }</select></label>
<output id="count" aria-live="polite"></output></div>
<div class="scroll tall" tabindex="0" role="region" aria-label="Every trial">
<table id="rows" data-shown="{SHOWN}"><caption class="quiet">{plural(total, "trial")}; a heading sorts</caption>
<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>
<p><button type="button" id="more" hidden></button></p>"""


def _options(*values: str) -> str:
    return "".join(f"<option>{value}</option>" for value in values)


def _digits(rows: tuple[TrialView, ...]) -> float | None:
    """A resolution for the column of values: a hundredth of their spread."""
    values = sorted(r.value for r in rows if r.value is not None)
    if len(values) < 2:
        return None
    spread = values[-max(1, len(values) // 10)] - values[len(values) // 10]
    return spread / 20 or None


def _row(row: TrialView, later: bool, digits: float | None) -> str:
    changed = ", ".join(f"{s.parameter} = {scalar(s.value)}" for s in row.changed) or "–"
    if row.failure is not None:
        value = f'<td class="n failed" data-v="">{escape(row.failure.kind)}</td>'
    elif row.stop is not None:
        share = percent(row.stop.step / row.stop.course)
        value = f'<td class="n" data-v=""><abbr title="{escape(clean(row.stop.reason))}">stopped at {share}</abbr></td>'
    elif row.value is None:
        value = f'<td class="n" data-v="">{row.status}</td>'
    else:
        broken = "" if row.feasible else ' <abbr title="breaks a constraint">✗</abbr>'
        value = f'<td class="n" data-v="{row.value!r}">{number(row.value, digits)}{broken}</td>'
    p = row.predicted
    cells = (
        value,
        f'<td class="n" data-v="{p.middle!r}">{between(p.low, p.high)}</td>' if p else '<td class="n" data-v="">–</td>',
        _number(row.gained_bits, number(row.gained_bits, 0.1)),
        _number(row.expected_bits, number(row.expected_bits, 0.1)),
        _number(row.duration, seconds(row.duration)),
        f'<td class="settings">{escape(clean(changed))}</td>',
        f'<td class="reason">{escape(clean(row.reason))}</td>',
        f"<td>{escape(clean(row.proposer))}</td>",
        _number(row.seed, str(row.seed)),
    )
    hidden = " class=later" if later else ""
    return (
        f'<tr id="trial-{row.number}" data-purpose="{row.purpose}" data-outcome="{row.status}"{hidden}>'
        f'<th scope="row" class="n" data-v="{row.number}">{row.number}</th>'
        f'<td><span class="purpose {row.purpose}">{row.purpose}</span></td>{"".join(cells)}</tr>'
    )


def _number(value: float | None, text: str) -> str:
    return f'<td class="n" data-v="{"" if value is None else repr(value)}">{escape(text)}</td>'
