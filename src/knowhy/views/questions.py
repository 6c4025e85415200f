"""Open questions, ranked by what an experiment would tell."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from knowhy.errors import SentenceError
from knowhy.model.belief import Judgement
from knowhy.model.state import State
from knowhy.views.mind import Mind
from knowhy.views.theories import SETTLED, TheoryView, theories
from knowhy.views.words import entropy


@dataclass(frozen=True, slots=True)
class QuestionView:
    """An open question. ``bits`` is what ``experiment`` is expected to tell, ``cost`` its seconds (None: not known)."""

    question: str
    theories: tuple[str, ...]
    uncertainty: float
    claim: str
    experiment: str
    bits: float
    cost: float | None
    bits_per_minute: float | None


def questions(state: State, mind: Mind) -> tuple[QuestionView, ...]:
    """Questions with a theory that is neither settled for nor against, by information per cost.

    The cost is the median duration of a completed trial, since an experiment is described, not yet drawn.
    """
    groups: dict[str, list[TheoryView]] = defaultdict(list)
    for view in theories(state):
        if view.status not in SETTLED:
            groups[view.question or view.title].append(view)
    durations = sorted(t.observation.duration for t in state.completed)
    cost = durations[len(durations) // 2] if durations else None
    found = []
    for question, members in groups.items():
        best: Judgement | None = None
        for sentence in dict.fromkeys(s for v in members for s in v.claims):
            try:
                judgement = mind.judge(state, sentence)
            except SentenceError:
                continue
            if best is None or judgement.settle_bits > best.settle_bits:
                best = judgement
        bits = best.settle_bits if best else 0.0
        beliefs = [v.belief if v.belief is not None else v.prior for v in members]
        found.append(
            QuestionView(
                question=question,
                theories=tuple(v.id for v in members),
                uncertainty=sum(entropy(b) for b in beliefs if b is not None),
                claim=best.claim if best else "",
                experiment=best.settle if best else "",
                bits=bits,
                cost=cost,
                bits_per_minute=60 * bits / cost if cost else None,
            )
        )
    return tuple(sorted(found, key=lambda q: (-q.bits, -q.uncertainty)))
