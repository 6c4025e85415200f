"""The report as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from knowhy.model.state import State
from knowhy.reports.html import write_html
from knowhy.reports.markdown import write_markdown
from knowhy.views import Mind
from knowhy.writing import write_whole


def write(state: State, mind: Mind, target: Path, form: Literal["html", "md"] | None = None, *, journal: str) -> None:
    """Write the report to ``target`` as ``form``, or as its suffix says; raises UsageError where it cannot be."""
    markdown = form == "md" if form else target.suffix.lower() in (".md", ".markdown")
    text = (write_markdown if markdown else write_html)(state, mind, journal=journal)
    write_whole(target, text, folders=True)
