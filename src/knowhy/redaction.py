"""Keys, tokens and passwords, blacked out wherever text is kept or shown.

What looks like one goes, and so does every value of this process's own environment that stands under a secret's name,
and every one that was given to a script as an argument (``remember``).
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from functools import lru_cache

HIDDEN = "[redacted]"
_SHORTEST = 8  # shorter values of the environment are words that stand in any log

NAMES = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|AUTH|(?:API|ACCESS|_)_?KEY|DSN|COOKIE", re.IGNORECASE
)
_OPTION = re.compile(
    r"(?i)--?(?:\w{1,30}[-_]){0,4}(?:token|secret|passw(?:or)?d|passphrase|credentials?|api[-_]?key|access[-_]?key"
    r"|private[-_]?key|secret[-_]?key|auth|dsn|cookie)"
)
_PASSWORD = re.compile(r"://[^/\s:@]*:([^/\s@]+)@|[?&][\w-]*(?:token|key|sig|secret|password)[\w-]*=([^&\s]+)")
_PATTERNS = (
    re.compile(
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,8000}?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)", re.DOTALL
    ),
    re.compile(r"\b(?:sk|rk|pk)[-_][A-Za-z0-9_-]{16,}"),
    re.compile(
        r"\b(?:gh[pousr]_|github_pat_|glpat-|hf_|xox[abeprs]-|npm_|pypi-|dop_v1_|wandb_v\d_|r8_|gsk_|xai-|AGE-SECRET-KEY-)"
        r"[A-Za-z0-9_-]{16,}"
    ),
    re.compile(r"\b(?:AKIA|ASIA|AROA)[0-9A-Z]{16}\b"),
    re.compile(r"\bAIza[0-9A-Za-z_-]{30,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}"),
    re.compile(r"(?<=://)[^/\s:@]{1,200}:[^/\s@]{1,200}(?=@)|(?<=://)[^/\s:@]{8,200}(?=@)"),
    re.compile(
        r"(?i)(?<=[?&])((?:access_|auth_|api_|refresh_|id_)?(?:token|key|signature|sig|secret|password)"
        r"|x-amz-[a-z-]{1,30})=[^&\s\"'#]{4,}"
    ),
    re.compile(r"(?i)\b(?:bearer|basic)\s+(?=[^\s]{0,200}[0-9+/=_-])[A-Za-z0-9+/=._-]{16,}"),
    re.compile(
        r"(?i)\b[\w-]{0,40}(?:api[_-]?key|access[_-]?key|secret(?:_?key|_access_key)?|passw(?:or)?d|passphrase|auth_?token"
        r"|access[_-]?token|private[_-]?key|client_?secret|[_-]token)[\"']?\s{0,4}[:=]\s{0,4}[\"']?[^\s\"',;]{6,}"
    ),
)


_remembered: set[str] = set()


def remember(words: Iterable[str]) -> None:
    """Black out from now on the secrets among the words of a command line, wherever they occur."""
    words = tuple(words)
    for word, safe in zip(words, redact_arguments(words), strict=True):
        if word != safe:
            value = word.partition("=")[2] if word.startswith("-") and "=" in word else word
            found = [a or b for a, b in _PASSWORD.findall(value)] or ([] if "://" in value else [value])
            _remembered.update(v for v in found if len(v) >= _SHORTEST)


def redact(text: str) -> str:
    """``text`` with secrets that are known and what looks like one replaced by "[redacted]"."""
    for value in (*_of_environment(tuple(sorted(os.environ.items()))), *sorted(_remembered, key=len, reverse=True)):
        if value in text:
            text = text.replace(value, HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(HIDDEN, text)
    return text


def redact_arguments(words: Iterable[str]) -> tuple[str, ...]:
    """The words of a command line, the values of options with a secret's name blacked out as well."""
    result: list[str] = []
    hide_next = False
    for word in words:
        name, equals, _ = word.partition("=")
        if hide_next and not word.startswith("--"):
            result.append(HIDDEN)
        elif equals and _OPTION.fullmatch(name):
            result.append(f"{name}={HIDDEN}")
        else:
            result.append(redact(word))
        hide_next = not equals and bool(_OPTION.fullmatch(word))
    return tuple(result)


def redact_command(command: str) -> str:
    """A command line as it may be kept or shown; what cannot be split is only searched."""
    try:
        words = shlex.split(command)
    except ValueError:
        return redact(command)
    safe = redact_arguments(words)
    return command if safe == tuple(words) else shlex.join(safe)


@lru_cache(maxsize=4)
def _of_environment(items: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Values under secrets' names, the longest first."""
    found = {value for name, value in items if NAMES.search(name) and len(value) >= _SHORTEST and "/" not in value[:1]}
    return tuple(sorted(found, key=len, reverse=True))
