"""Theories and claims as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.table import Table
from rich.text import Text

from knowhy.faces.render import Line, bar, hanging, row, settings
from knowhy.faces.text import one_line, safe
from knowhy.model.belief import Judgement
from knowhy.views import CertificateView, CertificationView, EvidenceView, Explanation, TheoryView, cost_words, words

STYLES = {
    "certified": "bold green",
    "supported": "green",
    "leaning for": "cyan",
    "open": "",
    "leaning against": "yellow",
    "refuted": "red",
}
_ARROWS = {"rising": "↑", "falling": "↓", "steady": "·"}


def theory_groups(theories: Sequence[TheoryView]) -> list[tuple[str, list[TheoryView]]]:
    """Theories by question, in the order in which the questions came, the likeliest first."""
    order = {view.question or view.id: place for place, view in reversed(list(enumerate(theories)))}
    ranked = sorted(theories, key=lambda v: (order[v.question or v.id], -(v.belief if v.belief is not None else -1)))
    return [(question, list(group)) for question, group in groupby(ranked, key=lambda v: v.question or v.id)]


def theories_lines(theories: Sequence[TheoryView]) -> list[Line]:
    """The theories with their claims, rivals together under their question."""
    if not theories:
        return ["no theories yet: they come with the first trials"]
    lines: list[Line] = []
    for question, members in theory_groups(theories):
        if lines:
            lines.append("")
        if members[0].question:
            lines.append(Text(one_line(question), style="bold"))
        for view in members:
            prior = f"prior {words.percent(view.prior)}" if view.prior is not None else "no prior"
            ratio = f", Bayes factor {words.factor(view.bayes_factor)}" if view.bayes_factor is not None else ""
            mark = ", exploratory" if view.exploratory and view.status != "certified" else ""
            by = "" if view.by == "builtin" else f", by {one_line(view.by, 30)}"
            lines.append(theory_entry(view))
            lines += [hanging(one_line(claim), 8, style="dim") for claim in view.claims]
            lines.append(hanging(f"{prior}{ratio}{mark}{by}", 8, style="dim"))
    return lines


def theory_entry(view: TheoryView) -> Line:
    """One theory with its whole title, which goes on below itself where it does not fit."""
    head = _head(view)
    grid = Table.grid(padding=0)
    grid.add_column(width=len(head) + 16, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text.assemble(head, (view.status, STYLES[view.status])), one_line(view.title))
    return grid


def theory_line(view: TheoryView, width: int) -> Text:
    """One theory in one line; in a narrow ``width`` the colour alone gives most statuses."""
    head, style = _head(view), STYLES[view.status]
    if width < 110:
        text = Text.assemble((head, style), ("certified: " if view.status == "certified" else "", style))
    else:
        text = Text.assemble(head, (f"{view.status:<16}", style))
    return text.append(one_line(view.title, max(1, width - len(text))))


def _head(view: TheoryView) -> str:
    return f"  {view.id:<4}{bar(view.belief)} {words.percent(view.belief):>4} {_ARROWS[view.direction]} "


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
        lines += [hanging(evidence_line(item), 2) for item in evidence[:8]]
        if len(evidence) > 8:
            lines.append(f"  and {words.plural(len(evidence) - 8, 'trial')} that say less")
    if view.neutral:
        lines.append(row("neutral", f"{words.plural(view.neutral, 'trial')} with nothing to say either way"))
    lines += [row("contrast", certificate_words(certificate)) for certificate in theory.certificates]
    return lines


def certification_lines(view: CertificationView, workers: int = 1) -> list[Line]:
    """A theory on its way to a certificate: what is tested, what its pairs show, what it takes."""
    theory = view.theory
    lines: list[Line] = [
        Text(f"{theory.id}  {one_line(theory.title)}", style="bold"),
        row("status", f"{standing(theory)}; by its contrast {view.standing}"),
    ]
    lines += [row("claim", one_line(test)) for test in view.tests]
    lines += [row("contrast", certificate_words(c)) for c in view.certificates if c.pairs]
    lines.append(row("used", f"{view.used} of {words.plural(view.allowance, 'trial')}"))
    return [*lines, row("cost", cost_words(view, workers))]


def certificate_words(certificate: CertificateView) -> str:
    """What the pairs of a contrast show, in a line."""
    outcome = "certified" if certificate.certified else "refuted" if certificate.refuted else "not certified so far"
    return (
        f"{words.plural(certificate.pairs, 'fresh pair')}, {certificate.wins} as claimed, "
        f"e-value {certificate.e_value:.3g} ({certificate.needed:.3g} certifies): {outcome}"
    )


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
    if judgement.settle and judgement.settle_bits < 0.005:
        lines.append(row("to settle", "no single trial is expected to teach more about it"))
    elif judgement.settle:
        lines.append(row("to settle", f"{one_line(judgement.settle)} ({judgement.settle_bits:.2f} bits expected)"))
    return lines
