"""Views as text for a terminal: every word that a script may have written is made safe first."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from knowhy.faces.text import one_line, safe
from knowhy.model.belief import Judgement
from knowhy.model.space import Scalar
from knowhy.views import (
    BestView,
    EvidenceView,
    Explanation,
    NextView,
    Overview,
    Range,
    Setting,
    TheoryView,
    TrialView,
    words,
)

Line = RenderableType

STYLES = {
    "certified": "bold green",
    "supported": "green",
    "leaning for": "cyan",
    "open": "",
    "leaning against": "yellow",
    "refuted": "red",
}
_ARROWS = {"rising": "↑", "falling": "↓", "steady": "·"}


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
    text = f"default {words.number(base, spread)}: better by {words.number(best.improvement, spread)}"
    if best.relative is not None:
        text += f" ({100 * best.relative:.2g}%)"
    if best.improvement_low is not None and best.improvement_high is not None:
        text += f", 95% within {words.between(best.improvement_low, best.improvement_high)}"
        text += f", {words.plural(best.pairs, 'fresh pair')}"
    if best.certified:
        return text + "; certified"
    return text + f"; belief that it is truly better {words.percent(best.better)}"


def overview_lines(view: Overview) -> list[Line]:
    """A study at a glance."""
    goals = ", ".join(f"{o.direction} {safe(o.metric)}" for o in view.objectives)
    lines: list[Line] = [Text.assemble((safe(view.name), "bold"), f"  {goals}")]
    phase = {"not started": "not started", "running": "running, or was cut off", "ended": f"ended: {safe(view.reason)}"}
    lines.append(row("state", phase[view.phase]))
    lines += best_lines(view.best)
    purposes = ", ".join(f"{count} to {name}" for name, count in view.purposes.items() if count)
    total = f" of {view.total}" if view.total else ""
    trials = f"{view.done + view.failed}{total} ended"
    if view.failed:
        trials += f", {view.failed} of them failed"
    if view.running or view.waiting:
        trials += f"; {view.running} running, {view.waiting} waiting"
    lines.append(row("trials", f"{trials}; {purposes or 'none yet'}; strategy {view.strategy or '–'}"))
    lines.append(row("time", f"{words.seconds(view.spent)} in all, {words.seconds(view.training)} of training"))
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


def row(name: str, text: str | Text) -> Line:
    """A named line; what does not fit goes on below itself."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=10, no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    grid.add_row(name, text)
    return grid


def show(lines: Iterable[Line], *, stderr: bool = False) -> None:
    """Write ``lines`` to standard output, without the spaces that fill them up."""
    target = console(stderr=stderr)
    with target.capture() as capture:
        for line in lines:
            target.print(line)
    for text in capture.get().split("\n")[:-1]:
        target.file.write(text.rstrip(" ") + "\n")
    target.file.flush()


def theory_groups(theories: Sequence[TheoryView]) -> list[tuple[str, list[TheoryView]]]:
    """Theories by question, in the order in which the questions came, the likeliest first."""
    order = {view.question or view.id: place for place, view in reversed(list(enumerate(theories)))}
    ranked = sorted(theories, key=lambda v: (order[v.question or v.id], -(v.belief if v.belief is not None else -1)))
    return [(question, list(group)) for question, group in groupby(ranked, key=lambda v: v.question or v.id)]


def theories_lines(theories: Sequence[TheoryView], *, claims: bool = True) -> list[Line]:
    """The theories, rivals together under their question."""
    if not theories:
        return [Text("no theories yet: they come with the first trials")]
    lines: list[Line] = []
    for question, members in theory_groups(theories):
        if lines:
            lines.append(Text(""))
        if members[0].question:
            lines.append(Text(one_line(question), style="bold"))
        for view in members:
            lines.append(theory_line(view))
            if claims:
                prior = f"prior {words.percent(view.prior)}" if view.prior is not None else "no prior"
                ratio = f", Bayes factor {words.factor(view.bayes_factor)}" if view.bayes_factor is not None else ""
                mark = ", exploratory" if view.exploratory and view.status != "certified" else ""
                by = "" if view.by == "builtin" else f", by {one_line(view.by, 30)}"
                lines += [Text(f"        {one_line(claim)}", style="dim") for claim in view.claims]
                lines.append(Text(f"        {prior}{ratio}{mark}{by}", style="dim"))
    return lines


def theory_line(view: TheoryView, width: int = 0) -> Text:
    """One theory: id, belief, trend, status, title; in a narrow ``width`` the colour alone gives most statuses."""
    head = f"  {view.id:<4}{bar(view.belief)} {words.percent(view.belief):>4} {_ARROWS[view.direction]} "
    style = STYLES[view.status]
    if width and width < 110:
        text = Text.assemble((head, style), ("certified: " if view.status == "certified" else "", style))
        return text.append(one_line(view.title, width - len(text)))
    text = Text.assemble(head, (f"{view.status:<16}", style))
    return text.append(one_line(view.title, max(20, width - len(text)) if width else 0))


