"""Trials that somebody asked for: decided before anything else, with the same predictions as all others."""

from __future__ import annotations

from dataclasses import replace

from knowhy.engine import verification
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.foresight import foresee
from knowhy.engine.policy import TheoryPolicy, broken
from knowhy.model.decision import Budget, Decision
from knowhy.model.events import TrialsRequested
from knowhy.model.state import State
from knowhy.ports import Policy

ASKED = "asked"
DONE = "everything that was asked for has run"


class AskedPolicy:
    """``inner`` decides, but requests go first; with None, nothing else is run but the default, once, before all."""

    def __init__(self, beliefs: Beliefs, inner: Policy | None) -> None:
        """Answer requests from ``beliefs``; ``inner`` decides when there are none."""
        self.beliefs = beliefs
        self.inner = inner
        self.name = ASKED if inner is None else inner.name
        self._own = inner if isinstance(inner, TheoryPolicy) else TheoryPolicy(beliefs)

    def reflects(self, state: State) -> bool:
        """As ``inner``; after every trial where somebody asks for them, since they look at each."""
        return self.inner is None or self.inner.reflects(state)

    def decide(self, state: State, budget: Budget) -> Decision:
        """The answer to the oldest request that can be answered, else what ``inner`` decides."""
        left = budget.trials - state.planned
        if left <= 0:
            return Decision((), "the budget of trials is spent")
        if self.inner is None and (not state.trials or (broken(state) and not state.pending)):
            return self._own.decide(state, budget)  # the default, which all else is measured against
        for number, request in state.requests.items():
            decision = self._answer(state, budget, request)
            if decision is not None and 0 < len(decision.proposals) <= left:
                reason = f"{request.by} asked: {request.reason}" if request.reason else decision.reason
                made = [
                    replace(p, proposer=request.by, request=number, reason=_joined(request, p.reason))
                    for p in decision.proposals
                ]
                return Decision(tuple(made), reason, decision.contrasts)
        return Decision((), DONE) if self.inner is None else self.inner.decide(state, budget)

    def _answer(self, state: State, budget: Budget, request: TrialsRequested) -> Decision | None:
        if request.kind == "choice":
            return self._own.decide(state, budget)
        if request.kind == "test":
            return verification.test(self.beliefs, state, self.beliefs.posterior(state), request.theory)
        points = [state.space.complete(p) for p in request.points]
        made = foresee(self.beliefs, state, points, purpose="learn", reason=request.reason)
        return Decision(made, request.reason)


def _joined(request: TrialsRequested, reason: str) -> str:
    """Both reasons, where knowhy has one of its own."""
    return " – ".join(dict.fromkeys(r for r in (request.reason, reason) if r)) or "asked for"
