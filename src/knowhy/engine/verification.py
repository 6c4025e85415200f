"""Verification: fresh pairs of trials, for the best configuration and for theories that are nearly settled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from knowhy.engine import claims, evidence
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.foresight import foresee
from knowhy.engine.metric_names import goal
from knowhy.engine.posterior import Posterior
from knowhy.engine.trades import parts
from knowhy.model.decision import Decision
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import Point, Scalar, same_point
from knowhy.model.state import State
from knowhy.model.theory import Better, Claim, Effect, Theory, Trades
from knowhy.model.trial import Arm, Contrast, Evidence

_LIKELY, _DOUBTFUL, _PROMISING = 0.9, 0.7, 0.8


def verify(beliefs: Beliefs, state: State, posterior: Posterior, left: int) -> Decision | None:
    """A round of fresh trials on one new seed: the best configuration, theories, and the control that they share.

    None when nothing is left that ``left`` trials could certify.
    """
    live = [c for c in state.contrasts.values() if c.background != "mirrored" and _alive(state, posterior, c)]
    new: list[Contrast] = []
    if not any(not c.theory for c in live):
        new += _best(state, posterior)
    if not live or new:
        for theory in _candidates(beliefs, state):
            wanted = contrasts_for(beliefs, state, posterior, theory, len(state.contrasts) + len(new))
            both = [*live, *new, *wanted]
            if wanted and evidence.needed(None, 0, bold=evidence.BOLD) * width(state, both) <= left:
                new += [replace(c, bold=evidence.BOLD) for c in wanted]
    active = [*live, *new]
    while active and width(state, active) > left:
        active.pop()
    if not active:
        return None
    return fresh_round(beliefs, state, posterior, active, tuple(c for c in new if c in active))


def test(beliefs: Beliefs, state: State, posterior: Posterior, theory: str) -> Decision | None:
    """One fresh pair for the contrasts of ``theory`` ("" for the best configuration against the default).

    They are registered where they are not yet. None where pairs cannot certify it, or not any more.
    """
    known = [c for c in state.contrasts.values() if c.theory == theory]
    new: tuple[Contrast, ...] = ()
    if not theory:
        known = [c for c in known if _alive(state, posterior, c)]
        new = () if known else tuple(_best(state, posterior))
    elif not known and theory in state.theories:
        new = contrasts_for(beliefs, state, posterior, state.theories[theory], len(state.contrasts))
    active = [*known, *new]
    return fresh_round(beliefs, state, posterior, active, new) if active else None


def _alive(state: State, posterior: Posterior, contrast: Contrast) -> bool:
    """Whether more pairs of ``contrast`` are worth running."""
    found = state.evidence.get(contrast.id)
    if found is not None and (found.certified or _hopeless(found)):
        return False
    if contrast.theory:
        return state.beliefs.get(contrast.theory, 0.0) >= _DOUBTFUL
    best = posterior.incumbent
    return best is not None and same_point(contrast.treatment, best.proposal.point)


def _best(state: State, posterior: Posterior) -> list[Contrast]:
    """The claim that the incumbent beats the default, unless it is the default or was tested already."""
    best, default = posterior.incumbent, state.space.defaults()
    if best is None or same_point(best.proposal.point, default):
        return []
    if any(not c.theory and same_point(c.treatment, best.proposal.point) for c in state.contrasts.values()):
        return []
    metric, sign = state.objective.metric, state.objective.sign
    draws = sign * posterior.response(metric).draws(posterior.rows([best.proposal.point, default]))
    if np.mean(draws[:, 0] < draws[:, 1]) < _PROMISING:
        return []  # pairs would tell little: searching on is worth more
    direction = -1 if state.objective.direction == "minimize" else 1
    name = f"C{len(state.contrasts) + 1}"
    return [Contrast(name, "", metric, direction, default, best.proposal.point, bold=evidence.BOLD)]


def _candidates(beliefs: Beliefs, state: State) -> list[Theory]:
    """Theories that are nearly settled and not yet tested: people's first, then those that the data moved most."""
    tried = {c.theory for c in state.contrasts.values()}
    objectives = {o.metric for o in state.objectives}

    def rank(theory: Theory) -> tuple[bool, bool, float]:
        about = any(m in objectives for c in beliefs.claims(state, theory.claims) for m in claims.mentions(c)[1])
        return theory.by != "person", not about, state.priors.get(theory.id, 0.5) - state.beliefs[theory.id]

    likely = [t for t in state.theories.values() if t.id not in tried and state.beliefs.get(t.id, 0.0) >= _LIKELY]
    likely = [t for t in likely if not _of_patches(beliefs, state, t)]
    return sorted(likely, key=rank)


def _of_patches(beliefs: Beliefs, state: State, theory: Theory) -> bool:
    """Whether a theory is of patches alone, where there are several: mirrored pairs test those all at once."""
    named = {n for c in beliefs.claims(state, theory.claims) for n in claims.mentions(c)[0]}
    several = sum(p.role == PATCH_ROLE for p in state.space.active) > 1
    return several and bool(named) and all(state.space[n].role == PATCH_ROLE for n in named)


