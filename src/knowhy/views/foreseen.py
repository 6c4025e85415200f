"""What is to be expected of trials that have not run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knowhy.model.space import Point
from knowhy.model.state import State
from knowhy.model.trial import Proposal
from knowhy.views.mind import Mind
from knowhy.views.trials import Range, Setting, changed, predicted


@dataclass(frozen=True, slots=True)
class StakeView:
    """What a theory has riding on a trial: its belief, the bits expected about it, and its two predictions."""

    theory: str
    title: str
    belief: float
    bits: float
    if_true: Range
    if_false: Range


@dataclass(frozen=True, slots=True)
class ForeseenView:
    """What is expected of a trial: the objectives (90%), the chance that it does not fail, and what it would teach.

    ``bits`` are expected about all open theories together; ``stakes`` are the theories that would learn most.
    """

    changed: tuple[Setting, ...]
    predicted: tuple[Range, ...]
    success: float
    bits: float
    stakes: tuple[StakeView, ...]


def foreseen(state: State, mind: Mind, points: Sequence[Point]) -> tuple[ForeseenView, ...]:
    """What trials at ``points`` (complete) would show and teach, each on its own."""
    return tuple(_view(state, p) for p in mind.foresee(state, points))


def _view(state: State, proposal: Proposal) -> ForeseenView:
    return ForeseenView(
        changed=changed(state.space, proposal.point),
        predicted=tuple(predicted(p) for p in proposal.predictions),
        success=proposal.success,
        bits=proposal.expected_bits,
        stakes=tuple(
            StakeView(
                s.theory, state.theories[s.theory].title, s.belief, s.bits, predicted(s.if_true), predicted(s.if_false)
            )
            for s in proposal.stakes
        ),
    )
