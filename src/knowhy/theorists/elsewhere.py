"""Whether the best of all lies where the good trials lie, or in a region that was hardly looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from knowhy.model.objective import Objective
from knowhy.model.theory import Bound, Lies
from knowhy.theorists.questions import Question, Rival
from knowhy.theorists.reading import Lever, Reading, number
from knowhy.theorists.responses import Table, shares, table

_FEWEST = 10
_NARROW = 0.55  # of the range: good trials that spread wider are in no one region
_ROOM = 0.25  # of the range that must be left on a side for an elsewhere to be there
_PAD = 0.12


@dataclass(frozen=True)
class _Home:
    """Where the good trials have one parameter, and the side on which most of its range is left."""

    lever: Lever
    low: float
    high: float

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """The region, in settings; an end of the range is no bound."""
        found = []
        if self.low > 0.0:
            found.append(Bound(self.lever.name, ">=", self.lever.at(self.low)))
        if self.high < 1.0:
            found.append(Bound(self.lever.name, "<=", self.lever.at(self.high)))
        return tuple(found)

    @property
    def beyond(self) -> Bound:
        """The larger part of the range outside."""
        if 1.0 - self.high >= self.low:
            return Bound(self.lever.name, ">=", self.lever.at(self.high))
        return Bound(self.lever.name, "<=", self.lever.at(self.low))


def elsewhere(reading: Reading, objective: Objective) -> Iterator[Question]:
    """Where all good trials lie in one region: whether the best of all lies there, or on which other side."""
    data = table(reading, objective)
    if data.size < _FEWEST or not data.levers:
        return
    homes = _homes(data)
    if not homes:
        return
    m, count = objective.metric, _count(data)
    where = " and ".join(_between(h) for h in homes)
    seen = f"The {count} best of {data.size} trials all have {where}"
    rivals = [
        Rival(
            f"The best {m} of all lies where the good trials lie",
            f"{seen}; what is elsewhere has had its chance, or is cut off from what works.",
            (Lies(m, tuple(b for h in homes for b in h.bounds)),),
        )
    ]
    rivals += (
        Rival(
            f"The best {m} of all has {_bound(h.beyond)}",
            f"{seen}. A search that follows its best trials stays where it is; beyond, other settings than those that "
            "suit this region may work together, and no step that betters one of them alone leads there.",
            (Lies(m, (h.beyond,)),),
        )
        for h in homes
    )
    yield Question(f"does the best {m} lie where the good trials lie?", tuple(rivals), 0.9, needed=True)


def _count(data: Table) -> int:
    return max(4, data.size // 4)


def _homes(data: Table) -> list[_Home]:
    """The one or two parameters that tell most and that all good trials have in one part of the range."""
    good = np.argsort(data.cost, kind="stable")[: _count(data)]
    # Few trials tell little of what matters: what usually does counts as well.
    explained = shares(data) + np.array([lever.weight for lever in data.levers])
    found: list[_Home] = []
    for j in np.argsort(-explained, kind="stable")[:4]:
        units = data.units[good, int(j)]
        low, high = float(max(0.0, units.min() - _PAD)), float(min(1.0, units.max() + _PAD))
        low, high = (0.0 if low < 0.08 else low), (1.0 if high > 0.92 else high)
        if high - low <= _NARROW and max(low, 1.0 - high) >= _ROOM:
            home = _Home(data.levers[int(j)], low, high)
            if home.bounds and all(home.lever.domain.contains(b.value) for b in (*home.bounds, home.beyond)):
                found.append(home)
    return found[:2]


def _between(h: _Home) -> str:
    return f"{h.lever.name} between {number(h.lever.at(h.low))} and {number(h.lever.at(h.high))}"


def _bound(bound: Bound) -> str:
    return f"{bound.parameter} {'above' if bound.op == '>=' else 'below'} {number(bound.value)}"
