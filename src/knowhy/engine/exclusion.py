"""Switches that exclude one another, on encoded rows."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from knowhy.model.space import Choices, Space

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def apart(space: Space, names: Sequence[str], slices: Sequence[slice], rows: Array) -> Array:
    """``rows`` (of existing settings of the parameters ``names``) in which no exclusion of ``space`` is broken.

    Which of several switches is turned off hangs on the row alone, and over many rows each is about equally often.
    """
    for number, exclusion in enumerate(space.exclusions):
        if not all(name in names for name in exclusion.parameters):
            continue  # a switch without a column is off
        columns, on = [], []
        for name in exclusion.parameters:
            domain = space[name].domain
            assert isinstance(domain, Choices)
            columns.append(slices[names.index(name)].start)
            on.append(float(next(i for i, v in enumerate(domain.values) if v is True)))
        broken = np.flatnonzero((np.abs(rows[:, columns] - on) < 1e-6).all(axis=1))
        if not len(broken):
            continue
        rows = rows.copy()
        for i in broken:
            key = zlib.crc32(np.ascontiguousarray(rows[i].round(9) + 0.0).tobytes() + bytes([number % 251]))
            at = key % len(columns)
            rows[i, columns[at]] = 1.0 - on[at]
    return rows
