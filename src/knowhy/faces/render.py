"""Views as text for a terminal: every word that a script may have written is made safe first."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from knowhy.faces.text import one_line, safe
from knowhy.model.space import Scalar
from knowhy.views import (
    BestView,
    NextView,
    Overview,
    Range,
    Setting,
    TrialView,
    words,
)

Line = RenderableType


def console(*, stderr: bool = False) -> Console:
    """A console that interprets no markup; into a pipe it writes plain lines that are not cut."""
    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() or "COLUMNS" in os.environ else 200
    return Console(file=stream, markup=False, highlight=False, emoji=False, soft_wrap=False, width=wide)


def bar(share: float | None, width: int = 10) -> str:
    """A probability as a bar of ``width`` characters."""
    if share is None:
        return "·" * width
    full = round(min(1.0, max(0.0, share)) * width)
    return "█" * full + "░" * (width - full)


def settings(changed: Iterable[Setting], limit: int = 0) -> str:
    """``lr=0.01 dropout=0.4``, or ``default``; beyond ``limit`` only a count."""
    members = list(changed)
    if not members:
        return "default"
    shown = members if not limit or len(members) <= limit else members[: limit - 1]
    text = " ".join(f"{safe(s.parameter)}={one_line(words.scalar(s.value), 24)}" for s in shown)
    return text if len(shown) == len(members) else f"{text} and {len(members) - len(shown)} more"


def best_lines(best: BestView | None) -> list[Line]:
    """The answer: the best configuration, its value on fresh seeds, and how it compares to the default."""
    if best is None:
        return [row("best", "no trial has completed yet")]
    lines: list[Line] = [row("best", best_value(best))]
    if best.is_default:
        return [*lines, row("", "this is the default configuration; nothing better has been found")]
    lines.append(row("", comparison(best)))
    lines += [
        row("", f"{safe(s.parameter)} = {_scalar(s.value)}   (default {_scalar(s.default)})") for s in best.changed
    ]
    return lines


def best_value(best: BestView) -> str:
    """The value of the best configuration with its uncertainty."""
    half = (best.high - best.low) / 2
    if best.fresh_value is not None:
        fresh = words.plural(len(best.fresh), "fresh run")
        return f"{safe(best.metric)} {words.number(best.fresh_value, half)} (mean of {fresh}; trial {best.trial})"
    return (
        f"{safe(best.metric)} about {words.number(best.value, half)}, 90% within {words.between(best.low, best.high)} "
        f"(trial {best.trial}; not yet verified on fresh seeds)"
    )


def comparison(best: BestView) -> str:
    """How the best configuration compares to the default."""
    spread = (best.high - best.low) / 2
    base = best.fresh_default if best.fresh_default is not None else best.default_value
    word = "better" if best.improvement >= 0 else "worse"
    text = f"default {words.number(base, spread)}: {word} by {words.number(abs(best.improvement), spread)}"
    if best.relative is not None:
        text += f" ({words.share(abs(best.relative))})"
    if best.improvement_low is not None and best.improvement_high is not None:
        text += f", 95% within {words.between(best.improvement_low, best.improvement_high)}"
        text += f", {words.plural(best.pairs, 'fresh pair')}"
    if best.certified:
        return text + "; certified"
    return text + f"; belief that it is truly better {words.percent(best.better)}"


def overview_lines(view: Overview) -> list[Line]:
    """A study at a glance."""
    goals = ", ".join(f"{o.direction} {safe(o.metric)}" for o in view.objectives)
    goals += "".join(f", keep {safe(c.metric)} {c.op} {c.bound:g}" for c in view.constraints)
    lines: list[Line] = [Text.assemble((safe(view.name), "bold"), f"  {goals}")]
    lines.append(row("state", _phase(view)))
    if view.best is not None or view.phase != "ended":
        lines += best_lines(view.best)
    elif view.done:
        lines.append(row("best", "none: no trial that completed keeps the constraints"))
    else:
        lines.append(row("best", "none: no trial completed; why is told by: knowhy trials"))
    lines += [row("warning", safe(warning)) for warning in view.warnings]
    imported = view.purposes.get("observe", 0)
    purposes = ", ".join(f"{count} to {name}" for name, count in view.purposes.items() if count and name != "observe")
    total = f" of {view.total}" if view.total else ""
    ended = view.done + view.failed + view.stopped - imported
    trials = f"{ended}{total} ended{f' beside {imported} imported' if imported else ''}"
    if view.failed:
        trials += f", {view.failed} of them failed"
    if view.stopped:
        trials += f", {view.stopped} stopped early"
    if view.running or view.waiting:
        trials += f"; {view.running} running, {view.waiting} waiting"
    lines.append(row("trials", f"{trials}; {purposes or 'none yet'}; strategy {view.strategy or '–'}"))
    saved = f", about {words.seconds(view.saved)} saved by stopping trials early" if view.stopped else ""
    lines.append(row("time", f"{words.seconds(view.spent)} in all, {words.seconds(view.training)} of training{saved}"))
    counts = ", ".join(f"{count} {name}" for name, count in view.theories.items() if count)
    lines.append(row("theories", counts or "none yet"))
    calibration = view.calibration
    if calibration.trials:
        lines.append(
            row(
                "honesty",
                f"{words.percent(calibration.inside_90)} of {words.plural(calibration.trials, 'outcome')} lay in their "
                f"90% interval; {calibration.expected_bits:.1f} bits expected, {calibration.gained_bits:.1f} gained",
            )
        )
    return lines


def _phase(view: Overview) -> str:
    """Whether the study runs, and who runs it."""
    who = view.controller
    if view.phase == "ended":
        return f"ended: {safe(view.reason)}"
    if view.phase == "running" and who is not None:
        silent = f"; silent for {words.seconds(who.silent)}" if who.silent > 60 else ""
        return f"running: process {who.pid} on {safe(who.host)}{silent}"
    if view.phase == "by hand":
        return "by hand: trials are asked for and told one by one"
    if view.phase == "cut off":
        last = f" (process {who.pid} on {safe(who.host)} held it last)" if who is not None else ""
        return f"cut off: nobody runs it{last}; the same knowhy run goes on"
    return view.phase


def row(name: str, text: str | Text) -> Line:
    """A named line; what does not fit goes on below itself."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=10, no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    grid.add_row(name, text)
    return grid


