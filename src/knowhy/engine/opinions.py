"""Opinions: what proposers say is probable, as a bounded tilt of the draws.

An opinion is a claim with a probability and a reason. It changes no belief: beliefs, certificates and all that is
reported as found rest on the data alone. It tilts where improvement is looked for: draws in which the claim holds weigh
more (or less), by at most a factor of ``LIMIT`` for one opinion, less for a proposer with a poor record, and by at most
``TOGETHER`` between any two draws whatever is said.
"""

from __future__ import annotations

import math

import numpy as np

from knowhy.engine.beliefs import Beliefs, share
from knowhy.engine.encoding import Array
from knowhy.engine.posterior import Posterior
from knowhy.engine.predicates import Bits
from knowhy.engine.standing import attention
from knowhy.model.belief import Swayed
from knowhy.model.theory import Theory
from knowhy.model.thought import Opinion

LIMIT, TOGETHER = 3.0, 9.0
_LITTLE = 1e-3


def said(posterior: Posterior) -> tuple[Opinion, ...]:
    """The opinions of a study, the last of each proposer on the same claims."""
    found: dict[tuple[str, tuple[str, ...]], Opinion] = {}
    for thought in posterior.state.thoughts:
        for opinion in thought.opinions:
            found[opinion.by, opinion.claims] = opinion
    return tuple(found.values())


def weights(beliefs: Beliefs, posterior: Posterior, *, prior: bool = False) -> Array | None:
    """What each draw weighs by the opinions that were given (they sum to 1); None where there are none."""
    tilt: Array | None = None
    for opinion in said(posterior):
        shift, holds = _shift(beliefs, posterior, opinion, prior=prior)
        if holds is None or shift == 0.0:
            continue
        tilt = (np.zeros(len(holds)) if tilt is None else tilt) + shift * holds
    if tilt is None:
        return None
    spread = float(np.ptp(tilt))
    if spread > math.log(TOGETHER):
        tilt = tilt * (math.log(TOGETHER) / spread)
    weight = np.exp(tilt - tilt.max())
    return np.asarray(weight / weight.sum())


def swayed(beliefs: Beliefs, posterior: Posterior) -> tuple[Swayed, ...]:
    """Each opinion with prior and belief of its claims, without and with all opinions."""
    before, after = weights(beliefs, posterior, prior=True), weights(beliefs, posterior)
    found = []
    for opinion in said(posterior):
        theory = _theory(opinion)
        start, end = beliefs.bits(posterior, theory, prior=True), beliefs.bits(posterior, theory)
        if start is None or end is None:
            continue
        with_prior = share(start) if before is None else float(before @ start)
        with_data = share(end) if after is None else float(after @ end)
        found.append(Swayed(opinion, share(start), with_prior, share(end), with_data))
    return tuple(found)


def favour(posterior: Posterior, tilt: Array, known: Array, rows: Array) -> Array:
    """Log of the expected improvement at ``rows`` under ``tilt`` over that without, within ``LIMIT`` either way.

    ``known`` are the rows that have been tried.
    """
    if not len(known):
        return np.zeros(len(rows))
    objective = posterior.state.objective
    draws = posterior.response(objective.metric).draws
    best = (objective.sign * draws(known)).min(axis=1)
    gains = np.maximum(best[:, None] - objective.sign * draws(rows), 0.0)
    ratio = (tilt @ gains + _LITTLE) / (gains.mean(axis=0) + _LITTLE)
    return np.asarray(np.clip(np.log(ratio), -math.log(LIMIT), math.log(LIMIT)))


def _shift(beliefs: Beliefs, posterior: Posterior, opinion: Opinion, *, prior: bool) -> tuple[float, Bits | None]:
    """By how much the log odds move, and the draws in which the claims hold."""
    theory = _theory(opinion)
    base, holds = beliefs.bits(posterior, theory, prior=True), beliefs.bits(posterior, theory, prior=prior)
    if base is None or holds is None:
        return 0.0, None
    p = min(0.99, max(0.01, opinion.probability))
    q = min(0.99, max(0.01, share(base)))
    wanted = math.log(p / (1 - p)) - math.log(q / (1 - q))
    most = math.log(LIMIT)
    return min(most, max(-most, wanted)) * min(1.0, attention(posterior.state, opinion.by)), holds


def _theory(opinion: Opinion) -> Theory:
    return Theory("", "", "", opinion.claims)
