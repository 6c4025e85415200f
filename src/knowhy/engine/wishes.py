"""Experiments that somebody asked for, as candidates: considered beside the engine's own, chosen on merit only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from knowhy.engine.encoding import Array
from knowhy.engine.posterior import Posterior
from knowhy.engine.standing import slots, sway
from knowhy.errors import SpaceError
from knowhy.model.space import same_point
from knowhy.model.state import State

_ROUNDING = 2e-6
_SAY = 0.5


@dataclass(frozen=True)
class Wished:
    """Rows that were asked for and have not run, and who asked."""

    rows: Array
    by: tuple[str, ...]

    def proposer(self, row: Array) -> str:
        """Who asked for ``row`` (to six digits, as values are written); "engine" where nobody did."""
        close = (by for mine, by in zip(self.rows, self.by, strict=True) if np.abs(mine - row).max() < _ROUNDING)
        return next(close, "engine")

    def heeded(self, state: State) -> Array:
        """The rows of those whose record has earned them a say (see ``standing``)."""
        return self.rows[[sway(state, by) >= _SAY for by in self.by]] if len(self.rows) else self.rows

    def among(self, rows: Array) -> Array:
        """``rows`` and those that were asked for."""
        return np.concatenate([rows, self.rows]) if len(self.rows) else rows


def wished(posterior: Posterior) -> Wished:
    """The experiments that each proposer's record has room for, the latest first; held parameters stay at default."""
    state = posterior.state
    points = [t.proposal.point for t in state.trials.values()]
    held = {p.name: p.default for p in state.space.held}
    left: dict[str, int] = {}
    rows: list[Array] = []
    by: list[str] = []
    for wish in [w for thought in reversed(state.thoughts) for w in thought.wishes]:
        if left.setdefault(wish.by, slots(state, wish.by)) <= 0:
            continue
        try:
            point = state.space.complete({**state.space.check(wish.point), **held})
        except SpaceError:
            continue
        if any(same_point(point, other) for other in points):
            continue
        left[wish.by] -= 1
        points.append(point)
        rows.append(posterior.encoder.snap(posterior.rows([point]))[0])
        by.append(wish.by)
    stacked = np.array(rows) if rows else np.zeros((0, posterior.encoder.columns))
    return Wished(stacked, tuple(by))
