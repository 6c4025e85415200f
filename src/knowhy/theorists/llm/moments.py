"""When a language model is asked: at the moments that matter, not after every trial."""

from __future__ import annotations

from knowhy.engine.standing import attention
from knowhy.model.state import State
from knowhy.model.thought import Thought
from knowhy.model.trial import Completed

SURPRISE = 2.5
_APART = 3
_WINDOW = 12
_OUTSIDE = 0.35
_FAILURES = 3


def moment(state: State, by: str) -> str | None:
    """Why ``by`` is to be asked now; None while there is no reason to.

    A theorist with a poor record is asked less often; one whose last calls failed, after ever longer times.
    """
    mine = [t for t in state.thoughts if t.by == by]
    ended = len(state.order)
    if not mine:
        return "the start of the study" if ended == 0 else "the first look at a study that runs"
    since = ended - mine[-1].after
    trials = state.run.trials if state.run else 60
    if ended >= trials or since < _apart(state, by, mine):
        return None
    new = state.order[len(state.order) - since :]
    return (
        _surprise(state, new)
        or _failures(state, new)
        or _misfit(state, since)
        or _plateau(state, since)
        or (f"{since} trials since the last time" if since >= max(8, trials // 6) else None)
    )


def _apart(state: State, by: str, mine: list[Thought]) -> int:
    """Trials between two calls."""
    failed = 0
    for thought in reversed(mine):
        if thought.outcome == "answered":
            break
        failed += 1
    record = attention(state, by)
    return round(_APART * max(1.0, 0.5 / record)) << min(failed, 5)


def _surprise(state: State, new: list[int]) -> str | None:
    found = [u for u in state.updates if u.trial in new and u.surprise is not None and abs(u.surprise) > SURPRISE]
    if not found:
        return None
    largest = max(found, key=lambda u: abs(u.surprise or 0.0))
    return f"a surprise: trial {largest.trial} came out {largest.surprise:+.1f} standard deviations from its prediction"


def _failures(state: State, new: list[int]) -> str | None:
    failed = sum(not isinstance(state.trials[n], Completed) for n in new)
    return f"{failed} of the last {len(new)} trials failed" if failed >= _FAILURES else None


def _misfit(state: State, since: int) -> str | None:
    """Predictions that are off more often than they should be, half of them new."""
    sizes = [abs(u.surprise) for u in state.updates if u.surprise is not None][-_WINDOW:]
    outside = sum(size > 1.645 for size in sizes)
    if len(sizes) == _WINDOW and outside > _OUTSIDE * _WINDOW and since >= _WINDOW // 2:
        return f"a misfit: {outside} of the last {_WINDOW} outcomes lay outside their 90% intervals"
    return None


def _plateau(state: State, since: int) -> str | None:
    """No better value for a fifth of the budget."""
    patience = max(8, (state.run.trials if state.run else 60) // 5)
    if since < patience // 2 or not state.objectives:
        return None
    best, at = None, 0
    for i, number in enumerate(state.order, 1):
        trial = state.trials[number]
        value = trial.observation.metrics.get(state.objective.metric) if isinstance(trial, Completed) else None
        if value is not None and (best is None or state.objective.better(value, best)):
            best, at = value, i
    waited = len(state.order) - at
    return f"a plateau: {waited} trials without a better value" if waited >= patience else None
