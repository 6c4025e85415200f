"""A study of knowhy's own as a history: to be imported into another study, or exported."""

from __future__ import annotations

from collections.abc import Iterator

from knowhy.histories.conditions import in_effect
from knowhy.histories.history import History, Recorded, identified
from knowhy.model.space import same_point
from knowhy.model.state import State
from knowhy.model.trial import Completed, Failed, Stopped


def history_of_state(state: State, source: str) -> History:
    """The trials of ``state`` that have ended, in the order in which they did, with its space and objectives."""
    history = History(
        "knowhy",
        source,
        state.name,
        tuple(_recorded(state)),
        {p.name: p.domain for p in state.space},
        state.objectives,
        state.constraints,
        state.space,
    )
    return identified(history)


def _recorded(state: State) -> Iterator[Recorded]:
    keys = {number: key for key, number in state.observed.items()}
    best: float | None = None
    objective = state.objectives[0] if state.objectives else None
    for number in state.order:
        trial = state.trials[number]
        if not isinstance(trial, (Completed, Failed, Stopped)):
            continue
        point = state.space.complete(trial.proposal.point)
        outcome = (
            trial.observation
            if isinstance(trial, Completed)
            else trial.failure
            if isinstance(trial, Failed)
            else trial.stop.outcome()
        )
        value = outcome.metrics.get(objective.metric) if objective and isinstance(trial, Completed) else None
        kept = value is not None and objective is not None and (best is None or objective.better(value, best))
        if kept:
            best = value
        settings = {p.name: point[p.name] for p in in_effect(state.space, point)}
        default = " (the default)" if same_point(point, state.space.defaults()) else ""
        yield Recorded(
            f"trial {number}",
            settings,
            outcome,
            trial.proposal.seed if trial.proposal.seed_known else None,
            f"{trial.proposal.reason}{default}",
            trial.proposal.purpose,
            kept,
            keys.get(number, ""),
            state.commits.get(number, ""),
        )
