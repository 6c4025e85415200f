"""The part of a report on who proposed what, at what cost, and what opinions would change."""

from __future__ import annotations

from knowhy.model.state import State
from knowhy.reports.blocks import Block, Code, Fold, Items, Paragraph, Section, Table, Text
from knowhy.views import Mind, ProposerView, opinions, proposers, thoughts, training
from knowhy.views.words import percent, plural, seconds


def proposers_section(state: State, mind: Mind) -> Section | None:
    """Records, opinions and calls; None while only the built-in theorist and persons without calls spoke."""
    views = proposers(state)
    if not state.thoughts and all(v.name == "builtin" for v in views):
        return None
    text: Text = (
        "Whoever proposes a theory is scored by what the data say of it: the log score of the probability that was "
        "stated (or of the proposer's own record so far) over that of the base rate, in bits. The record decides how "
        "much attention the next proposals get.",
    )
    columns = (
        *("proposer", "theories", "settled", "hold", "certified", "log score", "bits told"),
        *("experiments: asked, run, worth it", "attention"),
    )
    rows = tuple(_record(v) for v in views)
    blocks: list[Block] = [Paragraph(text), Table("Who proposed what", columns, rows, frozenset(range(1, 9)))]
    costs = tuple(_cost(v) for v in views if v.calls)
    if costs:
        spent = (
            *("proposer", "calls", "not answered", "tokens", "dollars", "thinking"),
            *("bits a call", "bits a dollar", "dollars a certified theory"),
        )
        blocks.append(Table("What asking cost", spent, costs, frozenset(range(1, 9))))
        blocks.append(Paragraph((f"Beside that the trials themselves took {seconds(training(state))}.",), "note"))
    held = opinions(state, mind)
    if held:
        blocks.append(
            Paragraph(
                (
                    "Opinions enter no belief on this page and no certificate. They steer, within limits, where "
                    "improvement is looked for; the last columns show what the beliefs would be with them.",
                )
            )
        )
        heads = ("by", "claim", "stated", "prior", "with opinions", "belief", "with opinions", "reason")
        lines: tuple[tuple[Text, ...], ...] = tuple(
            (
                (o.by,),
                ("; ".join(o.claims),),
                (percent(o.stated),),
                (percent(o.prior),),
                (percent(o.prior_with),),
                (percent(o.belief),),
                (percent(o.belief_with),),
                (o.reason,),
            )
            for o in held
        )
        blocks.append(Fold("Opinions, and results with and without them", (_opinions(heads, lines),)))
    calls = _calls(state)
    if calls:
        blocks.append(Fold(f"{plural(len(state.thoughts), 'call')} of language models", (Items(calls),)))
    return Section("proposers", "Who proposed what, and at what cost", "Proposers", tuple(blocks))


def _opinions(columns: tuple[str, ...], rows: tuple[tuple[Text, ...], ...]) -> Table:
    return Table("Opinions", columns, rows, frozenset({2, 3, 4, 5, 6}))


def _record(v: ProposerView) -> tuple[Text, ...]:
    asked = f"{v.wished}, {v.run}, {v.worth}" if v.wished else "–"
    score = "–" if v.score is None else f"{v.score:+.2f}"
    cells = (str(v.theories), str(v.settled), str(v.right), str(v.certified), score, f"{v.bits:.2f}", asked)
    return ((v.name,), *((cell,) for cell in cells), (f"{v.attention:.2f}",))


def _cost(v: ProposerView) -> tuple[Text, ...]:
    def shown(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, form)

    cells = (
        str(v.calls),
        str(v.failed),
        str(v.tokens),
        "unknown" if v.dollars is None else f"{v.dollars:.4f}",
        seconds(v.seconds),
        shown(v.bits_per_call, ".2f"),
        shown(v.bits_per_dollar, ".1f"),
        shown(v.dollars_per_certified, ".4f"),
    )
    return ((v.name,), *((cell,) for cell in cells))


def _calls(state: State) -> tuple[Text, ...]:
    lines: list[Text] = []
    for t in thoughts(state):
        made = f"{len(t.theories)} theories, {len(t.requests)} parameters, {len(t.wishes)} experiments"
        line: Text = (f"After {plural(t.after, 'trial')}, {t.by}: {t.outcome} ({t.moment}); {made}.",)
        if t.message:
            line = (*line, f" {t.message}")
        if t.critique:
            line = (*line, f" Its critique: {t.critique}")
        if t.rejected:
            line = (*line, " Could not be read: ", Code("; ".join(t.rejected)))
        lines.append(line)
    return tuple(lines)
