"""The report as data: its sections, in the order in which a reader needs them."""

from __future__ import annotations

from datetime import UTC, datetime

from knowhy.model.belief import MainEffect
from knowhy.model.objective import Objective
from knowhy.model.state import State
from knowhy.reports import figures
from knowhy.reports.answer import best_in_words, facts, learned
from knowhy.reports.blocks import (
    Block,
    Code,
    Document,
    Facts,
    Figure,
    Figures,
    Fold,
    Items,
    Paragraph,
    Section,
    Strong,
    Table,
    Text,
    Theories,
    TrialLink,
    Trials,
)
from knowhy.reports.comparison import best_section
from knowhy.reports.endings import failed, questions_section, reproduce
from knowhy.reports.proposers import proposers_section
from knowhy.reports.space import space_section
from knowhy.reports.stopped import stopped_early
from knowhy.views import (
    BestView,
    Explanation,
    Mind,
    Overview,
    Status,
    TheoryView,
    TrialView,
    explain,
    history,
    overview,
    standings,
    surprises,
    theories,
    trials,
)
from knowhy.views.words import estimate, number, percent, plural, scalar

_ORDER: tuple[Status, ...] = ("certified", "supported", "refuted", "leaning for", "leaning against", "open")


def document(state: State, mind: Mind, journal: str = "") -> Document:
    """The whole report on ``state``; ``journal`` is where it is stored, for "how to reproduce"."""
    study, rows, views = overview(state, mind), trials(state), theories(state)
    sections = (
        _answer(study, views),
        best_section(state, study.best),
        _front(state, mind, rows),
        _theories(state, mind, study, views),
        _surprises(state),
        space_section(state, study.best),
        _effects(state, mind),
        _history(state, rows, study.best),
        _calibration(study, rows),
        proposers_section(state, mind),
        questions_section(state, mind, study),
        _trials(state, rows),
        stopped_early(state, study, rows),
        failed(state),
        reproduce(state, study, journal),
    )
    aims = " and ".join(f"{o.direction} {o.metric}" for o in state.objectives)
    aims += "".join(f", keep {c.metric} {c.op} {c.bound:g}" for c in state.constraints)
    day = datetime.fromtimestamp(state.created, UTC).strftime("%d %B %Y").lstrip("0") if state.created else ""
    subject = str(state.subject.get("path") or state.subject.get("kind") or "")
    footer: Text = (f"Every figure on this page comes from the study's journal, up to record {state.seq}.",)
    if state.version:
        footer = (*footer, f" The study was made with knowhy {state.version}.")
    return Document(
        state.name or "An empty study",
        " · ".join(part for part in (aims, subject, day) if part),
        tuple(s for s in sections if s is not None),
        footer,
    )


def _answer(study: Overview, views: tuple[TheoryView, ...]) -> Section:
    blocks: list[Block] = [
        Paragraph(best_in_words(study.best, study), "lead"),
        *(Paragraph((Strong("Read with care: "), warning), "note") for warning in study.warnings),
        Items(learned(views)),
        Facts(facts(study)),
    ]
    if study.phase in ("running", "cut off", "by hand"):
        blocks.append(Paragraph(("The study has not ended; this is where it stands.",), "note"))
    elif study.reason:
        blocks.append(Paragraph((f"The run ended: {study.reason}.",), "note"))
    return Section("answer", "The answer", "Answer", tuple(blocks))


def _front(state: State, mind: Mind, rows: tuple[TrialView, ...]) -> Section | None:
    placed = standings(state, mind)
    chart = figures.pareto(state, rows, placed)
    if chart is None:
        return None
    table: tuple[tuple[Text, ...], ...] = tuple(
        (
            (TrialLink(p.trial),),
            (percent(p.on_front),),
            *((estimate(e.middle, e.low, e.high),) for e in p.estimates),
            (str(p.runs),),
            (", ".join(f"{s.parameter} = {scalar(s.value)}" for s in p.changed) or "the default",),
        )
        for p in placed
    )
    columns = ("trial", "on the front", *(o.metric for o in state.objectives), "runs", "differs from the default in")
    note = (
        "Probabilities and estimates are the posterior's: a configuration counts as on the front where no other tried "
        "one is at least as good in every objective. Single runs that look unbeaten are partly lucky ones."
    )
    return Section(
        "front",
        "Trade-offs between the objectives",
        "Trade-offs",
        (
            Figures((chart,)),
            Paragraph((note,), "note"),
            Table("What may be on the front", columns, table, frozenset({0, 1, len(state.objectives) + 2})),
        ),
    )


