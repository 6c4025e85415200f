"""Verification: fresh pairs of trials, for the best configuration and for theories that are nearly settled."""

from __future__ import annotations

import numpy as np

from knowhy.engine import design, evidence
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.encoding import Array
from knowhy.engine.posterior import Posterior
from knowhy.engine.proposals import propose, trial_seed
from knowhy.model.decision import Decision
from knowhy.model.space import Point, Scalar, same_point
from knowhy.model.state import State
from knowhy.model.theory import Better, Effect, Theory
from knowhy.model.trial import Arm, Contrast, Evidence


def verify(beliefs: Beliefs, state: State, posterior: Posterior, left: int) -> Decision | None:
    """A fresh pair for the incumbent against the default, then for a theory that is nearly settled."""
    if left < 2:
        return None
    best = posterior.incumbent
    default = state.space.defaults()
    tested = len(state.contrasts)
    if best is not None and not same_point(best.proposal.point, default):
        contrast = next(
            (c for c in state.contrasts.values() if not c.theory and same_point(c.treatment, best.proposal.point)),
            None,
        )
        found = state.evidence.get(contrast.id) if contrast else None
        if (found is None or not found.certified) and not _hopeless(found):
            reason = f"is trial {best.proposal.trial} truly better than the default? A fresh pair on a new seed"
            if contrast is None:
                objective = state.objective
                direction = -1 if objective.direction == "minimize" else 1
                name = f"C{tested + 1}"
                contrast = Contrast(name, "", objective.metric, direction, default, best.proposal.point)
                return pair(beliefs, state, posterior, contrast, reason, register=True)
            return pair(beliefs, state, posterior, contrast, reason, register=False)
    return _verify_theory(beliefs, state, posterior, left, tested)


def _verify_theory(beliefs: Beliefs, state: State, posterior: Posterior, left: int, tested: int) -> Decision | None:
    certified = set(state.certified)
    open_contrasts = [c for c in state.contrasts.values() if c.theory and c.theory not in certified]
    for contrast in open_contrasts:
        found = state.evidence.get(contrast.id)
        if not _hopeless(found) and 2 * evidence.needed(found, 0) <= left:
            return pair(beliefs, state, posterior, contrast, _certify_reason(state, contrast.theory), register=False)
    if 2 * evidence.needed(None, 0) > left:
        return None
    ranked = sorted(
        (t for t in state.theories.values() if t.id not in certified and state.beliefs.get(t.id, 0.0) >= 0.9),
        key=lambda t: (-(t.by == "person"), -state.beliefs[t.id] + 0.5 * state.priors.get(t.id, 0.5)),
    )
    tried = {c.theory for c in state.contrasts.values()}
    for theory in ranked:
        if theory.id in tried:
            continue
        made = contrast_for(beliefs, state, posterior, theory, f"C{tested + 1}")
        if made is not None:
            return pair(beliefs, state, posterior, made, _certify_reason(state, theory.id), register=True)
    return None


def contrast_for(beliefs: Beliefs, state: State, posterior: Posterior, theory: Theory, name: str) -> Contrast | None:
    """The contrast that would certify ``theory``; None where pairs cannot (several claims, no direction)."""
    parsed = beliefs.claims(state, theory.claims)
    if len(parsed) != 1 or not isinstance(parsed[0], (Effect, Better)):
        return None
    claim = parsed[0]
    if claim.scope.kind == "everywhere" or claim.scope.bounds or not state.space[claim.parameter].active:
        return None
    if isinstance(claim, Better):
        direction = -1 if posterior.judge([claim.metric]).signs[claim.metric] > 0 else 1
        ends: tuple[Scalar, Scalar] = (claim.loser, claim.winner)
        margin = 0.0
    else:
        if claim.verb == "does not change":
            return None
        direction = 1 if claim.verb == "raises" else -1
        ends, margin = (claim.start, claim.end), claim.margin or 0.0
    if claim.scope.kind == "average":
        control, treatment = ({claim.parameter: v} for v in ends)
        return Contrast(name, theory.id, claim.metric, direction, control, treatment, "random", margin)
    base = state.space.defaults()
    if claim.scope.kind == "best" and posterior.incumbent is not None:
        base = dict(posterior.incumbent.proposal.point)
    points = [state.space.complete({**base, claim.parameter: v}) for v in ends]
    return Contrast(name, theory.id, claim.metric, direction, points[0], points[1], "fixed", margin)


def _certify_reason(state: State, theory: str) -> str:
    title, belief = state.theories[theory].title, state.beliefs.get(theory, 0.5)
    return f"a fresh pair towards certifying {theory}, \u201c{title}\u201d (belief {belief:.2f})"


def pair(
    beliefs: Beliefs, state: State, posterior: Posterior, contrast: Contrast, reason: str, *, register: bool
) -> Decision:
    """Both arms of a fresh pair, in random order, on one new seed."""
    number = 1 + max(
        (
            t.proposal.arm.pair
            for t in state.trials.values()
            if t.proposal.arm and t.proposal.arm.contrast == contrast.id
        ),
        default=0,
    )
    rng = np.random.default_rng([state.seed, 7, state.next_trial])
    base: Point = {}
    if contrast.background == "random":
        rows = posterior.encoder.snap(posterior.encoder.typical(32, state.seed + 31 * state.next_trial))
        likely = rows[posterior.success(rows) >= 0.5]
        pool = likely if len(likely) else rows
        base = posterior.encoder.decode(pool[int(rng.integers(len(pool)))])[0]
    seed = trial_seed(state, state.next_trial)
    order = [True, False] if rng.random() < 0.5 else [False, True]
    points = [state.space.complete({**base, **(contrast.treatment if t else contrast.control)}) for t in order]
    rows = posterior.rows(points)
    open_ = design.open_theories(beliefs, posterior)
    bits: Array = np.zeros((0, 2))
    if open_.theories:
        pending = [t.proposal.point for t in state.pending]
        bits = design.lessons(posterior, open_, rows, pending, state.seed + state.next_trial).bits
    made = [
        propose(
            state,
            point,
            "verify",
            reason,
            i,
            row=rows[i],
            posterior=posterior,
            bits=bits[:, i],
            open_=open_,
            seed=seed,
            arm=Arm(contrast.id, number, treatment),
        )
        for i, (point, treatment) in enumerate(zip(points, order, strict=True))
    ]
    return Decision(tuple(made), reason, contrast if register else None)


def _hopeless(found: Evidence | None) -> bool:
    """Whether a contrast has lost so often that more pairs would be a waste."""
    return found is not None and found.pairs >= 4 and found.pairs - found.wins >= 0.4 * found.pairs
