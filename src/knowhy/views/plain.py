"""Views as JSON-able data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass


def as_json(view: object) -> object:
    """``view`` as what ``json.dumps`` takes: dataclasses become objects, non-finite numbers None."""
    if is_dataclass(view) and not isinstance(view, type):
        return {f.name: as_json(getattr(view, f.name)) for f in fields(view)}
    if isinstance(view, Mapping):
        return {str(key): as_json(value) for key, value in view.items()}
    if isinstance(view, (list, tuple, set, frozenset)):
        return [as_json(value) for value in view]
    if isinstance(view, float):
        return float(view) if math.isfinite(view) else None
    if view is None or isinstance(view, (bool, int, str)):
        return view
    return str(view)
