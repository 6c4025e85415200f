"""The last parts of a report: open questions, failures, how to reproduce."""

from __future__ import annotations

import json

from knowhy.model.state import State
from knowhy.reports.blocks import (
    Block,
    Code,
    Fold,
    Items,
    Log,
    Paragraph,
    Section,
    Span,
    Table,
    Text,
    TheoryLink,
    TrialLink,
)
from knowhy.views import Mind, Overview, as_json, failures, questions
from knowhy.views.words import heading, number, plural, scalar, seconds


def questions_section(state: State, mind: Mind, study: Overview) -> Section:
    """Open questions ranked by information per cost, and what comes next."""
    blocks: list[Block] = []
    found = questions(state, mind)
    if found:
        rows: list[tuple[Text, ...]] = []
        for q in found:
            members: list[Span] = []
            for name in q.theories:
                members += [" ", TheoryLink(name)] if members else [TheoryLink(name)]
            rate = "–" if q.bits_per_minute is None else f"{q.bits_per_minute:.2g}"
            experiment = f"{q.experiment} (for “{q.claim}”)" if q.experiment else "–"
            rows.append(
                (
                    (heading(q.question),),
                    tuple(members),
                    (number(q.uncertainty, 0.1),),
                    (experiment,),
                    (number(q.bits, 0.1),),
                    (rate,),
                )
            )
        columns = ("question", "theories", "bits open", "what would tell most", "bits expected", "bits a minute")
        blocks.append(Table("Open questions, by information per cost", columns, tuple(rows), frozenset({2, 4, 5})))
        cost = found[0].cost
        if cost is not None:
            blocks.append(Paragraph((f"The cost is taken as {seconds(cost)}, the median time of a trial.",), "note"))
    elif study.considered:
        blocks.append(Paragraph(("Every question that was asked is settled.",)))
    else:
        blocks.append(Paragraph(("No questions have been asked yet.",)))
    coming = [n for n in study.next if n.status != "considered"] or list(study.next[:3])
    if coming:
        items: list[Text] = []
        for n in coming:
            what = ", ".join(f"{s.parameter} = {scalar(s.value)}" for s in n.changed) or "the default"
            bits = f"; {number(n.bits, 0.1)} bits expected" if n.bits else ""
            link: Text = (TrialLink(n.trial), f" ({n.status}): ") if n.trial is not None else ()
            items.append((*link, f"{n.purpose}: {n.reason} ({what}{bits})"))
        title = "What comes next" if coming[0].trial is not None else "What would come next"
        blocks += [Paragraph((title + ":",)), Items(tuple(items))]
    return Section("questions", "Open questions", "Questions", tuple(blocks))


def failed(state: State) -> Section | None:
    """Failures by kind, with the end of the logs."""
    groups = failures(state)
    if not groups:
        return None
    blocks: list[Block] = []
    for group in groups:
        links: list[Span] = []
        for trial in group.trials[:40]:
            links += [", ", TrialLink(trial)] if links else [TrialLink(trial)]
        more = len(group.trials) - 40
        blocks.append(
            Paragraph(
                (
                    Code(group.kind),
                    f": {plural(group.count, 'trial')} (",
                    *links,
                    f" and {more} more" if more > 0 else "",
                    ")",
                )
            )
        )
        for row in group.examples:
            if row.failure is None:
                continue
            code = f"exit code {row.failure.exit_code}, " if row.failure.exit_code is not None else ""
            inside: list[Block] = [Paragraph((f"{row.failure.message} ({code}after {seconds(row.failure.duration)})",))]
            if row.failure.log_tail:
                inside.append(Log(row.failure.log_tail))
            blocks.append(Fold(f"Trial {row.number}: {row.failure.message}", tuple(inside)))
    return Section("failures", "Failures", "Failures", tuple(blocks))


def reproduce(state: State, study: Overview, journal: str) -> Section:
    """What is needed to run it again."""
    facts: list[tuple[str, str]] = [("study seed", str(state.seed))]
    if state.version:
        facts.append(("knowhy", state.version))
    facts += [(f"subject: {key}", scalar(value)) for key, value in state.subject.items()]
    if study.strategy:
        facts.append(("strategy", study.strategy))
        facts.append(("trials", str(study.total)))
        facts.append(("workers", str(study.workers)))
        facts.append(("budget", seconds(study.budget) if study.budget is not None else "none"))
    if journal:
        facts.append(("journal", journal))
    rows: tuple[tuple[Text, ...], ...] = tuple(((name,), (Code(value),)) for name, value in facts)
    blocks: list[Block] = [Table("How the study was made", ("", "value"), rows)]
    best = study.best
    if best is not None:
        seed = state.trials[best.trial].proposal.seed if best.trial in state.trials else state.seed
        blocks += [
            Paragraph(
                (
                    "The exact parameters of the best configuration (trial ",
                    TrialLink(best.trial),
                    f", seed {seed}; a script gets it as ",
                    Code("KNOWHY_SEED"),
                    "):",
                )
            ),
            Log(json.dumps(as_json(best.point), indent=2, ensure_ascii=False)),
        ]
    steps: tuple[Text, ...] = (
        (Code("knowhy best --write FILE"), " writes the script with these parameters spliced in."),
        (
            Code("knowhy doctor"),
            " checks the journal's chain of hashes; ",
            Code("knowhy report"),
            " writes this page anew from it.",
        ),
    )
    blocks.append(Items(steps))
    return Section("reproduce", "How to reproduce", "Reproduce", tuple(blocks))
