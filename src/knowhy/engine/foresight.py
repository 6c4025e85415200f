"""What is to be expected of trials that somebody has in mind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from knowhy.engine import design
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.encoding import Array
from knowhy.engine.proposals import propose, trial_seed
from knowhy.model.space import Point
from knowhy.model.state import State
from knowhy.model.trial import Arm, Proposal, Purpose


def foresee(
    beliefs: Beliefs,
    state: State,
    points: Sequence[Point],
    *,
    purpose: Purpose,
    reason: str,
    arms: Sequence[Sequence[Arm]] = (),
    seed: int | None = None,
) -> tuple[Proposal, ...]:
    """Proposals of trials at ``points`` (complete) on one seed: predicted outcomes, bits, what theories stake.

    The ``seed`` is a new one where none is given.
    The bits of an arm are those of running it alone. ``arms`` are those of each point, where they are in contrasts.
    """
    posterior = beliefs.posterior(state)
    rows = posterior.rows(list(points))
    open_ = design.open_theories(beliefs, posterior)
    bits: Array = np.zeros((0, len(rows)))
    if open_.theories:
        pending = [t.proposal.point for t in state.pending]
        bits = design.lessons(posterior, open_, rows, pending, state.seed + state.next_trial).bits
    if seed is None:
        seed = trial_seed(state, state.next_trial)
    return tuple(
        propose(
            state,
            point,
            purpose,
            reason,
            i,
            row=rows[i],
            posterior=posterior,
            bits=bits[:, i],
            open_=open_,
            seed=seed,
            arms=tuple(arms[i]) if arms else (),
        )
        for i, point in enumerate(points)
    )
