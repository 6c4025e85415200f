"""Secrets stay where they are: what must not be sent, logged or journaled is blotted out first."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECRET_NAME = re.compile(
    r"key|token|secret|passw|pwd$|credential|auth|cookie|session|private|signature|dsn|webhook|conn(ection)?_?str", re.I
)
_PLAIN = re.compile(r"[A-Za-z][a-z_]*|[A-Z_]+|[\d.,:+-]+|(?:/[\w.+@-]*)+(?::(?:/[\w.+@-]*)+)*|true|false", re.ASCII)
_SHORTEST_SECRET, _SHORTEST = 4, 8

_SHAPES = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
    re.compile(
        r"\b(?:sk|pk|rk|xai|gsk|hf|ghp|gho|ghu|ghs|ghr|glpat|npm|pypi|AIza|ya29|xox[abprs])[-_.]?[A-Za-z0-9_\-.]{16,}"
    ),
    re.compile(r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
)
_BEARER = re.compile(r"(?i)\b(bearer|basic|authorization:\s*\w+)\s+[A-Za-z0-9+/=_.~-]{8,}")
_USER_IN_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,15}://)[^\s/@'\"<>]+@")
_QUERY = re.compile(
    r"(?i)([?&;](?:[a-z0-9_-]*(?:key|token|secret|password|passwd|sig|signature|auth|credential|code)[a-z0-9_-]*)=)[^\s&#'\"<>]+"
)
_ASSIGNED = re.compile(
    r"(?i)\b([a-z0-9_.-]*(?:api[_-]?key|secret|passw(?:or)?d|access[_-]?token|auth[_-]?token|private[_-]?key)"
    r"[a-z0-9_.-]*[\"']?\s*[:=]\s*)([\"']?)([^\s\"',;&]{6,})\2"
)
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
        for shape in _SHAPES:
            text = shape.sub("[a key]", text)
        text = _BEARER.sub(r"\1 [a key]", text)
        text = _USER_IN_URL.sub(r"\1[login]@", text)
        text = _QUERY.sub(r"\1[a key]", text)
        text = _ASSIGNED.sub(r"\1\2[a key]\2", text)
        return _LONG.sub("[a key]", text)

    def __repr__(self) -> str:
        """Never the values."""
        return f"Redactor({len(self._values)} values)"