def _theories(state: State, mind: Mind, study: Overview, views: tuple[TheoryView, ...]) -> Section:
    if not views:
        return Section("theories", "Theories", "Theories", (Paragraph(("No theories have been proposed yet.",)),))
    counts = ", ".join(f"{count} {status}" for status, count in study.theories.items() if count)
    words = f"{plural(study.considered, 'theory', 'theories')} were considered: {counts}. "
    if study.considered == 1:
        words = f"1 theory was considered: {counts}. "
    words += (
        f"{study.exploratory} of them {'was' if study.exploratory == 1 else 'were'} proposed after looking at data and "
        f"{'is' if study.exploratory == 1 else 'are'} exploratory until certified. "
        if study.exploratory
        else "All were proposed before any data. "
    )
    words += (
        "A belief is the share of plausible response functions in which all claims of the theory hold; "
        "no person and no model sets it. Of each trial that speaks for or against, the card gives the Bayes factor, "
        "what was predicted beforehand if the theory is true and if it is not, and what came. "
        "Questions that have an answer come first."
    )
    blocks: list[Block] = [Paragraph((words,))]
    past = history(state)
    if past.beliefs and state.updates:
        blocks.append(Figures((figures.beliefs(views, past),)))
    questions: dict[str, list[Explanation]] = {}
    for view in views:
        questions.setdefault(view.question, []).append(explain(state, mind, view.id))
    for question, members in sorted(questions.items(), key=lambda q: min(_ORDER.index(e.theory.status) for e in q[1])):
        ordered = sorted(members, key=lambda e: -(e.theory.belief if e.theory.belief is not None else 0.0))
        blocks.append(Theories(question or "Other theories", tuple(ordered)))
    return Section("theories", "Theories", "Theories", tuple(blocks))


def _surprises(state: State) -> Section:
    blocks: list[Block] = []
    found = surprises(state)
    if found:
        table: list[tuple[Text, ...]] = []
        for s in found:
            expected = estimate(s.predicted.middle, s.predicted.low, s.predicted.high) if s.predicted else "–"
            settings = ", ".join(f"{c.parameter} = {scalar(c.value)}" for c in s.changed) or "the default"
            width = (s.predicted.high - s.predicted.low) / 3 if s.predicted else None
            table.append(
                ((TrialLink(s.trial),), (expected,), (number(s.observed, width),), (f"{s.size:+.1f} sd",), (settings,))
            )
        columns = ("trial", "predicted", "observed", "off by", "differs from the default in")
        blocks.append(Table("Outcomes far from their prediction", columns, tuple(table), frozenset({0, 1, 2, 3})))
    else:
        blocks.append(Paragraph(("No outcome lay more than 2.5 standard deviations from its prediction.",)))
    if state.notes:
        blocks.append(
            Items(
                tuple(
                    (f"{n.text} ", *((TrialLink(n.trial),) if n.trial in state.trials and n.trial else ()))
                    for _, n in state.notes
                )
            )
        )
    return Section("surprises", "What surprised", "Surprises", tuple(blocks))


def _effects(state: State, mind: Mind) -> Section | None:
    blocks: list[Block] = []
    for objective in state.objectives:
        found = mind.effects(state, objective.metric) if state.completed else ()
        charts = figures.effects(state, found)
        if charts:
            text: Text = (
                Code(objective.metric),
                " against each parameter, the others averaged over typical settings: the mean and its 90% band, the "
                "most important first. The dotted rule is the default.",
            )
            rows: tuple[tuple[Text, ...], ...] = tuple(_effect(e, objective) for e in found if e.values)
            columns = ("parameter", "share of the variation", "90%", "best at", "worst at", "between them")
            table = Table(f"Main effects on {objective.metric}", columns, rows, frozenset({1, 2, 3, 4, 5}))
            blocks += [Paragraph(text), Figures(charts), Fold("The same in numbers", (table,))]
    return Section("effects", "What each parameter does", "Effects", tuple(blocks)) if blocks else None


def _effect(effect: MainEffect, objective: Objective) -> tuple[Text, ...]:
    order = sorted(range(len(effect.values)), key=lambda i: objective.sign * effect.mean[i])
    best, worst = order[0], order[-1]
    width = (effect.high[best] - effect.low[best]) / 3
    return (
        (Code(effect.parameter),),
        (percent(effect.importance),),
        (f"{percent(effect.importance_low)} to {percent(effect.importance_high)}",),
        (scalar(effect.values[best]),),
        (scalar(effect.values[worst]),),
        (number(abs(effect.mean[worst] - effect.mean[best]), width),),
    )


def _history(state: State, rows: tuple[TrialView, ...], best: BestView | None) -> Section | None:
    if not state.objectives or not rows:
        return None
    default = best.default_value if best else None
    charts: list[Figure] = [figures.history(rows, history(state), state.objectives[0], default)]
    blocks: list[Block] = [Figures(tuple(charts))]
    duration = figures.duration(rows, state.objectives[0])
    if duration is not None:
        blocks.append(Figures((duration,)))
    return Section("history", "How the study went", "History", tuple(blocks))


def _calibration(study: Overview, rows: tuple[TrialView, ...]) -> Section:
    c = study.calibration
    tone = "warning" if c.verdict == "too sure" else "plain"
    words = f"Verdict: {c.verdict}. " + " ".join(c.sentences)
    blocks: list[Block] = [Paragraph((words,), "warning" if tone == "warning" else "plain")]
    charts = figures.information(rows)
    if charts:
        blocks.append(Figures(charts))
    return Section("calibration", "Can the engine be trusted?", "Calibration", tuple(blocks))


def _trials(state: State, rows: tuple[TrialView, ...]) -> Section:
    metric = state.objectives[0].metric if state.objectives else "value"
    blocks: tuple[Block, ...] = (Trials(metric, rows),) if rows else (Paragraph(("No trial has been proposed yet.",)),)
    return Section("trials", "Every trial", "Trials", blocks)
