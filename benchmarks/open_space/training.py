"""The digits training with planted patches on, in this process: the same code that a checkout would hold."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import CodeType

import sklearn.datasets

from benchmarks.open_space.planted import PATCHES
from knowhy.model.exclusion import Exclusion
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import Choices, Parameter, Point, Space
from knowhy.subjects.repo.hunks import change, clash, merged

BASE = (Path(__file__).parent / "digits_train.py").read_bytes()


def patched(name: str) -> bytes:
    """The base with one patch."""
    (chosen,) = [p for p in PATCHES if p.name == name]
    assert BASE.count(chosen.old.encode()) == 1, name
    return BASE.replace(chosen.old.encode(), chosen.new.encode())


CHANGES = {p.name: change({"train.py": BASE}, {"train.py": patched(p.name)}) for p in PATCHES}


def space() -> Space:
    """A switch for each patch, and the pairs that change the same lines."""
    names = list(CHANGES)
    excluded = tuple(
        Exclusion((one, two), f"both change {where}")
        for i, one in enumerate(names)
        for two in names[i + 1 :]
        if (where := clash(CHANGES[one], CHANGES[two]))
    )
    return Space(tuple(Parameter(n, Choices((False, True)), False, PATCH_ROLE) for n in names), excluded)


@cache
def code(on: frozenset[str]) -> CodeType:
    """The program with the patches ``on``."""
    source = merged(BASE, [CHANGES[name]["train.py"] for name in sorted(on)])
    assert source is not None
    return compile(source, "train.py", "exec")


def train(on: Iterable[str], seed: int) -> dict[str, float]:
    """Metrics of one run."""
    os.environ["KNOWHY_SEED"] = str(seed)
    real, sklearn.datasets.load_digits = sklearn.datasets.load_digits, _load
    printed = io.StringIO()
    names: dict[str, object] = {"__name__": "__main__"}
    try:
        with contextlib.redirect_stdout(printed):
            exec(code(frozenset(on)), names)
    finally:
        sklearn.datasets.load_digits = real
    found = (line.partition(": ") for line in printed.getvalue().splitlines())
    return {name: float(number) for name, _, number in found}


_REAL = sklearn.datasets.load_digits


def _load(*, return_X_y: bool) -> tuple[object, object]:
    images, labels = _cached()
    return images.copy(), labels.copy()  # type: ignore[attr-defined]


@cache
def _cached() -> tuple[object, object]:
    images, labels = _REAL(return_X_y=True)
    return images, labels


def trial(point: Point, seed: int) -> dict[str, float]:
    """What a trial of a study reports."""
    return train([name for name in CHANGES if point.get(name) is True], seed)
