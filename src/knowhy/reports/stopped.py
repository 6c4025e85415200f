"""The trials that were stopped before their end, and why, as a section of the report."""

from __future__ import annotations

from knowhy.model.space import FIDELITY_ROLE
from knowhy.model.state import State
from knowhy.reports.blocks import Block, Code, Paragraph, Section, Table, Text, TrialLink
from knowhy.views import Overview, TrialView
from knowhy.views.trials import predicted
from knowhy.views.words import between, number, percent, plural, scalar, seconds


def stopped_early(state: State, study: Overview, rows: tuple[TrialView, ...]) -> Section | None:
    """A row for each trial that was stopped; None where all ran to their end and there is no fidelity."""
    table: list[tuple[Text, ...]] = []
    for row in rows:
        if row.stop is None:
            continue
        end = predicted(row.stop.predicted)
        table.append(
            (
                (TrialLink(row.number),),
                (percent(row.stop.step / row.stop.course),),
                (between(end.low, end.high),),
                (number(row.stop.target, (end.high - end.low) / 3),),
                (percent(row.stop.winning),),
                (number(row.stop.bits, 0.01),),
                (", ".join(f"{s.parameter} = {scalar(s.value)}" for s in row.changed) or "the default",),
            )
        )
    fidelities = [p for p in state.space if p.role == FIDELITY_ROLE]
    if not table and not fidelities:
        return None
    blocks: list[Block] = [
        Paragraph(
            (
                Code(p.name),
                f" is the fidelity of this study: every configuration is proposed, judged and verified at its full "
                f"value, {scalar(p.default)}. Its low fidelity are trials that are stopped before they come to it.",
            )
        )
        for p in fidelities
    ]
    if not table:
        blocks.append(Paragraph(("No trial was stopped.",)))
        return Section("stopped", "Stopped early", "Stopped", tuple(blocks))
    words = (
        f"{plural(len(table), 'trial')} could neither win nor teach any more and "
        f"{'was' if len(table) == 1 else 'were'} stopped, which saved about {seconds(study.saved)} of training. "
        "A trial is stopped where its end, as its curve and the model foretell it, is unlikely to beat the best "
        "configuration, and would tell little about the open theories that its curve does not tell already. Such "
        "an end counts as a noisy look, with the spread at which it is foretold: never as a result, and never as the "
        "best. Pairs, verification, repeats and the default always run to their end."
    )
    columns = (
        "trial",
        "stopped at",
        "foretold end (90%)",
        "to beat",
        "chance",
        "bits left",
        "differs from the default in",
    )
    blocks.append(Paragraph((words,)))
    blocks.append(Table("Stopped early", columns, tuple(table), frozenset({0, 1, 2, 3, 4, 5})))
    return Section("stopped", "Stopped early", "Stopped", tuple(blocks))
