"""The workbench: where a change of code is tried before it is handed over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from knowhy.model.events import ExclusionAdded, ParameterChanged, PatchAdded
from knowhy.model.patch import Patch
from knowhy.model.state import State

MOST_PATCHES = 1

RULES = """\
You may also hand in a change of code, at most one: search/replace blocks on files that read_file shows, and the theory
that it tests. It becomes a switch that is on or off, so that what it does is measured.

path/of/file.py
<<<<<<< SEARCH
lines that stand in the file exactly once
=======
what they become
>>>>>>> REPLACE

Keep it small. It is applied, read by Python and run for some seconds first; where that fails it comes back to you.
"""


class Bench(Protocol):
    """Checks changes of code for a study of a repository."""

    def check(self, state: State, text: str, because: str, name: str, by: str) -> Patch:
        """``text`` as a patch that applies, can be read by Python, and does not fail at once; raises PatchError."""
        ...

    def joining(self, state: State, patch: Patch) -> Sequence[PatchAdded | ParameterChanged | ExclusionAdded]:
        """The events by which ``patch`` joins ``state``; raises PatchError where it does not fit any more."""
        ...
