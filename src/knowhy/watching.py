"""Watching trials that run: their curves are looked at now and then, and those not worth their end are stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from knowhy.engine import stopping
from knowhy.engine.beliefs import Beliefs
from knowhy.model.events import TrialStopped
from knowhy.model.space import FIDELITY_ROLE
from knowhy.model.state import State
from knowhy.model.trial import Running
from knowhy.ports import Executor

PERIOD = 0.5
"""Seconds between two looks at a trial."""
_FURTHER = 0.04  # of the way so far and this share of it more: a curve that has hardly grown is not thought about again


class Watch:
    """Looks at running trials. The beliefs are the thinker's own: to be asked only while nobody thinks."""

    def __init__(self, beliefs: Beliefs, period: float = PERIOD, *, unasked: bool = False) -> None:
        """Look at each trial every ``period`` seconds at most; where ``unasked``, only in studies with a fidelity."""
        self._beliefs, self._period, self._unasked = beliefs, period, unasked
        self._looked: dict[int, float] = {}
        self._seen: dict[int, float] = {}

    def look(self, state: State, executor: Executor, running: Iterable[int]) -> TrialStopped | None:
        """The first of the ``running`` trials that is to be stopped, None where all go on."""
        if self._unasked and not any(p.role == FIDELITY_ROLE for p in state.space):
            return None
        now = time.monotonic()
        due = [n for n in sorted(running) if now - self._looked.get(n, -math.inf) >= self._period]
        if not due or len(state.completed) < stopping.FEWEST_ENDED:
            return None
        for number in due:
            trial = state.trials.get(number)
            self._looked[number] = now
            if not isinstance(trial, Running) or not stopping.may_stop(state, trial):
                continue
            progress = executor.progress(number)
            last = max((c.steps[-1] for c in progress.curves.values() if c.steps), default=None) if progress else None
            if progress is None or last is None:
                continue
            before = self._seen.get(number)
            if before is not None and before <= last < before + _FURTHER * abs(before):
                continue
            self._seen[number] = last
            stop = stopping.consider(self._beliefs, state, number, progress.curves, progress.seconds)
            if stop is not None:
                return TrialStopped(number, stop)
        return None

    def forget(self, number: int) -> None:
        """Trial ``number`` runs no more, or anew."""
        self._looked.pop(number, None)
        self._seen.pop(number, None)
