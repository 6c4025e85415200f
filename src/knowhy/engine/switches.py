"""What turning a switch on does to a metric, by the draws of the posterior."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from knowhy.engine.beliefs import Beliefs, share
from knowhy.engine.metric_names import goal
from knowhy.engine.posterior import Posterior
from knowhy.model.state import State
from knowhy.model.theory import Effect, Scope, Verb

Where = Literal["average", "best", "default"]


@dataclass(frozen=True, slots=True)
class SwitchEffect:
    """The change of the metric when a switch is turned on, in its units: posterior median and 90% interval.

    ``helps``, ``hurts`` and ``nothing`` are beliefs that the change is for the better by more than ``margin``, for the
    worse by more, or smaller than it.
    """

    name: str
    metric: str
    middle: float
    low: float
    high: float
    helps: float
    hurts: float
    nothing: float
    margin: float


def switch_effects(beliefs: Beliefs, state: State, names: Iterable[str], where: Where) -> dict[str, SwitchEffect]:
    """The effect of each switch on the first objective, in the scope ``where``; empty while little has run."""
    chosen = [name for name in names if name in state.space]
    posterior = beliefs.posterior(state, chosen)
    if not posterior.told or not chosen:
        return {}
    metric = state.objective.metric
    better, worse, margin = _verbs(state, posterior)
    out = {}
    for name in chosen:
        helps = beliefs.answer(posterior, Effect(name, False, True, better, metric, margin, Scope(where)))
        hurts = beliefs.answer(posterior, Effect(name, False, True, worse, metric, margin, Scope(where)))
        assert helps.quantity is not None
        low, middle, high = (float(q) for q in np.quantile(helps.quantity, [0.05, 0.5, 0.95]))
        up, down = share(helps.holds), share(hurts.holds)
        out[name] = SwitchEffect(
            name, metric, middle, low, high, up, down, max(0.0, 1.0 - up - down), helps.margin or 0.0
        )
    return out


def switch_claims(state: State, posterior: Posterior, name: str) -> tuple[Effect, ...]:
    """That the switch ``name`` helps, and that it hurts, each at the default and on average over the others."""
    better, worse, margin = _verbs(state, posterior)
    places: tuple[Where, ...] = ("default", "average")
    return tuple(
        Effect(name, False, True, verb, state.objective.metric, margin, Scope(where))
        for where in places
        for verb in (better, worse)
    )


def _verbs(state: State, posterior: Posterior) -> tuple[Verb, Verb, float]:
    """What a change for the better and one for the worse do to the first objective, and what counts as a change."""
    metric = state.objective.metric
    better: Verb
    worse: Verb
    better, worse = ("lowers", "raises") if goal(metric, state.objectives) > 0 else ("raises", "lowers")
    response = posterior.response(metric)
    centre, beyond = response.transform.back(np.array([0.0, 0.5 * response.noise]))
    # Half of the noise of one run, whatever else varies in the study: a bad patch must not make a good one look small.
    return better, worse, max(abs(float(beyond - centre)), 1e-12)
