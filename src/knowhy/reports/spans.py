"""Text with links and emphasis, as HTML."""

from __future__ import annotations

import re
from html import escape
from typing import assert_never

from knowhy.reports.blocks import Code, Span, Strong, Text, TheoryLink, TrialLink

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """``text`` without terminal escapes, control characters and marks that turn the direction of writing."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return _CONTROLS.sub("", _ESCAPES.sub("", lines))


def anchor(theory: str) -> str:
    """The id of a theory's card: letters, digits, "-" and "_" only, and never that of another theory."""
    return "theory-" + re.sub(r"[^A-Za-z0-9-]", lambda m: f"_{ord(m[0]):x}_", theory)


def spans(text: Text) -> str:
    """``text`` as HTML, escaped."""
    return "".join(_span(s) for s in text)


def _span(span: Span) -> str:
    match span:
        case str():
            return escape(clean(span))
        case Strong():
            return f"<strong>{escape(clean(span.text))}</strong>"
        case Code():
            return f"<code>{escape(clean(span.text))}</code>"
        case TrialLink():
            return f'<a class="trial" href="#trial-{span.number}">{span.number}</a>'
        case TheoryLink():
            return f'<a class="theory-link" href="#{anchor(span.id)}">{escape(clean(span.id))}</a>'
        case _:
            assert_never(span)
