"""Theories about patches: that one helps, hurts or does nothing, and which only count together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from knowhy.engine.claims import render
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import Parameter
from knowhy.model.state import State
from knowhy.model.theory import Bound, Claim, Effect, Interacts, ParameterRequest, Scope, Theory
from knowhy.theorists.questions import Question, Rival, refutation
from knowhy.theorists.reading import better, worse

_MOST_PAIRS = 4
_PAIRS_A_CALL = 2
_STRONG = 3.2  # standard errors that a product of two must stand out by


class Patches:
    """Asks of each patch what it does, once, and of pairs that stand out in the trials whether they go together."""

    name = "patches"

    def propose(self, state: State) -> Sequence[Theory | ParameterRequest]:
        """New theories; nothing is random and nothing is remembered outside the state."""
        if not state.objectives:
            return ()
        asked = {theory.question for theory in state.theories.values()}
        found: list[Theory] = []
        for question in self._questions(state):
            if question.text not in asked:
                found += [_theory(rival, question.text, state.finished) for rival in question.rivals]
        return tuple(found)

    def _questions(self, state: State) -> Iterator[Question]:
        names = [p.name for p in state.space.active if p.role == PATCH_ROLE]
        for name in names:
            yield _single(state, state.space[name])
        if len(names) < 2:
            return
        known = len({t.question for t in state.theories.values() if t.question.startswith("do the patches ")})
        for one, two in list(standing_out(state, names))[: min(_PAIRS_A_CALL, _MOST_PAIRS - known)]:
            yield _pair(state, one, two)


def _single(state: State, parameter: Parameter) -> Question:
    name, objective = parameter.name, state.objective
    patch = state.patches.get(name)
    because = patch.because if patch is not None and patch.because else f"Whoever wrote {name} expects it to help."
    scope = Scope("average")
    claims: tuple[Claim, ...] = (
        Effect(name, False, True, better(objective), objective.metric, None, scope),
        Effect(name, False, True, worse(objective), objective.metric, None, scope),
        Effect(name, False, True, "does not change", objective.metric, None, scope),
    )
    return Question(
        f"does the patch {name} help {objective.metric}?",
        (
            Rival(f"The patch {name} helps", because, claims[:1]),
            Rival(
                f"The patch {name} hurts",
                "It disturbs what the rest was tuned for, or costs more than it brings in the time there is.",
                claims[1:2],
            ),
            Rival(
                f"The patch {name} makes no difference",
                "Most changes that look good do: one run that came out better was another seed.",
                claims[2:],
            ),
        ),
        0.9,
        about=(name,),
    )


def _pair(state: State, one: str, two: str) -> Question:
    objective = state.objective
    on = Scope("average", (Bound(two, "=", True),))
    return Question(
        f"do the patches {one} and {two} go together for {objective.metric}?",
        (
            Rival(
                f"{one} and {two} help together",
                f"What {one} changes is of use only once {two} is there.",
                (
                    Interacts(one, two, objective.metric, True),
                    Effect(one, False, True, better(objective), objective.metric, None, on),
                ),
            ),
            Rival(
                f"{one} and {two} stand in each other's way",
                "Both do the same work, and twice is too much.",
                (
                    Interacts(one, two, objective.metric, True),
                    Effect(one, False, True, worse(objective), objective.metric, None, on),
                ),
            ),
            Rival(
                f"{one} and {two} act on their own",
                "They touch different parts of the training: what each does adds up.",
                (Interacts(one, two, objective.metric, False),),
            ),
        ),
        0.8,
        about=(one, two),
    )


def standing_out(state: State, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of switches whose product explains what single effects leave, the strongest first.

    A ridge fit of the single effects; the residuals' correlation with each product, in standard errors.
    """
    metric = state.objective.metric
    done = [t for t in state.completed if metric in t.observation.metrics]
    if len(done) < max(len(names) + 6, 3 * len(names) // 2):
        return
    x = np.array([[1.0 if t.proposal.point.get(n) is True else -1.0 for n in names] for t in done])
    y = np.array([t.observation.metrics[metric] for t in done])
    low, high = np.percentile(y, [25, 75])
    reach = 3.0 * max(high - low, 1e-12)
    y = np.clip(y, low - reach, high + reach)
    design = np.column_stack([np.ones(len(x)), x])
    penalty = 0.3 * np.eye(design.shape[1])
    penalty[0, 0] = 0.0
    hat = design @ np.linalg.solve(design.T @ design + penalty, design.T)
    rest = y - hat @ y
    found = []
    for i, j in combinations(range(len(names)), 2):
        product = x[:, i] * x[:, j]
        clean = product - hat @ product
        length = float(clean @ clean)
        if length < 1.0:
            continue
        slope = float(clean @ rest) / length
        error = np.sqrt(
            max(float(np.sum((rest - slope * clean) ** 2)), 1e-24) / max(len(y) - len(names) - 2, 1) / length
        )
        found.append((abs(slope) / error, i, j))
    for strength, i, j in sorted(found, reverse=True):
        if strength < _STRONG:
            return
        yield names[i], names[j]


def _theory(rival: Rival, question: str, after: int) -> Theory:
    """An answer as a theory without an id; its claims stay on average over the other patches, as screening tells."""
    claims = tuple(render(claim) for claim in rival.claims)
    return Theory("", rival.title, rival.because, claims, question, refutation(rival.claims), Patches.name, after)
