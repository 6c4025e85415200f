"""A comparison of strategies as text for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from knowhy.faces.render import Line, hanging
from knowhy.faces.text import one_line, safe
from knowhy.views import ComparisonView, words


def comparison_lines(view: ComparisonView) -> list[Line]:
    """Quality, knowledge and cost side by side, then what the numbers show."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("strategy", no_wrap=True)
    table.add_column(f"{safe(view.metric)}, fresh", justify="right", no_wrap=True)
    for column in ("vs default", "certified", "supported", "refuted", "trials", "training", "in all"):
        table.add_column(column, justify="right", no_wrap=True)
    notes: list[Line] = []
    for s in view.strategies:
        if not s.chosen:
            notes.append(hanging(f"{s.strategy} was left out: {one_line(s.left_out)}", 2, style="dim"))
            continue
        table.add_row(
            s.strategy,
            words.plus_minus(s.value, s.error) if s.value is not None else "failed" if view.finished else "not yet",
            words.number(s.improvement, s.error),
            words.number(s.certified),
            words.number(s.supported),
            words.number(s.refuted),
            words.number(s.trials) + (f" ({words.number(s.failed)} failed)" if s.failed else ""),
            words.seconds(s.training),
            words.seconds(s.wall),
        )
    head = (
        f"  {view.direction} {safe(view.metric)}; {words.plural(view.trials, 'trial')} each, "
        f"{words.plural(view.repeats, 'repeat')}, {words.plural(view.fresh, 'fresh run')} of what each chose"
    )
    lines: list[Line] = [Text.assemble((safe(view.name), "bold"), head), table, *notes]
    if view.default is not None:
        lines.append(f"the default on the same seeds: {words.number(view.default)}")
    return [*lines, "", *(hanging(one_line(sentence), 0) for sentence in view.verdict)]