def explanation_lines(view: Explanation) -> list[Line]:
    """All that is known about one theory."""
    theory = view.theory
    lines: list[Line] = [
        Text(f"{theory.id}  {one_line(theory.title)}", style="bold"),
        row("because", one_line(theory.because)),
        row("status", standing(theory)),
    ]
    if theory.question:
        rivals = f" (rivals: {', '.join(theory.rivals)})" if theory.rivals else ""
        lines.append(row("answers", one_line(theory.question) + rivals))
    if theory.refuted_by:
        lines.append(row("refuted by", one_line(theory.refuted_by)))
    for claim in view.claims:
        if claim.judgement is None:
            lines.append(row("claim", f"{one_line(claim.sentence)} (cannot be judged: {one_line(claim.problem)})"))
        else:
            lines += ["", *judgement_lines(claim.judgement)]
    for title, evidence in (("evidence for", view.evidence_for), ("evidence against", view.evidence_against)):
        if evidence:
            lines += ["", Text(title, style="bold")]
        lines += [f"  {evidence_line(item)}" for item in evidence[:8]]
        if len(evidence) > 8:
            lines.append(f"  and {words.plural(len(evidence) - 8, 'trial')} that say less")
    if view.neutral:
        lines.append(row("neutral", f"{words.plural(view.neutral, 'trial')} with nothing to say either way"))
    for certificate in theory.certificates:
        outcome = "certified" if certificate.certified else "not certified so far"
        lines.append(
            row(
                "contrast",
                f"{words.plural(certificate.pairs, 'fresh pair')}, {certificate.wins} as claimed, "
                f"e-value {certificate.e_value:.3g} (20 certifies one claim): {outcome}",
            )
        )
    return lines


def standing(theory: TheoryView) -> str:
    """Status, belief and prior of a theory in a line."""
    text = f"{theory.status}: belief {words.percent(theory.belief)}, prior {words.percent(theory.prior)}"
    if theory.bayes_factor is not None:
        text += f", {theory.strength}"
    return text + (f"; proposed after {words.plural(theory.after, 'trial')}" if theory.exploratory else "")


def evidence_line(item: EvidenceView) -> str:
    """What one trial said about a theory."""
    text = f"#{item.trial} {settings(item.changed, 4)}: Bayes factor {words.factor(item.bayes_factor)}"
    if item.failure:
        return f"{text}; it failed ({item.failure})"
    if item.if_true and item.if_false and item.observed is not None:
        width = (item.if_true.high - item.if_true.low) / 4
        text += (
            f"; {safe(item.if_true.metric)} {words.number(item.observed, width)}, expected "
            f"{words.between(item.if_true.low, item.if_true.high)} if true, "
            f"{words.between(item.if_false.low, item.if_false.high)} if not"
        )
    return text


def judgement_lines(judgement: Judgement) -> list[Line]:
    """A claim and what the data say about it, in plain words."""
    lines: list[Line] = [row("claim", Text(one_line(judgement.claim), style="bold"))]
    lines.append(row("prior", f"{words.percent(judgement.prior)} before any data"))
    lines.append(
        row(
            "belief",
            f"{bar(judgement.belief)} {words.percent(judgement.belief)} by the data so far: "
            f"{words.strength(judgement.bayes_factor)} (Bayes factor {words.factor(judgement.bayes_factor)})",
        )
    )
    if judgement.middle is not None and judgement.low is not None and judgement.high is not None:
        width = (judgement.high - judgement.low) / 4
        text = (
            f"{safe(judgement.quantity) or 'effect'}: {words.number(judgement.middle, width)}, "
            f"90% within {words.between(judgement.low, judgement.high)}"
        )
        if judgement.margin is not None:
            text += f"; less than {words.number(judgement.margin)} would count as none"
        lines.append(row("effect", text))
    for name, numbers in (("for", judgement.supporting), ("against", judgement.opposing)):
        if numbers:
            lines.append(row(name, "trials " + ", ".join(f"#{n}" for n in numbers)))
    if judgement.settle:
        lines.append(row("to settle", f"{one_line(judgement.settle)} ({judgement.settle_bits:.2f} bits expected)"))
    return lines


def next_lines(upcoming: Sequence[NextView]) -> list[Line]:
    """What runs, waits or is considered, with reasons."""
    lines: list[Line] = []
    for item in upcoming:
        name = f"#{item.trial} {item.status}" if item.trial is not None else "considered"
        lines.append(Text.assemble((name, "bold"), f"  {item.purpose}  {settings(item.changed)}"))
        extras = [one_line(item.reason)]
        if item.bits:
            extras.append(f"{item.bits:.2f} bits expected")
        if item.cost:
            extras.append(f"about {words.seconds(item.cost)}")
        lines.append(f"    {'; '.join(filter(None, extras))}")
    return lines or ["nothing runs, and nothing is planned"]


def trials_table(trials: Sequence[TrialView], metric: str) -> Line:
    """Every trial in a line."""
    if not trials:
        return "no trials yet"
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("purpose", no_wrap=True)
    table.add_column(safe(metric), justify="right", no_wrap=True)
    table.add_column("expected", no_wrap=True)
    table.add_column("bits", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    for trial in trials:
        table.add_row(
            str(trial.number),
            trial.purpose,
            outcome(trial),
            expected(trial.predicted),
            "" if trial.gained_bits is None else f"{trial.gained_bits:+.2f}",
            "" if trial.duration is None else words.seconds(trial.duration),
            settings(trial.changed),
        )
    return table


def outcome(trial: TrialView) -> str:
    """The objective of a trial, or why there is none."""
    if trial.failure is not None:
        return f"failed: {trial.failure.kind.replace('_', ' ')}"
    if trial.value is None:
        return trial.status
    spread = (trial.predicted.high - trial.predicted.low) / 30 if trial.predicted else None
    return words.number(trial.value, spread)


def expected(predicted: Range | None) -> str:
    """The 90% interval that was predicted."""
    return "" if predicted is None else words.between(predicted.low, predicted.high)


def _scalar(value: Scalar) -> str:
    return one_line(words.scalar(value), 60)
