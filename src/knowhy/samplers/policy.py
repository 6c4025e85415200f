"""Classic strategies as policies: every trial is there to improve, and beliefs follow at a slower pace."""

from __future__ import annotations

import numpy as np

from knowhy.model.decision import Budget, Decision
from knowhy.model.state import State
from knowhy.model.trial import Proposal
from knowhy.ports import Sampler

_OFTEN = 10


class SamplerPolicy:
    """Takes every point from a sampler; the default configuration comes first."""

    def __init__(self, name: str, sampler: Sampler) -> None:
        """``name`` is that of the strategy and stands as the proposer of its trials."""
        self.name = name
        self._sampler = sampler

    def reflects(self, state: State) -> bool:
        """At first after each trial, then after each tenth: choices do not rest on beliefs here."""
        return len(state.order) <= _OFTEN or len(state.order) % _OFTEN == 0

    def decide(self, state: State, budget: Budget) -> Decision:
        """The next point, or a stop when the budget is spent or a finite strategy is exhausted."""
        if state.planned >= budget.trials:
            return Decision((), "the budget of trials is spent")
        trial = state.next_trial
        seed = int(np.random.default_rng([state.seed, 3, trial]).integers(2**31 - 1))
        if not state.trials:
            reason = "the default configuration is what all else is measured against"
            return Decision((Proposal(trial, state.space.defaults(), seed, "learn", reason, self.name),), reason)
        point = self._sampler.suggest(state, trial)
        if point is None:
            return Decision((), f"the {self.name} strategy has no more points")
        reason = f"chosen by the {self.name} strategy"
        return Decision((Proposal(trial, point, seed, "improve", reason, self.name),), reason)
