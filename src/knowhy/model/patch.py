"""A change of code that can be on or off."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

PatchForm = Literal["diff", "edit", "file"]

PATCH_ROLE = "patch"
"""The role of the switch that stands for a patch."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A change of the files under study, relative to the base of the study.

    ``name`` is that of its switch. ``diff`` is a unified diff against the base, whole and exact: with the base, all
    that is needed to make the patched files again. ``form`` is how it was handed in (a diff, search/replace blocks, a
    whole file), ``because`` why it should help, ``by`` who proposed it, ``files`` what it touches.
    """

    name: str
    because: str
    diff: str
    files: tuple[str, ...]
    form: PatchForm = "diff"
    by: str = "person"

    @property
    def sha256(self) -> str:
        """The address of its content."""
        return hashlib.sha256(self.diff.encode("utf-8", "surrogateescape")).hexdigest()
