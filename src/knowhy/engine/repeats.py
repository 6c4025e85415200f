"""Running given configurations again: the same fresh seeds for each, so that they can be compared in pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from knowhy.model.decision import Budget, Decision
from knowhy.model.space import Point, same_point
from knowhy.model.state import State
from knowhy.model.trial import Failed, Proposal


class RepeatPolicy:
    """Runs each of ``points`` (complete) on ``runs`` seeds that it chooses itself; pure in the state."""

    name = "repeat"

    def __init__(self, points: Sequence[Point], runs: int) -> None:
        """What has been run already, by an earlier policy of the same study, is not run again."""
        self._points, self._runs = list(points), runs

    def reflects(self, state: State) -> bool:
        """Never: nothing is chosen by beliefs."""
        return False

    def decide(self, state: State, budget: Budget) -> Decision:
        """The next configuration and seed; a stop when all have run."""
        trials = [t for t in state.trials.values() if not (isinstance(t, Failed) and t.failure.kind == "lost")]
        for run in range(self._runs):
            seed = repeat_seed(state.seed, run)
            for point in self._points:
                if not any(t.proposal.seed == seed and same_point(t.proposal.point, point) for t in trials):
                    reason = f"run {run + 1} of {self._runs} on fresh seeds, the same for every configuration"
                    return Decision((Proposal(state.next_trial, point, seed, "verify", reason, self.name),), reason)
        return Decision((), "every configuration has run")


def repeat_seed(seed: int, run: int) -> int:
    """The seed of the ``run``-th repetition in a study with ``seed``."""
    return int(np.random.default_rng([seed, 97, run]).integers(2**31 - 1))
