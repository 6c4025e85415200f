"""Thinking: what follows from a state, as events: beliefs and theories after trials that ended, and the next trials.

A conclusion is pure in the state that it starts from, so it can go on beside the trials: the loop writes down what
came of it, or drops it where the journal has gone on in a way that the thought could not know of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from knowhy import reflection
from knowhy.engine.beliefs import Beliefs
from knowhy.model.decision import Budget
from knowhy.model.events import ContrastRegistered, Event, TrialProposed
from knowhy.model.state import State, foreseen
from knowhy.ports import Policy, Theorist


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The events that came of ``start``, in order; ``idle`` says why no more trials are proposed, where it is so."""

    start: State
    events: tuple[Event, ...]
    idle: str
    seconds: float

    def holds(self, state: State) -> bool:
        """Whether it is still true of ``state``: trials may have ended since, but nobody else has decided anything."""
        start = self.start
        return (
            state.next_trial == start.next_trial
            and state.space == start.space
            and state.theories.keys() == start.theories.keys()
            and state.contrasts.keys() == start.contrasts.keys()
            and state.requests.keys() >= start.requests.keys()
        )


class Thinker:
    """Has one thought at a time, on a thread of its own or, where ``aside`` is False, within ``start``.

    The policy and the beliefs are its own while it thinks: nobody else may ask them.
    """

    def __init__(
        self,
        policy: Policy,
        theorists: Sequence[Theorist],
        beliefs: Beliefs,
        judged: Callable[[State], None] = lambda state: None,
        *,
        aside: bool,
    ) -> None:
        """``judged`` is called with each state whose beliefs are new, where the thinking is done."""
        self._policy, self._theorists, self._beliefs, self._judged = policy, theorists, beliefs, judged
        self._thread = ThreadPoolExecutor(1, "knowhy-thinks") if aside else None
        self._future: Future[Conclusion] | None = None

    @property
    def aside(self) -> bool:
        """Whether it thinks on a thread of its own; else a thought is there as soon as it was started."""
        return self._thread is not None

    @property
    def busy(self) -> bool:
        """Whether a thought was started and not taken yet."""
        return self._future is not None

    def start(self, state: State, budget: Budget, ready: int, *, reflect: bool) -> None:
        """Begin a thought: beliefs first where ``reflect``, then trials until ``ready`` are pending."""
        assert self._future is None
        if self._thread is not None:
            self._future = self._thread.submit(self._think, state, budget, ready, reflect)
            return
        self._future = Future()
        self._future.set_result(self._think(state, budget, ready, reflect))

    def take(self, timeout: float | None = 0.0) -> Conclusion | None:
        """The thought once it is there, waiting at most ``timeout`` seconds; raises what it raised."""
        if self._future is None or not wait([self._future], timeout).done:
            return None
        future, self._future = self._future, None
        return future.result()

    def close(self) -> None:
        """Let a thought that is under way end, and forget it."""
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)
        self._future = None

    def _think(self, state: State, budget: Budget, ready: int, reflect: bool) -> Conclusion:
        started = time.monotonic()
        events: list[Event] = []
        now, idle = state, ""
        if reflect:
            events += reflection.after_trials(self._beliefs, self._theorists, state)
            now = foreseen(state, events)
            self._judged(now)
        while len(now.pending) < ready:
            decision = self._policy.decide(now, budget)
            if not decision.proposals:
                idle = decision.reason
                break
            decided: list[Event] = [ContrastRegistered(c) for c in decision.contrasts]
            decided += [TrialProposed(p) for p in decision.proposals]
            events += decided
            now = foreseen(now, decided)
        return Conclusion(state, tuple(events), idle, time.monotonic() - started)
