"""Running a configuration again: where that is worth more than a new one.

A study ends with one configuration, the one that its posterior holds to be best. What another run is worth is how much
better that one is expected to be for it (the knowledge gradient), and this is the same currency for a new configuration
and for one that may have been lucky: after its second run, another may take its place.

Source: Frazier, Powell and Dayanik 2009 (the knowledge gradient for correlated beliefs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from knowhy.engine.encoding import Array
from knowhy.engine.posterior import Posterior
from knowhy.engine.tried import place
from knowhy.model.space import Point
from knowhy.model.trial import Completed

_RIVALS, _LUCKY = 12, 4
_MOST = 5  # runs of one configuration before verification
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_SHARES = _WEIGHTS / _WEIGHTS.sum()
_CLEARLY = 1.2


@dataclass(frozen=True)
class Again:
    """A configuration worth another run: the trial that ran it first, its row, and what both are worth.

    ``gain`` and ``fresh`` are by how much the configuration chosen in the end is expected to be better for one more run
    of it, and for a run of the best new one, in standard units.
    """

    trial: Completed
    row: Array
    gain: float
    fresh: float


def again(posterior: Posterior, new: Array, pending: Sequence[Point]) -> Again | None:
    """The tried configuration that is worth more when run again than the row ``new`` is; None where none is.

    One objective only; what is ``pending`` is not run again yet.
    """
    trials, rows = posterior.candidates
    if posterior.deterministic or len(trials) < 2 or len(posterior.state.objectives) > 1:
        return None
    waiting = {place(r) for r in posterior.rows(list(pending))} if pending else set()
    objective = posterior.state.objective
    response = posterior.response(objective.metric)
    mean, _ = posterior.at_candidates(objective.metric)
    order = np.argsort(objective.sign * mean)[:_RIVALS]
    at = np.concatenate([rows[order], new[None]])
    gains = knowledge_gradients(objective.sign * response.draws(at), response.noise * response.louder(at))
    for i in np.argsort(-gains[: min(_LUCKY, len(order))]):
        where = place(rows[order[i]])
        if where in waiting or posterior.runs.get(where, 0) >= _MOST:
            continue
        if gains[i] <= _CLEARLY * gains[-1]:
            return None
        return Again(trials[order[i]], rows[order[i]], float(gains[i]), float(gains[-1]))
    return None


def knowledge_gradients(values: Array, noise: Array) -> Array:
    """By how much the least expected value falls, on average, for one more noisy look at each column.

    ``values``: draws by configurations; ``noise`` is the standard deviation of a look at each, in their units.
    """
    mean = values.mean(axis=0)
    covariance = np.atleast_2d(np.cov(values, rowvar=False))
    shift = covariance / np.sqrt(np.diag(covariance) + noise**2)  # columns: what a look there does to each mean
    after = (mean[:, None, None] + shift[:, :, None] * _NODES).min(axis=0) @ _SHARES
    return np.asarray(np.maximum(mean.min() - after, 0.0))
