"""The report as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from knowhy.errors import UsageError
from knowhy.model.state import State
from knowhy.reports.html import write_html
from knowhy.reports.markdown import write_markdown
from knowhy.views import Mind


def write(state: State, mind: Mind, target: Path, form: Literal["html", "md"] | None = None, *, journal: str) -> None:
    """Write the report to ``target`` as ``form``, or as its suffix says; raises UsageError where it cannot be."""
    markdown = form == "md" if form else target.suffix.lower() in (".md", ".markdown")
    text = (write_markdown if markdown else write_html)(state, mind, journal=journal)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}", "name another file") from None
