"""The three-line helper that a training script may call: numbers of a trial, as JSON lines."""

from __future__ import annotations

import json
import os
from typing import Any

RESULT = "KNOWHY_RESULT"


def report(step: float | None = None, **metrics: float) -> None:
    """Report numbers of the running trial; with ``step`` they also form curves, and the last value counts.

    Takes Python, numpy and torch scalars. Does nothing outside of a trial (without KNOWHY_RESULT), so that a
    script can keep the call. Raises TypeError for a value that is not one number.
    """
    path = os.environ.get(RESULT)
    if not path:
        return
    line: dict[str, float] = {} if step is None else {"step": as_number("step", step)}
    line.update({name: as_number(name, value) for name, value in metrics.items()})
    # One write on a descriptor in append mode, so that lines of several processes do not mix.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, json.dumps(line).encode() + b"\n")
    finally:
        os.close(fd)


def as_number(name: str, value: Any) -> float:
    """``value`` as a float; raises TypeError naming ``name`` where it is not one number."""
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"the metric {name} must be one number, not {type(value).__name__}: {error}") from None
