"""Records of proposers, opinions and calls as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from knowhy.faces.render import Line, hanging
from knowhy.faces.text import one_line
from knowhy.model.thought import Thought
from knowhy.views import OpinionView, ProposerView, words


def record_lines(records: Sequence[ProposerView]) -> list[Line]:
    """Each proposer with its record in a few lines."""
    if not records:
        return ["nobody has proposed anything yet"]
    lines: list[Line] = []
    for view in records:
        if lines:
            lines.append("")
        lines.append(Text(one_line(view.name, 60), style="bold"))
        lines += [
            hanging(text, 4) for text in (_theories(view), _experiments(view), _cost(view), _attention(view)) if text
        ]
    return lines


def _theories(view: ProposerView) -> str:
    text = f"{words.plural(view.theories, 'theory', 'theories')}, {view.settled} settled, {view.right} of these hold"
    if view.certified:
        text += f", {view.certified} certified"
    if view.score is not None:
        text += f"; log score {view.score:+.2f} bits a theory over the base rate"
    return text


def _experiments(view: ProposerView) -> str:
    text = f"trials told {view.bits:.2f} bits about its theories"
    if view.wished:
        text += f"; asked for {words.plural(view.wished, 'experiment')}, {view.run} chosen, {view.worth} worth running"
    return text


def _cost(view: ProposerView) -> str:
    if not view.calls:
        return ""
    price = "price unknown" if view.dollars is None else f"${view.dollars:.4f}"
    ended = ", ".join(f"{count} {outcome}" for outcome, count in view.outcomes)
    text = f"{words.plural(view.calls, 'call')} ({ended}), {view.requests} requests, {view.tokens} tokens, {price}, "
    text += f"{words.seconds(view.seconds)} of thinking"
    if view.bits_per_call is not None:
        text += f"; {view.bits_per_call:.2f} bits a call"
    if view.bits_per_dollar is not None:
        text += f", {view.bits_per_dollar:.1f} a dollar"
    if view.dollars_per_certified is not None:
        text += f", ${view.dollars_per_certified:.4f} a certified theory"
    return text


def _attention(view: ProposerView) -> str:
    return (
        "" if view.attention == 1.0 else f"its record earns {view.attention:.2f} of the built-in theorist's attention"
    )


def opinion_lines(views: Sequence[OpinionView]) -> list[Line]:
    """Opinions with the beliefs that they do not enter, and what they would make of them."""
    if not views:
        return []
    lines: list[Line] = ["", Text("Opinions (beliefs elsewhere are without them)", style="bold")]
    for view in views:
        said = f"{one_line(view.by, 40)} says {view.stated:.2f}: {one_line('; '.join(view.claims), 200)}"
        lines.append(hanging(said, 4))
        moved = f"belief {view.belief:.2f}, with all opinions {view.belief_with:.2f}"
        lines.append(hanging(f"{moved} (prior {view.prior:.2f}, {view.prior_with:.2f})", 8, style="dim"))
    return lines


def call_lines(thoughts: Sequence[Thought]) -> list[Line]:
    """Every call: when, why, how it ended, and what came of it."""
    lines: list[Line] = ["", Text("Calls", style="bold")]
    for t in thoughts:
        price = "" if t.usage.cost is None else f", ${t.usage.cost:.4f}"
        made = f"{len(t.theories)} theories, {len(t.requests)} parameters, {len(t.wishes)} experiments"
        head = f"after {words.plural(t.after, 'trial')}, {one_line(t.by, 40)}: {t.outcome} ({one_line(t.moment, 100)})"
        lines.append(hanging(head, 4))
        lines.append(hanging(f"{made}; {t.usage.input_tokens + t.usage.output_tokens} tokens{price}", 8, style="dim"))
        lines += [hanging(one_line(text, 300), 8, style="dim") for text in (t.message, t.critique) if text]
    return lines if thoughts else []
