"""Putting a proposal together: what is expected of a trial, what theories have at stake, and the reason in words."""

from __future__ import annotations

import numpy as np

from knowhy.engine import design
from knowhy.engine.encoding import Array
from knowhy.engine.posterior import Posterior
from knowhy.engine.tried import place
from knowhy.model.space import Point
from knowhy.model.state import State
from knowhy.model.trial import Arm, Completed, Predictive, Proposal, Purpose, Stake


def propose(
    state: State,
    point: Point,
    purpose: Purpose,
    reason: str,
    offset: int = 0,
    *,
    row: Array | None = None,
    posterior: Posterior | None = None,
    bits: Array | None = None,
    open_: design.Open | None = None,
    seed: int | None = None,
    arms: tuple[Arm, ...] = (),
) -> Proposal:
    """A proposal for ``point``; with its encoded ``row`` it carries what the posterior expects of it.

    ``bits`` are expected of it by open theory; ``offset`` counts proposals made together.
    """
    trial = state.next_trial + (offset if row is not None else 0)
    if seed is None:
        seed = trial_seed(state, trial)
    predictions: tuple[Predictive, ...] = ()
    made: tuple[Stake, ...] = ()
    success, expected = 1.0, 0.0
    if row is not None and posterior is not None:
        predictions = design.predictions(posterior, row)
        success = float(posterior.success(row[None])[0])
        if bits is not None and open_ is not None and len(open_.theories):
            made = design.stakes(posterior, open_, row, bits)
            expected = float(bits.sum())
    return Proposal(trial, point, seed, purpose, reason, "engine", expected, success, predictions, made, arms)


def trial_seed(state: State, trial: int) -> int:
    """The seed of a trial, from that of the study."""
    return int(np.random.default_rng([state.seed, 3, trial]).integers(2**31 - 1))


def improve_reason(posterior: Posterior, mean: float, sd: float) -> str:
    """Why a point is tried that promises improvement."""
    objective = posterior.state.objective
    t = posterior.response(objective.metric).transform
    low, high = sorted(float(v) for v in t.back(np.array([mean - 1.645 * sd, mean + 1.645 * sd])))
    return f"most expected improvement: {objective.metric} between {low:.4g} and {high:.4g}"


def repeat_reason(posterior: Posterior, trial: Completed, gain: float, fresh: float) -> str:
    """Why a configuration is run again: what that does for the choice in the end, against a new one."""
    metric = posterior.state.objective.metric
    scale = posterior.response(metric).transform.scale
    runs = posterior.runs[place(posterior.rows([trial.proposal.point])[0])]
    times = "a single run" if runs == 1 else f"{runs} runs"
    return (
        f"trial {trial.proposal.trial} may have been lucky ({times}): another run is worth {gain * scale:.2g} of "
        f"{metric} to the choice in the end, a new configuration {fresh * scale:.2g}"
    )


def learn_reason(state: State, open_: design.Open, bits: Array, arms: int) -> str:
    """What an experiment is there to settle."""
    order = [i for i in np.argsort(-bits)[:3] if bits[i] > 0.005]
    named = [f"{open_.theories[i].id} (belief {open_.bits[i].mean():.2f}, {bits[i]:.2f} bits)" for i in order]
    if not order:
        return "what is left to learn is little; this tells most"
    first = open_.theories[order[0]].title
    lead = "a contrast to settle" if arms == 2 else "to settle"
    rest = f"; also {', '.join(named[1:])}" if len(named) > 1 else ""
    return f"{lead} {named[0]}: \u201c{first}\u201d{rest}"