def hanging(text: str, indent: int, *, style: str = "") -> Line:
    """``text`` that keeps its ``indent`` where it goes on in another line."""
    return Padding(Text(text, style=style), (0, 0, 0, indent))


def show(lines: Iterable[Line], *, stderr: bool = False) -> None:
    """Write ``lines`` to standard output, without the spaces that fill them up."""
    target = console(stderr=stderr)
    with target.capture() as capture:
        for line in lines:
            target.print(line)
    for text in capture.get().split("\n")[:-1]:
        target.file.write(text.rstrip(" ") + "\n")
    target.file.flush()


def next_lines(upcoming: Sequence[NextView]) -> list[Line]:
    """What runs, waits or is considered, with reasons."""
    lines: list[Line] = []
    for item in upcoming:
        name = f"#{item.trial} {item.status}" if item.trial is not None else "considered"
        lines.append(Text.assemble((name, "bold"), f" to {item.purpose}"))
        extras = [one_line(item.reason)]
        if item.bits:
            extras.append(f"{item.bits:.2f} bits expected")
        if item.cost:
            extras.append(f"about {words.seconds(item.cost)}")
        lines += [hanging("; ".join(filter(None, extras)), 4), hanging(settings(item.changed), 4, style="dim")]
    return lines or ["nothing runs, and nothing is planned"]


def trials_lines(trials: Sequence[TrialView], metric: str, width: int) -> list[Line]:
    """Every trial in a line; on a narrow terminal without what was expected, and with a part of the configuration."""
    if not trials:
        return ["no trials yet"]
    narrow = width < 110
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("purpose", no_wrap=True)
    table.add_column(safe(metric), justify="right", no_wrap=True)
    if not narrow:
        table.add_column("expected", no_wrap=True)
    table.add_column("bits", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    room = max(16, width - 36 - len(metric)) if narrow else 0
    for trial in trials:
        table.add_row(
            str(trial.number),
            trial.purpose,
            outcome(trial),
            *([] if narrow else [expected(trial.predicted)]),
            "" if trial.gained_bits is None else words.bits(trial.gained_bits),
            "" if trial.duration is None else words.seconds(trial.duration),
            one_line(settings(trial.changed), room),
        )
    return [table, Text("all of it in a wider terminal, or with --json", style="dim")] if narrow else [table]


def outcome(trial: TrialView) -> str:
    """The objective of a trial, or why there is none."""
    if trial.failure is not None:
        return f"failed: {trial.failure.kind.replace('_', ' ')}"
    if trial.stop is not None:
        return f"stopped at {words.percent(trial.stop.step / trial.stop.course)}"
    return trial.status if trial.value is None else words.number(trial.value)


def expected(predicted: Range | None) -> str:
    """The 90% interval that was predicted."""
    return "" if predicted is None else words.between(predicted.low, predicted.high)


def _scalar(value: Scalar) -> str:
    return one_line(words.scalar(value), 60)
