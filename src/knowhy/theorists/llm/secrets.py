"""Secrets stay where they are: what goes to a provider is blotted out more strictly than what is kept here.

Beside what looks like a secret (see ``redaction``), no telling value of the environment is sent, whatever its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from knowhy.redaction import HIDDEN, redact

_SECRET_NAME = re.compile(
    r"key|token|secret|passw|pwd$|credential|auth|cookie|session|private|signature|dsn|webhook|conn(ection)?_?str", re.I
)
_PLAIN = re.compile(r"[A-Za-z][a-z_]*|[A-Z_]+|[\d.,:+-]+|(?:/[\w.+@-]*)+(?::(?:/[\w.+@-]*)+)*|true|false", re.ASCII)
_SHORTEST_SECRET, _SHORTEST = 4, 8

_LONG = re.compile(r"\b(?=[A-Za-z0-9_-]*\d)(?=[A-Za-z0-9_-]*[a-z])(?=[A-Za-z0-9_-]*[A-Z])[A-Za-z0-9_-]{32,}\b")


class Redactor:
    """Blots out values of environment variables, tokens in addresses, and strings that look like keys."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Learn the values of ``environment`` that must not be seen; the values themselves stay in this object."""
        found = {}
        for name, value in environment.items():
            secret = bool(_SECRET_NAME.search(name)) and len(value) >= _SHORTEST_SECRET
            telling = len(value) >= _SHORTEST and not _PLAIN.fullmatch(value) and not name.startswith("KNOWHY_")
            if secret or telling:
                found[value] = name
        # The longest first: a value may be part of another.
        self._values = sorted(found.items(), key=lambda item: -len(item[0]))

    def __call__(self, text: str) -> str:
        """``text`` without secrets; what was taken out is marked."""
        for value, name in self._values:
            if value in text:
                text = text.replace(value, f"[environment: {name}]")
        return _LONG.sub(HIDDEN, redact(text))
