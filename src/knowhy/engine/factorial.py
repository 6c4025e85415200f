"""Spaces of few configurations: all of them run, twice each, before anything is concluded or searched for.

Source: Fisher 1935 (factorial designs and their replication).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from itertools import product

import numpy as np

from knowhy.engine.encoding import Array, places
from knowhy.model.space import Choices, Scalar, Space

TWICE = 2
_LEAST, _MANY = 3, 64


def every(space: Space) -> list[dict[str, Scalar]] | None:
    """All configurations of ``space``, what is held at its default; None where they are many."""
    domains = [p.domain for p in space.active]
    values = [domain.values for domain in domains if isinstance(domain, Choices)]
    if len(values) < len(domains) or math.prod(len(v) for v in values) > _MANY:
        return None
    names, defaults = [p.name for p in space.active], space.defaults()
    found = (space.complete({**defaults, **dict(zip(names, chosen, strict=True))}) for chosen in product(*values))
    return list({repr(point): point for point in found}.values())


def enough(space: Space) -> int:
    """How many different configurations tell a scale from a slope: three, or all where ``space`` has fewer."""
    points = every(space)
    return _LEAST if points is None else min(_LEAST, len(points))


def next_run(rows: Array, tried: Array) -> int | None:
    """Which of ``rows`` ran least among the ``tried``; None where each has run twice."""
    ran = Counter(places(tried))
    times = [ran[key] for key in places(rows)]
    at = int(np.argmin(times))
    return at if times[at] < TWICE else None


def all_known(rows: Array, runs: Mapping[bytes, int], failed: Array, times: int) -> bool:
    """Whether each of ``rows`` completed so many ``times`` (``runs``, by place), or is only among the ``failed``."""
    lost = set(places(failed))
    return all(runs.get(key, 0) >= times or (key in lost and key not in runs) for key in places(rows))
