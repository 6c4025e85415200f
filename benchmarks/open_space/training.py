"""The digits training with planted patches on: about 20 ms a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import CodeType

import sklearn.datasets

from benchmarks.open_space.planted import PATCHES, TOGETHER
from benchmarks.open_space.planted_set import PlantedSet, printed

_HERE = Path(__file__).parent
_REAL = sklearn.datasets.load_digits


def execute(code: CodeType, seed: int) -> Mapping[str, float]:
    """Metrics of one run."""
    os.environ["KNOWHY_SEED"] = str(seed)
    real, sklearn.datasets.load_digits = sklearn.datasets.load_digits, _load
    try:
        return printed(lambda: exec(code, {"__name__": "__main__"}))
    finally:
        sklearn.datasets.load_digits = real


def _load(*, return_X_y: bool) -> tuple[object, object]:
    images, labels = _cached()
    return images.copy(), labels.copy()  # type: ignore[attr-defined]


@cache
def _cached() -> tuple[object, object]:
    images, labels = _REAL(return_X_y=True)
    return images, labels


DIGITS = PlantedSet(
    "digits",
    "val_loss",
    (_HERE / "digits_train.py").read_bytes(),
    PATCHES,
    TOGETHER,
    execute,
    _HERE / "truth.json",
)