def contrasts_for(
    beliefs: Beliefs, state: State, posterior: Posterior, theory: Theory, registered: int
) -> tuple[Contrast, ...]:
    """The contrasts, one a claim, that would together certify ``theory``; empty where pairs cannot.

    ``registered`` is how many contrasts there are already.
    """
    read = beliefs.claims(state, theory.claims)
    signs = {m: goal(m, state.objectives) for c in read for m in claims.mentions(c)[1]}
    parsed = [p for c in read for p in (parts(c, signs) if isinstance(c, Trades) else (c,))]
    found = [contrast_of(state, posterior, theory, c, f"C{registered + 1 + i}") for i, c in enumerate(parsed)]
    made = tuple(c for c in found if c is not None)
    return made if made and len(made) == len(parsed) and len(read) == len(theory.claims) else ()


def contrast_of(state: State, posterior: Posterior, theory: Theory, claim: Claim, name: str) -> Contrast | None:
    """The contrast of one claim of a difference; None for other claims and where its parameter is held."""
    if not isinstance(claim, (Effect, Better)):
        return None
    if claim.scope.kind == "everywhere" or claim.scope.bounds or not state.space[claim.parameter].active:
        return None
    if isinstance(claim, Better):
        direction = -1 if goal(claim.metric, state.objectives) > 0 else 1
        ends: tuple[Scalar, Scalar] = (claim.loser, claim.winner)
        margin = 0.0
    else:
        if claim.verb == "does not change":
            return None
        direction = 1 if claim.verb == "raises" else -1
        ends, margin = (claim.start, claim.end), claim.margin or 0.0
    base = state.space.defaults()
    if claim.scope.kind == "best" and posterior.incumbent is not None:
        base = dict(posterior.incumbent.proposal.point)
    parents = state.space.admitting(claim.parameter, base)
    if not all(state.space[n].active or base.get(n, state.space[n].default) == v for n, v in parents.items()):
        return None  # the parameter does not count where its parents are held
    if claim.scope.kind == "average":
        control, treatment = ({**parents, claim.parameter: v} for v in ends)
        return Contrast(name, theory.id, claim.metric, direction, control, treatment, "random", margin)
    base = {**base, **parents}
    for end in ends:  # what either end rules out is off in both arms
        base = {**base, **state.space.complete({**base, claim.parameter: end}, keep=[claim.parameter])}
    points = [state.space.complete({**base, **parents, claim.parameter: v}, keep=[claim.parameter]) for v in ends]
    return Contrast(name, theory.id, claim.metric, direction, points[0], points[1], "fixed", margin)


def _arms(state: State, contrasts: list[Contrast], base: Point, pair: int) -> list[tuple[dict[str, Scalar], list[Arm]]]:
    """The distinct configurations of a round, each with the places that it fills."""
    made: list[tuple[dict[str, Scalar], list[Arm]]] = []
    for contrast in contrasts:
        # What the treatment rules out is off in both arms: they differ in nothing else.
        whole = state.space.complete({**base, **contrast.treatment}, keep=contrast.treatment)
        background = whole if contrast.background == "random" else {}
        for treatment, setting in ((False, contrast.control), (True, contrast.treatment)):
            point = state.space.complete({**background, **setting}, keep=setting)
            arm = Arm(contrast.id, pair, treatment)
            place = next((arms for p, arms in made if same_point(p, point)), None)
            if place is None:
                made.append((point, [arm]))
            else:
                place.append(arm)
    return made


def width(state: State, contrasts: list[Contrast]) -> int:
    """How many trials a round of ``contrasts`` takes."""
    return len(_arms(state, contrasts, {}, 0))


def fresh_round(
    beliefs: Beliefs, state: State, posterior: Posterior, contrasts: list[Contrast], new: tuple[Contrast, ...]
) -> Decision:
    """All arms of a fresh pair of each contrast, in random order, on one new seed."""
    pair = 1 + max((a.pair for t in state.trials.values() for a in t.proposal.arms), default=0)
    rng = np.random.default_rng([state.seed, 7, state.next_trial])
    base: Point = {}
    if any(c.background == "random" for c in contrasts):
        rows = posterior.encoder.snap(posterior.encoder.typical(32, state.seed + 31 * state.next_trial))
        likely = rows[posterior.success(rows) >= 0.5]
        pool = likely if len(likely) else rows
        base = posterior.encoder.decode(pool[int(rng.integers(len(pool)))])[0]
    made = _arms(state, contrasts, base, pair)
    made = [made[i] for i in rng.permutation(len(made))]
    reason = _reason(state, posterior, contrasts)
    points, arms = [point for point, _ in made], [arms for _, arms in made]
    proposals = foresee(beliefs, state, points, purpose="verify", reason=reason, arms=arms)
    return Decision(proposals, reason, new)


def _reason(state: State, posterior: Posterior, contrasts: list[Contrast]) -> str:
    asked = []
    if any(not c.theory for c in contrasts) and posterior.incumbent is not None:
        asked.append(f"is trial {posterior.incumbent.proposal.trial} truly better than the default?")
    for theory in dict.fromkeys(c.theory for c in contrasts if c.theory):
        belief = state.beliefs.get(theory, 0.5)
        asked.append(f"does {theory}, \u201c{state.theories[theory].title}\u201d (belief {belief:.2f}), hold?")
    return " ".join([*asked, "A fresh round on a new seed"])


def _hopeless(found: Evidence | None) -> bool:
    """Whether a contrast has lost so often that more pairs would be a waste."""
    if found is None:
        return False
    losses = found.pairs - found.wins
    return (found.pairs >= 4 and losses >= 0.4 * found.pairs) or (found.wins == 0 and losses >= 3)
