"""A training with planted patches, run in this process: the same code that a checkout would hold."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from types import CodeType

from knowhy.model.exclusion import Exclusion
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import Choices, Parameter, Point, Space
from knowhy.subjects.repo.hunks import Change, change, clash, merged


@dataclass(frozen=True)
class Planted:
    """A patch of the base as (old, new) lines; ``because`` is what its author says."""

    name: str
    because: str
    old: str
    new: str


@dataclass(frozen=True)
class PlantedSet:
    """A base with its patches; ``metric`` is small where it is good.

    ``together`` are patches that do nothing alone and help together. ``execute`` runs a program on a seed and returns
    its metrics. What the patches truly do is in the file ``truth``.
    """

    name: str
    metric: str
    base: bytes
    patches: tuple[Planted, ...]
    together: tuple[tuple[str, str], ...]
    execute: Callable[[CodeType, int], Mapping[str, float]]
    truth: Path
    _codes: dict[frozenset[str], CodeType] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The patches, in their order."""
        return tuple(p.name for p in self.patches)

    def patched(self, name: str) -> bytes:
        """The base with one patch."""
        (chosen,) = [p for p in self.patches if p.name == name]
        assert self.base.count(chosen.old.encode()) == 1, name
        return self.base.replace(chosen.old.encode(), chosen.new.encode())

    @cached_property
    def changes(self) -> Mapping[str, Change]:
        """What each patch changes."""
        return {n: change({"train.py": self.base}, {"train.py": self.patched(n)}) for n in self.names}

    @cached_property
    def space(self) -> Space:
        """A switch for each patch, and the pairs that change the same lines."""
        excluded = tuple(
            Exclusion((one, two), f"both change {where}")
            for one, two in combinations(self.names, 2)
            if (where := clash(self.changes[one], self.changes[two]))
        )
        return Space(tuple(Parameter(n, Choices((False, True)), False, PATCH_ROLE) for n in self.names), excluded)

    def train(self, on: Iterable[str], seed: int) -> Mapping[str, float]:
        """Metrics of one run with the patches ``on``."""
        chosen = frozenset(on)
        if chosen not in self._codes:
            source = merged(self.base, [self.changes[name]["train.py"] for name in sorted(chosen)])
            assert source is not None
            self._codes[chosen] = compile(source, "train.py", "exec")
        return self.execute(self._codes[chosen], seed)

    def trial(self, point: Point, seed: int) -> Mapping[str, float]:
        """What a trial of a study reports."""
        return self.train([name for name in self.names if point.get(name) is True], seed)


def printed(run: Callable[[], object]) -> dict[str, float]:
    """The metrics that ``run`` prints, one ``name: number`` a line."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        run()
    found = {}
    for line in said.getvalue().splitlines():
        name, colon, number = line.partition(": ")
        if colon and " " not in name and " " not in number:
            found[name] = float(number)
    return found
