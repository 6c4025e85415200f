"""Durations and sizes as people write them: ``30m``, ``1h30m``, ``4GB``."""

from __future__ import annotations

import math
import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")
_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]i?|)b?", re.IGNORECASE)


def seconds(text: str) -> float:
    """The seconds of a duration such as ``90``, ``90s``, ``30m``, ``2h`` or ``1h30m``; raises ValueError."""
    words = text.strip().lower()
    try:
        value = float(words)
    except ValueError:
        parts = list(_DURATION.finditer(words))
        if not parts or "".join(part.group(0) for part in parts) != words:
            raise ValueError(f"{text!r} is no duration such as 90s, 30m, 2h or 1h30m") from None
        value = sum(float(part.group(1)) * _SECONDS[part.group(2)] for part in parts)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"a duration must be longer than nothing, not {text}")
    return value


def size(text: str) -> int:
    """The bytes of a size such as ``512MB``, ``4GB`` or ``4GiB`` (a bare number counts bytes); raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no size such as 512MB, 4GB or 4GiB")
    value = round(float(match.group(1)) * _BYTES[match.group(2).lower()])
    if value <= 0:
        raise ValueError(f"a size must be more than nothing, not {text}")
    return value
