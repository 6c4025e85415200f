"""knowhy: know-how is a configuration, know-why is a theory.

Names are imported when they are first used, so that a script that only reports metrics stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knowhy import errors as errors
    from knowhy.cases.repository import Repo as Repo
    from knowhy.comparing import compare as compare
    from knowhy.errors import KnowhyError as KnowhyError
    from knowhy.execution.emit import report as report
    from knowhy.model.objective import Constraint as Constraint
    from knowhy.model.objective import Objective as Objective
    from knowhy.model.space import (
        Parameter as Parameter,
    )
    from knowhy.model.space import (
        Space as Space,
    )
    from knowhy.model.space import (
        choice as choice,
    )
    from knowhy.model.space import (
        integer as integer,
    )
    from knowhy.model.space import (
        power_of_two as power_of_two,
    )
    from knowhy.model.space import (
        real as real,
    )
    from knowhy.model.space import (
        switch as switch,
    )
    from knowhy.model.trust import Trust as Trust
    from knowhy.study import Study as Study

__version__ = "0.1.0"

_HOMES = {
    "compare": "knowhy.comparing",
    "Study": "knowhy.study",
    "Repo": "knowhy.cases.repository",
    "report": "knowhy.execution.emit",
    "Constraint": "knowhy.model.objective",
    "Objective": "knowhy.model.objective",
    "Parameter": "knowhy.model.space",
    "Space": "knowhy.model.space",
    "choice": "knowhy.model.space",
    "integer": "knowhy.model.space",
    "power_of_two": "knowhy.model.space",
    "real": "knowhy.model.space",
    "switch": "knowhy.model.space",
    "Trust": "knowhy.model.trust",
    "KnowhyError": "knowhy.errors",
}

__all__ = ["__version__", "errors", *_HOMES]


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name == "errors":
        return importlib.import_module("knowhy.errors")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
